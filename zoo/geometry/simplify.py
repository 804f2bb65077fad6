"""A mesh with fewer triangles, for pictures: never for measuring."""

from __future__ import annotations

import numpy as np

from zoo.geometry.mesh import Mesh

FINEST = 256
"""Cells along the longest edge beyond which nobody sees a difference."""

RANK = 1e-2
"""Least curvature of a cell's surface, relative to its largest, that decides where its vertex goes."""


def simplify(mesh: Mesh, faces: int) -> Mesh:
    """A mesh of at most `faces` triangles on nearly the same surface.

    All vertices in one cell of a regular grid become one vertex, which lies where it is nearest, in least
    squares, to the planes of the triangles around (Lindstrom 2000, "Out-of-core simplification of large
    polygonal models"), so that edges and corners stay sharp. The grid is the finest that leaves no more than
    `faces` triangles. Triangles that collapse are dropped, and of several on the same three vertices all but
    one: a plate thinner than a cell becomes a single sheet.

    Args:
        mesh: any triangles; returned as it is where it has few enough.
        faces: at least 4.

    Raises:
        ValueError: `faces` is below 4.
    """
    if faces < 4:
        raise ValueError(f"a mesh needs at least 4 faces, got {faces}")
    if len(mesh.faces) <= faces:
        return mesh
    low, high = mesh.bounds
    if not (high > low).any():
        return Mesh(mesh.vertices, mesh.faces[:faces])  # all in one point: nothing to tell apart
    longest = float((high - low).max())
    place = (mesh.vertices - low) / longest
    coarse, fine = 1, FINEST
    while fine - coarse > 1:
        middle = (coarse + fine) // 2
        if len(_clustered(mesh, _cells(place, middle)[1])) <= faces:
            coarse = middle
        else:
            fine = middle
    corners, names = _cells(place, coarse)
    found = _clustered(mesh, names)
    step = longest / coarse
    origin = low + corners * step
    kept, renumbered = np.unique(found, return_inverse=True)
    vertices = np.clip(_nearest_to_planes(mesh, names, len(corners)), origin, origin + step)
    return Mesh(vertices[kept], renumbered.reshape(-1, 3))


def _cells(place: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells (C, 3) that hold vertices, and which one each vertex is in (V,).

    Args:
        place: of the vertices (V, 3), 0 to 1 along the longest edge.
        count: cells along it.
    """
    cell = np.clip(np.floor(place * count), 0, count - 1).astype(np.int64)
    key = (cell[:, 0] * count + cell[:, 1]) * count + cell[:, 2]
    keys, names = np.unique(key, return_inverse=True)
    return np.stack([keys // count**2, keys // count % count, keys % count], axis=1), names


def _clustered(mesh: Mesh, names: np.ndarray) -> np.ndarray:
    """Faces (F, 3) between the cells `names` (V,): those with three different ones, each triple once."""
    faces = names[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    a, b, c = np.sort(faces, axis=1).T
    first = np.unique((a * (names.max() + 1) + b) * (names.max() + 1) + c, return_index=True)[1]
    return faces[np.sort(first)]


def _nearest_to_planes(mesh: Mesh, names: np.ndarray, count: int) -> np.ndarray:
    """For each cell the point (count, 3) nearest to the planes of the triangles that reach into it.

    Weighted by the squares of their areas; what the planes leave open is settled by the mean vertex.
    """

    def per_cell(values: np.ndarray) -> np.ndarray:
        return np.bincount(names, weights=values, minlength=count)

    mean = np.stack([per_cell(x) for x in mesh.vertices.T], axis=1) / per_cell(np.ones(len(names)))[:, None]
    p, q, r = np.moveaxis(mesh.triangles, 1, 0)
    normal, cell = np.cross(q - p, r - p), names[mesh.faces]
    matrix, offset = np.zeros((count, 3, 3)), np.zeros((count, 3))
    for corner in cell.T:
        height = np.einsum("ij,ij->i", normal, p - mean[corner])
        for i in range(3):
            offset[:, i] += np.bincount(corner, weights=normal[:, i] * height, minlength=count)
            for j in range(3):
                weights = normal[:, i] * normal[:, j]
                matrix[:, i, j] += np.bincount(corner, weights=weights, minlength=count)
    moved: np.ndarray = np.einsum("cij,cj->ci", np.linalg.pinv(matrix, rcond=RANK, hermitian=True), offset)
    return mean + moved
