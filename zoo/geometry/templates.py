"""Triangulated templates that a network bends into surfaces: the unit square and the unit sphere."""

from __future__ import annotations

from math import isqrt

import numpy as np


def square(most: int) -> tuple[np.ndarray, np.ndarray]:
    """The regular grid over [0, 1]^2 with as many vertices as fit, every cell cut along the same diagonal.

    Args:
        most: at most this many vertices; at least 4.

    Returns:
        Vertices (K, 2) float64, the second coordinate running fastest; faces (F, 3) int64, counter-clockwise.
    """
    side = isqrt(most)
    if side < 2:
        raise ValueError(f"a square needs at least 4 vertices, got {most}")
    ticks = np.linspace(0, 1, side)
    vertices = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    lower, upper = corner + np.array([0, side, side + 1]), corner + np.array([0, side + 1, 1])
    return vertices, np.stack([lower, upper], 1).reshape(-1, 3)


def sphere(most: int) -> tuple[np.ndarray, np.ndarray]:
    """The icosphere, subdivided as often as fits: 10 * 4^k + 2 vertices.

    Args:
        most: at most this many vertices; at least 12.

    Returns:
        Vertices (K, 3) float64 of length 1; faces (F, 3) int64, counter-clockwise from outside.
    """
    if most < 12:
        raise ValueError(f"an icosphere needs at least 12 vertices, got {most}")
    from trimesh.creation import icosphere  # only where a sphere is made: the import takes a while

    subdivisions = 0
    while 10 * 4 ** (subdivisions + 1) + 2 <= most:
        subdivisions += 1
    mesh = icosphere(subdivisions)
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
