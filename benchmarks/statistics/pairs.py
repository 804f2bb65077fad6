"""Pairs of rows tested on the same instances, and what may be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.statistics.bootstrap import Interval, cluster_bootstraps
from benchmarks.statistics.design import Average
from benchmarks.statistics.paired import Paired, holm, paired_differences, wins
from benchmarks.statistics.rows import ComparedRow, Instance, shapes_and_categories
from zoo.metrics import Column

ALPHA = 0.05
Verdict = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class PairedRow:
    """Difference row - against of one metric on the same instances.

    Attributes:
        p_holm: corrected over all pairs that were tested together.
        improves: probability that the row is better on an instance drawn at random.
    """

    row: str
    against: str
    metric: str
    paired: Paired
    p_holm: float
    improves: Interval


def judge(pair: PairedRow, column: Column) -> Verdict:
    """'better' or 'worse' only where the interval excludes 0 and the corrected p is below 5 %."""
    if not pair.p_holm < ALPHA or pair.paired.low <= 0 <= pair.paired.high:
        return "open"
    return "better" if (pair.paired.difference > 0) == (column.better == "higher") else "worse"


@dataclass(frozen=True)
class PairTests:
    """The paired tests of one comparison: its rows by name, and how means are taken.

    Attributes:
        better: which way each metric is better, by its name.
    """

    rows: Mapping[str, ComparedRow]
    instances: Sequence[Instance]
    better: Mapping[str, Literal["higher", "lower"]]
    average: Average
    resamples: int

    def testable(self, row: str, against: str, metric: str) -> bool:
        """Whether two rows can be compared by a metric: both complete, and both have it."""
        sides = self.rows[row], self.rows[against]
        return row != against and all(r.complete and r.instance_mean[metric] is not None for r in sides)

    def run(
        self,
        wanted: Sequence[tuple[str, str, str]],
        average: Average | None = None,
        category: str | None = None,
        by_metric: bool = False,
    ) -> tuple[PairedRow, ...]:
        """Test (row, against, metric) triples together.

        Args:
            average: the mean that is compared; None for that of the comparison.
            category: on its instances alone; None for all.
            by_metric: Holm's correction is over the triples of each metric; else over all.
        """
        part = np.array([category in (None, c) for _, _, c in self.instances], bool)
        alike: dict[bytes, list[tuple[str, str, str]]] = {}
        for key in wanted:
            sides = self.rows[key[0]].values[key[2]], self.rows[key[1]].values[key[2]]
            alike.setdefault((part & ~np.isnan(np.vstack(sides)).any(0)).tobytes(), []).append(key)
        found: dict[tuple[str, str, str], tuple[Paired, Interval]] = {}
        for mask, keys in alike.items():
            use = np.frombuffer(mask, np.bool_)
            shapes, strata = shapes_and_categories(self.instances, use)
            pairs = [(self.rows[a].values[m][:, use], self.rows[b].values[m][:, use]) for a, b, m in keys]
            options: Any = {"average": average or self.average, "resamples": self.resamples}
            paired = paired_differences(pairs, shapes, strata, **options, flips=self.resamples)
            won = [wins(*sides, self.better[m]) for sides, (_, _, m) in zip(pairs, keys, strict=True)]
            improves = cluster_bootstraps(won, shapes, strata, resamples=self.resamples)
            found |= dict(zip(keys, zip(paired, improves, strict=True), strict=True))
        families: dict[str, list[tuple[str, str, str]]] = {}
        for key in wanted:
            families.setdefault(key[2] if by_metric else "", []).append(key)
        adjusted: dict[tuple[str, str, str], float] = {}
        for keys in families.values():
            adjusted |= dict(zip(keys, map(float, holm([found[key][0].p for key in keys])), strict=True))
        return tuple(PairedRow(*key, found[key][0], adjusted[key], found[key][1]) for key in wanted)
