"""Grouped results as rows of a comparison: means, intervals, values by instance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.records.schema import Record, Rows
from benchmarks.statistics.bootstrap import cluster_bootstraps
from benchmarks.statistics.design import Average
from benchmarks.statistics.rows import MIN_CLUSTERS, ComparedRow, Estimate, Instance, shapes_and_categories

_Estimates = dict[tuple[str, str], Estimate | None]
"""By row and metric; None where it is not defined for the row."""


@dataclass(frozen=True)
class Summary:
    """Turns grouped rows into `ComparedRow`s."""

    instances: tuple[Instance, ...]
    metrics: Sequence[str]
    primary: Sequence[str]
    headline: Sequence[str]
    resamples: int
    wanted: Mapping[str, Sequence[int]]

    def rows(self, groups: Mapping[str, Sequence[tuple[Record, Rows]]]) -> list[ComparedRow]:
        there, values, measurable = self._tables(groups)
        category = np.array([c for _, _, c in self.instances])
        shapes = Counter(c for _, c in {(i, c) for i, _, c in self.instances})
        headline = {*self.headline, *self.primary}

        def estimates(average: Average, part: np.ndarray, intervals: Collection[str]) -> _Estimates:
            cells = {
                (name, m): (values[name][m], there[name] & measurable[m] & part)
                for name in groups
                for m in self.metrics
            }
            return self._estimates(cells, average, intervals)

        everywhere = np.ones(len(category), bool)
        of_instances = estimates("instance", everywhere, self.metrics)
        of_categories = estimates("category", everywhere, headline)
        within = {
            c: estimates("instance", category == c, self.primary if k >= MIN_CLUSTERS else ())
            for c, k in sorted(shapes.items())
        }

        def own(found: _Estimates, name: str) -> dict[str, Estimate | None]:
            return {m: found[name, m] for m in self.metrics}

        return [
            self._row(
                members,
                there[name],
                values[name],
                own(of_instances, name),
                own(of_categories, name),
                {c: own(found, name) for c, found in within.items()},
            )
            for name, members in groups.items()
        ]

    def _tables(
        self, groups: Mapping[str, Sequence[tuple[Record, Rows]]]
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
        """By row name which instances it has and its values (S, N) by metric; by metric who is measurable."""
        tables = {name: [self._table(rows) for _, rows in members] for name, members in groups.items()}
        everything = [t for seeds in tables.values() for _, t in seeds]
        # a metric may be undefined for an instance (no true mesh), but then for every row
        measurable = {m: np.any([~np.isnan(t[m]) for t in everything], axis=0) for m in self.metrics}
        there = {name: np.all([t for t, _ in seeds], axis=0) for name, seeds in tables.items()}
        values = {
            name: {m: np.array([t[m] for _, t in seeds]) for m in self.metrics}
            for name, seeds in tables.items()
        }
        return there, values, measurable

    def _row(
        self,
        members: Sequence[tuple[Record, Rows]],
        there: np.ndarray,
        values: dict[str, np.ndarray],
        instance_mean: dict[str, Estimate | None],
        category_mean: dict[str, Estimate | None],
        categories: dict[str, dict[str, Estimate | None]],
    ) -> ComparedRow:
        """One row of results that differ by their seed alone."""
        records = tuple(record for record, _ in members)
        wanted = self.wanted.get(records[0].name, ())
        return ComparedRow(
            name=records[0].name,
            records=records,
            n=int(there.sum()),
            missing=max(len(there), *(record.dataset.n for record in records)) - int(there.sum()),
            instance_mean=instance_mean,
            category_mean=category_mean,
            categories=categories,
            values=values,
            failures=tuple(
                (record.seed, row["id"], row["view"], row["reason"])
                for record, rows in members
                for row in rows
                if row["failed"]
            ),
            absent=tuple(seed for seed in wanted if seed not in {record.seed for record in records}),
        )

    def _table(self, rows: Rows) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Which instances the rows hold (N,), and each metric (N,) with NaN where there is nothing."""
        place = {(i, v): k for k, (i, v, _) in enumerate(self.instances)}
        own = np.array([place[row["id"], row["view"]] for row in rows])
        there = np.zeros(len(self.instances), bool)
        there[own] = True
        table = {m: np.full(len(self.instances), np.nan) for m in self.metrics}
        for m in self.metrics:
            table[m][own] = [math.nan if row[m] is None else row[m] for row in rows]
        return there, table

    def _estimates(
        self,
        cells: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
        average: Average,
        intervals: Collection[str],
    ) -> _Estimates:
        """Estimates of many cells; those over the same instances share their resamples.

        Args:
            cells: of each (row, metric), its values (S, N) and which instances count (N,).
            intervals: metrics that get an interval.
        """
        found: _Estimates = dict.fromkeys(cells)
        alike: dict[tuple[bytes, bool], list[tuple[str, str]]] = {}
        for key, (values, use) in cells.items():
            # a row that lacks some values has no mean of the others
            if use.any() and not np.isnan(values[:, use]).any():
                alike.setdefault((use.tobytes(), key[1] in intervals), []).append(key)
        for (_, interval), keys in alike.items():
            use = cells[keys[0]][1]
            shapes, strata = shapes_and_categories(self.instances, use)
            chosen = [cells[key][0][:, use] for key in keys]
            if interval and len(set(shapes)) > 1:  # one shape says nothing of the others
                options: Any = {"average": average, "resamples": self.resamples}
                means = cluster_bootstraps(chosen, shapes, strata, **options)
                found |= {
                    key: Estimate(m.mean, m.low, m.high, len(shapes))
                    for key, m in zip(keys, means, strict=True)
                }
                continue
            places = [np.arange(len(strata))]
            if average == "category":
                places = [np.flatnonzero(np.array(strata) == c) for c in sorted(set(strata))]
            for key, values in zip(keys, chosen, strict=True):
                mean = np.mean([values.mean(0)[place].mean() for place in places])
                found[key] = Estimate(float(mean), None, None, len(shapes))
        return found
