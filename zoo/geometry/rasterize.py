"""Which face is in front at every sample of a picture: a z-buffer, filled triangle by triangle."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.system.compiled import njit

NEAR = 1e-2
"""Nothing closer to the camera's plane than this (in cube edges) is drawn; triangles are cut there."""

FRONT = 1 + 1e-9
"""So much nearer count the faces that look at the camera: of two faces in one place the one is seen that
shows its front. Models drawn with every face on both sides, as most of ShapeNet's are, have other colours
behind."""


@njit
@no_type_check
def rasterize(vertices, faces, focal, cx, cy, inverse_depth, owner):
    """Fill the sample grid with 1/depth and number of the nearest face; 0 and -1 stay where there is none."""
    height, width = owner.shape
    corners = np.zeros_like(vertices)  # 1/depth stays 0 where a vertex is not in front
    for i in range(vertices.shape[0]):
        if vertices[i, 2] >= NEAR:
            _project(vertices[i, 0], vertices[i, 1], vertices[i, 2], focal, cx, cy, corners, i)
    polygon = np.empty((4, 3))
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        visible = (corners[a, 2] > 0) + (corners[b, 2] > 0) + (corners[c, 2] > 0)
        if visible == 3:
            # most faces of a fine mesh fall between the samples: out before anything is passed on
            if _missed(corners[a, 1], corners[b, 1], corners[c, 1], height):
                continue
            if _missed(corners[a, 0], corners[b, 0], corners[c, 0], width):
                continue
            _fill(corners, a, b, c, f, inverse_depth, owner)
        elif visible > 0:
            count = 0
            for k in range(3):
                here, there = faces[f, k], faces[f, (k + 1) % 3]
                if vertices[here, 2] >= NEAR:
                    polygon[count] = corners[here]
                    count += 1
                if (vertices[here, 2] >= NEAR) != (vertices[there, 2] >= NEAR):
                    # always from the near end to the far one, so that neighbours cut a shared edge alike
                    p, q = vertices[here], vertices[there]
                    if p[2] > q[2]:
                        p, q = q, p
                    t = (NEAR - p[2]) / (q[2] - p[2])
                    x, y = p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])
                    _project(x, y, NEAR, focal, cx, cy, polygon, count)
                    count += 1
            for k in range(1, count - 1):
                _fill(polygon, 0, k, k + 1, f, inverse_depth, owner)
    for j in range(height):
        for i in range(width):
            owner[j, i] >>= 1


@njit
@no_type_check
def _project(x, y, z, focal, cx, cy, out, i):
    """Column, row and 1/depth of a point in front of the camera, as the i-th of `out`."""
    inverse = 1 / z
    out[i, 0], out[i, 1], out[i, 2] = focal * x * inverse + cx, focal * y * inverse + cy, inverse


@njit
@no_type_check
def _missed(u0, u1, u2, n):
    """Whether none of the samples 0...n - 1 lies between the least and the greatest."""
    return np.ceil(max(min(u0, u1, u2), 0.0)) > np.floor(min(max(u0, u1, u2), n - 1.0))


@njit
@no_type_check
def _fill(corners, p, q, r, face, inverse_depth, owner):
    """Draw the triangle of three projected corners, row by row, from its leftmost to its rightmost sample.

    `owner` gets 2 f + 1 where face f shows its front, else 2 f.
    """
    height, width = owner.shape
    x0, y0, i0 = corners[p, 0], corners[p, 1], corners[p, 2]
    x1, y1, i1 = corners[q, 0], corners[q, 1], corners[q, 2]
    x2, y2, i2 = corners[r, 0], corners[r, 1], corners[r, 2]
    # bounded on both sides: a corner too far away for an integer would become any row
    top = int(np.ceil(min(max(min(y0, y1, y2), 0.0), float(height))))
    bottom = int(np.floor(max(min(max(y0, y1, y2), height - 1.0), -1.0)))
    left, right = min(max(min(x0, x1, x2), 0.0), float(width)), max(min(max(x0, x1, x2), width - 1.0), -1.0)
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    if area == 0 or top > bottom or np.ceil(left) > np.floor(right):
        return
    mark, nearer = 2 * face, 1.0
    if area < 0:  # counter-clockwise, because rows go down
        x1, y1, i1, x2, y2, i2 = x2, y2, i2, x1, y1, i1
        area = -area
        mark, nearer = 2 * face + 1, FRONT
    # 1/depth is linear in the image
    gx = ((i1 - i0) * (y2 - y0) - (i2 - i0) * (y1 - y0)) / area
    gy = ((i2 - i0) * (x1 - x0) - (i1 - i0) * (x2 - x0)) / area
    highest, lowest = max(i0, i1, i2), min(i0, i1, i2)
    # a sample on an edge belongs to both faces, with room for rounding: no cracks between neighbours
    slack = -1e-10 * (abs(x1 - x0) + abs(y1 - y0) + abs(x2 - x0) + abs(y2 - y0))
    # the edge functions a i + (e - a x) >= slack bound the row from the left (a > 0) or the right (a < 0)
    a0, a1, a2 = y0 - y1, y1 - y2, y2 - y0
    s0 = 1 / a0 if a0 != 0 else 0.0
    s1 = 1 / a1 if a1 != 0 else 0.0
    s2 = 1 / a2 if a2 != 0 else 0.0
    for j in range(top, bottom + 1):
        e0, e1, e2 = (x1 - x0) * (j - y0), (x2 - x1) * (j - y1), (x0 - x2) * (j - y2)
        if (a0 == 0 and e0 < slack) or (a1 == 0 and e1 < slack) or (a2 == 0 and e2 < slack):
            continue
        b0, b1, b2 = x0 + (slack - e0) * s0, x1 + (slack - e1) * s1, x2 + (slack - e2) * s2
        # the samples of this row that lie on the inner side of all three edges
        low, high = left, right
        if a0 > 0:
            low = max(low, b0)
        elif a0 < 0:
            high = min(high, b0)
        if a1 > 0:
            low = max(low, b1)
        elif a1 < 0:
            high = min(high, b1)
        if a2 > 0:
            low = max(low, b2)
        elif a2 < 0:
            high = min(high, b2)
        if not low <= high:
            continue
        row = i0 + gy * (j - y0) - gx * x0
        for i in range(int(np.ceil(low)), int(np.floor(high)) + 1):
            # a sliver's gradient overshoots: no sample is nearer or farther than the corners
            inverse = min(max(row + gx * i, lowest), highest)
            # what holds the sample counts with the bonus that it had itself, so that order does not matter
            held = inverse_depth[j, i] * (FRONT if owner[j, i] & 1 else 1.0)
            if inverse * nearer > held:
                inverse_depth[j, i] = inverse
                owner[j, i] = mark
