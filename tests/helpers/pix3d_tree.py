"""A small Pix3D in the true layout, its photographs rendered at poses that no centred camera has.

The shape is an L with a bump on its left side, given in the directions by which Pix3D describes its axes:
left, up and outward, seen from the front. Nothing here comes from the loader.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets.formats.binvox import write_binvox
from tests.helpers.writers import write_voxel_mat
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import Rendering, render

BOXES = {"back": ((0, 0, 0), (2, 8, 5)), "base": ((2, 0, 0), (6, 2, 5)), "bump": ((2, 2, 3), (4, 4, 5))}
"""Lower and upper corner, (outward, up, left), in eighths of the longest edge."""
EXTENT = np.array([6, 8, 5])
COLORS = {"back": (0.9, 0.2, 0.1), "base": (0.1, 0.8, 0.2), "bump": (0.2, 0.2, 0.9)}
EDGE, SHIFT = 0.37, np.array([0.2, -0.1, 0.5])
"""Longest edge and place of the model in its own coordinates, which are arbitrary."""

_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
_FACES = np.array(
    [
        *[(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)],
        *[(2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)],
    ]
)
_PIX3D_TO_OPENCV = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Shot:
    """One photograph: what it is called, and where the object stands in it.

    Attributes:
        name: path below img/ and mask/, with suffix.
        model: folder below model/; its first part is the category.
        angles: azimuth, elevation and in-plane turn of the object, degrees, as `Camera` has them.
        off_axis: angle between optical axis and object, and in which direction of the picture, degrees.
        distance: in longest edges.
        size: width and height of the photograph in pixels.
        focal_mm: of a lens on a sensor of 32 mm.
        principal: column and row of the optical axis from the middle; only Mesh R-CNN's form can say so.
        pose: joint angles in the names of the model's files.
        flags: which are true.
    """

    name: str = "chair/0001.png"
    model: str = "chair/A"
    angles: tuple[float, float, float] = (30.0, 20.0, 0.0)
    off_axis: tuple[float, float] = (12.0, 40.0)
    distance: float = 3.0
    size: tuple[int, int] = (260, 200)
    focal_mm: float = 30.0
    principal: tuple[float, float] = (0.0, 0.0)
    pose: str = ""
    flags: tuple[str, ...] = ()

    @property
    def category(self) -> str:
        return self.model.partition("/")[0]

    @property
    def mask(self) -> str:
        return str(Path("mask", self.name).with_suffix(".png"))


def solid(resolution: int) -> np.ndarray:
    """The shape's cells in the canonical frame (outward, up, left), centred, longest edge the grid's."""
    grid = np.zeros((resolution,) * 3, bool)
    for low, high in BOXES.values():
        first, behind = ((np.array(corner) + (8 - EXTENT) / 2) * resolution / 8 for corner in (low, high))
        grid[tuple(slice(int(a), int(b)) for a, b in zip(first, behind, strict=True))] = True
    return grid


def file_grid(cell: int = 12, corner: tuple[int, int, int] = (10, 20, 5)) -> np.ndarray:
    """The 128^3 grid of voxel.mat (left, outward, up): the shape somewhere, an eighth being `cell` cells."""
    grid = np.zeros((128,) * 3, bool)
    for low, high in BOXES.values():
        ranges = [
            slice(c + cell * low[i], c + cell * high[i]) for c, i in zip(corner, (2, 0, 1), strict=True)
        ]
        grid[tuple(ranges)] = True
    return grid


def canonical_mesh() -> tuple[Mesh, np.ndarray]:
    """The shape (outward, up, left), centred, longest edge 1, and the colours of its faces."""
    boxes = [
        Mesh(((np.array(low) + _CORNERS * np.subtract(high, low)) - EXTENT / 2) / 8, _FACES)
        for low, high in BOXES.values()
    ]
    return Mesh.concatenate(boxes), np.repeat(list(COLORS.values()), len(_FACES), 0)


def model_points(canonical: np.ndarray) -> np.ndarray:
    """From (outward, up, left) to the model's coordinates: left, up, inward."""
    outward, up, left = np.moveaxis(canonical, -1, 0)
    return np.stack([left, up, -outward], -1) * EDGE + SHIFT


def pose(shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and place of the canonical shape in the photograph's camera (OpenCV), in longest edges."""
    azimuth, elevation, in_plane = shot.angles
    tilt, direction = np.radians(shot.off_axis)
    ray = np.array(
        [math.sin(tilt) * math.cos(direction), math.sin(tilt) * math.sin(direction), math.cos(tilt)]
    )
    return Camera(azimuth, elevation, 1, in_plane).matrix()[:3, :3], shot.distance * ray


def photograph(shot: Shot) -> Rendering:
    """The shape as the photograph's camera sees it, exactly: moved to where a camera of ours sees it so."""
    rotation, place = pose(shot)
    mesh, colors = canonical_mesh()
    plain = Camera(0, 0, 5.0)
    turn = plain.matrix()[:3, :3]
    moved = Mesh((mesh.vertices @ rotation.T + place - [0, 0, 5.0]) @ turn, mesh.faces)
    width, height = shot.size
    fov = math.degrees(2 * math.atan(height / 2 / (shot.focal_mm / 32 * width)))
    column, row = shot.principal
    camera = replace(plain, fov=fov, cx=column / height, cy=row / height)
    return render(moved, camera, (height, width), face_colors=colors)


def annotation(shot: Shot, mask: np.ndarray) -> dict[str, Any]:
    """The entry of pix3d.json."""
    rotation, place = pose(shot)
    axes = np.stack([model_points(axis) - SHIFT for axis in np.eye(3)], 1) / EDGE  # canonical to model
    turned = rotation @ axes.T
    rows, columns = np.nonzero(mask)
    return {
        "img": f"img/{shot.name}",
        "category": shot.category,
        "img_size": list(shot.size),
        "2d_keypoints": [[[1.0, 2.0]]],
        "mask": shot.mask,
        "img_source": "self-taken",
        "model": f"model/{shot.model}/model{shot.pose}.obj",
        "model_source": "self-scanned",
        "3d_keypoints": f"model/{shot.model}/3d_keypoints.txt",
        "voxel": f"model/{shot.model}/voxel{shot.pose}.mat",
        "rot_mat": (_PIX3D_TO_OPENCV @ turned).tolist(),
        "trans_mat": (_PIX3D_TO_OPENCV @ (EDGE * place - turned @ SHIFT)).tolist(),
        "focal_length": shot.focal_mm,
        "cam_position": [0.0, 0.0, -1.0],
        "inplane_rotation": 0.0,
        **{flag: flag in shot.flags for flag in ("truncated", "occluded", "slightly_occluded")},
        "bbox": [int(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)],
    }


def coco(shots: list[Shot], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mesh R-CNN's form of the same annotations."""
    names = sorted({shot.category for shot in shots})
    images, annotations = [], []
    for number, (shot, row) in enumerate(zip(shots, rows, strict=True), 1):
        (width, height), (left, upper, right, lower) = shot.size, row["bbox"]
        images.append({"id": number, "file_name": row["img"], "width": width, "height": height})
        column, upright = shot.principal
        annotations.append(
            {name: row[name] for name in ("model", "voxel", "rot_mat", "trans_mat")}
            | {"id": number, "image_id": number, "iscrowd": 0, "segmentation": row["mask"]}
            | {"category_id": names.index(shot.category) + 1, "area": 1}
            | {"bbox": [left, upper, right - left, lower - upper]}
            | {"K": [shot.focal_mm / 32 * width, width / 2 + column, height / 2 + upright]}
        )
    categories = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
    return {
        "info": {},
        "licenses": "",
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def write_model(root: Path, model: str, posed: str = "") -> None:
    folder = root / "model" / model
    folder.mkdir(parents=True, exist_ok=True)
    mesh, _ = canonical_mesh()
    lines = [f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in model_points(mesh.vertices)]
    lines += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    (folder / f"model{posed}.obj").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_voxel_mat(folder / f"voxel{posed}.mat", file_grid().astype(np.uint8))


def write_binvox_of(root: Path, model: str) -> str:
    """The same cells as binvox makes them of the model: its own axes, the box in the lower corner."""
    grid = np.zeros((128,) * 3, bool)
    for low, high in BOXES.values():
        (outward, up, left), (outward_end, up_end, left_end) = low, high
        inward = slice(16 * (6 - outward_end), 16 * (6 - outward))
        grid[16 * left : 16 * left_end, 16 * up : 16 * up_end, inward] = True
    write_binvox(root / "model" / model / "model.binvox", grid)
    return f"model/{model}/model.binvox"


def write_shot(root: Path, shot: Shot) -> dict[str, Any]:
    """Photograph, mask and model of one shot; returns its annotation."""
    drawn = photograph(shot)
    width, height = shot.size
    border = np.ones((height, width), bool)
    border[1:-1, 1:-1] = False
    assert not drawn.mask[border].any(), f"{shot} reaches beyond its photograph"
    wall = np.stack(np.meshgrid(np.linspace(40, 200, width), np.linspace(220, 90, height)), -1)
    wall = np.concatenate([wall, np.full((height, width, 1), 128.0)], -1)
    alpha = drawn.rgba[..., 3:] / 255
    pixels = np.rint(drawn.rgba[..., :3] * alpha + wall * (1 - alpha)).astype(np.uint8)
    for path, image in ((f"img/{shot.name}", pixels), (shot.mask, np.uint8(255) * drawn.mask)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / path)
    if not (root / "model" / shot.model / f"model{shot.pose}.obj").is_file():
        write_model(root, shot.model, shot.pose)
    return annotation(shot, drawn.mask)


def write_tree(root: Path, shots: list[Shot]) -> list[dict[str, Any]]:
    """The release's layout; returns the entries of its index."""
    rows = [write_shot(root, shot) for shot in shots]
    (root / "pix3d.json").write_text(json.dumps(rows), encoding="utf-8")
    return rows
