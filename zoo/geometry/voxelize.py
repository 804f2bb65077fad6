"""Solids and surface cells of triangle meshes, closed or not.

Meshes made by artists are hardly ever watertight. The solid therefore is a vote: along every axis, lines
through the cell centres collect signed crossings, and a cell is inside along one of the six directions
when the crossings before it do not cancel. Missing, flipped and doubled faces spoil a few directions,
overlapping parts and inner surfaces none. Where the six disagree, those along twelve diagonals vote too,
and a contested cell that cannot be reached from outside is inside.

Models drawn with every face on both sides (most of ShapeNet's) cancel entirely; where faces coincide, the
vote is held with one of each kept too, and the clearer wins.
"""

from __future__ import annotations

from enum import StrEnum
from typing import no_type_check

import numpy as np
from scipy import ndimage

from zoo.geometry.crossings import AXES, DIAGONALS, OFFSET, Lines, votes
from zoo.geometry.mesh import Mesh
from zoo.geometry.welding import distinct_faces, is_closed, vertex_names
from zoo.system.compiled import njit

SHELL_RATIO = 0.1
"""A mesh whose solid has fewer cells than this share of its surface cells is a shell without volume."""

BOUNDING = 0.75
"""A contested mesh is a shell too unless this share of its surface cells is on its solid or beside it."""

ERRING = 6
"""A cell is clear, inside or outside, when at most one direction in so many says otherwise."""

FLAT = 1e-12
"""A mesh of less area than this (in squared cube edges) is a line or a point, but for rounding."""

# The surface is shrunk towards the cube's centre by this factor, so that a face on the border between two
# cells counts for the inner one, and the faces of the unit cube itself for the outermost cells. Only the
# planes through the centre stay in place; a far smaller offset decides there.
SHRINK = 1 - 1e-6


class SolidStatus(StrEnum):
    """How far the solid can be trusted."""

    CLOSED = "closed"
    """Watertight, and the directions agree everywhere."""
    REPAIRED = "repaired"
    """Decided by the vote."""
    SHELL = "shell"
    """No volume found: the surface cells stand for the shape."""


def solid(mesh: Mesh, resolution: int) -> tuple[np.ndarray, SolidStatus]:
    """Cells whose centre lies inside the mesh.

    Args:
        mesh: in the canonical frame; parts outside the unit cube are cut off.
        resolution: cells per edge.

    Returns:
        Occupancy (R, R, R) bool, and how it was found. A mesh without volume at this resolution (thin
        plates, open sheets) gives its surface cells, united with what is clearly solid.

    Raises:
        ValueError: the mesh is rejected, and why: no face, no area, nothing in the unit cube, coordinates
            that `Mesh.check_reach` refuses; or `resolution` is below 1.
    """
    triangles = _checked(mesh, resolution)
    surface = _surface(triangles, resolution)
    enough = SHELL_RATIO * surface.sum()
    triangles, found, closed = _axis_votes(mesh, triangles, resolution, enough)
    lines = AXES
    unanimous = ((found == 0) | (found == 2 * len(AXES))).all()
    if not unanimous:
        lines, found = AXES + DIAGONALS, found + votes(triangles, resolution, DIAGONALS)
    erring = 2 * len(lines) // ERRING
    occupancy = _inside(found, lines)
    if not unanimous:
        occupancy |= (found > erring) & _enclosed(occupancy | surface)
    if not (occupancy.any() or surface.any()):
        raise ValueError("nothing to voxelise: the mesh lies outside the unit cube [-0.5, 0.5]^3")
    if occupancy.sum() < enough or not (unanimous or _bounds(surface, occupancy)):
        along, on = np.diff(triangles, axis=1).transpose(1, 0, 2)
        if np.linalg.norm(np.cross(along, on), axis=1).sum() / 2 < FLAT:
            raise ValueError(f"nothing to voxelise: the {len(triangles)} faces of the mesh have no area")
        return surface | (found >= 2 * len(lines) - erring), SolidStatus.SHELL
    return occupancy, SolidStatus.CLOSED if closed and unanimous else SolidStatus.REPAIRED


def surface_cells(mesh: Mesh, resolution: int) -> np.ndarray:
    """Cells (R, R, R) bool that the surface passes through.

    A face on the border between two cells belongs to the one nearer to the cube's centre. Parts outside
    the unit cube are cut off.

    Raises:
        ValueError: no face, coordinates that `Mesh.check_reach` refuses, or `resolution` is below 1.
    """
    return _surface(_checked(mesh, resolution), resolution)


def _surface(triangles: np.ndarray, resolution: int) -> np.ndarray:
    cells = np.zeros((resolution,) * 3, dtype=np.bool_)
    _mark_surface(triangles * (resolution * SHRINK), 1e-3 * np.array(OFFSET), cells)
    return cells


def _checked(mesh: Mesh, resolution: int) -> np.ndarray:
    """Corners (F, 3, 3) of a mesh that can be voxelised."""
    if resolution < 1:
        raise ValueError(f"resolution must be at least 1, got {resolution}")
    if not len(mesh.faces):
        raise ValueError("nothing to voxelise: the mesh has no faces")
    mesh.check_reach()
    return mesh.triangles


def _axis_votes(
    mesh: Mesh, triangles: np.ndarray, resolution: int, enough: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The triangles that vote, their votes along the axes, and whether they close the mesh."""
    names = vertex_names(mesh.vertices)
    found, closed = votes(triangles, resolution, AXES), is_closed(names, mesh.faces)
    kept = distinct_faces(names, mesh.faces)
    if len(kept) < len(triangles):
        # not simply dropped: equal boxes in a stack share faces that must cancel
        folded = votes(triangles[kept], resolution, AXES)
        cancelled = _inside(found, AXES).sum() < enough <= _inside(folded, AXES).sum()
        if cancelled or _clarity(folded) > _clarity(found):
            return triangles[kept], folded, False
    return triangles, found, closed


def _inside(found: np.ndarray, lines: Lines) -> np.ndarray:
    """Cells that more than half of the directions find inside."""
    return found > len(lines)


def _bounds(surface: np.ndarray, occupancy: np.ndarray) -> bool:
    """Whether the solid explains the surface: sheets have no solid behind them, or only here and there."""
    width = len(surface) + 2
    cells, padded = np.flatnonzero(np.pad(surface, 1)), np.pad(occupancy, 1).ravel()
    beside = padded[cells]
    for step in (1, width, width * width):
        beside |= padded[cells + step] | padded[cells - step]
    return bool(beside.sum() >= BOUNDING * beside.size)


def _enclosed(walls: np.ndarray) -> np.ndarray:
    """Cells outside the walls that no path from outside the grid reaches."""
    regions, _ = ndimage.label(np.pad(~walls, 1, constant_values=True))
    return (regions != regions[0, 0, 0])[1:-1, 1:-1, 1:-1] & ~walls


def _clarity(found: np.ndarray) -> int:
    """Cells that are inside by 5 or 6 votes along the axes, less those that are contested."""
    return int((found >= 5).sum()) - int(((found >= 2) & (found <= 4)).sum())


@njit
@no_type_check
def _mark_surface(triangles, offset, cells):
    """Mark every cell that a triangle overlaps (separating axes, Akenine-Moller 2001)."""
    n = cells.shape[0]
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    v = np.empty((3, 3))
    e = np.empty((3, 3))
    normal = np.empty(3)
    p = np.empty((3, 3))
    for f in range(triangles.shape[0]):
        outside, single = False, True
        for d in range(3):
            for i in range(3):
                v[i, d] = triangles[f, i, d] + 0.5 * n + offset[d]
            low, high = min(v[0, d], v[1, d], v[2, d]), max(v[0, d], v[1, d], v[2, d])
            if high < 0 or low >= n:
                outside = True
                break
            single = single and np.floor(low) == np.floor(high)
            first[d] = max(0, int(np.floor(max(low, 0.0))))
            last[d] = min(n - 1, int(np.floor(min(high, float(n)))))
        if outside:
            continue
        if single:
            cells[first[0], first[1], first[2]] = True
            continue
        for d in range(3):
            for i in range(3):
                e[i, d] = v[(i + 1) % 3, d] - v[i, d]
        for d in range(3):
            d1, d2 = (d + 1) % 3, (d + 2) % 3
            normal[d] = e[0, d1] * e[1, d2] - e[0, d2] * e[1, d1]
        reach = 0.5 * (abs(normal[0]) + abs(normal[1]) + abs(normal[2]))
        for x in range(first[0], last[0] + 1):
            for y in range(first[1], last[1] + 1):
                for z in range(first[2], last[2] + 1):
                    if cells[x, y, z]:
                        continue
                    centre = (x + 0.5, y + 0.5, z + 0.5)
                    distance = 0.0
                    for d in range(3):
                        distance += normal[d] * (v[0, d] - centre[d])
                    if abs(distance) > reach:
                        continue
                    for i in range(3):
                        for d in range(3):
                            p[i, d] = v[i, d] - centre[d]
                    if not _separated(p, e):
                        cells[x, y, z] = True


@njit
@no_type_check
def _separated(p, e):
    """Whether one of the 9 products of a cell edge and a triangle edge parts triangle and cell."""
    for i in range(3):
        for d in range(3):
            d1, d2 = (d + 1) % 3, (d + 2) % 3
            # axis = unit vector d x e[i]
            q0 = e[i, d1] * p[0, d2] - e[i, d2] * p[0, d1]
            q1 = e[i, d1] * p[1, d2] - e[i, d2] * p[1, d1]
            q2 = e[i, d1] * p[2, d2] - e[i, d2] * p[2, d1]
            reach = 0.5 * (abs(e[i, d1]) + abs(e[i, d2]))
            if min(q0, q1, q2) > reach or max(q0, q1, q2) < -reach:
                return True
    return False
