from __future__ import annotations

import json
import math
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import DataError, Item, PrepareOptions
from datasets.formats.binvox import write_binvox
from datasets.prepare import open_dataset
from datasets.sources.r2n2 import R2N2, R2N2Config
from datasets.sources.shapenet.models import KNOWN_BAD
from datasets.splits import sorted_rule
from zoo.config import ConfigError
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

CHAIR, CAR = "03001627", "02958343"
SCALE = 0.8


def grid_of(model: str) -> np.ndarray:
    rng = np.random.default_rng(sum(model.encode()))
    return rng.random((32, 32, 32)) < 0.1


def image_of(model: str, view: int) -> np.ndarray:
    rng = np.random.default_rng(sum(model.encode()) * 100 + view)
    return rng.integers(0, 256, (137, 137, 4), dtype=np.uint8)


def metadata_of(view: int) -> tuple[float, float, float, float, float]:
    return (15.0 * view + 1, 25 + view / 10, 0, 0.65 + view / 100, 25)


def add_voxels(root: Path, synset: str, model: str) -> Path:
    folder = root / "ShapeNetVox32" / synset / model
    folder.mkdir(parents=True)
    write_binvox(folder / "model.binvox", grid_of(model), (-0.1, -0.4, -0.1), SCALE)
    return folder / "model.binvox"


def add_renders(root: Path, synset: str, model: str, views: int = 3) -> Path:
    folder = root / "ShapeNetRendering" / synset / model / "rendering"
    folder.mkdir(parents=True)
    for view in range(views):
        Image.fromarray(image_of(model, view)).save(folder / f"{view:02d}.png", compress_level=0)
    names = [f"{view:02d}.png" for view in range(views)]
    (folder / "renderings.txt").write_text("\n".join(names), encoding="utf-8")
    rows = [" ".join(str(v) for v in metadata_of(view)) for view in range(24)]
    (folder / "rendering_metadata.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    """Five chairs and five cars; only the first pictures, which is all that a store of few views reads."""
    for synset in (CHAIR, CAR):
        for model in "abcde":
            add_voxels(tmp_path / "data", synset, model)
            add_renders(tmp_path / "data", synset, model)
    return tmp_path / "data"


def source(root: Path, **config) -> R2N2:
    return R2N2(R2N2Config(**config), root)


def opened(root: Path, views: int = 2, **config):
    return open_dataset(
        "r2n2",
        data_root=root,
        cache_root=root.parent / "cache",
        config_overrides=config,
        options={"views": views},
        workers=0,
        progress=False,
        allow_missing=True,
    )


def test_split_rule():
    ids = {"b": [f"b{i}" for i in range(25)], "a": [f"a{i:02d}" for i in range(12)]}
    split = sorted_rule(ids)
    ordered = sorted(ids["b"])
    assert [split[i] for i in ordered] == ["train"] * 18 + ["val"] * 2 + ["test"] * 5
    # floor(.8 * 12) = 9 train, none of which validates: floor(.1 * 9) = 0
    assert [split[i] for i in ids["a"]] == ["train"] * 9 + ["test"] * 3


def test_split_rule_validates_on_one_shape_at_least():
    split = sorted_rule({"a": ["a1"], "b": ["b3", "b1", "b2", "b4"], "c": ["c1", "c2"]})
    assert split == {"a1": "test", "b1": "train", "b2": "train", "b3": "val", "b4": "test"} | {
        "c1": "train",
        "c2": "test",
    }
    assert sorted_rule({"a": ["a1"]}) == {"a1": "test"}


def test_items_of_a_whole_tree(root):
    items = source(root).items()
    assert [i.id for i in items] == [f"{s}/{m}" for s in (CAR, CHAIR) for m in "abcde"]
    splits = {i.id: i.split for i in items}
    assert [splits[f"{CAR}/{m}"] for m in "abcde"] == ["train"] * 3 + ["val", "test"]
    assert [splits[f"{CHAIR}/{m}"] for m in "abcde"] == ["train"] * 4 + ["test"]
    assert {i.category for i in items} == {"car", "chair"}


def test_arrays_are_those_of_the_files(root):
    shutil.rmtree(root / "ShapeNetRendering" / CAR / "a")
    add_renders(root, CAR, "a", views=24)
    item = source(root).items()[0]
    sample = source(root).build(item, PrepareOptions())
    np.testing.assert_array_equal(sample.voxels[32], grid_of("a"))
    for view in range(24):
        np.testing.assert_array_equal(sample.images[view], image_of("a", view))
        azimuth, elevation, _, ratio, _ = metadata_of(view)
        camera = Camera.from_row(sample.cameras[view])
        assert camera.elevation == pytest.approx(elevation, rel=1e-6)
        assert camera.distance == pytest.approx(1.75 * ratio / SCALE, rel=1e-6)
        assert camera.focal((137, 137)) == pytest.approx(35 * 137 / 32, rel=1e-6)
        # the camera of the renders stands at (cos a, sin a) in x and z: Blender's (x, -z, y) turned by -a
        a, e = math.radians(azimuth), math.radians(elevation)
        place = np.array([math.cos(a) * math.cos(e), math.sin(e), math.sin(a) * math.cos(e)])
        np.testing.assert_allclose(camera.position / camera.distance, place, atol=1e-6)


def hook() -> np.ndarray:
    """A bar along x with a post at its +x end and a foot towards +z: no mirror and no turn gives it again."""
    grid = np.zeros((32, 32, 32), bool)
    grid[4:28, 8:13, 13:18] = True
    grid[22:28, 13:27, 13:18] = True
    grid[8:14, 8:13, 18:29] = True
    return grid


def photographed(grid: np.ndarray, scale: float, azimuth: float, elevation: float, ratio: float):
    """The silhouette as 3D-R2N2's renders show it: z up, (x, y, z) of the grid at (x, -z, y), cells centred.

    Azimuths turn clockwise seen from above. That sign is from the published renders: on eight of them this
    function's silhouettes overlap theirs by .78, with the other sign by .51.
    """
    parts = (np.arange(8) + 0.5) / 8 - 0.5
    inner = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), -1).reshape(-1, 3)
    x, y, z = (((np.argwhere(grid)[:, None] + inner).reshape(-1, 3) - 15.5) / 32 * scale).T
    world = np.stack([x, -z, y], 1)
    a, e = np.radians(-azimuth), np.radians(elevation)
    eye = 1.75 * ratio * np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    away = (world - eye) @ forward
    focal = 35 * 137 / 32
    column = np.floor(68.5 + focal * ((world - eye) @ right) / away).astype(int)
    row = np.floor(68.5 - focal * ((world - eye) @ up) / away).astype(int)
    inside = (row >= 0) & (row < 137) & (column >= 0) & (column < 137)
    mask = np.zeros((137, 137), bool)
    mask[row[inside], column[inside]] = True
    return mask


def test_frame_from_files_to_pictures(tmp_path):
    """An asymmetric shape, written cell by cell and seen by cameras that do not come from `Camera`."""
    grid, scale, views = hook(), 0.6, [(20, 27, 0.8), (110, 25, 0.7), (200, 30, 0.9), (290, 28, 0.75)]
    # binvox: x slowest, then z, then y; pairs of value and count, here one for each cell
    cells = grid.transpose(0, 2, 1).reshape(-1).astype(np.uint8)
    body = np.stack([cells, np.ones_like(cells)], 1).tobytes()
    header = f"#binvox 1\ndim 32 32 32\ntranslate -0.3 -0.1 -0.2\nscale {scale}\ndata\n"
    folder = tmp_path / "ShapeNetVox32" / CHAIR / "hook"
    folder.mkdir(parents=True)
    (folder / "model.binvox").write_bytes(header.encode() + body)
    rendering = tmp_path / "ShapeNetRendering" / CHAIR / "hook" / "rendering"
    rendering.mkdir(parents=True)
    lines = []
    for number in range(24):
        view = views[number % 4]
        mask = photographed(grid, scale, *view)
        Image.fromarray(np.dstack([np.full((137, 137, 3), 90, np.uint8), mask * np.uint8(255)])).save(
            rendering / f"{number:02d}.png"
        )
        lines.append(f"{view[0]} {view[1]} 0 {view[2]} 25")
    (rendering / "rendering_metadata.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sample = source(tmp_path).build(Item(f"{CHAIR}/hook", "chair", "train"), PrepareOptions(views=4))
    np.testing.assert_array_equal(sample.voxels[32], grid)

    def overlap(cells: np.ndarray, camera: Camera, seen: np.ndarray) -> float:
        drawn = render(marching_cubes(cells, 0.5), camera, (137, 137)).mask
        return float((drawn & seen).sum() / (drawn | seen).sum())

    for image, row in zip(sample.images, sample.cameras, strict=True):
        camera, seen = Camera.from_row(row), image[..., 3] >= 128
        assert seen.sum() > 500
        right = overlap(grid, camera, seen)
        assert right >= 0.8  # cells are full here and have their edges cut by marching cubes
        for wrong in (
            grid[::-1],
            grid[:, ::-1],
            grid[:, :, ::-1],
            grid.transpose(0, 2, 1),
            grid.transpose(2, 1, 0),
        ):
            assert overlap(wrong, camera, seen) < right - 0.1


def test_coarser_grids_are_max_pooled(root):
    src = source(root)
    sample = src.build(src.items()[0], PrepareOptions(resolutions=(32, 8), views=1))
    blocks = grid_of("a").reshape(8, 4, 8, 4, 8, 4)
    np.testing.assert_array_equal(sample.voxels[8], blocks.any(axis=(1, 3, 5)))


def test_fewer_views_are_the_first_ones(root):
    src = source(root)
    sample = src.build(src.items()[0], PrepareOptions(views=3))
    assert sample.images.shape == (3, 137, 137, 4)
    assert sample.cameras.shape == (3, 7)
    np.testing.assert_array_equal(sample.images[2], image_of("a", 2))


def test_no_views_at_all(root):
    src = source(root)
    sample = src.build(src.items()[0], PrepareOptions(views=0))
    assert sample.images is None and sample.cameras is None
    np.testing.assert_array_equal(sample.voxels[32], grid_of("a"))


def test_store_of_the_tree(root):
    store = opened(root, views=2)
    assert store.split("train").provides == {"image", "mask", "voxels", "camera", "views"}
    assert store.manifest["counts"]["train"] == {"total": 7, "car": 3, "chair": 4}
    assert store.manifest["options"]["image_size"] == [137, 137]
    assert store.manifest["options"]["points"] == 0
    np.testing.assert_array_equal(store.split("test").voxels([0])[0], grid_of("e"))


def damage_png(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png"
    data = bytearray(path.read_bytes())
    data[5000:5040] = b"\0" * 40
    path.write_bytes(data)
    return r"rendering.01\.png: corrupt image: "


def truncate_png(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png"
    path.write_bytes(path.read_bytes()[:3000])
    return r"rendering.01\.png: corrupt image: .*truncated"


def empty_png(root):
    (root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png").write_bytes(b"")
    return r"rendering.01\.png: no picture, or an empty file"


def missing_png(root):
    (root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png").unlink()
    return r"rendering.01\.png: No such file"


def png_without_alpha(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png"
    Image.fromarray(image_of("a", 1)[..., :3]).save(path)
    return r"01\.png: a picture of mode RGB without alpha"


def png_of_gigabytes(root):
    # the header alone claims 60,000 x 60,000 pixels; nothing of that size may be allocated
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "01.png"
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    return r"01\.png: too large: .*the limit here is 18,769 pixels"


def damage_binvox(root):
    path = root / "ShapeNetVox32" / CHAIR / "a" / "model.binvox"
    path.write_bytes(path.read_bytes()[:-7])
    return r"model\.binvox: truncated"


def huge_binvox(root):
    path = root / "ShapeNetVox32" / CHAIR / "a" / "model.binvox"
    path.write_bytes(b"#binvox 1\ndim 9999 9999 9999\ndata\n\x01\x08")
    return r"model\.binvox: header asks for .* the limit is 32,768"


def small_binvox(root):
    path = root / "ShapeNetVox32" / CHAIR / "a" / "model.binvox"
    write_binvox(path, np.ones((16, 16, 16), bool))
    return r"model\.binvox: expected a grid of 32\^3, got \(16, 16, 16\)"


def empty_grid(root):
    path = root / "ShapeNetVox32" / CHAIR / "a" / "model.binvox"
    write_binvox(path, np.zeros((32, 32, 32), bool))
    return r"the 32\^3 grid has no occupied cell"


def short_metadata(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt"
    path.write_text("\n".join(path.read_text(encoding="utf-8").split("\n")[:20]), encoding="utf-8")
    return "rendering_metadata.txt: expected 24 lines of 5 numbers, got 20 lines"


def odd_metadata(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt"
    path.write_text(
        path.read_text(encoding="utf-8").replace("1.0 25.0 0 ", "1.0 twenty 0 ", 1), encoding="utf-8"
    )
    return "rendering_metadata.txt: could not convert string to float: 'twenty'"


def nan_metadata(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt"
    path.write_text(
        path.read_text(encoding="utf-8").replace("1.0 25.0 0 ", "1.0 nan 0 ", 1), encoding="utf-8"
    )
    return "rendering_metadata.txt: distances must be positive and all numbers finite"


def huge_metadata(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt"
    path.write_text(
        path.read_text(encoding="utf-8").replace("1.0 25.0 0 ", "1.0 1e300 0 ", 1), encoding="utf-8"
    )
    return "rendering_metadata.txt: distances must be positive and all numbers finite, below 1e"


def turned_metadata(root):
    path = root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt"
    path.write_text(
        path.read_text(encoding="utf-8").replace("1.0 25.0 0 ", "1.0 25.0 12 ", 1), encoding="utf-8"
    )
    return "rendering_metadata.txt: in-plane rotation 12; only 0 is known"


def no_metadata(root):
    (root / "ShapeNetRendering" / CHAIR / "a" / "rendering" / "rendering_metadata.txt").unlink()
    return "rendering_metadata.txt: No such file"


@pytest.mark.parametrize(
    "damage",
    [
        damage_png,
        truncate_png,
        empty_png,
        missing_png,
        png_without_alpha,
        png_of_gigabytes,
        damage_binvox,
        huge_binvox,
        small_binvox,
        empty_grid,
        short_metadata,
        odd_metadata,
        nan_metadata,
        huge_metadata,
        turned_metadata,
        no_metadata,
    ],
)
def test_one_damaged_file_costs_its_shape_and_is_named(root, damage):
    reason = damage(root)
    store = opened(root, views=2)
    assert [s["id"] for s in store.skipped] == [f"{CHAIR}/a"]
    assert re.search(reason, store.skipped[0]["reason"])
    assert len(store) == 9


def test_shapes_of_one_tree_only_are_reported(root):
    add_voxels(root, CHAIR, "f")
    add_renders(root, CHAIR, "aa", views=1)
    store = opened(root, views=2)
    reasons = {s["id"]: s["reason"] for s in store.skipped}
    assert set(reasons) == {f"{CHAIR}/f", f"{CHAIR}/aa"}
    assert reasons[f"{CHAIR}/f"].endswith(f"ShapeNetRendering/{CHAIR}/f/rendering")
    assert reasons[f"{CHAIR}/aa"].endswith(f"ShapeNetVox32/{CHAIR}/aa/model.binvox")
    assert all(r.startswith("not there: ") for r in reasons.values())
    # the rule counts the voxel tree: six chairs, floor(4.8) = 4 train
    assert {s["id"]: s["split"] for s in store.skipped} == {f"{CHAIR}/f": "test", f"{CHAIR}/aa": "train"}
    assert "03001627/d" in store.split("train").ids


def test_known_bad_items_are_named(root):
    model = next(i for i in KNOWN_BAD if i.startswith(CAR)).split("/")[1]
    add_voxels(root, CAR, model)
    store = opened(root, views=2)
    assert [(s["id"], s["reason"]) for s in store.skipped] == [
        (f"{CAR}/{model}", "known bad item: its rendering is missing from the archive")
    ]


def write_list(path: Path, **splits: list[str]) -> Path:
    chairs = {"taxonomy_id": CHAIR, "taxonomy_name": "chair", "baseline": {}, **splits}
    path.write_text(
        json.dumps([chairs, {"taxonomy_id": CAR, "train": ["a"], "val": ["b"], "test": ["c"]}]),
        encoding="utf-8",
    )
    return path


def test_split_by_list_file(root, tmp_path):
    path = write_list(tmp_path / "list.json", train=["e", "d"], val=["c"], test=["a", "zz"])
    items = source(root, split=str(path)).items()
    assert [(i.id, i.split) for i in items] == [
        (f"{CAR}/a", "train"),
        (f"{CAR}/b", "val"),
        (f"{CAR}/c", "test"),
        (f"{CHAIR}/a", "test"),
        (f"{CHAIR}/c", "val"),
        (f"{CHAIR}/d", "train"),
        (f"{CHAIR}/e", "train"),
        (f"{CHAIR}/zz", "test"),
    ]
    store = opened(root, views=1, split=str(path), categories="chair")
    assert store.skipped[0]["id"] == f"{CHAIR}/zz"
    assert store.split("train").ids == (f"{CHAIR}/d", f"{CHAIR}/e")


def test_fingerprint_depends_on_the_list_and_not_on_its_path(root, tmp_path):
    lists = {"train": ["e", "d"], "val": ["c"], "test": ["a"]}
    one, two = write_list(tmp_path / "one.json", **lists), write_list(tmp_path / "two.json", **lists)
    other = write_list(tmp_path / "other.json", **(lists | {"test": ["b"]}))
    stores = [opened(root, views=1, split=str(p)) for p in (one, two, other)]
    assert stores[0].path == stores[1].path != stores[2].path
    assert stores[0].fingerprint != stores[2].fingerprint
    assert stores[0].manifest["config"]["split"].startswith("sha256:")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[" + "9" * 10_000 + "]", "not JSON|needs a 'taxonomy_id'"),
        ("{}", "expected a list of categories, got dict"),
        ('[{"train": []}]', "category 0 needs a 'taxonomy_id' and a list of model ids 'train'"),
        ('[{"taxonomy_id": "03001627", "train": [], "val": []}]', "list of model ids 'test'"),
        ('[{"taxonomy_id": "03001627", "train": ["../../x"], "val": [], "test": []}]', "model ids 'train'"),
        (
            '[{"taxonomy_id": "03001627", "train": ["a"], "val": [], "test": ["a"]}]',
            "03001627/a is in 'train' and in 'test'",
        ),
    ],
)
def test_bad_list_files_are_named(root, tmp_path, content, text):
    path = tmp_path / "list.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=text) as caught:
        source(root, split=str(path)).items()
    assert str(path) in str(caught.value)


def test_unknown_split_says_what_it_may_be(root):
    with pytest.raises(DataError, match="split 'pix2vox' is neither 'r2n2' nor an existing file"):
        opened(root, split="pix2vox")


def test_categories_by_name_synset_or_text(root):
    wanted = ("car", "chair")
    for given in ("chair, 02958343", ["chair", "car"], (CAR, CHAIR)):
        assert R2N2Config(categories=given).categories == wanted
    assert {i.category for i in source(root, categories="car").items()} == {"car"}
    with pytest.raises(ConfigError, match=r"unknown category 'chiar'. Did you mean 'chair'"):
        opened(root, categories="chiar")


def test_category_that_is_not_on_the_disk(root):
    with pytest.raises(DataError, match=r"no shapes of lamp; there is car, chair"):
        source(root, categories="lamp").items()


def test_a_subset_of_categories_keeps_their_split(root):
    whole = {i.id: i.split for i in source(root).items() if i.category == "car"}
    assert {i.id: i.split for i in source(root, categories="car").items()} == whole


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"resolutions": (64,)},
            r"holds grids of 32\^3 and cannot give 64\^3; ask for 32, 16, 8 or 4, or use",
        ),
        ({"resolutions": (32, 12)}, r"cannot give 12\^3"),
        ({"views": 25}, "has 24 views per shape, 25 were asked for"),
        ({"maps": True}, "has no depth and no normals; leave out 'maps'"),
    ],
)
def test_options_that_cannot_be_honoured(root, options, text):
    with pytest.raises(DataError, match=text):
        source(root).resolve_options(PrepareOptions(**options))


def test_missing_root_says_where_it_looked_and_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        source(tmp_path / "nowhere").items()
    message = str(caught.value)
    for part in (
        str(tmp_path / "nowhere" / "ShapeNetRendering"),
        str(tmp_path / "nowhere" / "ShapeNetVox32"),
        "https://cvgl.stanford.edu/3d-r2n2/",
        "unpack both into one folder",
        "research only",
    ):
        assert part in message


def test_root_one_level_too_high(root):
    with pytest.raises(DataError, match=f"Did you mean {root}"):
        source(root.parent).items()


def test_stamp_changes_when_shapes_arrive(root):
    before = source(root).stamp()
    assert before == source(root).stamp() != ""
    add_voxels(root, CHAIR, "zzz")
    assert source(root).stamp() != before
    assert source(root / "absent").stamp() == ""
