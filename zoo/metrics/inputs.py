"""What a metric is given: one shape, sampled and voxelised once, with its search structure kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from zoo.metrics.neighbours import Index
from zoo.seeding import rng


@dataclass(eq=False)
class Measured:
    """One side of a comparison.

    Attributes:
        points: (N, 3) float64, uniform by area on the surface; (0, 3) when there is none.
        voxels: (R, R, R) occupancy, bool or probabilities; None where the shape has no inside.
        threshold: probability from which on a cell of `voxels` counts as occupied.
        seed: of the random subsets.
        centre, scale: a point p of the cube that the grids fill lies among `points` at (p - centre) * scale.

    Raises:
        ValueError: points are not (N, 3) or not finite.
    """

    points: np.ndarray
    voxels: np.ndarray | None = None
    threshold: float | None = None
    seed: int = 0
    centre: np.ndarray = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0
    _distances: WeakKeyDictionary[Measured, np.ndarray] = field(default_factory=WeakKeyDictionary, repr=False)

    def __post_init__(self) -> None:
        self.points = check_points(self.points, "points")

    @cached_property
    def index(self) -> Index:
        """Nearest-neighbour structure over the points, built at the first question."""
        return Index(self.points)

    def distances_to(self, other: Measured) -> np.ndarray:
        """Distance of each of these points to its nearest point of `other` (N,); computed once per pair."""
        if other not in self._distances:
            self._distances[other] = other.index.query(self.points)
        return self._distances[other]

    def subset(self, n: int) -> np.ndarray:
        """`n` of the points, drawn without replacement; the same ones every time.

        Raises:
            ValueError: there are fewer than `n`.
        """
        if n > len(self.points):
            raise ValueError(f"cannot take {n} points from a cloud of {len(self.points)}")
        if n == len(self.points):
            return self.points
        return self.points[rng(self.seed, "subset", n).choice(len(self.points), n, replace=False)]


def check_points(points: np.ndarray, name: str, allow_empty: bool = True) -> np.ndarray:
    """The cloud as (N, 3) float64.

    Raises:
        ValueError: another shape, NaN, infinity, or (unless allowed) no points.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name} must be (N, 3), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: {int((~np.isfinite(points)).any(1).sum())} points hold NaN or infinity")
    if not (allow_empty or len(points)):
        raise ValueError(f"{name} is empty: a true shape without a surface is an error in the data")
    return points
