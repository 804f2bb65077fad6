"""Surfaces small enough for a web page: simplified, shaded by their distance to the truth, packed as text."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from zoo.geometry.mesh import Mesh
from zoo.geometry.simplify import simplify
from zoo.metrics.neighbours import Index
from zoo.shapes import MeshShape, PointShape, Shape

FACES = 8000
"""Triangles of a surface at most; what is measured is the whole surface."""
PAGE_FACES = 4_000_000
"""Triangles of all surfaces of a page: some 4 bytes each, so that a page of many models opens at once."""
FEWEST_FACES = 1000
"""Triangles that a surface keeps on the fullest page, for its shape to be told."""
POINTS = 2000
"""Points of a cloud at most."""
TRUE_POINTS = 50_000
"""Points of the true surface that distances are measured to."""
FAR = 0.1
"""Distance in longest edges of the truth from which on the colour no longer changes."""
SPAN = 2.0
"""Edge of the cube of which 16-bit coordinates are fractions; what lies outside is moved to its side."""


def faces_each(surfaces: int) -> int:
    """Triangles that each of so many surfaces on one page may have."""
    return max(FEWEST_FACES, min(FACES, PAGE_FACES // max(1, surfaces)))


def lighten(shape: Shape, level: float, faces: int = FACES) -> Shape:
    """What a page shows of a shape: its surface at `level` with at most so many faces, or `POINTS` points."""
    mesh = shape.mesh(level)
    if mesh is not None:
        return MeshShape(simplify(mesh, faces))
    cloud = shape.points(POINTS, np.random.default_rng(0), level)
    return PointShape(np.unique(cloud, axis=0))


class TruePoints:
    """The true surface of one instance, prepared to be asked for distances."""

    def __init__(self, truth: Shape) -> None:
        points = truth.points(TRUE_POINTS, np.random.default_rng(0))
        self.index = Index(points)
        self.edge = float((points.max(0) - points.min(0)).max())

    def shades(self, points: np.ndarray) -> np.ndarray:
        """Distance of each point (N, 3) to the truth as (N,) uint8: 255 from `FAR` longest edges on."""
        distance = self.index.query(points) / self.edge
        return np.rint(255 * np.minimum(distance / FAR, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Surface:
    """Triangles or points in the canonical frame.

    Attributes:
        vertices: (V, 3); faces: (F, 3), or None for points.
        shades: (V,) uint8, or None for a surface in one colour.
    """

    vertices: np.ndarray
    faces: np.ndarray | None
    shades: np.ndarray | None = None

    @classmethod
    def of(cls, shape: Shape, level: float, truth: TruePoints | None = None, faces: int = FACES) -> Surface:
        """The lightened shape, shaded where its truth is given."""
        light = lighten(shape, level, faces)
        mesh = light.mesh()
        if mesh is not None:
            mesh = _without_unused(mesh)
            vertices, corners = mesh.vertices, mesh.faces
        else:
            own = light.own_points
            assert own is not None
            vertices, corners = own, None
        shades = None if truth is None or not len(vertices) else truth.shades(vertices)
        return cls(vertices, corners, shades)

    @property
    def kind(self) -> Literal["mesh", "points", "empty"]:
        if not len(self.vertices):
            return "empty"
        return "points" if self.faces is None else "mesh"

    def packed(self) -> dict[str, Any]:
        """As JSON: counts, and base64 of what `report.js` unpacks.

        Deflated: x, y and z of the vertices, then the corners of the faces, as little-endian uint16, each
        list as differences of neighbours and with all low bytes before all high bytes (both make it half as
        long); then the shades. Faces are sorted by their first corner, which is their smallest.
        """
        steps = np.rint((self.vertices / SPAN + 0.5).clip(0, 1) * 65535).astype(np.uint16)
        faces = np.zeros((0, 3), np.int64) if self.faces is None else _sorted(self.faces)
        if len(steps) > 65536:
            raise ValueError(f"a surface of {len(steps)} vertices does not fit 16-bit corners; lighten it")
        lists = [*steps.T, *faces.astype(np.uint16).T]
        shades = b"" if self.shades is None else self.shades.tobytes()
        data = zlib.compress(b"".join(map(_shuffled, lists)) + shades, 9)
        return {
            "kind": self.kind,
            "vertices": len(steps),
            "faces": len(faces),
            "shaded": self.shades is not None,
            "data": base64.b64encode(data).decode(),
        }


def _without_unused(mesh: Mesh) -> Mesh:
    used, faces = np.unique(mesh.faces, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3))


def _sorted(faces: np.ndarray) -> np.ndarray:
    """Each face turned so that its smallest corner comes first, then sorted by it; which way round stays."""
    turn = faces.argmin(1)
    turned = np.stack([faces[np.arange(len(faces)), (turn + k) % 3] for k in range(3)], axis=1)
    return turned[np.lexsort(turned.T[::-1])]


def _shuffled(values: np.ndarray) -> bytes:
    differences = np.diff(values, prepend=np.uint16(0)).astype("<u2")  # wraps round, as the sum does
    return differences.view(np.uint8).reshape(-1, 2).T.tobytes()
