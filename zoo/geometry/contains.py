"""Which of any points lie inside a closed mesh: crossings of a ray, counted by twos."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.geometry.crossings import edge_side
from zoo.geometry.mesh import Mesh
from zoo.geometry.welding import is_closed, vertex_names
from zoo.system.compiled import njit

PER_BUCKET = 4
"""Points in one bucket of the grid in which a triangle finds those that it may lie before."""


def is_watertight(mesh: Mesh) -> bool:
    """Whether the mesh has faces, and they close it: only then is there an inside."""
    return bool(len(mesh.faces)) and is_closed(vertex_names(mesh.vertices), mesh.faces)


def contains(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Whether each point (N, 3) is inside: its ray along +x crosses the surface an odd number of times.

    Where closed parts overlap, what lies in two of them is outside, as in trimesh and in the evaluation of
    Occupancy Networks; the orientation of the faces plays no part. `zoo.geometry.voxelize` is for meshes
    that are not closed, and for the cells of a grid.

    Returns:
        (N,) bool.

    Raises:
        ValueError: the mesh is not closed, or points are not (N, 3).
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be (N, 3), got {points.shape}")
    if not is_watertight(mesh):
        raise ValueError(f"a mesh with a boundary ({len(mesh.faces)} faces) has no inside")
    if not len(points):
        return np.zeros(0, np.bool_)
    size = max(1, int(np.sqrt(len(points) / PER_BUCKET)))
    low, high = points[:, 1:].min(0), points[:, 1:].max(0)
    step = np.maximum((high - low) / size, np.finfo(np.float64).tiny)
    cell = np.minimum(((points[:, 1:] - low) / step).astype(np.int64), size - 1)
    bucket = cell[:, 0] * size + cell[:, 1]
    order = np.argsort(bucket, kind="stable")
    starts = np.searchsorted(bucket[order], np.arange(size * size + 1))
    odd = np.zeros(len(points), np.bool_)
    _cross(mesh.triangles, points, order, starts, low, step, size, odd)
    return odd


@njit
@no_type_check
def _cross(triangles, points, order, starts, low, step, size, odd):
    """Turn `odd` round for each point that has a triangle before it along +x."""
    for f in range(triangles.shape[0]):
        y0, z0 = triangles[f, 0, 1], triangles[f, 0, 2]
        y1, z1 = triangles[f, 1, 1], triangles[f, 1, 2]
        y2, z2 = triangles[f, 2, 1], triangles[f, 2, 2]
        # One bucket more on either side: rounding may put a point beside the one it belongs to. Bounded on
        # both sides: what is too far away for an integer would become any.
        first_y = int(min(max((min(y0, y1, y2) - low[0]) / step[0] - 1, 0.0), size))
        last_y = int(max(min((max(y0, y1, y2) - low[0]) / step[0] + 1, size - 1.0), -1.0))
        first_z = int(min(max((min(z0, z1, z2) - low[1]) / step[1] - 1, 0.0), size))
        last_z = int(max(min((max(z0, z1, z2) - low[1]) / step[1] + 1, size - 1.0), -1.0))
        if first_z > last_z:
            continue
        for row in range(first_y, last_y + 1):
            for place in range(starts[row * size + first_z], starts[row * size + last_z + 1]):
                k = order[place]
                y, z = points[k, 1], points[k, 2]
                w0 = edge_side(y1, z1, y2, z2, y, z)
                w1 = edge_side(y2, z2, y0, z0, y, z)
                w2 = edge_side(y0, z0, y1, z1, y, z)
                if (w0 > 0 and w1 > 0 and w2 > 0) or (w0 < 0 and w1 < 0 and w2 < 0):
                    x = w0 * triangles[f, 0, 0] + w1 * triangles[f, 1, 0] + w2 * triangles[f, 2, 0]
                    if x / (w0 + w1 + w2) > points[k, 0]:
                        odd[k] = not odd[k]
