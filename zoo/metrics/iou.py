"""Intersection over union of occupancy grids, for one threshold or a whole curve of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import no_type_check

import numpy as np

from zoo.metrics import METRICS, Column, Metric
from zoo.metrics.inputs import Measured
from zoo.registry import EntryConfig
from zoo.system.compiled import njit


def iou(prediction: np.ndarray, truth: np.ndarray, threshold: float = 0.5) -> float:
    """IoU = |P and G| / |P or G| with P the cells of `prediction` >= `threshold` and G those of `truth`.

    Args:
        prediction: (R, R, R) bool, or probabilities in [0, 1].
        truth: (R, R, R) bool, with at least one occupied cell: 0/0 cannot occur.
        threshold: in (0, 1]; compared in single precision, with >= as in 3D-R2N2 and Pix2Vox.

    Raises:
        ValueError: shapes differ, the truth is empty or not bool, or the prediction is not finite.

    Examples:
        The lower half of a cube of eight cells, of which the prediction has one more:

        >>> truth = np.zeros((2, 2, 2), dtype=bool)
        >>> truth[:, 0] = True
        >>> prediction = truth.astype(np.float32) * 0.9
        >>> prediction[0, 1, 0] = 0.6
        >>> iou(prediction, truth), iou(prediction, truth, threshold=0.7)
        (0.8, 1.0)
    """
    return float(iou_curve(prediction, truth, (threshold,))[0])


def iou_curve(prediction: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """IoU at each of the thresholds (T,) float64, from one pass over the cells.

    The pass counts, for occupied and for empty cells of the truth, how many thresholds each value reaches;
    sums of these two histograms from the top are the intersections and the false positives.

    Raises:
        ValueError: as `iou`; or the thresholds are not ascending in (0, 1].

    Examples:
        >>> truth = np.array([[[True, False]]])
        >>> prediction = np.array([[[0.8, 0.3]]])
        >>> iou_curve(prediction, truth, (0.2, 0.5, 0.9)).tolist()
        [0.5, 1.0, 0.0]
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    levels = np.asarray(thresholds, dtype=np.float32)
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} must be the same grid")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth must be bool, got {truth.dtype}; apply its threshold first")
    if levels.ndim != 1 or not len(levels) or not (np.diff(levels) > 0).all():
        raise ValueError(f"thresholds must be ascending, got {thresholds}")
    if not (levels[0] > 0 and levels[-1] <= 1):
        raise ValueError(f"thresholds must lie in (0, 1], got {thresholds}")
    occupied = int(np.count_nonzero(truth))
    if not occupied:
        raise ValueError("truth is empty: a true shape without an occupied cell is an error in the data")
    values = np.ascontiguousarray(prediction, dtype=np.float32).reshape(-1)
    if prediction.dtype != np.bool_ and not np.isfinite(values).all():
        raise ValueError("prediction holds NaN or infinity")
    if len(levels) == 1:  # one comparison of all cells is faster than counting
        reached = values.reshape(truth.shape) >= levels[0]
        intersection = np.count_nonzero(reached & truth)
        return np.array([intersection / (occupied + np.count_nonzero(reached) - intersection)])
    histogram = _histogram(values, np.ascontiguousarray(truth).reshape(-1), levels)
    false_positive, intersection = np.cumsum(histogram[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return intersection / (occupied + false_positive)


@njit
@no_type_check
def _histogram(values, truth, levels):
    """Cells by truth (2,) and by the number of levels that their value reaches (T + 1,)."""
    count = len(levels)
    histogram = np.zeros((2, count + 1), np.int64)
    for i in range(len(values)):
        value = values[i]
        if value < levels[0]:  # most cells of most predictions
            histogram[int(truth[i]), 0] += 1
            continue
        # start where equally spaced levels would put it and walk: right for any levels, one step for those
        k = min(max(int(min(max(value, 0.0), 1.0) * count), 0), count)
        while k < count and value >= levels[k]:
            k += 1
        while k > 0 and value < levels[k - 1]:
            k -= 1
        histogram[int(truth[i]), k] += 1
    return histogram


class IoUConfig(EntryConfig):
    """The IoU has no settings: its threshold travels with each prediction."""


@METRICS.register("iou", config=IoUConfig, cite="Choy et al. 2016 (arXiv:1604.00449)")
class IoUMetric(Metric):
    """Voxel IoU at the threshold that was frozen on the validation split, and at one half."""

    columns = (
        Column("iou@val", "IoU", "higher", 0.0, 3, "fraction", defined_for=("threshold", "true grid")),
        Column("iou@.5", "IoU@.5", "higher", 0.0, 3, "fraction", defined_for=("threshold", "true grid")),
    )

    def __call__(self, prediction: Measured, truth: Measured) -> dict[str, float | None]:
        if prediction.voxels is None or truth.voxels is None:
            return {"iou@val": None, "iou@.5": None}
        if prediction.threshold is None:
            raise ValueError("a prediction with voxels needs its threshold, chosen on the validation split")
        return {
            "iou@val": iou(prediction.voxels, truth.voxels, prediction.threshold),
            "iou@.5": iou(prediction.voxels, truth.voxels, 0.5),
        }
