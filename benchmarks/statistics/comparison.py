"""Rows that may stand in one table, with intervals and paired tests; everything else is refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.protocols import Protocol
from benchmarks.records.results import DatasetInfo, Record, ResultError, Rows, canonical_json
from benchmarks.statistics.stats import (
    Average,
    Interval,
    Paired,
    cluster_bootstraps,
    holm,
    paired_differences,
    wins,
)
from zoo.registry import did_you_mean

WAY = ("mean_shape", "ceiling")
"""Controls between which a score is placed: knowing nothing of the picture, and all that the grid can say."""
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


@dataclass(frozen=True)
class PairedRow:
    """Difference row - against of one metric on the same instances.

    Attributes:
        p_holm: corrected over all pairs of the comparison.
        improves: probability that the row is better on an instance drawn at random.
    """

    row: str
    against: str
    metric: str
    paired: Paired
    p_holm: float
    improves: Interval


@dataclass(frozen=True)
class Comparison:
    """Rows that may stand in one table: one protocol, one preset, the same instances.

    Attributes:
        instances: (id, view, category) of every instance that any row has, sorted by category.
        rows: models first, best first by the first primary metric, incomplete ones last; then controls.
        primary: metrics that are tested and shown by category.
        reference, baseline: rows that every model is compared with; None where absent.
        notes: sentences for under the main table.
        absent: names of rows that were asked for and have no result at all.
    """

    protocol: Protocol
    record: Record
    instances: tuple[tuple[str, int | None, str], ...]
    rows: tuple[ComparedRow, ...]
    paired: tuple[PairedRow, ...]
    primary: tuple[str, ...]
    reference: str | None
    baseline: str | None
    resamples: int
    notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def preset(self) -> str:
        return self.record.preset

    @property
    def average(self) -> Average:
        """The mean by which the protocol ranks and compares."""
        return self.protocol.average

    @property
    def dataset(self) -> DatasetInfo:
        return self.record.dataset

    def share_of_the_way(self, row: ComparedRow, metric: str) -> float | None:
        """Where a row's mean lies between training's mean shape (0) and the truth on the models' grid (1).

        (score - trivial) / (ideal - trivial); below 0 for what is worse than the mean shape. None where one
        of the three is not defined, or the two controls do not differ.
        """
        ends = [r.means(self.average)[metric] for name in WAY for r in self.rows if r.name == name]
        own = row.means(self.average)[metric]
        if own is None or len(ends) < 2 or ends[0] is None or ends[1] is None:
            return None
        span = ends[1].mean - ends[0].mean
        return (own.mean - ends[0].mean) / span if span else None

    @property
    def extent(self) -> str:
        """How many instances were measured, for titles; says where they are not the whole split."""
        limited = _limited(self.dataset)
        return f"{limited} (not for publication)" if limited else f"{len(self.instances):,} instances"

    @property
    def models(self) -> list[ComparedRow]:
        return [row for row in self.rows if row.ranked]

    @property
    def controls(self) -> list[ComparedRow]:
        return [row for row in self.rows if not row.ranked]

    @property
    def categories(self) -> dict[str, int]:
        """Category to number of instances."""
        return dict(sorted(Counter(category for _, _, category in self.instances).items()))


def compare(
    results: Sequence[tuple[Record, Rows]],
    protocol: Protocol,
    reference: str | None = None,
    baseline: str = "mean_shape",
    primary: Sequence[str] | None = None,
    resamples: int = 10_000,
    notes: Sequence[str] = (),
    wanted: Mapping[str, Sequence[int]] | None = None,
) -> Comparison:
    """Bring results into one comparison: seeds grouped, intervals, paired tests.

    Args:
        results: records with their rows, models in the order in which they were asked for.
        protocol: the one that they were measured by; its columns say what is shown and how.
        reference: row that every model is compared with; None for the first model.
        baseline: control that every model is compared with as well, where it is among the results.
        primary: metrics that are tested; None for the first two of the protocol's headline.
        resamples: of the bootstrap, and sign flips of the tests; both have fixed seeds.
        notes: further sentences for under the main table: what is not among the results, and why.
        wanted: rows that were asked for, with their training seeds; what is not among the results is marked
            as absent, and a row that lacks a seed as incomplete.

    Raises:
        ResultError: nothing to compare; results of different protocols, presets, instances or, under one
            name, configs; a seed twice; rows that lack a metric of the protocol.
        LookupError: `reference` is not among the rows.
    """
    if not results:
        raise ResultError("there are no results to compare")
    _refuse_mixtures([record for record, _ in results], protocol)
    groups = _group_seeds(results)
    names = [column.name for column in protocol.columns]
    instances = _instances(groups, names)
    chosen = tuple(protocol.headline[:2] if primary is None else primary)
    wanted = wanted or {}
    rows = _Summary(instances, names, chosen, protocol.headline, resamples, wanted).rows(groups)

    if reference is not None and reference not in groups:
        raise LookupError(f"unknown --reference '{reference}'.{did_you_mean(reference, list(groups))}")
    reference = reference or next((row.name for row in rows if row.ranked), None)
    against = [name for name in dict.fromkeys((reference, baseline)) if name in groups]
    better = {column.name: column.better for column in protocol.columns}

    def rank(row: ComparedRow) -> tuple[Any, ...]:
        sign = {"higher": -1.0, "lower": 1.0}
        means = [(row.means(protocol.average)[m], sign[better[m]]) for m in chosen]
        return (
            not row.complete,
            *((e is None, 0.0 if e is None else s * e.mean) for e, s in means),
            row.name,
        )

    ordered = sorted((r for r in rows if r.ranked), key=rank)
    return Comparison(
        protocol=protocol,
        record=results[0][0],
        instances=instances,
        rows=(*ordered, *(r for r in rows if not r.ranked)),
        paired=_paired(ordered, {r.name: r for r in rows}, against, chosen, protocol, instances, resamples),
        primary=chosen,
        reference=reference,
        baseline=baseline if baseline in groups else None,
        resamples=resamples,
        notes=tuple(notes),
        absent=tuple(name for name in wanted if name not in groups),
    )


def _refuse_mixtures(records: Sequence[Record], protocol: Protocol) -> None:
    """One protocol, preset and data set, or an error that names who differs."""

    def must_agree(what: str, mend: str, of: Callable[[Record], str]) -> None:
        found: dict[str, list[str]] = {}
        for record in records:
            found.setdefault(of(record), []).append(_who(record))
        if len(found) > 1:
            parts = "; ".join(f"{value}: {', '.join(dict.fromkeys(who))}" for value, who in found.items())
            raise ResultError(f"results of different {what} cannot share a table ({parts}); {mend}")

    mend = "make one table for each"
    must_agree("protocols", mend, lambda r: f"{r.protocol.id} version {r.protocol.version}")
    must_agree("protocol settings", mend, lambda r: canonical_json(r.protocol.settings))
    must_agree("presets", mend, lambda r: r.preset)
    must_agree("data", mend, lambda r: f"{r.dataset.name} {r.dataset.version}, {r.dataset.split}")
    must_agree("views", mend, lambda r: r.dataset.views)
    must_agree("sets of instances", mend, lambda r: _limited(r.dataset) or "the whole split")
    must_agree(
        "data fingerprints",
        "the shapes, their preparation or the split changed: run the older ones again",
        lambda r: r.dataset.fingerprint,
    )
    info = records[0].protocol
    if (info.id, info.version) != (protocol.id, protocol.version):
        raise ResultError(
            f"results of {info.id} version {info.version} cannot be shown as {protocol.id} version "
            f"{protocol.version}; make a table of the protocol that they were measured by"
        )
    if canonical_json(info.settings) != canonical_json(protocol.settings):
        raise ResultError(
            f"results of {info.id} measured with {canonical_json(info.settings)} cannot be shown as the same "
            f"protocol with {canonical_json(protocol.settings)}; make a table of the settings that they were "
            f"measured with"
        )


def _limited(info: DatasetInfo) -> str:
    return "" if info.whole is None else f"limited to {info.n:,} of {info.whole:,} instances"


def _who(record: Record) -> str:
    return record.name if record.seed is None else f"{record.name} seed {record.seed}"


def _group_seeds(results: Sequence[tuple[Record, Rows]]) -> dict[str, list[tuple[Record, Rows]]]:
    groups: dict[str, list[tuple[Record, Rows]]] = {}
    for record, rows in results:
        groups.setdefault(record.name, []).append((record, rows))
    for name, members in groups.items():
        seeds = [record.seed for record, _ in members]
        if len(set(seeds)) != len(seeds):
            raise ResultError(
                f"'{name}' occurs twice with seed {next(s for s in seeds if seeds.count(s) > 1)}"
            )
        if len({canonical_json(_seedless(record.config)) for record, _ in members}) > 1:
            raise ResultError(
                f"the seeds of '{name}' were trained with different configs; give them two names"
            )
        if len({record.kind for record, _ in members}) > 1:
            raise ResultError(f"'{name}' is the name of a model and of a control")
        members.sort(key=lambda member: member[0].seed or 0)
    return groups


def _seedless(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _seedless(value) for key, value in config.items() if key != "seed"}
    return [_seedless(value) for value in config] if isinstance(config, list) else config


def _instances(
    groups: Mapping[str, Sequence[tuple[Record, Rows]]], metrics: Sequence[str]
) -> tuple[tuple[str, int | None, str], ...]:
    """(id, view, category) of every instance, sorted by category, id and view."""
    category: dict[tuple[str, int | None], str] = {}
    for members in groups.values():
        for record, rows in members:
            absent = [m for m in metrics if m not in rows[0]]
            if absent:
                raise ResultError(f"the rows of {_who(record)} lack {', '.join(absent)}; run it with --force")
            for row in rows:
                key = (row["id"], row["view"])
                if category.setdefault(key, row["category"]) != row["category"]:
                    raise ResultError(
                        f"instance {key} is in category '{category[key]}' in one row and in "
                        f"'{row['category']}' in {_who(record)}"
                    )
    found = ((i, v, c) for (i, v), c in category.items())
    return tuple(sorted(found, key=lambda x: (x[2], x[0], -1 if x[1] is None else x[1])))


_Estimates = dict[tuple[str, str], Estimate | None]
"""By row and metric; None where it is not defined for the row."""


@dataclass(frozen=True)
class _Summary:
    """Turns grouped rows into `ComparedRow`s."""

    instances: tuple[tuple[str, int | None, str], ...]
    metrics: Sequence[str]
    primary: Sequence[str]
    headline: Sequence[str]
    resamples: int
    wanted: Mapping[str, Sequence[int]]

    def rows(self, groups: Mapping[str, Sequence[tuple[Record, Rows]]]) -> list[ComparedRow]:
        tables = {name: [self._table(rows) for _, rows in members] for name, members in groups.items()}
        everything = [t for seeds in tables.values() for _, t in seeds]
        # a metric may be undefined for an instance (no true mesh), but then for every row
        measurable = {m: np.any([~np.isnan(t[m]) for t in everything], axis=0) for m in self.metrics}
        there = {name: np.all([t for t, _ in seeds], axis=0) for name, seeds in tables.items()}
        values = {
            name: {m: np.array([t[m] for _, t in seeds]) for m in self.metrics}
            for name, seeds in tables.items()
        }
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
        return [
            ComparedRow(
                name=name,
                records=tuple(record for record, _ in members),
                n=int(there[name].sum()),
                missing=max(len(category), *(r.dataset.n for r, _ in members)) - int(there[name].sum()),
                instance_mean={m: of_instances[name, m] for m in self.metrics},
                category_mean={m: of_categories[name, m] for m in self.metrics},
                categories={c: {m: found[name, m] for m in self.metrics} for c, found in within.items()},
                values=values[name],
                failures=tuple(
                    (record.seed, row["id"], row["view"], row["reason"])
                    for record, rows in members
                    for row in rows
                    if row["failed"]
                ),
                absent=tuple(
                    seed for seed in self.wanted.get(name, ()) if seed not in {r.seed for r, _ in members}
                ),
            )
            for name, members in groups.items()
        ]

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
            shapes, strata = _clusters(self.instances, use)
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


def _clusters(
    instances: Sequence[tuple[str, int | None, str]], use: np.ndarray
) -> tuple[list[str], list[str]]:
    """Shape and category of each instance that counts."""
    used = [instances[k] for k in np.flatnonzero(use).tolist()]
    return [i for i, _, _ in used], [c for _, _, c in used]


def _paired(
    models: Sequence[ComparedRow],
    rows: Mapping[str, ComparedRow],
    against: Sequence[str],
    metrics: Sequence[str],
    protocol: Protocol,
    instances: Sequence[tuple[str, int | None, str]],
    resamples: int,
) -> tuple[PairedRow, ...]:
    better = {column.name: column.better for column in protocol.columns}
    wanted = [
        (model.name, name, metric)
        for name in against
        for model in models
        if name != model.name and model.complete and rows[name].complete
        for metric in metrics
        if model.instance_mean[metric] is not None and rows[name].instance_mean[metric] is not None
    ]
    alike: dict[bytes, list[tuple[str, str, str]]] = {}
    for key in wanted:
        sides = rows[key[0]].values[key[2]], rows[key[1]].values[key[2]]
        alike.setdefault((~np.isnan(np.vstack(sides)).any(0)).tobytes(), []).append(key)
    found: dict[tuple[str, str, str], tuple[Paired, Interval]] = {}
    for mask, keys in alike.items():
        use = np.frombuffer(mask, np.bool_)
        shapes, strata = _clusters(instances, use)
        pairs = [(rows[a].values[m][:, use], rows[b].values[m][:, use]) for a, b, m in keys]
        options: Any = {"average": protocol.average, "resamples": resamples, "flips": resamples}
        paired = paired_differences(pairs, shapes, strata, **options)
        won = [wins(*sides, better[m]) for sides, (_, _, m) in zip(pairs, keys, strict=True)]
        improves = cluster_bootstraps(won, shapes, strata, resamples=resamples)
        found |= dict(zip(keys, zip(paired, improves, strict=True), strict=True))
    adjusted = holm([found[key][0].p for key in wanted])
    return tuple(
        PairedRow(*key, found[key][0], float(p), found[key][1])
        for key, p in zip(wanted, adjusted, strict=True)
    )
