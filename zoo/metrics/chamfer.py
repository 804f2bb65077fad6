"""Chamfer distance, by equation (1) of the R3D report, and its two halves."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from zoo.metrics import METRICS, Column, Metric
from zoo.metrics.inputs import Measured, check_points
from zoo.metrics.neighbours import nearest_both_ways
from zoo.registry import EntryConfig

DIAGONAL = math.sqrt(3)
"""Diagonal of the unit cube: the farthest that a point of a prediction within it can be from the truth."""


class Chamfer(NamedTuple):
    """Distances between two clouds, in the unit of the clouds (`cd_sq`: its square).

    Attributes:
        accuracy: mean distance of a predicted point to the nearest true one.
        completeness: mean distance of a true point to the nearest predicted one.
        cd: accuracy + completeness.
        cd_sq: the same sum with squared distances (PyTorch3D's `chamfer_distance`).
    """

    accuracy: float
    completeness: float
    cd: float
    cd_sq: float


WORST = Chamfer(DIAGONAL, DIAGONAL, 2 * DIAGONAL, 6.0)
"""What an empty prediction gets."""


def chamfer(prediction: np.ndarray, truth: np.ndarray) -> Chamfer:
    """Chamfer distances of a predicted cloud (N, 3) to a true one (M, 3).

    With d_P the distance of each predicted point to its nearest true point and d_G the reverse,
    cd = mean(d_P) + mean(d_G), *not* squared and *not* halved: eq. (1) of the R3D report, the definition of
    Pix3D and 3D-LMNet, and twice the "Chamfer-L1" of Occupancy Networks. cd_sq = mean(d_P^2) + mean(d_G^2).
    There is no conversion between the two, only the bound cd <= sqrt(2 cd_sq).

    Returns:
        `Chamfer`; `WORST` for an empty prediction.

    Raises:
        ValueError: the truth is empty, or a cloud is not finite.

    Examples:
        Two points, the second of which is missed by 0.3:

        >>> truth = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> prediction = np.array([[0.0, 0.0, 0.0], [1.0, 0.3, 0.0]])
        >>> found = chamfer(prediction, truth)
        >>> round(found.cd, 3), round(found.cd_sq, 3)
        (0.3, 0.09)
    """
    prediction = check_points(prediction, "prediction")
    truth = check_points(truth, "truth", allow_empty=False)
    if not len(prediction):
        return WORST
    return from_distances(*nearest_both_ways(prediction, truth))


def from_distances(to_truth: np.ndarray, to_prediction: np.ndarray) -> Chamfer:
    """Chamfer distance from nearest distances: predicted points' d_P (N,) and true points' d_G (M,)."""
    accuracy, completeness = float(to_truth.mean()), float(to_prediction.mean())
    squared = float(np.square(to_truth).mean() + np.square(to_prediction).mean())
    return Chamfer(accuracy, completeness, accuracy + completeness, squared)


class ChamferConfig(EntryConfig):
    """The Chamfer distance has no settings."""


@METRICS.register("chamfer", config=ChamferConfig, cite="R3D report, eq. (1)")
class ChamferMetric(Metric):
    """Chamfer distance: sum of the two mean distances, its halves, and the squared variant."""

    columns = (
        Column("cd", "CD", "lower", WORST.cd, 4, "longest edges of the truth"),
        Column("acc", "Acc", "lower", WORST.accuracy, 4, "longest edges of the truth"),
        Column("comp", "Comp", "lower", WORST.completeness, 4, "longest edges of the truth"),
        Column("cd_sq", "CD² ×1000", "lower", WORST.cd_sq, 2, "squared longest edges of the truth", 1000.0),
    )

    def __call__(self, prediction: Measured, truth: Measured) -> dict[str, float | None]:
        check_points(truth.points, "truth", allow_empty=False)
        result = WORST
        if len(prediction.points):
            result = from_distances(prediction.distances_to(truth), truth.distances_to(prediction))
        return {
            "cd": result.cd,
            "acc": result.accuracy,
            "comp": result.completeness,
            "cd_sq": result.cd_sq,
        }
