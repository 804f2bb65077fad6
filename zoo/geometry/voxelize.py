"""Solids and surface cells of triangle meshes, closed or not.

Meshes made by artists are hardly ever watertight. The solid therefore is a vote: along every axis, lines
through the cell centres collect signed crossings, and a cell is inside along one of the six directions
when the crossings before it do not cancel. Missing, flipped and doubled faces spoil a few directions,
overlapping parts and inner surfaces none. Models drawn with every face on both sides (most of ShapeNet's)
cancel entirely; where faces coincide, the vote is held with one of each kept too, and the clearer wins.
"""

from __future__ import annotations

from enum import StrEnum
from typing import no_type_check

import numpy as np
from numba import njit

from zoo.geometry.mesh import Mesh

# Kernels are marked @no_type_check: run-time shape checkers must not wrap what numba compiles.

MAJORITY = 4
"""Votes out of 6 that make a cell solid."""

SHELL_RATIO = 0.1
"""A mesh whose solid has fewer cells than this share of its surface cells is a shell without volume."""

# Query points lie this far (in cells) off the cell centres, the same offset for every direction: faces,
# edges and vertices with round coordinates are never hit exactly, and all directions break ties alike.
OFFSET = (3.1415926e-6, 2.7182818e-6, 1.4142135e-6)
# The surface is shrunk towards the cube's centre by this factor, so that a face on the border between two
# cells counts for the inner one, and the faces of the unit cube itself for the outermost cells. Only the
# planes through the centre stay in place; a far smaller offset decides there.
SHRINK = 1 - 1e-6


class SolidStatus(StrEnum):
    """How far the solid can be trusted."""

    CLOSED = "closed"
    """Watertight, and all six directions agree everywhere."""
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
        plates, open sheets) gives its surface cells, united with what little solid there is.

    Raises:
        ValueError: no face, or nothing of the mesh lies in the unit cube, or `resolution` is below 1.
    """
    triangles = _checked(mesh, resolution)
    names = _vertex_names(mesh.vertices)
    surface = surface_cells(mesh, resolution)
    enough = SHELL_RATIO * surface.sum()
    votes = _votes(triangles, resolution)
    closed = _boundary(names, mesh.faces) == 0
    kept = np.unique(_face_names(names, mesh.faces), return_index=True)[1]
    if len(kept) < len(triangles):
        # not simply dropped: equal boxes in a stack share faces that must cancel
        folded = _votes(triangles[np.sort(kept)], resolution)
        cancelled = (votes >= MAJORITY).sum() < enough <= (folded >= MAJORITY).sum()
        if cancelled or _clarity(folded) > _clarity(votes):
            votes, closed = folded, False
    occupancy = votes >= MAJORITY
    if occupancy.sum() < enough:
        return occupancy | surface, SolidStatus.SHELL
    if not occupancy.any():
        raise ValueError("nothing to voxelise: the mesh lies outside the unit cube [-0.5, 0.5]^3")
    unanimous = ((votes == 0) | (votes == 6)).all()
    return occupancy, SolidStatus.CLOSED if closed and unanimous else SolidStatus.REPAIRED


def surface_cells(mesh: Mesh, resolution: int) -> np.ndarray:
    """Cells (R, R, R) bool that the surface passes through.

    A face on the border between two cells belongs to the one nearer to the cube's centre. Parts outside
    the unit cube are cut off.

    Raises:
        ValueError: no face, or `resolution` is below 1.
    """
    triangles = _checked(mesh, resolution)
    cells = np.zeros((resolution,) * 3, dtype=np.bool_)
    _mark_surface(triangles * (resolution * SHRINK), 1e-3 * np.array(OFFSET), cells)
    return cells


def _checked(mesh: Mesh, resolution: int) -> np.ndarray:
    if resolution < 1:
        raise ValueError(f"resolution must be at least 1, got {resolution}")
    if not len(mesh.faces):
        raise ValueError("nothing to voxelise: the mesh has no faces")
    return mesh.triangles


def _votes(triangles: np.ndarray, resolution: int) -> np.ndarray:
    """How many of the 6 directions find each cell (R, R, R) inside."""
    votes = np.zeros((resolution,) * 3, dtype=np.int8)
    for axis in range(3):
        _vote(triangles * resolution, axis, np.array(OFFSET), votes)
    return votes


def _clarity(votes: np.ndarray) -> int:
    """Cells that are inside by 5 or 6 votes less those that are contested."""
    return int((votes >= 5).sum()) - int(((votes >= 2) & (votes <= 4)).sum())


@njit(cache=True)
@no_type_check
def _edge(ax, ay, bx, by, px, py):
    """Twice the signed area of (a, b, p); exactly antisymmetric in a and b, so that edges do not leak."""
    if ax < bx or (ax == bx and ay < by):
        return (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return (ay - by) * (px - bx) - (ax - bx) * (py - by)


@njit(cache=True)
@no_type_check
def _vote(triangles, axis, offset, votes):
    """Add the votes of both directions along `axis`; triangles in cells, origin at the cube's centre."""
    n = votes.shape[0]
    b_axis, c_axis = (axis + 1) % 3, (axis + 2) % 3
    half = 0.5 * n - 0.5
    ob, oc, oa = half - offset[b_axis], half - offset[c_axis], half - offset[axis]
    change = np.zeros((n, n, n + 1), dtype=np.int32)
    for f in range(triangles.shape[0]):
        # coordinates in which query points are whole numbers
        b0, b1, b2 = triangles[f, 0, b_axis] + ob, triangles[f, 1, b_axis] + ob, triangles[f, 2, b_axis] + ob
        first_b = max(0, int(np.ceil(max(min(b0, b1, b2), -1.0))))
        last_b = min(n - 1, int(np.floor(min(max(b0, b1, b2), float(n)))))
        if first_b > last_b:
            continue
        c0, c1, c2 = triangles[f, 0, c_axis] + oc, triangles[f, 1, c_axis] + oc, triangles[f, 2, c_axis] + oc
        first_c = max(0, int(np.ceil(max(min(c0, c1, c2), -1.0))))
        last_c = min(n - 1, int(np.floor(min(max(c0, c1, c2), float(n)))))
        if first_c > last_c:
            continue
        a0, a1, a2 = triangles[f, 0, axis] + oa, triangles[f, 1, axis] + oa, triangles[f, 2, axis] + oa
        for b in range(first_b, last_b + 1):
            for c in range(first_c, last_c + 1):
                w0 = _edge(b1, c1, b2, c2, b, c)
                w1 = _edge(b2, c2, b0, c0, b, c)
                w2 = _edge(b0, c0, b1, c1, b, c)
                if w0 > 0 and w1 > 0 and w2 > 0:
                    sign = -1  # the outward normal points along the axis: the line leaves
                elif w0 < 0 and w1 < 0 and w2 < 0:
                    sign = 1
                else:
                    continue
                at = (w0 * a0 + w1 * a1 + w2 * a2) / (w0 + w1 + w2)
                k = int(np.ceil(min(max(at, 0.0), float(n))))
                change[b, c, k] += sign
    for b in range(n):
        for c in range(n):
            total = 0
            for k in range(n + 1):
                total += change[b, c, k]
            before = 0
            for k in range(n):
                before += change[b, c, k]
                vote = (before != 0) + (total - before != 0)
                if vote:
                    if axis == 0:
                        votes[k, b, c] += vote
                    elif axis == 1:
                        votes[c, k, b] += vote
                    else:
                        votes[b, c, k] += vote


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
@no_type_check
def _mix(value):
    """Finaliser of splitmix64: a bijection whose output looks random."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _vertex_names(vertices: np.ndarray) -> np.ndarray:
    """A 64-bit hash (V,) of each position: vertices are told apart by where they are, not by number."""
    return _hash_rows((vertices + 0.0).view(np.uint64))  # + 0.0 turns -0.0 into 0.0


@njit(cache=True)
@no_type_check
def _hash_rows(rows):
    names = np.empty(rows.shape[0], np.uint64)
    for i in range(rows.shape[0]):
        names[i] = np.uint64(0x9E3779B97F4A7C15)
        for d in range(rows.shape[1]):
            names[i] = _mix(names[i] + rows[i, d])
    return names


@njit(cache=True)
@no_type_check
def _face_names(names, faces):
    """A hash (F,) of each face's corners that does not depend on their order."""
    out = np.empty(faces.shape[0], np.uint64)
    for f in range(faces.shape[0]):
        a, b, c = names[faces[f, 0]], names[faces[f, 1]], names[faces[f, 2]]
        low, high = min(a, b, c), max(a, b, c)
        out[f] = _mix(_mix(_mix(low) + (a ^ b ^ c ^ low ^ high)) + high)
    return out


@njit(cache=True)
@no_type_check
def _boundary(names, faces):
    """Hash of the boundary: 0 when every edge is run through as often one way as the other.

    That is the condition for a winding number to exist. Every directed edge adds a hash that its reverse
    subtracts; no sorting is needed, and 64 bits leave no room for accidents.
    """
    total = np.uint64(0)
    for f in range(faces.shape[0]):
        for i in range(3):
            a, b = names[faces[f, i]], names[faces[f, (i + 1) % 3]]
            if a < b:
                total += _mix(_mix(a) + b)
            elif b < a:
                total -= _mix(_mix(b) + a)
    return total
