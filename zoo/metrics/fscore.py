"""F-score: how much of either surface lies within a small distance of the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.metrics import METRICS, Column, Metric
from zoo.metrics.inputs import Measured, check_points
from zoo.metrics.neighbours import nearest_both_ways
from zoo.registry import EntryConfig

PERCENT = (1, 2, 5)
"""Radii in per cent of the truth's longest edge."""


class FScore(NamedTuple):
    """Fractions in [0, 1]; `fscore` is the harmonic mean of the other two, 0 when both are 0."""

    precision: float
    recall: float
    fscore: float


def fscore(prediction: np.ndarray, truth: np.ndarray, radius: float) -> FScore:
    """Precision, recall and F-score of a predicted cloud (N, 3) against a true one (M, 3).

    precision = share of predicted points nearer than `radius` (strictly) to a true point, recall = share
    of true points nearer than that to a predicted one, F = 2 P R / (P + R) (Knapitsch et al. 2017;
    Tatarchenko et al. 2019). Both depend on the density of the other cloud: use equal counts.

    Returns:
        `FScore`; all 0 for an empty prediction.

    Raises:
        ValueError: the truth is empty, a cloud is not finite, or `radius` is not positive.

    Examples:
        Of three predicted points one is nowhere near, and every true point is found:

        >>> truth = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> prediction = np.array([[0.0, 0.0, 0.0], [1.0, 0.01, 0.0], [0.5, 0.5, 0.5]])
        >>> [round(value, 3) for value in fscore(prediction, truth, radius=0.02)]
        [0.667, 1.0, 0.8]
    """
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    prediction = check_points(prediction, "prediction")
    truth = check_points(truth, "truth", allow_empty=False)
    if not len(prediction):
        return FScore(0.0, 0.0, 0.0)
    return from_distances(*nearest_both_ways(prediction, truth), radius)


def from_distances(to_truth: np.ndarray, to_prediction: np.ndarray, radius: float) -> FScore:
    """F-score from nearest distances: those of predicted points (N,) and of true points (M,)."""
    precision, recall = float((to_truth < radius).mean()), float((to_prediction < radius).mean())
    total = precision + recall
    return FScore(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)


@METRICS.register("fscore", config=EntryConfig, cite="Tatarchenko et al. 2019 (arXiv:1905.03678)")
class FScoreMetric(Metric):
    """F-score with precision and recall at radii given in per cent of the truth's longest edge."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(
            Column(f"{name}@{p:g}%", f"{label}@{p:g}%", "higher", 0.0, 3, "fraction", curve=(curve, float(p)))
            for p in PERCENT
            for name, label, curve in (
                ("fscore", "F", "F-score"),
                ("precision", "P", "precision"),
                ("recall", "R", "recall"),
            )
        )

    def __call__(self, prediction: Measured, truth: Measured) -> dict[str, float | None]:
        check_points(truth.points, "truth", allow_empty=False)
        row: dict[str, float | None] = {}
        for p in PERCENT:
            result = FScore(0.0, 0.0, 0.0)
            if len(prediction.points):
                to_truth, to_prediction = prediction.distances_to(truth), truth.distances_to(prediction)
                result = from_distances(to_truth, to_prediction, p / 100)
            row[f"fscore@{p:g}%"] = result.fscore
            row[f"precision@{p:g}%"] = result.precision
            row[f"recall@{p:g}%"] = result.recall
        return row
