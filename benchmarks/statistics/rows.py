"""One row of a comparison: a model over its seeds, somebody's predictions, or a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.records.schema import Record
from benchmarks.statistics.design import Average

Instance = tuple[str, int | None, str]
"""Shape id, view and category."""

MIN_CLUSTERS = 30
"""A bootstrap over fewer shapes gives intervals that are too short: categories below have none."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % cluster-bootstrap interval, or without one (low and high are None)."""

    mean: float
    low: float | None
    high: float | None
    n: int
    """Instances that entered."""

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def bars(self) -> tuple[float, float]:
        """How far the interval reaches below and above the mean, which it need not hold; 0 without one."""
        if self.low is None or self.high is None:
            return 0.0, 0.0
        return max(0.0, self.mean - self.low), max(0.0, self.high - self.mean)


@dataclass(frozen=True)
class ComparedRow:
    """One model over its seeds, or one control.

    Attributes:
        records: one per seed, seeds ascending.
        n: instances that every seed has; missing: those of the split that are not among them.
        instance_mean, category_mean: metric to estimate; None where it is not defined for this row.
        categories: category to metric to estimate; intervals only for the primary metrics and where
            there are at least `MIN_CLUSTERS` shapes.
        values: metric to (seeds, instances of the comparison), NaN where missing or not defined.
        failures: (seed, id, view, reason) of every failed instance; its values are the declared worst.
        absent: seeds that were asked for and have no result.
    """

    name: str
    records: tuple[Record, ...]
    n: int
    missing: int
    instance_mean: dict[str, Estimate | None]
    category_mean: dict[str, Estimate | None]
    categories: dict[str, dict[str, Estimate | None]]
    values: dict[str, np.ndarray]
    failures: tuple[tuple[int | None, str, int | None, str | None], ...]
    absent: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        return self.records[0].kind

    @property
    def ranked(self) -> bool:
        """Whether it takes part in the comparison: a model or somebody's predictions, no control."""
        return self.kind != "control"

    def means(self, average: Average) -> dict[str, Estimate | None]:
        """Metric to estimate, of the one average or the other."""
        return self.instance_mean if average == "instance" else self.category_mean

    @property
    def title(self) -> str:
        return self.records[0].title

    @property
    def complete(self) -> bool:
        """Incomplete rows are shown, but neither ranked nor compared."""
        return self.missing == 0 and not self.absent

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(r.seed for r in self.records if r.seed is not None)

    @property
    def n_failed(self) -> int:
        """Failed instances, over all seeds."""
        return sum(r.n_failed for r in self.records)


def shapes_and_categories(instances: Sequence[Instance], use: np.ndarray) -> tuple[list[str], list[str]]:
    """Shape and category of each instance that counts."""
    used = [instances[k] for k in np.flatnonzero(use).tolist()]
    return [i for i, _, _ in used], [c for _, _, c in used]
