"""Who leads, and who cannot be told from whoever leads: what tables mark, and what their first line says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.statistics.design import Average
from benchmarks.statistics.pairs import PairedRow, PairTests, judge
from benchmarks.statistics.rows import ComparedRow
from zoo.metrics import Column

READ_THE_PICTURE = ("image_retrieval", "retrieval", "neighbours", "clusters")
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
    drafts = [draft for column in columns if (draft := _draft(tests, column)) is not None]
    best_tests = tests.run([key for draft in drafts for key in draft.to_best])
    control_tests = tests.run([key for draft in drafts for key in draft.to_control])
    found = {key_of(pair): pair for pair in (*best_tests, *control_tests)} | known_pairs(paired)

    def those(keys: Sequence[Key]) -> tuple[PairedRow, ...]:
        return tuple(found[key] for key in keys)

    return tuple(Standing(d.metric, d.best, those(d.to_best), d.control, those(d.to_control)) for d in drafts)


Key = tuple[str, str, str]
"""Row, reference and metric of a test."""


class _Draft(NamedTuple):
    """A standing whose tests are not run yet."""

    metric: str
    best: str
    to_best: list[Key]
    control: str | None
    to_control: list[Key]


def _draft(tests: PairTests, column: Column) -> _Draft | None:
    """Who is to be tested against whom by a metric; None where no complete model has it."""
    order = ranked_by([row for row in tests.rows.values() if row.ranked], tests.average, column)
    if not order:
        return None
    names, metric = [row.name for row in order], column.name
    looking = ranked_by(list(filter(reads_the_picture, tests.rows.values())), tests.average, column)
    strongest = looking[0].name if looking else None
    to_control = [] if strongest is None else [(name, strongest, metric) for name in names]
    return _Draft(metric, names[0], [(name, names[0], metric) for name in names[1:]], strongest, to_control)


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
    for average, category, asked in places:
        ruling = known_pairs(paired) if (average, category) == (tests.average, None) else {}
        leading = _leading(tests, average, category, asked, ruling)
        found |= {(average, category, metric): names for metric, names in leading.items()}
    return found


def _leading(
    tests: PairTests,
    average: Average,
    category: str | None,
    columns: Sequence[Column],
    ruling: Mapping[Key, PairedRow],
) -> dict[str, frozenset[str]]:
    """The leaders of one place by metric, where it has two models or more.

    Args:
        ruling: pairs whose tests are there already; where one is asked for, it rules.
    """
    best = {c.name: _best(tests, average, category, c) for c in columns}
    wanted = [(name, own[0], metric) for metric, own in best.items() for name in own[1:]]
    run = {key_of(pair): pair for pair in tests.run(wanted, average, category, by_metric=True)}
    found = {}
    for column in columns:
        leader, *others = best[column.name]
        keys = [(name, leader, column.name) for name in others]
        ties = [key[0] for key in keys if judge(ruling.get(key, run[key]), column) == "open"]
        if others:
            found[column.name] = frozenset([leader, *ties])
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
    """Turn a paired test round: the reference's difference to the row."""
    p, w = pair.paired, pair.improves
    paired = type(p)(-p.difference, -p.high, -p.low, p.p, p.n, p.clusters)
    improves = type(w)(1 - w.mean, 1 - w.high, 1 - w.low, w.n, w.clusters, w.seeds)
    return PairedRow(pair.against, pair.row, pair.metric, paired, pair.p_holm, improves)
