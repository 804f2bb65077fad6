"""Who leads, and who cannot be told from whoever leads: what tables mark, and what their first line says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.statistics.design import Average
from benchmarks.statistics.pairs import PairedRow, PairTests, judge
from benchmarks.statistics.rows import ComparedRow
from zoo.metrics import Column

READ_THE_PICTURE = ("image_retrieval", "retrieval", "clusters")
"""Controls, before a feature in brackets, that answer by what the picture shows; the others do not look."""

Place = tuple[Average, str | None, str]
"""What a column of a table prints: a mean over instances or categories, within one category or None, of a
metric."""
Leaders = Mapping[Place, frozenset[str]]
"""The best model of each place and all that the paired test does not tell from it."""


@dataclass(frozen=True)
class Standing:
    """How the complete models that have a metric stand by it, in the mean that the protocol ranks by.

    Attributes:
        best: the model with the best mean.
        to_best: every other model, best first, tested against it.
        control: the strongest control that reads the picture; None where there is none.
        to_control: every model, best first, tested against that.
    """

    metric: str
    best: str
    to_best: tuple[PairedRow, ...]
    control: str | None
    to_control: tuple[PairedRow, ...]


def reads_the_picture(row: ComparedRow) -> bool:
    """Whether a row is a control that looks at the picture."""
    return row.kind == "control" and row.name.partition("[")[0] in READ_THE_PICTURE


def ranked_by(rows: Sequence[ComparedRow], average: Average, column: Column) -> list[ComparedRow]:
    """Complete rows that have a metric, best mean first."""
    have = [(e.mean, row) for row in rows if row.complete and (e := row.means(average)[column.name])]
    sign = -1.0 if column.better == "higher" else 1.0
    return [row for _, row in sorted(have, key=lambda each: (sign * each[0], each[1].name))]


def standings(
    tests: PairTests, columns: Sequence[Column], paired: Sequence[PairedRow]
) -> tuple[Standing, ...]:
    """One for each metric that some complete model has.

    Args:
        columns: the primary metrics.
        paired: what the table of pairs shows; where it holds a pair, that is what is said of it.
    """
    models = [row for row in tests.rows.values() if row.ranked]
    looking = [row for row in tests.rows.values() if reads_the_picture(row)]
    drafts = []
    for column in columns:
        if not (order := ranked_by(models, tests.average, column)):
            continue
        best, *others = (row.name for row in order)
        strongest = next((row.name for row in ranked_by(looking, tests.average, column)), None)
        to_best = [(name, best, column.name) for name in others]
        to_control = [] if strongest is None else [(row.name, strongest, column.name) for row in order]
        drafts.append((column.name, best, to_best, strongest, to_control))
    shown = known_pairs(paired)
    best_tests = tests.run([key for draft in drafts for key in draft[2]])
    control_tests = tests.run([key for draft in drafts for key in draft[4]])
    found = {key_of(pair): pair for pair in (*best_tests, *control_tests)} | shown
    return tuple(
        Standing(metric, best, tuple(found[k] for k in first), control, tuple(found[k] for k in second))
        for metric, best, first, control, second in drafts
    )


def leaders(
    tests: PairTests,
    columns: Sequence[Column],
    primary: Sequence[str],
    categories: Sequence[str],
    paired: Sequence[PairedRow],
) -> dict[Place, frozenset[str]]:
    """The leaders of every place that has intervals and two models or more; the others have none.

    Every metric is asked in the mean that the protocol ranks by; the primary ones in the other mean and
    within each category too. Holm's correction is over the models of a place.
    """
    other: Average = "category" if tests.average == "instance" else "instance"
    first = [c for c in columns if c.name in primary]
    places: list[tuple[Average, str | None, Sequence[Column]]] = [
        (tests.average, None, columns),
        (other, None, first),
        *(("instance", category, first) for category in categories),
    ]
    found: dict[Place, frozenset[str]] = {}
    shown = known_pairs(paired)
    for average, category, asked in places:
        best = {c.name: _best(tests, average, category, c) for c in asked}
        wanted = [(name, own[0], metric) for metric, own in best.items() for name in own[1:]]
        ruling = {key_of(pair): pair for pair in tests.run(wanted, average, category, by_metric=True)}
        if (average, category) == (tests.average, None):
            ruling |= {key: pair for key, pair in shown.items() if key in ruling}
        for column in asked:
            leader, *others = best[column.name]
            if others:
                told = (ruling[name, leader, column.name] for name in others)
                ties = (pair.row for pair in told if judge(pair, column) == "open")
                found[average, category, column.name] = frozenset([leader, *ties])
    return found


def _best(tests: PairTests, average: Average, category: str | None, column: Column) -> list[str]:
    """The models that have an interval in a place, the best first; nobody's name where there is none."""
    have = {}
    for row in tests.rows.values():
        if row.ranked and row.complete:
            estimates = row.means(average) if category is None else row.categories[category]
            estimate = estimates[column.name]
            if estimate is not None and estimate.low is not None:
                have[row.name] = estimate.mean
    sign = -1.0 if column.better == "higher" else 1.0
    return sorted(have, key=lambda name: sign * have[name]) or [""]


def known_pairs(paired: Sequence[PairedRow]) -> dict[tuple[str, str, str], PairedRow]:
    """The pairs by row, reference and metric, and each turned round."""
    return {key_of(pair): pair for pair in paired} | {key_of(t): t for t in map(turned, paired)}


def key_of(pair: PairedRow) -> tuple[str, str, str]:
    """Row, reference and metric."""
    return pair.row, pair.against, pair.metric


def turned(pair: PairedRow) -> PairedRow:
    """The same test, seen from the reference."""
    p, w = pair.paired, pair.improves
    paired = type(p)(-p.difference, -p.high, -p.low, p.p, p.n, p.clusters)
    improves = type(w)(1 - w.mean, 1 - w.high, 1 - w.low, w.n, w.clusters, w.seeds)
    return PairedRow(pair.against, pair.row, pair.metric, paired, pair.p_holm, improves)
