"""Grids that come beside a mesh, moved to where our frame has the mesh."""

from __future__ import annotations

import numpy as np

from zoo.geometry.resample import bounding_cells

from . import BadItem
from .formats.binvox import Binvox

REACH = 1.0
"""Cells that a grid may be off: half of one by rounding, the rest where that would leave the cube."""


def placed(grid: Binvox, bounds: np.ndarray, name: str) -> np.ndarray:
    """The grid as the cube around the mesh, whose longest edge is the cube's and whose middle is its middle.

    binvox begins its cells at the lower corner of the mesh's bounding box; our cube is centred on the box.
    The grid is moved by whole cells, so that nothing is interpolated: it ends up at most half a cell off.

    Args:
        grid: as wide as the mesh's longest edge.
        bounds: lower and upper corner (2, 3) of the mesh, in the units of the grid's header.
        name: what errors call the grid.

    Returns:
        (R, R, R) bool, in the axes of the file.

    Raises:
        BadItem: the grid is no cube, holds nothing, or does not belong to a mesh of this size and place.
    """
    size = grid.voxels.shape[0]
    if grid.voxels.shape != (size,) * 3:
        raise BadItem(f"{name}: expected a cube, got {grid.voxels.shape}")
    low, high = bounds
    longest = float((high - low).max())
    if not abs(grid.scale - longest) * size <= longest / 2:
        raise BadItem(f"{name}: is {grid.scale:g} wide, the longest edge of its mesh {longest:g}")
    target = size * ((np.array(grid.translate) - (low + high) / 2) / longest + 0.5)
    if not grid.voxels.any():
        raise BadItem(f"{name}: no occupied cell")
    first, behind = bounding_cells(grid.voxels)
    shift = np.clip(np.rint(target).astype(int), -first, size - behind)
    if (off := np.abs(shift - target).max()) > REACH:
        raise BadItem(f"{name}: lies {off:.1f} cells away from its mesh")
    moved = np.zeros_like(grid.voxels)
    here = tuple(slice(a, b) for a, b in zip(first, behind, strict=True))
    there = tuple(slice(a, b) for a, b in zip(first + shift, behind + shift, strict=True))
    moved[there] = grid.voxels[here]
    return moved
