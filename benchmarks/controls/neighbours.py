"""Prediction by several recognised shapes: the mean of the training shapes with the nearest pictures.

Stronger than the single nearest one, because what the neighbours agree on is more often right; still a
look-up, which has learned nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import overload

import numpy as np

from benchmarks.controls.features import Describe, image_features, mask_features
from benchmarks.controls.lookup import Predictor, Training, grid_at
from benchmarks.protocols import CURVE, Truth
from zoo.metrics.iou import iou_curve
from zoo.seeding import rng
from zoo.shapes import Shape, VoxelShape

SIZE = 24
"""Edge of the downsampled picture and mask that pictures are compared at."""
COUNTS = (1, 3, 5, 10, 20, 40)
"""Numbers of neighbours to choose from."""
FALLS = (0.1, 0.2, 0.3, 0.5, 1.0)
"""How fast weights fall, to choose from: exp(-(d - d1) / (fall d1)), d1 being the nearest one's distance."""
CHOICE = 400
"""Validation shapes that the choice is made on at most, drawn with a fixed seed."""
BLOCK = 1 << 24
"""Distances that are held at once."""


def grey_and_mask(images: np.ndarray) -> np.ndarray:
    """Pictures (M, H, W, 4) uint8 as vectors (M, 2 `SIZE`^2) float32: filled grey pixels, and opacity."""
    return np.concatenate([image_features(images, SIZE), mask_features(images, SIZE)], axis=1)


@dataclass(frozen=True)
class Neighbours:
    """The K nearest training shapes of each of M pictures, nearest first.

    Attributes:
        shapes: (M, K) indices. distances: (M, K) L2 distance to the nearest picture of that shape.
    """

    shapes: np.ndarray
    distances: np.ndarray

    def weights(self, count: int, fall: float) -> np.ndarray:
        """Weights (M, count) of the nearest ones, whose sum is 1."""
        distances = self.distances[:, :count]
        nearest = np.maximum(distances[:, :1], 1e-6)  # the picture itself is in training: it alone counts
        found = np.exp(-(distances - distances[:, :1]) / (fall * nearest))
        return found / found.sum(1, keepdims=True)


def nearest_shapes(training: Training, images: np.ndarray, describe: Describe, count: int) -> Neighbours:
    """The training shapes with the nearest pictures, each by the nearest of its views.

    Of equals the first one comes first.
    """
    wanted = describe(images).astype(np.float64)
    vectors = training.described(describe)
    total, views = vectors.shape[:2]
    count = min(count, total)
    squared = np.square(wanted).sum(1)
    best, found = np.full((len(images), 0), np.inf), np.zeros((len(images), 0), np.int64)
    step = max(1, BLOCK // max(1, len(images) * views))
    for k in range(0, total, step):
        stored = vectors[k : k + step].astype(np.float64)
        flat = stored.reshape(-1, stored.shape[-1])
        distance = np.square(flat).sum(1) - 2 * wanted @ flat.T
        distance = distance.reshape(len(images), -1, views).min(2)
        best = np.concatenate([best, distance], 1)
        found = np.concatenate([found, np.broadcast_to(np.arange(k, k + len(stored)), distance.shape)], 1)
        order = np.argsort(best, axis=1, kind="stable")[:, :count]
        best, found = np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)
    return Neighbours(found, np.sqrt(np.maximum(best + squared[:, None], 0)))


class Means(Sequence[Shape]):
    """Weighted means of training shapes, made when they are asked for: all of them may not fit in memory."""

    def __init__(self, voxels: np.ndarray, shapes: np.ndarray, weights: np.ndarray) -> None:
        self.voxels, self.shapes, self.weights = voxels, shapes, weights

    def __len__(self) -> int:
        return len(self.shapes)

    @overload
    def __getitem__(self, index: int) -> Shape: ...
    @overload
    def __getitem__(self, index: slice) -> list[Shape]: ...
    def __getitem__(self, index: int | slice) -> Shape | list[Shape]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        return VoxelShape(mean_of(self.voxels, self.shapes[index], self.weights[index]))


def mean_of(voxels: np.ndarray, shapes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean (R, R, R) float32 in [0, 1] of some of the grids (N, R, R, R) bool."""
    chosen = voxels[shapes].reshape(len(shapes), -1).astype(np.float32)
    mean = np.clip(weights.astype(np.float32) @ chosen, 0, 1)
    return mean.reshape(voxels.shape[1:])


def fit_neighbours(
    training: Training, truths: Sequence[Truth], images: np.ndarray, describe: Describe = grey_and_mask
) -> Predictor:
    """Choose how many neighbours count, and how their weights fall, by the IoU with validation shapes.

    Each choice is judged at its own best threshold, as a model's is.

    Args:
        truths, images: of the validation split.
    """
    chosen = rng(0, "neighbours").permutation(len(truths))[:CHOICE]
    grids = {int(k): grid_at(truths[int(k)], training.resolution) for k in chosen}
    chosen = np.array([k for k, grid in grids.items() if grid.any()], np.int64)
    count, fall = 1, FALLS[0]
    if len(chosen):
        near = nearest_shapes(training, images[chosen], describe, max(COUNTS))
        choices = [(k, f) for k, f in product(COUNTS, FALLS) if k <= near.shapes.shape[1]]
        scores = [_score(training, near, [grids[int(k)] for k in chosen], *choice) for choice in choices]
        count, fall = choices[int(np.argmax(scores))]  # the fewest of equals

    def predict(truths: Sequence[Truth], images: np.ndarray) -> Sequence[Shape]:
        near = nearest_shapes(training, images, describe, count)
        return Means(training.voxels, near.shapes, near.weights(count, fall))

    return predict


def _score(
    training: Training, near: Neighbours, grids: Sequence[np.ndarray], count: int, fall: float
) -> float:
    weights = near.weights(count, fall)
    curves = [
        iou_curve(mean_of(training.voxels, shapes[:count], own), grid, CURVE)
        for shapes, own, grid in zip(near.shapes, weights, grids, strict=True)
    ]
    return float(np.mean(curves, axis=0).max())
