"""Which cells lie inside a surface, asked along many lines: signed crossings before and behind each cell.

The winding number of a closed surface is the sum of the signs of its crossings along any ray. Of a damaged
one every ray tells something else, so that a cell collects the votes of many.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.system.compiled import njit

Lines = tuple[tuple[int, int], ...]

AXES: Lines = ((0, 0), (1, 0), (2, 0))
"""Lines along x, y and z, as (axis, slope): the slope is the step along the next axis per step along this."""

DIAGONALS: Lines = ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1))
"""Lines along both diagonals of the xy, yz and zx planes; they too run through the centres of cells."""

# Query points lie this far (in cells) off the cell centres, the same offset for every direction: faces,
# edges and vertices with round coordinates are never hit exactly, and all directions break ties alike.
OFFSET = (3.1415926e-6, 2.7182818e-6, 1.4142135e-6)


def votes(triangles: np.ndarray, resolution: int, lines: Lines) -> np.ndarray:
    """How many directions find each cell inside; every line is two directions.

    Args:
        triangles: (F, 3, 3), canonical frame.
        resolution: cells per edge.
        lines: some of `AXES` and `DIAGONALS`.

    Returns:
        (R, R, R) int8 in 0...2 len(lines).
    """
    found, offset = np.zeros((resolution,) * 3, dtype=np.int8), np.array(OFFSET)
    in_cells = triangles * resolution
    for axis, slope in lines:
        _vote(in_cells, axis, slope, offset, found)
    return found


@njit
@no_type_check
def edge_side(ax, ay, bx, by, px, py):
    """Twice the signed area of (a, b, p); exactly antisymmetric in a and b, so that edges do not leak."""
    if ax < bx or (ax == bx and ay < by):
        return (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return (ay - by) * (px - bx) - (ax - bx) * (py - by)


@njit
@no_type_check
def _span(b, slope, n):
    """First k, and the one behind the last, with cell b + slope k of the next axis in 0...n - 1."""
    if slope > 0:
        return max(0, -b), min(n, n - b)
    if slope < 0:
        return max(0, b - n + 1), min(n, b + 1)
    return 0, n


@njit
@no_type_check
def _vote(triangles, axis, slope, offset, found):
    """Add the votes of both directions of the lines (axis, slope); triangles in cells around the centre.

    Coordinates (a, b, c) belong to axis, the next and the last one, less the slope: cell (k, j, c) lies on
    line (b, c) with b = j - slope k. The shear turns the lines into lines along a and keeps signs.
    """
    n = found.shape[0]
    b_axis, c_axis = (axis + 1) % 3, (axis + 2) % 3
    half = 0.5 * n - 0.5
    oa, ob, oc = half - offset[axis], half - offset[b_axis], half - offset[c_axis]
    low = 1 - n if slope > 0 else 0
    lines = 2 * n - 1 if slope != 0 else n
    crossed = np.zeros((n, lines), dtype=np.bool_)
    total = np.zeros((n, lines), dtype=np.int32)
    # [c][j][k]: the signs that are met in front of a cell, with one more place around each plane, where
    # the crossings behind a line's last cell are kept. Flat, because a line runs through it in one stride
    width = n + 2
    change = np.zeros(n * width * width, dtype=np.int32)
    step = slope * width + 1
    for f in range(triangles.shape[0]):
        # coordinates in which query points are whole numbers
        a0, a1, a2 = triangles[f, 0, axis] + oa, triangles[f, 1, axis] + oa, triangles[f, 2, axis] + oa
        b0 = triangles[f, 0, b_axis] + ob - slope * a0
        b1 = triangles[f, 1, b_axis] + ob - slope * a1
        b2 = triangles[f, 2, b_axis] + ob - slope * a2
        # bounded on both sides before it becomes a whole number: a corner may lie anywhere
        first_b = int(np.ceil(min(max(min(b0, b1, b2), float(low)), float(low + lines))))
        last_b = int(np.floor(max(min(max(b0, b1, b2), float(low + lines - 1)), low - 1.0)))
        if first_b > last_b:
            continue
        c0, c1, c2 = triangles[f, 0, c_axis] + oc, triangles[f, 1, c_axis] + oc, triangles[f, 2, c_axis] + oc
        first_c = int(np.ceil(min(max(min(c0, c1, c2), 0.0), float(n))))
        last_c = int(np.floor(max(min(max(c0, c1, c2), n - 1.0), -1.0)))
        for b in range(first_b, last_b + 1):
            first, end = _span(b, slope, n)
            for c in range(first_c, last_c + 1):
                # Whether the line meets the triangle is read off three signs. Of an edge that two triangles
                # share they round to opposite ones, so that a line is counted by one, not by both or none.
                w0 = edge_side(b1, c1, b2, c2, b, c)
                w1 = edge_side(b2, c2, b0, c0, b, c)
                w2 = edge_side(b0, c0, b1, c1, b, c)
                if w0 > 0 and w1 > 0 and w2 > 0:
                    sign = -1  # the outward normal points along the axis: the line leaves
                elif w0 < 0 and w1 < 0 and w2 < 0:
                    sign = 1
                else:
                    continue
                # where on the line it is met, and the first cell whose centre lies behind that
                at = (w0 * a0 + w1 * a1 + w2 * a2) / (w0 + w1 + w2)
                k = int(np.ceil(min(max(at, float(first)), float(end))))
                change[(c * width + b + 1) * width + 1 + k * step] += sign
                total[c, b - low] += sign
                crossed[c, b - low] = True
    votes = found.reshape(-1)
    stride = (n * n, n, 1)
    along = stride[axis] + slope * stride[b_axis]
    for c in range(n):
        for b in range(low, low + lines):
            if crossed[c, b - low]:
                first, end = _span(b, slope, n)
                place = (c * width + b + 1) * width + 1
                cell = b * stride[b_axis] + c * stride[c_axis]
                # `before` is the sum of the signs in front of the cell, so `whole - before` that of those
                # behind it: the winding numbers that the two directions of the line see, up to their sign
                before, whole = 0, total[c, b - low]
                for k in range(first, end):
                    before += change[place + k * step]
                    votes[cell + k * along] += (before != 0) + (before != whole)
