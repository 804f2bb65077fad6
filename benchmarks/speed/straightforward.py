"""The evaluation that a careful student would write: one process, scikit-image, trimesh, scipy and numpy.

It measures what r3d-v1 measures of voxels, by the same definitions and as many points, without a line of the
zoo: what `benchmarks.speed.metrics` is compared with, in values and in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
import trimesh
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from skimage.measure import marching_cubes

RADII = (0.01, 0.02, 0.05)
"""Radii of the F-score, in longest edges of the truth."""


class Clock:
    """Seconds by name, summed over instances."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time of a block."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started


def evaluate(
    prediction: np.ndarray,
    truth: np.ndarray,
    level: float,
    points: int,
    matched: int,
    seed: int,
    clock: Clock,
) -> dict[str, float]:
    """Score one predicted grid (R, R, R) of probabilities against a true one (R, R, R) bool.

    Args:
        level: occupancy from which on a predicted cell is inside.
        points: on either surface; the first `matched` of them enter the EMD.
        clock: where the time of each metric is added.
    """
    found = {}
    with clock("IoU"):
        found["iou@val"] = iou(prediction, truth, level)
        found["iou@.5"] = iou(prediction, truth, 0.5)
    with clock("surface"):
        true_surface = surface(truth, 0.5)
        a = sample(surface(prediction, level), points, seed)
        b = sample(true_surface, points, seed + 1)
        low, high = true_surface.bounds
        a, b = ((cloud - (low + high) / 2) / (high - low).max() for cloud in (a, b))
    with clock("CD"):
        to_truth, to_prediction = distances(a, b)
        found["cd"] = float(to_truth.mean() + to_prediction.mean())
    with clock("F-score"):
        for radius in RADII:
            found[f"fscore@{100 * radius:g}%"] = fscore(to_truth, to_prediction, radius)
    with clock("EMD"):
        found["emd"] = emd(a[:matched], b[:matched])
    return found


def iou(prediction: np.ndarray, truth: np.ndarray, level: float) -> float:
    """|P and G| / |P or G| of the cells at or above the level."""
    inside = prediction >= np.float32(level)
    return float((inside & truth).sum() / (inside | truth).sum())


def surface(grid: np.ndarray, level: float) -> trimesh.Trimesh:
    """Marching cubes on the grid with an empty cell around it, in the unit cube."""
    vertices, faces, _, _ = marching_cubes(np.pad(grid.astype(np.float32), 1), level)
    return trimesh.Trimesh((vertices - 0.5) / len(grid) - 0.5, faces)


def sample(mesh: trimesh.Trimesh, points: int, seed: int) -> np.ndarray:
    """Points (n, 3), uniform by area."""
    return np.asarray(trimesh.sample.sample_surface(mesh, points, seed=seed)[0])


def distances(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each point of either cloud to the nearest of the other."""
    return cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]


def fscore(to_truth: np.ndarray, to_prediction: np.ndarray, radius: float) -> float:
    """Harmonic mean of the shares that are nearer than the radius."""
    precision, recall = (to_truth < radius).mean(), (to_prediction < radius).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def emd(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance under the best assignment."""
    cost = cdist(a, b)
    return float(cost[linear_sum_assignment(cost)].mean())
