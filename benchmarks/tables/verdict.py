"""What a comparison shows, in a sentence or two: the first line of everything that is written.

What is said of two rows is what the paired test says of them. "Cannot be told apart" is not "equal": the
interval beside it tells how large a difference may still be.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.controls import title_of
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.pairs import PairedRow, Verdict, judge
from benchmarks.statistics.rows import MIN_CLUSTERS
from benchmarks.statistics.standing import Standing
from benchmarks.tables.columns import print_value
from zoo.metrics import Column
from zoo.system.text import printable

LISTED = 4
"""Names of models in a list; of longer ones the rest is counted."""


def verdict(comparison: Comparison) -> str:
    """How the models stand to each other and to the strongest control that reads the picture.

    By the metric that ranks them, and by the second primary metric where that says something else.
    """
    if not comparison.standings:
        return "No complete model has a metric to be ranked by: nothing can be said."
    first, *others = comparison.standings
    said = [_standing(comparison, first)]
    said += [
        _standing(comparison, s) for s in others if _outcome(comparison, s) != _outcome(comparison, first)
    ]
    return printable(" ".join([*said, *_reservations(comparison)]))


def standing_words(comparison: Comparison, name: str) -> str:
    """How one model stands by the metric that ranks it; nothing for a control or an incomplete row."""
    for standing in comparison.standings:
        column = comparison.column(standing.metric)
        ties = sum(judge(pair, column) == "open" for pair in standing.to_best)
        if name == standing.best:
            return f"best by {column.name}" + f", not told from {ties} more" * bool(ties)
        for pair in standing.to_best:
            if pair.row == name:
                tie = judge(pair, column) == "open"
                words = "cannot be told from" if tie else "worse than"
                return f"{words} {standing.best} by {column.name}"
    return ""


def _outcome(comparison: Comparison, standing: Standing) -> object:
    """What is said of whom, without the numbers: who leads matters only where somebody is led."""
    column = comparison.column(standing.metric)
    ties = {pair.row for pair in standing.to_best if judge(pair, column) == "open"}
    beaten = {pair.row for pair in standing.to_best} - ties
    to_control = {pair.row: judge(pair, column) for pair in standing.to_control}
    return ({standing.best, *ties} if beaten else None), beaten, to_control


def _standing(comparison: Comparison, standing: Standing) -> str:
    column = comparison.column(standing.metric)
    among, several = _among(comparison, standing, column), bool(standing.to_best)
    if standing.control is None:
        return f"{among}."
    control = next(row for row in comparison.rows if row.name == standing.control)
    value = print_value(_mean(comparison, standing.control, column), column)
    against = f"the control '{control.title}' ({value})"
    groups: dict[Verdict, list[str]] = {}
    for pair in standing.to_control:
        groups.setdefault(judge(pair, column), []).append(pair.row)
    if len(groups) > 1:
        words: dict[Verdict, str] = {"better": "better", "open": "not told apart", "worse": "worse"}
        parts = [f"{words[v]}: {listed(groups[v])}" for v in words if v in groups]
        return f"{among}. Against {against}: {'; '.join(parts)}."
    (only,) = groups
    count = len(standing.to_control)
    who = "it" if not several else "both" if count == 2 else f"all {count}"
    if only == "open":
        who = who if not several else "neither" if count == 2 else "none"
        return f"{among}; {who} {'cannot' if not several else 'can'} be told from {against}."
    return f"{among}; {who} {'are' if several else 'is'} {only} than {against}."


def _among(comparison: Comparison, standing: Standing, column: Column) -> str:
    """How the models stand to each other."""
    best = standing.best
    value = print_value(_mean(comparison, best, column), column)
    if not standing.to_best:
        return f"{best} has {column.label} {value}{_plus_minus(comparison, best, column)}"
    ties = [pair.row for pair in standing.to_best if judge(pair, column) == "open"]
    if len(standing.to_best) == 1:
        (pair,) = standing.to_best
        other = print_value(_mean(comparison, pair.row, column), column)
        numbers = f"{value} and {other}, {_difference(pair, column)}"
        if ties:
            return f"{best} and {pair.row} cannot be told apart by {column.label} ({numbers})"
        return f"{best} is better than {pair.row} by {column.label} ({numbers})"
    count = 1 + len(standing.to_best)
    leader = f"{best} has the best {column.label} of {count} models ({value})"
    beaten = count - 1 - len(ties)
    if not ties:
        return f"{leader} and is better than each of the others"
    rest = f", the other {beaten} are worse" if beaten > 1 else ", the other one is worse" if beaten else ""
    return f"{leader}, {listed(ties)} cannot be told from it{rest}"


def _reservations(comparison: Comparison) -> list[str]:
    """Why more should not be read out of it."""
    models = [row for row in comparison.models if row.complete]
    said = []
    if comparison.record.dataset.whole is not None:
        said.append("Not all test instances were measured.")
    if len({shape for shape, _, _ in comparison.instances}) < MIN_CLUSTERS:
        said.append(f"With fewer than {MIN_CLUSTERS} shapes the intervals are too short.")
    if any(len(row.seeds) == 1 for row in models):
        said.append("One training seed: what another training would give is not known.")
    if left := [row.name for row in comparison.models if not row.complete] + _absent_models(comparison):
        said.append(f"Incomplete and not compared: {listed(left)}.")
    return said


def _absent_models(comparison: Comparison) -> list[str]:
    return [name for name in comparison.absent if title_of(name) is None]


def _difference(pair: PairedRow, column: Column) -> str:
    """Difference of the better from the other, as the pair has it from the other side."""
    found = pair.paired
    if found.clusters < 2:
        return "one shape, nothing to test"
    low, high = (print_value(-v, column, "+") for v in (found.high, found.low))
    return f"difference {print_value(-found.difference, column, '+')}, 95 % {low} to {high}"


def _plus_minus(comparison: Comparison, name: str, column: Column) -> str:
    row = next(row for row in comparison.rows if row.name == name)
    estimate = row.means(comparison.average)[column.name]
    return "" if estimate is None or estimate.half is None else f" ±{print_value(estimate.half, column)}"


def _mean(comparison: Comparison, name: str, column: Column) -> float | None:
    row = next(row for row in comparison.rows if row.name == name)
    estimate = row.means(comparison.average)[column.name]
    return None if estimate is None else estimate.mean


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence; of many the first ones, and how many more."""
    if len(names) > LISTED:
        return f"{', '.join(names[: LISTED - 1])} and {len(names) - LISTED + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
