"""Which way the shapes of a file look, and how to turn them into the canonical frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.geometry.mesh import Mesh

UNIT = {
    f"{sign}{name}": np.eye(3, dtype=int)[axis] * (-1 if sign else 1)
    for axis, name in enumerate("xyz")
    for sign in ("", "-")
}
"""Directions by name: 'x', '-x', 'y', ..."""


@dataclass(frozen=True)
class Axes:
    """Axes of a file.

    Attributes:
        front, up: the file's axes that point to the front of a shape and upwards: 'x', '-x', 'y', ...
    """

    front: str = "x"
    up: str = "y"

    def __post_init__(self) -> None:
        if self.front.lstrip("-") == self.up.lstrip("-"):
            raise ValueError(f"front '{self.front}' must be another axis than up '{self.up}'")

    def matrix(self) -> np.ndarray:
        """The turn (3, 3) from the file's coordinates to ours: front to +x, up to +y."""
        front, up = UNIT[self.front], UNIT[self.up]
        return np.stack([front, up, np.cross(front, up)])

    def mesh(self, mesh: Mesh) -> Mesh:
        """A mesh of the file in our axes."""
        return Mesh(mesh.vertices @ self.matrix().T, mesh.faces)

    def grid(self, grid: np.ndarray) -> np.ndarray:
        """A grid [x][y][z] of the file in our axes."""
        matrix = self.matrix()
        turned = grid.transpose(*np.abs(matrix).argmax(1))
        return np.flip(turned, tuple(np.flatnonzero(matrix.sum(1) < 0).tolist()))
