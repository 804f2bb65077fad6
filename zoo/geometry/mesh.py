"""The one triangle mesh that the zoo passes around."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import trimesh


FAR = 1e6
"""Farther from the centre than this (in cube edges) coordinates are too coarse for cells and pixels."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in the canonical frame.

    Attributes:
        vertices: (V, 3) float64.
        faces: (F, 3) int64, counter-clockwise seen from outside where there is an outside.

    >>> import numpy as np, zoo
    >>> mesh = zoo.Mesh(np.eye(3), np.array([[0, 1, 2]]))
    >>> mesh.vertices.shape, mesh.faces.dtype
    ((3, 3), dtype('int64'))
    """

    vertices: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float64)
        faces = np.ascontiguousarray(self.faces, dtype=np.int64)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"vertices must be (V, 3), got {vertices.shape}")
        if faces.ndim != 2 or faces.shape[1] != 3:
            raise ValueError(f"faces must be (F, 3), got {faces.shape}")
        if not np.isfinite(vertices).all():
            raise ValueError("mesh vertices hold NaN or infinity")
        if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
            raise ValueError(f"mesh faces name vertices outside 0...{len(vertices) - 1}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @property
    def triangles(self) -> np.ndarray:
        """Corner coordinates (F, 3, 3)."""
        return np.take(self.vertices, self.faces, axis=0)

    @property
    def bounds(self) -> np.ndarray:
        """Lower and upper corner (2, 3) of the vertices that a face uses."""
        if not len(self.faces):
            raise ValueError("a mesh without faces has no bounds")
        is_used = np.zeros(len(self.vertices), np.bool_)
        is_used[self.faces.ravel()] = True
        used = self.vertices[is_used]
        return np.stack([used.min(0), used.max(0)])

    @staticmethod
    def concatenate(meshes: Iterable[Mesh]) -> Mesh:
        """All the triangles in one mesh; nothing is welded."""
        vertices, faces, offset = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], 0
        for mesh in meshes:
            vertices.append(mesh.vertices)
            faces.append(mesh.faces + offset)
            offset += len(mesh.vertices)
        return Mesh(np.concatenate(vertices), np.concatenate(faces))

    def normalized(self) -> Mesh:
        """Centred on its bounding box and scaled to a longest edge of 1."""
        low, high = self.bounds
        longest = float((high - low).max())
        if longest <= 0:
            raise ValueError("a mesh of a single point cannot be scaled to the unit cube")
        return Mesh((self.vertices - (low + high) / 2) / longest, self.faces)

    def check_reach(self) -> None:
        """Refuse what is too large to be in the canonical frame, before products of coordinates overflow.

        Raises:
            ValueError: a coordinate is beyond `FAR`.
        """
        reach = float(np.abs(self.vertices).max(initial=0))
        if reach > FAR:
            raise ValueError(
                f"the mesh reaches {reach:.3g} cube edges, at most {FAR:.0e}: normalise it first"
            )

    def to_trimesh(self) -> trimesh.Trimesh:
        """A `trimesh.Trimesh` of the same arrays, for its file formats and queries."""
        import trimesh

        return trimesh.Trimesh(self.vertices, self.faces, process=False)


@dataclass(frozen=True)
class ColoredMesh:
    """A mesh and the colours that it is drawn with.

    Attributes:
        mesh: the triangles.
        face_colors: base colour of each face (F, 3) in [0, 1]; None where nothing is known of colours.
    """

    mesh: Mesh
    face_colors: np.ndarray | None = None
