"""Changing the resolution of an occupancy grid. Cells, not corners, are what a value belongs to."""

from __future__ import annotations

import numpy as np


def resample(volume: np.ndarray, resolution: int) -> np.ndarray:
    """Resample voxels (R, R, R) of the unit cube to another resolution.

    A multiple of the old resolution repeats cells, a divisor averages them: both keep the mean and put no
    value anywhere that was not covered by the cell before. Any other ratio interpolates linearly between
    cell centres (constant beyond the outermost ones).

    Args:
        volume: (R, R, R), bool or real.
        resolution: cells per edge of the result.

    Returns:
        (resolution, resolution, resolution) float32; never a view of `volume`.

    Raises:
        ValueError: `volume` is no cube, or `resolution` is below 1.
    """
    size = _edge(volume, resolution)
    values = np.asarray(volume, dtype=np.float32)
    if resolution % size == 0:
        times = resolution // size
        return values.repeat(times, 0).repeat(times, 1).repeat(times, 2)
    if size % resolution == 0:
        times = size // resolution
        for _ in range(3):  # sums of strided slices are ten times faster than a mean over blocks
            values = np.add.reduce([values[i::times] for i in range(times)]).transpose(1, 2, 0)
        return np.ascontiguousarray(values) / np.float32(times**3)
    weights = _linear_weights(size, resolution)
    for _ in range(3):  # contract the first axis, append the new one: after three turns the order is back
        values = np.tensordot(values, weights, axes=(0, 1))
    return np.ascontiguousarray(values)


def max_pool(volume: np.ndarray, resolution: int) -> np.ndarray:
    """Occupied where any covered cell is: a coarser grid that loses no thin part. Keeps the dtype.

    Raises:
        ValueError: `volume` is no cube, or its resolution is not a multiple of `resolution`.
    """
    size = _edge(volume, resolution)
    if size % resolution:
        raise ValueError(f"cannot pool {size} cells per edge to {resolution}: not a whole ratio")
    values, times = np.ascontiguousarray(volume), size // resolution
    for _ in range(3):  # strided slices, as above
        values = np.maximum.reduce([values[i::times] for i in range(times)]).transpose(1, 2, 0)
    return np.ascontiguousarray(values)


def bounding_cells(volume: np.ndarray) -> np.ndarray:
    """Bounding box (2, 3) of the occupied cells: the first one along each axis, and the one behind the last.

    Raises:
        ValueError: no cell is occupied.
    """
    occupied = np.asarray(volume) > 0
    spans = [np.flatnonzero(occupied.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not len(spans[0]):
        raise ValueError("an empty grid has no bounding box")
    return np.array([[span[0], span[-1] + 1] for span in spans]).T


def fill_cube(volume: np.ndarray) -> np.ndarray:
    """A shape on its grid, its bounding box centred, its longest edge the grid's.

    Every cell takes the value of the old cell that its centre falls into, so nothing is lost and nothing
    interpolated. What is placed is the box of the cells, not of the surface inside them.

    Raises:
        ValueError: `volume` is no cube, or has no occupied cell.
    """
    size = _edge(volume, 1)
    low, high = bounding_cells(volume)
    steps = ((np.arange(size) + 0.5) / size - 0.5) * (high - low).max()
    result = np.asarray(volume)
    for axis, (first, behind) in enumerate(zip(low, high, strict=True)):
        cell = np.floor((first + behind) / 2 + steps).astype(int)
        result = result.take(np.clip(cell, 0, size - 1), axis)
        result[(slice(None),) * axis + ((cell < first) | (cell >= behind),)] = 0
    return result


def _edge(volume: np.ndarray, resolution: int) -> int:
    shape = np.shape(volume)
    if len(shape) != 3 or len(set(shape)) != 1 or shape[0] == 0:
        raise ValueError(f"volume must be a cube (R, R, R), got {shape}")
    if resolution < 1:
        raise ValueError(f"resolution must be at least 1, got {resolution}")
    return int(shape[0])


def _linear_weights(size: int, resolution: int) -> np.ndarray:
    """Matrix (resolution, size) that interpolates between cell centres; every row sums to 1."""
    position = np.clip((np.arange(resolution) + 0.5) * size / resolution - 0.5, 0, size - 1)
    low = np.minimum(position.astype(int), max(size - 2, 0))
    fraction = position - low
    weights = np.zeros((resolution, size))
    rows = np.arange(resolution)
    weights[rows, low] = 1 - fraction
    weights[rows, np.minimum(low + 1, size - 1)] += fraction
    return weights.astype(np.float32)
