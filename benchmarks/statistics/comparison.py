"""Rows that may stand in one table, with intervals and paired tests; everything else is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.protocols import Protocol
from benchmarks.records.schema import DatasetInfo, Record, ResultError, Rows
from benchmarks.statistics.compatible import group_seeds, instances_of, limited, refuse_mixtures
from benchmarks.statistics.design import Average
from benchmarks.statistics.pairs import PairedRow, PairTests
from benchmarks.statistics.rows import MIN_CLUSTERS, ComparedRow, Instance
from benchmarks.statistics.standing import Leaders, Standing, leaders, standings
from benchmarks.statistics.summary import Summary
from zoo.metrics import Column
from zoo.registry import did_you_mean

WAY = ("mean_shape", "ceiling")
"""Controls between which a score is placed: knowing nothing of the picture, and all that the grid can say."""


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
        standings: how the models stand by each primary metric, to each other and to a control; of the first
            that says how they are ranked.
        leaders: which models stand out in each column of a table.
    """

    protocol: Protocol
    record: Record
    instances: tuple[Instance, ...]
    rows: tuple[ComparedRow, ...]
    paired: tuple[PairedRow, ...]
    primary: tuple[str, ...]
    reference: str | None
    baseline: str | None
    resamples: int
    notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    leaders: Leaders = field(default_factory=dict)

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
        """Normalised score: a mean between training's mean shape (0) and the truth on the models' grid (1).

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
        part = limited(self.dataset)
        return f"{part} (not for publication)" if part else f"{len(self.instances):,} instances"

    @property
    def models(self) -> list[ComparedRow]:
        return [row for row in self.rows if row.ranked]

    @property
    def controls(self) -> list[ComparedRow]:
        return [row for row in self.rows if not row.ranked]

    def column(self, name: str) -> Column:
        """The protocol's column of a metric."""
        return next(c for c in self.protocol.columns if c.name == name)

    def shapes(self, category: str) -> int:
        """How many shapes a category has; several instances may show one."""
        return len({i for i, _, c in self.instances if c == category})

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
    refuse_mixtures([record for record, _ in results], protocol)
    groups = group_seeds(results)
    names = [column.name for column in protocol.columns]
    instances = instances_of(groups, names)
    chosen = tuple(protocol.headline[:2] if primary is None else primary)
    wanted = wanted or {}
    summary = Summary(instances, names, chosen, protocol.headline, resamples, wanted).rows(groups)
    if reference is not None and reference not in groups:
        raise LookupError(f"unknown --reference '{reference}'.{did_you_mean(reference, list(groups))}")
    models, controls = _apart(summary)
    reference = reference or (models[0].name if models else None)
    ordered = _best_first(models, protocol, chosen)
    tests = _tests_of(rows := (*ordered, *controls), instances, protocol, resamples)
    paired = _pairs(tests, ordered, (reference, baseline), chosen)
    columns = {column.name: column for column in protocol.columns}
    return Comparison(
        protocol=protocol,
        record=results[0][0],
        instances=instances,
        rows=rows,
        paired=paired,
        primary=chosen,
        reference=reference,
        baseline=baseline if baseline in groups else None,
        resamples=resamples,
        notes=tuple(notes),
        absent=tuple(name for name in wanted if name not in groups),
        standings=standings(tests, list(map(columns.__getitem__, chosen)), paired),
        leaders=leaders(tests, protocol.columns, chosen, _with_intervals(instances), paired),
    )


def _apart(rows: Sequence[ComparedRow]) -> tuple[list[ComparedRow], list[ComparedRow]]:
    """Models, and controls."""
    return [row for row in rows if row.ranked], [row for row in rows if not row.ranked]


def _tests_of(
    rows: Sequence[ComparedRow], instances: Sequence[Instance], protocol: Protocol, resamples: int
) -> PairTests:
    better = {column.name: column.better for column in protocol.columns}
    return PairTests({row.name: row for row in rows}, tuple(instances), better, protocol.average, resamples)


def _pairs(
    tests: PairTests, models: Sequence[ComparedRow], against: Sequence[str | None], metrics: Sequence[str]
) -> tuple[PairedRow, ...]:
    """Every model against each of some rows that are there, in each metric that both have."""
    return tests.run(
        [
            (model.name, name, metric)
            for name in dict.fromkeys(against)
            if name is not None and name in tests.rows
            for model in models
            for metric in metrics
            if tests.testable(model.name, name, metric)
        ]
    )


def _with_intervals(instances: Sequence[Instance]) -> list[str]:
    """Categories of enough shapes."""
    shapes = Counter(category for _, category in {(shape, category) for shape, _, category in instances})
    return [category for category, n in sorted(shapes.items()) if n >= MIN_CLUSTERS]


def _best_first(
    models: Sequence[ComparedRow], protocol: Protocol, primary: Sequence[str]
) -> list[ComparedRow]:
    """Models by their means of the primary metrics; incomplete ones last."""
    better = {column.name: column.better for column in protocol.columns}

    def rank(row: ComparedRow) -> tuple[Any, ...]:
        sign = {"higher": -1.0, "lower": 1.0}
        means = [(row.means(protocol.average)[m], sign[better[m]]) for m in primary]
        return (
            not row.complete,
            *((e is None, 0.0 if e is None else s * e.mean) for e, s in means),
            row.name,
        )

    return sorted(models, key=rank)
