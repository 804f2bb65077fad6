"""Grids that come beside a mesh, moved to where our frame has the mesh."""

from __future__ import annotations

import numpy as np

from zoo.geometry.resample import bounding_cells

from ... import BadItem
from ...formats.binvox import Binvox

REACH = 1.0
"""Cells that a grid may be off: half of one by rounding, the rest where that would leave the cube."""
OUTSIDE = 1.5
"""Cells by which a grid may reach beyond its mesh: binvox fills each cell that a face touches."""
SHORT = 1 / 8
"""Share of the longest edge that a grid may lack at its ends: what binvox loses of thin parts."""


def placed(grid: Binvox, bounds: np.ndarray, name: str) -> np.ndarray:
    """The grid as the cube around the mesh, whose longest edge is the cube's and whose middle is its middle.

    binvox begins its cells at the lower corner of the file's bounding box; our cube is centred on the box of
    the faces. The grid is moved by whole cells, so that nothing is interpolated: it ends up at most half a
    cell off. Where lines or points of the file lie outside of its faces, binvox' cube is larger than ours:
    then each of our cells is what binvox' cell at its centre is.

    Args:
        grid: as wide as the mesh's longest edge, or wider.
        bounds: lower and upper corner (2, 3) of the mesh's faces, in the units of the grid's header.
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
    if not grid.voxels.any():
        raise BadItem(f"{name}: no occupied cell")
    if not abs(grid.scale - longest) * size <= longest / 2:
        if not _covers(grid, bounds):
            raise BadItem(f"{name}: is {grid.scale:g} wide, the longest edge of its mesh {longest:g}")
        return _sampled(grid, bounds)
    target = size * ((np.array(grid.translate) - (low + high) / 2) / longest + 0.5)
    first, behind = bounding_cells(grid.voxels)
    shift = np.clip(np.rint(target).astype(int), -first, size - behind)
    if (off := np.abs(shift - target).max()) > REACH:
        raise BadItem(f"{name}: lies {off:.1f} cells away from its mesh")
    moved = np.zeros_like(grid.voxels)
    here = tuple(slice(a, b) for a, b in zip(first, behind, strict=True))
    there = tuple(slice(a, b) for a, b in zip(first + shift, behind + shift, strict=True))
    moved[there] = grid.voxels[here]
    return moved


def _covers(grid: Binvox, bounds: np.ndarray) -> bool:
    """Whether a wider grid is of this mesh: nothing outside of it, and little missing of its length."""
    cell = grid.scale / grid.voxels.shape[0]
    occupied = np.array(grid.translate) + cell * bounding_cells(grid.voxels)
    edges = bounds[1] - bounds[0]
    outside = max((bounds[0] - occupied[0]).max(), (occupied[1] - bounds[1]).max())
    longest = int(edges.argmax())
    missing = edges[longest] - (occupied[1] - occupied[0])[longest]
    return bool(grid.scale > edges.max() and outside <= OUTSIDE * cell and missing <= SHORT * edges[longest])


def _sampled(grid: Binvox, bounds: np.ndarray) -> np.ndarray:
    """What the grid is at the centres of the cells of our cube."""
    size = grid.voxels.shape[0]
    longest = (bounds[1] - bounds[0]).max()
    centres = (np.arange(size) + 0.5) / size - 0.5
    places = bounds.mean(0)[:, None] + longest * centres
    cells = np.floor((places - np.array(grid.translate)[:, None]) / (grid.scale / size)).astype(int)
    known = (cells >= 0) & (cells < size)
    x, y, z = np.clip(cells, 0, size - 1)
    return grid.voxels[np.ix_(x, y, z)] & known[0][:, None, None] & known[1][:, None] & known[2]
