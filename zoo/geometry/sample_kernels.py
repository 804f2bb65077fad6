"""Compiled loops of `zoo.geometry.sample`."""

from typing import no_type_check

import numpy as np

from zoo.system.compiled import njit


@njit
@no_type_check
def face_areas(vertices, faces):
    """Cross product of two edges of each face (F, 3), and the sum of their lengths up to each (F,)."""
    crosses = np.empty((len(faces), 3))
    cumulative = np.empty(len(faces))
    total = 0.0
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        crosses[f, 0], crosses[f, 1], crosses[f, 2] = x, y, z
        total += np.sqrt(x * x + y * y + z * z)
        cumulative[f] = total
    return crosses, cumulative


@njit
@no_type_check
def places_above(cumulative, targets):
    """The first entry above each target, all of which lie below the last; entries of equal value are skipped.

    What `np.searchsorted(..., side="right")` gives. As many equal steps as there are entries say where to
    begin, which leaves a walk of about one entry.
    """
    count = len(cumulative)
    begins = np.empty(count + 1, np.int64)
    k = 0
    for step in range(count + 1):
        while k < count - 1 and cumulative[k] <= cumulative[-1] / count * step:
            k += 1
        begins[step] = k
    places = np.empty(len(targets), np.int64)
    for i in range(len(targets)):
        k = begins[min(int(targets[i] / cumulative[-1] * count), count)]
        while cumulative[k] <= targets[i]:
            k += 1
        while k > 0 and cumulative[k - 1] > targets[i]:
            k -= 1
        places[i] = k
    return places


@njit
@no_type_check
def place_points(vertices, faces, chosen, root, v):
    """The point (1 - root) a + root (1 - v) b + root v c of each chosen face."""
    points = np.empty((len(chosen), 3))
    for i in range(len(chosen)):
        corners = faces[chosen[i]]
        to_b, to_c = root[i] * (1 - v[i]), root[i] * v[i]
        for d in range(3):
            a, b, c = vertices[corners[0], d], vertices[corners[1], d], vertices[corners[2], d]
            points[i, d] = a + to_b * (b - a) + to_c * (c - a)
    return points
