"""Measuring one true shape with all its predictions, and whose fault it is when that raises.

A prediction that cannot be read or measured is that row's failure, at the worst values. Where the truth
measured against itself raises too, or every row, it is nobody's prediction: the machine, a backend, a bug.
Such a fault ends the scoring, and nothing that it touched counts as measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.protocols import Measurement, Protocol, Truth, TruthError
from benchmarks.scoring.placement import Standing
from datasets import BadItem
from zoo.errors import UserError
from zoo.shapes import Shape

Unread = Callable[[], Shape]
"""A prediction that is read, from a file say, by the process that measures it; picklable."""

Prediction = Shape | Unread | None

Measured = dict[int, dict[str, Measurement]]
"""Place of an instance among the truths to row name to what was measured."""

MEND = "what was measured before is kept, and the same command goes on there"


class MeasuringError(UserError, RuntimeError):
    """Measuring failed by no prediction's fault; names the instance, the cause and the mend."""


class RowGivenUp(Exception):
    """A row that cannot be measured on this machine, which says nothing about its predictions.

    Attributes:
        row, reason: its name, and what happened.
    """

    def __init__(self, row: str, reason: str) -> None:
        super().__init__(row, reason)
        self.row, self.reason = row, reason


@dataclass(frozen=True)
class Task:
    """All the instances of one true shape with the predictions of every row that has none measured yet.

    Attributes:
        look: whether to note where the predictions lie, see `benchmarks.scoring.placement`.
    """

    places: list[int]
    truths: list[Truth]
    predictions: list[dict[str, Prediction]]
    look: bool = False

    def without(self, names: Collection[str]) -> Task:
        """A task without the rows of these names."""
        kept = [{name: s for name, s in own.items() if name not in names} for own in self.predictions]
        return replace(self, predictions=kept)


def measure_task(
    task: Task,
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    starts: Callable[[int, str], None] = lambda place, row: None,
) -> Measured:
    """One true shape, all its views, all rows.

    Args:
        starts: called with the place and the row of each prediction before it is measured.

    Raises:
        TruthError: the truth cannot be measured against.
        RowGivenUp: there is not enough memory for a row.
        MeasuringError: by no prediction's fault.
    """
    try:
        prepared = protocol.prepare(task.truths[0])
    except TruthError:
        raise
    except Exception as error:
        raise MeasuringError(f"true shape '{task.truths[0].id}': {_said(error)}; mend it; {MEND}") from error
    found: Measured = {}
    standing = Standing(task.truths[0].shape) if task.look else None
    for place, truth, shapes in zip(task.places, task.truths, task.predictions, strict=True):
        found[place], raised = {}, dict[str, Exception]()
        for name, shape in shapes.items():
            starts(place, name)
            try:
                found[place][name] = _measure(shape, thresholds[name], truth, prepared, protocol, standing)
            except Exception as error:  # whose fault it is shows once every row was asked
                raised[name] = error
        if raised:
            _blame(raised, len(shapes), truth, prepared, protocol)
        found[place] |= {
            name: protocol.failure(thresholds[name], truth, _said(problem))
            for name, problem in raised.items()
        }
    return found


def _measure(
    shape: Prediction,
    threshold: float | None,
    truth: Truth,
    prepared: Any,
    protocol: Protocol,
    standing: Standing | None,
) -> Measurement:
    if shape is None:
        return protocol.failure(threshold, truth, "no prediction")
    try:
        there = shape if isinstance(shape, Shape) else shape()
    except BadItem as error:
        return protocol.failure(threshold, truth, _said(error))
    # one row's files may be of several kinds, of which only grids have a threshold
    of_file = threshold if isinstance(shape, Shape) or there.has_field else None
    measured = protocol.measure(there, of_file, truth, prepared)
    for column, value in measured.values.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{column} is {value}")
    if standing is None or measured.failed:
        return measured
    return replace(measured, look=standing.look(there, 0.5 if threshold is None else threshold))


def _blame(
    raised: Mapping[str, Exception], rows: int, truth: Truth, prepared: Any, protocol: Protocol
) -> None:
    """Return where what was raised is the fault of the predictions.

    Raises:
        RowGivenUp, MeasuringError: it is not.
    """
    first = next(iter(raised))
    level = 0.5 if truth.shape.has_field else None
    try:
        protocol.measure(truth.shape, level, truth, prepared)
    except Exception as own:
        raise MeasuringError(
            f"'{truth.id}': the truth measured against itself fails as the row '{first}' does "
            f"({_said(own)}), so no prediction is to blame and none is scored; mend what it says: {MEND}"
        ) from own
    for name, error in raised.items():
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            raise RowGivenUp(name, f"not enough memory at '{truth.id}' ({_said(error)}); try fewer --workers")
        if isinstance(error, OSError | ImportError | UserError) or "CUDA" in str(error):
            raise MeasuringError(
                f"'{truth.id}', row '{name}': {_said(error)}: a fault of the machine, not of the prediction; "
                f"mend it: {MEND}"
            ) from error
    if 1 < rows == len(raised):
        raise MeasuringError(
            f"'{truth.id}': all {rows} rows fail ({', '.join(raised)}; the first: {_said(raised[first])}), "
            f"so no prediction is to blame and none is scored; mend what it says: {MEND}"
        ) from raised[first]


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
