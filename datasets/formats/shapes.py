"""Any one file with a shape in it, as the metrics take shapes: voxels, a mesh or points."""

from __future__ import annotations

import io
import os
from functools import partial
from pathlib import Path

import numpy as np

from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape
from zoo.system.quiet import silenced

from .. import BadItem
from ._arrays import Archive, open_npz, read_array
from ._contents import VOXELS, check_alone, is_matrix_of_a_camera
from ._files import read_limited
from ._mesh_ply import has_surface
from ._ply_tables import ply_header
from .binvox import read_binvox
from .mat import read_voxel_mat
from .meshes import FORMATS, MAX_BYTES, read_mesh
from .points import read_points

SUFFIXES = (*(f".{name}" for name in FORMATS), ".npz", ".npy", ".binvox", ".mat")

MAX_CELLS = 512**3
"""Limit on the cells of one grid."""

_MAX_REST = 1 << 20


def read_shape(path: str | os.PathLike[str]) -> Shape:
    """Read one file, in the frame and units that it has.

    A grid fills the unit cube: cell i of R has its centre at (i + 0.5) / R - 0.5, whatever the header of a
    binvox says of place and size; its axes are x, y, z. Of an .npz the array 'voxels' ('voxel', 'occupancy')
    or 'points', or else the only array: (R, R, R) is a grid, (N, 3) a cloud. A .ply is a cloud if nothing in
    it joins its vertices. What is something else by the names of its arrays is refused (`_contents`).

    Raises:
        BadItem: the file is missing, of no known format, broken, too large or empty, a grid is no cube or
            holds numbers outside 0 to 1, what it holds is neither occupancy nor a surface; names the file and
            the reason.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise BadItem(f"{path}: '{path.suffix}' is no known kind of shape; known are {', '.join(SUFFIXES)}")
    if kind == ".binvox":
        return _grid(path, read_binvox(path, MAX_CELLS).voxels)
    if kind == ".mat":
        return _grid(path, read_voxel_mat(path, max_cells=MAX_CELLS))
    if kind in (".npz", ".npy"):
        grid = _stored_grid(path)
        return _cloud(path) if grid is None else _grid(path, grid)
    if kind == ".ply" and not _has_faces(path):
        return PointShape(read_points(path).points)
    return MeshShape(read_mesh(path, colors=False).mesh)


def holds_grid(path: Path) -> bool:
    """Whether a file holds voxels; meshes are not read for it, and clouds not further than to their header.

    Raises:
        BadItem: as `read_shape`, of what may be a grid.
    """
    kind = path.suffix.lower()
    if kind in (".npz", ".npy"):
        grid = _stored_grid(path)
        return grid is not None and isinstance(_grid(path, grid), VoxelShape)
    return kind in (".binvox", ".mat") and isinstance(read_shape(path), VoxelShape)


def _cloud(path: Path) -> PointShape:
    points = read_points(path).points
    if points.shape == (3, 3) and is_matrix_of_a_camera(points):
        raise BadItem(f"{path}: the matrix of a camera, no three points: {points.tolist()}")
    return PointShape(points)


def _grid(path: Path, values: np.ndarray) -> VoxelShape:
    if len(set(values.shape)) != 1:
        raise BadItem(f"{path}: voxels must be a cube (R, R, R), got {values.shape}")
    if values.dtype != np.bool_:
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 1):
            raise BadItem(
                f"{path}: voxels must lie between 0 and 1, got {low:g} to {high:g}; distances, logits and "
                f"colours are no occupancies"
            )
        values = values.astype(bool) if values.dtype.kind in "iu" else values
    return VoxelShape(np.ascontiguousarray(values))


def _stored_grid(path: Path) -> np.ndarray | None:
    """The grid in an .npz or .npy; None where what it holds is no grid, but perhaps points."""
    limit = MAX_CELLS * 8 + _MAX_REST
    data = read_limited(path, limit)
    try:
        with silenced():
            if path.suffix.lower() == ".npy":
                return _unless_points(partial(read_array, io.BytesIO(data), "array"))
            with open_npz(data) as archive:
                name = _name_of_grid(archive)
                return None if name is None else _unless_points(partial(archive.read, name, max_bytes=limit))
    except BadItem as error:
        raise BadItem(f"{path}: {error}") from error
    except Exception as error:  # numpy and zipfile raise nearly anything on broken bytes
        raise BadItem(f"{path}: broken {path.suffix[1:]}: {type(error).__name__} {error}") from error


def _name_of_grid(archive: Archive) -> str | None:
    """The array that is read as voxels if it has three axes; None where points are to be looked for."""
    headers = archive.headers()
    named = [name for name in VOXELS if name in headers]
    if grids := [name for name in named if len(headers[name][0]) == 3]:
        return grids[0]
    if "points" in archive.names or (not named and len(archive.names) != 1):
        return None
    if not named:
        check_alone(archive.names[0])
    return (*named, *archive.names)[0]


class _NotAGrid(Exception):
    """The array has two axes."""


def _unless_points(read: partial[np.ndarray]) -> np.ndarray | None:
    def check(name: str, shape: tuple[int, ...]) -> None:
        if len(shape) == 2:
            raise _NotAGrid
        if len(shape) != 3 or min(shape) < 1:
            raise BadItem(f"'{name}' must be a grid (R, R, R) or points (N, 3), got {shape}")
        if int(np.prod(shape, dtype=np.int64)) > MAX_CELLS:
            raise BadItem(f"'{name}' has {shape} cells, the limit is {MAX_CELLS:,}")

    try:
        return read(check=check, kinds="fiub")
    except _NotAGrid:
        return None


def _has_faces(path: Path) -> bool:
    try:
        return has_surface(ply_header(read_limited(path, MAX_BYTES))[0])
    except BadItem as error:
        raise BadItem(str(error) if str(path) in str(error) else f"{path}: {error}") from error
