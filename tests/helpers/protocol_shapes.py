"""The shapes that the pathologies of published protocols were measured on, on grids of any resolution."""

from __future__ import annotations

import numpy as np

from benchmarks.protocols import Truth
from zoo.geometry.mesh import Mesh
from zoo.shapes import Shape, VoxelShape


def centres(resolution: int) -> np.ndarray:
    """Cell centres (3, R, R, R)."""
    line = (np.arange(resolution) + 0.5) / resolution - 0.5
    return np.stack(np.meshgrid(line, line, line, indexing="ij"))


def sphere(resolution: int, diameter: float = 1.0) -> np.ndarray:
    return np.linalg.norm(centres(resolution), axis=0) <= diameter / 2


def boxes(resolution: int, *corners: tuple[tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
    """Cells whose centre lies in one of the boxes (low, high)."""
    x = np.moveaxis(centres(resolution), 0, -1)
    return np.any([((x > low) & (x < high)).all(-1) for low, high in corners], axis=0)


def box(resolution: int) -> np.ndarray:
    """1 x .6 x .3."""
    return boxes(resolution, ((-0.5, -0.3, -0.15), (0.5, 0.3, 0.15)))


def chair(resolution: int) -> np.ndarray:
    """Longest edge 1, y up; seat and back .06 thick, four legs of .04 x .04, the back towards -x."""
    legs = [
        ((x - 0.02, -0.5, z - 0.02), (x + 0.02, 0.0, z + 0.02)) for x in (-0.23, 0.23) for z in (-0.23, 0.23)
    ]
    seat, back = ((-0.25, -0.06, -0.25), (0.25, 0.0, 0.25)), ((-0.25, 0.0, -0.25), (-0.19, 0.5, 0.25))
    return boxes(resolution, seat, back, *legs)


SHAPES = {"sphere": sphere, "box": box, "chair": chair}


def box_mesh(edges: tuple[float, float, float], centre: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Mesh:
    """A closed box, faces outwards."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
    faces += [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    return Mesh(corners * edges + np.array(centre), np.array(faces))


def truth(shape: Shape | np.ndarray, id: str = "one", view: int = 0) -> Truth:
    return Truth(id, "chair", view, VoxelShape(shape) if isinstance(shape, np.ndarray) else shape)


def distances(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every point to its nearest of the other cloud, both ways, by all differences in float64."""
    every = np.array([np.sqrt(((p - b) ** 2).sum(1)) for p in a])
    return every.min(1), every.min(0)
