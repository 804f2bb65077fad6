"""The files that a shape can be saved as: their suffixes, their axes, their bytes.

Front is +x here and in every file but glTF, whose standard has +z; y is up in all of them. These are the axes
that the data set 'folder' takes files of each kind to have.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UserError
from zoo.files import write_atomic, writing_to
from zoo.geometry.mesh import Mesh
from zoo.registry import did_you_mean
from zoo.shapes.binvox import format_binvox

MESHES = (".obj", ".ply", ".glb", ".stl", ".off")
POINTS = (".ply", ".npz", ".npy")
GRIDS = (".npz", ".binvox", ".npy")

TO_GLTF = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]])
"""The turn (3, 3) from our axes to glTF's: +x, the front, becomes +z; the way back is its transpose."""


class FormatError(UserError, ValueError):
    """A shape asked to be saved as a kind of file that cannot hold it.

    >>> import numpy as np, zoo
    >>> zoo.PointShape(np.zeros((4, 3))).save("cloud.stl")
    Traceback (most recent call last):
    zoo.shapes.saving.FormatError: cloud.stl: cannot save this shape as '.stl'; ...
    """


class EmptyShapeError(UserError, ValueError):
    """A shape without a surface or a point, which no file of that kind can hold.

    >>> import numpy as np, zoo
    >>> zoo.VoxelShape(np.zeros((8, 8, 8), np.float32)).save("nothing.obj")
    Traceback (most recent call last):
    zoo.shapes.saving.EmptyShapeError: ...
    """


def check_suffix(path: Path, allowed: Sequence[str]) -> str:
    """The suffix of a path in small letters.

    Raises:
        FormatError: it is none of those that are allowed.
    """
    suffix = path.suffix.lower()
    if suffix not in allowed:
        near = did_you_mean(suffix, list(allowed)) if suffix else ""
        raise FormatError(
            f"{path}: cannot save this shape as '{path.suffix}'; it can be {', '.join(allowed)}.{near}"
        )
    return suffix


def mesh_bytes(mesh: Mesh | None, suffix: str, path: Path, said: str = "") -> bytes:
    """A file of one mesh.

    Args:
        mesh: None for an empty surface.
        said: of the empty surface, what its shape knows: at which level, and what would help.

    Raises:
        EmptyShapeError: there is no surface.
    """
    if mesh is None:
        raise EmptyShapeError(f"{path}: nothing to save, the shape has no surface{said}")
    placed = Mesh(mesh.vertices @ TO_GLTF.T, mesh.faces) if suffix == ".glb" else mesh
    return _exported(placed.to_trimesh(), suffix)


def points_bytes(points: np.ndarray, suffix: str, path: Path) -> bytes:
    """A file of points (N, 3), which keep their type in .npz and .npy.

    Raises:
        EmptyShapeError: there is no point.
    """
    if not len(points):
        raise EmptyShapeError(f"{path}: nothing to save, the shape has no point")
    if suffix == ".ply":
        import trimesh

        return _exported(trimesh.PointCloud(points), suffix)
    return _array_bytes("points", points, suffix)


def grid_bytes(grid: np.ndarray, suffix: str, level: float) -> bytes:
    """A file of a grid (R, R, R): its probabilities, or in .binvox the cells that reach the level."""
    return format_binvox(grid >= level) if suffix == ".binvox" else _array_bytes("voxels", grid, suffix)


def write(path: Path, data: bytes) -> Path:
    """Write a file atomically, and give its path back.

    Raises:
        zoo.files.WriteError: it cannot be written.
    """
    with writing_to(path.parent, "save to another folder, or make room there"):
        write_atomic(path, data)
    return path


def _array_bytes(name: str, values: np.ndarray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, np.ascontiguousarray(values))
    else:
        named: dict[str, Any] = {name: values}
        np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def _exported(geometry: object, suffix: str) -> bytes:
    """What trimesh writes of a mesh or a cloud."""
    content: str | bytes = geometry.export(file_type=suffix[1:])  # type: ignore[attr-defined]
    return content.encode() if isinstance(content, str) else content
