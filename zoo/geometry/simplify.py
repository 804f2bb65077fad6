"""A mesh with fewer triangles, for pictures: never for measuring."""

from __future__ import annotations

import fast_simplification
import numpy as np

from zoo.geometry.mesh import Mesh


def simplify(mesh: Mesh, faces: int) -> Mesh:
    """A mesh of at most `faces` triangles on nearly the same surface.

    Edges collapse in the order of the error that it brings, by quadrics (Garland and Heckbert 1997), as
    fast-simplification does it; in several rounds where many small pieces need them. Of several triangles on
    the same three vertices one is kept: a plate that has become thinner than its triangles is a single sheet.

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
    size = float((high - low).max()) or 1.0  # what an edge may cost is an absolute number
    # triangles of some files share no vertex: each would collapse for itself
    vertices, names = np.unique((mesh.vertices - low) / size, axis=0, return_inverse=True)
    corners = _once(names.reshape(-1)[mesh.faces])
    before = len(corners) + 1
    while faces < len(corners) < before:
        before = len(corners)
        vertices, corners = fast_simplification.simplify(
            vertices, corners.astype(np.int32), target_count=faces
        )
        corners = _once(corners)
    used, corners = np.unique(corners[:faces], return_inverse=True)  # all, but where a round was in vain
    return Mesh(vertices[used] * size + low, corners.reshape(-1, 3))


def _once(corners: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) with three different corners, each triple once, in their order."""
    ordered = np.sort(corners, axis=1)
    first = np.unique(ordered, axis=0, return_index=True)[1]
    own = np.sort(first)
    return corners[own[(np.diff(ordered[own], axis=1) > 0).all(axis=1)]]
