"""Points on a surface, uniform by area, and the normals there."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.geometry.mesh import Mesh
from zoo.system.compiled import njit


def sample_surface(mesh: Mesh, n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent points, uniform by area over all triangles.

    A triangle is drawn with a probability proportional to its area; inside it (1 - sqrt(u)) a +
    sqrt(u) (1 - v) b + sqrt(u) v c is uniform (Osada et al. 2002, section 3.1). Orientation does not
    matter, and a triangle without area is never drawn.

    Args:
        mesh: any triangles; the same generator state gives the same points.
        n: number of points.
        rng: draws 3 n uniform numbers.

    Returns:
        (n, 3) float64.

    Raises:
        ValueError: the mesh has no area to put points on, or `n` is negative.
    """
    return _draw(mesh, n, rng)[0]


def sample_with_normals(mesh: Mesh, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The points of `sample_surface`, and the unit normal of the face that each lies on.

    Returns:
        Two (n, 3) float64. Normals point where the corners of their face run counter-clockwise.

    Raises:
        ValueError: as `sample_surface`.
    """
    points, crosses = _draw(mesh, n, rng)
    return points, crosses / np.linalg.norm(crosses, axis=1, keepdims=True)


def _draw(mesh: Mesh, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3), and the cross product of two edges of each one's face."""
    if n < 0:
        raise ValueError(f"cannot sample {n} points")
    crosses, cumulative = _areas(mesh.vertices, mesh.faces)
    total = cumulative[-1] if len(cumulative) else 0.0
    if not total > 0:
        raise ValueError(f"mesh has no surface area to sample ({len(mesh.faces)} faces)")
    if not np.isfinite(total):
        raise ValueError("mesh is too large to sample: its area is beyond double precision")
    pick, u, v = rng.random((3, n))
    # u < 1 keeps the product below the total except by rounding
    face = _places(cumulative, np.minimum(pick * total, np.nextafter(total, 0)))
    return _points(mesh.vertices, mesh.faces, face, np.sqrt(u), v), np.take(crosses, face, axis=0)


@njit
@no_type_check
def _areas(vertices, faces):
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
def _places(cumulative, targets):
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
def _points(vertices, faces, chosen, root, v):
    """The point (1 - root) a + root (1 - v) b + root v c of each chosen face."""
    points = np.empty((len(chosen), 3))
    for i in range(len(chosen)):
        corners = faces[chosen[i]]
        to_b, to_c = root[i] * (1 - v[i]), root[i] * v[i]
        for d in range(3):
            a, b, c = vertices[corners[0], d], vertices[corners[1], d], vertices[corners[2], d]
            points[i, d] = a + to_b * (b - a) + to_c * (c - a)
    return points
