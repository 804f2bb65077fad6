"""How Pix3D turns an occupancy grid into 1,024 points and into a 32^3 grid of its own bounding box."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import measure

from zoo.geometry.resample import bounding_cells

ISO = 0.1
"""Where the surface is, and from which on a cell belongs to the bounding box."""
POINTS = 1024
DENSITY = 5e-7
"""First number of points per unit of area, times the squared resolution."""
LARGE, POOL = 100, 4
"""Grids of more cells per edge than this are first pooled, by so many."""
SIZE = 32
"""Cells per edge of the grid that is compared."""


class NoSurfaceError(ValueError):
    """A grid that the original program stops at."""


def refuse_full(volume: np.ndarray) -> None:
    """Raise `NoSurfaceError` where no value of a grid is below .1."""
    if volume.min() > np.float32(ISO):
        raise NoSurfaceError(f"no value below {ISO:g}, so marching cubes has no surface to find")


def surface_points(volume: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1,024 points (1024, 3) on the surface at .1, in cells; not uniform by area.

    Marching cubes on the grid as it is: where the shape fills the border, the surface is open there. Every
    triangle gets at least one point; the density is doubled until all have 1,024, of which a random subset
    is taken. With 1,024 triangles or more that is one point each, whatever their size.

    Raises:
        NoSurfaceError: no value below .1, none above, or too few triangles and none with an area.
    """
    values = np.array(volume, dtype=np.float32)  # a copy: scikit-image takes no read-only arrays
    refuse_full(values)
    try:
        vertices, faces, _, _ = measure.marching_cubes(values, ISO)
    except RuntimeError as error:  # values reach the level, and none passes it
        raise NoSurfaceError(f"marching cubes at {ISO:g}: {error}") from error
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    if len(faces) < POINTS and not (area > 0).any():
        raise NoSurfaceError(f"the {len(faces)} triangles at {ISO:g} have no area")
    density = DENSITY / len(volume) ** 2
    while (counts := np.maximum((area * density).astype(np.int64), 1)).sum() < POINTS:
        density *= 2
    face = np.repeat(np.arange(len(faces)), counts)[rng.permutation(counts.sum())[:POINTS]]
    root, v = np.sqrt(rng.random((POINTS, 1))), rng.random((POINTS, 1))
    return (1 - root) * a[face] + root * (1 - v) * b[face] + root * v * c[face]


def own_frame(points: np.ndarray) -> np.ndarray:
    """The cloud with its own bounding box centred, the longest edge 1.

    Raises:
        NoSurfaceError: all points are the same.
    """
    low, high = points.min(0), points.max(0)
    longest = float((high - low).max())
    if not longest > 0:
        raise NoSurfaceError("all its points are one")
    return (points - (low + high) / 2) / longest


def own_grid(volume: np.ndarray) -> np.ndarray:
    """The grid's own bounding box at .1, resampled to (32, 32, 32) float64.

    Grids of more than 100^3 are max-pooled by 4 first, a remainder is cut off. The box of the cells >= .1 is
    put into a cube with the box's longest edge, measured between the centres of its outermost cells, and
    sampled linearly at 32 places per edge from end to end. Outside the box there is 0: nothing is
    interpolated towards it, so that what is one cell thick falls between two samples and vanishes.
    """
    values = np.asarray(volume, dtype=np.float64)
    if len(values) > LARGE:
        edge = len(values) // POOL
        blocks = values[: edge * POOL, : edge * POOL, : edge * POOL].reshape((edge, POOL) * 3)
        values = blocks.max(axis=(1, 3, 5))
    if values.max() < ISO:
        return np.zeros((SIZE,) * 3)
    low, high = bounding_cells(values >= ISO)
    values = values[tuple(slice(*ends) for ends in zip(low, high, strict=True))]
    spans = np.array(values.shape) - 1
    reach = spans.max() / 2
    lines = [np.linspace(s / 2 - reach, s / 2 + reach, SIZE) for s in spans]
    places = np.meshgrid(*lines, indexing="ij")
    return ndimage.map_coordinates(values, places, order=1, mode="constant", cval=0.0)


def iou_at(prediction: np.ndarray, truth: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    """IoU (T,) of the cells > t, the threshold applied to both sides; 0 where both are empty."""
    found = []
    for t in thresholds:
        p, g = prediction > t, truth > t
        union = np.count_nonzero(p | g)
        found.append(np.count_nonzero(p & g) / union if union else 0.0)
    return np.array(found)
