"""Points on a surface, uniform by area, and the normals there."""

from __future__ import annotations

import numpy as np

from zoo.geometry.mesh import Mesh


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
    from zoo.geometry.sample_kernels import face_areas, place_points, places_above  # numba loads slowly

    if n < 0:
        raise ValueError(f"cannot sample {n} points")
    crosses, cumulative = face_areas(mesh.vertices, mesh.faces)
    total = cumulative[-1] if len(cumulative) else 0.0
    if not total > 0:
        raise ValueError(f"mesh has no surface area to sample ({len(mesh.faces)} faces)")
    if not np.isfinite(total):
        raise ValueError("mesh is too large to sample: its area is beyond double precision")
    pick, u, v = rng.random((3, n))
    # u < 1 keeps the product below the total except by rounding
    face = places_above(cumulative, np.minimum(pick * total, np.nextafter(total, 0)))
    return place_points(mesh.vertices, mesh.faces, face, np.sqrt(u), v), np.take(crosses, face, axis=0)
