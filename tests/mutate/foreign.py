"""Readers of what other people's programs wrote: shapes, pictures, lists and configs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from benchmarks.files.pairing import instances
from datasets.formats.binvox import read_binvox, write_binvox
from datasets.formats.images import read_mask, read_rgba
from datasets.formats.mat import read_voxel_mat
from datasets.formats.meshes import read_mesh
from datasets.formats.packed import PackedGrids
from datasets.formats.points import read_points
from datasets.formats.shapes import read_shape
from datasets.sources.folder.layout import read_index
from datasets.sources.pix3d.index import read_coco, read_release
from datasets.splits import read_split_file
from tests.helpers.writers import write_voxel_mat
from tests.mutate.readers import Reader
from zoo.config import load_config, parse_overrides
from zoo.errors import UserError
from zoo.shapes import PointShape, VoxelShape

GRID = np.indices((8, 8, 8)).sum(0) % 5 < 2
CLOUD = np.random.default_rng(0).uniform(-0.5, 0.5, (40, 3)).astype(np.float32)


def _body() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=1, radius=0.4)


def _mesh(name: str, **options: Any) -> Reader:
    def make(folder: Path) -> None:
        data = _body().export(file_type=name.partition("-")[0], **options)
        (folder / file).write_bytes(data.encode() if isinstance(data, str) else data)

    def read(folder: Path) -> tuple[int, Any]:
        mesh = read_mesh(folder / file, colors=True).mesh
        return len(mesh.faces), mesh.vertices.tobytes()

    file = f"shape.{name.partition('-')[0]}"
    return Reader(name, make, read, (file,), tells=name != "obj")


def _obj(folder: Path) -> None:
    body = _body()
    lines = ["mtllib shape.mtl", "usemtl red", *(f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in body.vertices)]
    lines += [f"vt {x:.3f} {y:.3f}" for x, y, _ in body.vertices]
    lines += ["f " + " ".join(f"{i + 1}/{i + 1}" for i in face) for face in body.faces]
    (folder / "shape.obj").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "shape.mtl").write_text("newmtl red\nKd 0.9 0.2 0.1\nmap_Kd shape.png\n", encoding="utf-8")
    Image.fromarray(_pixels()[..., :3]).save(folder / "shape.png")


def _read_obj(folder: Path) -> tuple[int, Any]:
    mesh = read_mesh(folder / "shape.obj", colors=True).mesh
    return len(mesh.faces), mesh.vertices.tobytes()


def _pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (12, 16, 4), dtype=np.uint8)


def _picture(name: str, mode: str, **options: Any) -> Reader:
    def make(folder: Path) -> None:
        Image.fromarray(_pixels()).convert(mode).save(folder / name, **options)

    def read(folder: Path) -> tuple[int, Any]:
        pixels = read_rgba(folder / name)
        return pixels.size, pixels.tobytes()

    return Reader(name, make, read, (name,))


def _read_mask(folder: Path) -> tuple[int, Any]:
    mask = read_mask(folder / "mask.png")
    return mask.size, mask.tobytes()


def _shape(name: str, make: Callable[[Path], Any]) -> Reader:
    """One file with a grid or a cloud."""

    def read(folder: Path) -> tuple[int, Any]:
        shape = read_shape(folder / name)
        if isinstance(shape, VoxelShape):
            return shape.occupancy.size, shape.occupancy.tobytes()
        assert isinstance(shape, PointShape)
        return len(shape.cloud), shape.cloud.tobytes()

    return Reader(name, lambda folder: make(folder / name), read, (name,))


def _read_binvox(folder: Path) -> tuple[int, Any]:
    grid = read_binvox(folder / "grid.binvox").voxels
    return grid.size, grid.tobytes()


def _read_mat(folder: Path) -> tuple[int, Any]:
    grid = read_voxel_mat(folder / "grid.mat")
    return grid.size, grid.tobytes()


def _ply_cloud(folder: Path) -> None:
    header = f"ply\nformat ascii 1.0\nelement vertex {len(CLOUD)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    rows = "".join(" ".join(f"{v:.5f}" for v in row) + "\n" for row in CLOUD)
    (folder / "cloud.ply").write_text(header + rows, encoding="utf-8")


def _read_cloud(folder: Path) -> tuple[int, Any]:
    points = read_points(folder / "cloud.ply").points
    return len(points), points.tobytes()


def _packed(folder: Path) -> None:
    grids = np.random.default_rng(2).integers(0, 256, (5, 4096), dtype=np.uint8)
    np.save(folder / "occupancy.npy", grids)
    (folder / "ids.txt").write_text("".join(f"chair/{k}\n" for k in range(5)), encoding="utf-8")


def _read_packed(folder: Path) -> tuple[int, Any]:
    grids = PackedGrids(folder, folder / "cache")
    read = [grids.grid(name) for name in grids.ids]
    return len(read), np.stack(read).tobytes() if read else b""


PHOTO = {
    "img": "img/chair/0001.png", "category": "chair", "img_size": [260, 200], "mask": "mask/chair/0001.png",
    "voxel": "model/chair/A/voxel.mat", "model": "model/chair/A/model.obj", "bbox": [10, 20, 200, 180],
    "rot_mat": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "trans_mat": [0.1, 0.2, 1.5],
    "focal_length": 30.0, "truncated": False, "occluded": False, "slightly_occluded": True,
}  # fmt: skip


def _pix3d(folder: Path) -> None:
    rows = [PHOTO | {"img": f"img/chair/{k:04d}.png"} for k in range(4)]
    (folder / "pix3d.json").write_text(json.dumps(rows), encoding="utf-8")


def _coco(folder: Path) -> None:
    content = {
        "images": [{"id": k, "file_name": f"img/chair/{k}.png", "width": 9, "height": 9} for k in (1, 2)],
        "categories": [{"id": 1, "name": "chair"}],
        "annotations": [
            {"image_id": k, "category_id": 1, "K": [9.0, 4.0, 4.0], "bbox": [0, 0, 8, 8], **_ANNOTATED}
            for k in (1, 2)
        ],
    }
    (folder / "coco.json").write_text(json.dumps(content), encoding="utf-8")


_ANNOTATED = {key: PHOTO[key] for key in ("model", "voxel", "rot_mat", "trans_mat")} | {
    "segmentation": "mask/chair/1.png"
}


def _photos(entries: Any) -> tuple[int, Any]:
    """What can be used of an index: an entry that is garbled costs itself."""
    for entry in entries:
        try:
            entry.photo()
        except UserError:
            continue
    return len(entries), [entry.id for entry in entries]


def _names(folder: Path) -> None:
    (folder / "truths" / "chair").mkdir(parents=True)
    for name in "abc":
        (folder / "truths" / "chair" / f"{name}.off").touch()
    rows = "".join(f"chair/{name}-{view},chair/{name},{view}\n" for name in "abc" for view in (0, 1))
    (folder / "names.csv").write_text("name,truth,view\n" + rows, encoding="utf-8")


def _read_names(folder: Path) -> tuple[int, Any]:
    found = instances(folder / "truths", folder / "names.csv")
    return len(found), [(one.name, one.view) for one in found]


def _split_json(folder: Path) -> None:
    rows = [{"taxonomy_id": f"0{k}", "train": ["a", "b"], "val": ["c"], "test": ["d"]} for k in range(3)]
    (folder / "split.json").write_text(json.dumps(rows), encoding="utf-8")


def _split_csv(folder: Path) -> None:
    rows = "".join(f"{k},0{2691156 + k},0269,m{k},{('train', 'val', 'test')[k % 3]}\n" for k in range(9))
    (folder / "split.csv").write_text("id,synsetId,subSynsetId,modelId,split\n" + rows, encoding="utf-8")


def _index(folder: Path) -> None:
    rows = "".join(f"chair/{k},chair,{('train', 'val', 'test')[k % 3]},y,x\n" for k in range(6))
    (folder / "index.csv").write_text("id,category,split,up,front\n" + rows, encoding="utf-8")


def _yaml(folder: Path) -> None:
    text = Path(__file__).parents[2].joinpath("configs", "vae_gan_baseline.yaml").read_bytes()
    (folder / "model.yaml").write_bytes(text)


SETTINGS = (
    "train.steps=500\nlosses={voxel_bce: {weight: 1.5}, kl: null}\nencoder.widths=[4, 8]\nframe=viewer\n"
)


def _read_settings(folder: Path) -> tuple[int, Any]:
    file = folder / "set.txt"  # stands for a command line, which is never gone
    text = file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() else ""
    found = parse_overrides(text.split("\n")[:-1])
    return len(found), repr(found)


def _sized(found: Any) -> tuple[int, Any]:
    return len(found), repr(found)


FOREIGN = (
    Reader("obj", _obj, _read_obj, ("shape.obj", "shape.mtl", "shape.png"), tells=False),
    _mesh("off"),
    _mesh("ply"),
    _mesh("ply-ascii", encoding="ascii"),
    _mesh("stl"),
    _mesh("glb"),
    Reader("binvox", lambda f: write_binvox(f / "grid.binvox", GRID), _read_binvox, ("grid.binvox",)),
    _shape("grid.npz", lambda path: np.savez_compressed(path, voxels=GRID)),
    _shape("cloud.npz", lambda path: np.savez(path, points=CLOUD)),
    _shape("grid.npy", lambda path: np.save(path, GRID.astype(np.float32))),
    Reader("mat", lambda f: write_voxel_mat(f / "grid.mat", GRID), _read_mat, ("grid.mat",)),
    Reader("ply-cloud", _ply_cloud, _read_cloud, ("cloud.ply",)),
    Reader("vox32", _packed, _read_packed, ("occupancy.npy", "ids.txt"), tells=False),
    _picture("picture.png", "RGBA"),
    _picture("palette.png", "P"),
    _picture("picture.jpg", "RGB", quality=90),
    _picture("picture.webp", "RGBA", lossless=True),
    Reader(
        "mask.png",
        lambda f: Image.fromarray(_pixels()[..., 0]).save(f / "mask.png"),
        _read_mask,
        ("mask.png",),
    ),
    Reader("pix3d.json", _pix3d, lambda f: _photos(read_release(f / "pix3d.json")), ("pix3d.json",)),
    Reader("coco.json", _coco, lambda f: _photos(read_coco(f / "coco.json")), ("coco.json",)),
    Reader("index.csv", _index, lambda f: _sized(read_index(f / "index.csv")), ("index.csv",), tells=False),
    Reader("names.csv", _names, _read_names, ("names.csv",), tells=False),
    Reader("split.json", _split_json, lambda f: _sized(read_split_file(f / "split.json")), ("split.json",)),
    Reader(
        "split.csv",
        _split_csv,
        lambda f: _sized(read_split_file(f / "split.csv")),
        ("split.csv",),
        tells=False,
    ),
    Reader(
        "yaml",
        _yaml,
        lambda f: _sized(load_config(str(f / "model.yaml")).resolved()),
        ("model.yaml",),
        tells=False,
    ),
    Reader(
        "set",
        lambda f: (f / "set.txt").write_text(SETTINGS, encoding="utf-8"),
        _read_settings,
        ("set.txt",),
        tells=False,
    ),
)
