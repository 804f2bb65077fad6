"""Measuring in processes of which one may die or hang.

Where measuring a task kills its process twice, the second time alone, the row that it was at is given up, by
name, and costs no other row. It gets no worst values either: lack of memory, which is the usual cause, says
nothing about a prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from benchmarks.protocols import Protocol, TruthError
from benchmarks.scoring.measuring import Measured, MeasuringError, RowGivenUp, Task, measure_task
from zoo.system.pool import Line, Lost, Pool, PoolError


class Measurers:
    """Processes that measure tasks.

    Args:
        workers: how many, at least 1.
        limit: seconds that one prediction may take; None for no limit.
        died: where rows that are given up are noted, by name, with what happened.
    """

    def __init__(
        self,
        protocol: Protocol,
        thresholds: Mapping[str, float | None],
        workers: int,
        limit: float | None,
        died: dict[str, str],
    ) -> None:
        self.limit, self.died = limit, died
        self._pool = Pool[Task](
            _measure,
            (protocol, dict(thresholds)),
            workers,
            limit=limit,
            errors=(TruthError, MeasuringError),
            amend=lambda task: task.without(died),
        )

    def run(self, tasks: Iterator[Task | None]) -> Iterator[Measured]:
        """Results as they come, with only a few tasks under way: a large test split never waits in memory.

        Args:
            tasks: asked for one at a time; None where none is there yet but may still come.

        Raises:
            TruthError, MeasuringError: as `measure_task`; or processes cannot be started.
        """
        try:
            with closing(self._pool.run(map(_refuse_main, tasks))) as events:
                for event in events:
                    if isinstance(event, Lost):
                        self.died |= self._lost(event)
                        self._pool.again(event)
                    elif isinstance(event.result, RowGivenUp):
                        self.died[event.result.row] = event.result.reason
                        self._pool.again(event)
                    else:
                        yield event.result
        except PoolError as error:
            raise MeasuringError(
                f"{error}; try fewer --workers, or --workers 0 to measure without any"
            ) from error

    def _lost(self, event: Lost[Task]) -> dict[str, str]:
        """The row that a task was lost at, and why.

        Raises:
            MeasuringError: it was at the truth.
        """
        if event.at is None:
            said = f"true shape '{event.task.truths[0].id}'"
            if event.death is None:
                raise MeasuringError(
                    f"{said}: preparing it took longer than {self.limit:g} s; allow more time, or leave it "
                    f"out"
                )
            raise MeasuringError(
                f"{said}: the process that prepared it died ({event.death}), most likely killed for lack of "
                f"memory; try fewer --workers, or leave it out"
            )
        id, row = event.at
        if event.death is None:
            return {row: f"measuring it at '{id}' took longer than {self.limit:g} s"}
        return {
            row: f"the process that measured it died at '{id}', most likely killed for lack of memory "
            f"({event.death}); try fewer --workers"
        }


def _measure(
    task: Task, line: Line, protocol: Protocol, thresholds: Mapping[str, float | None]
) -> Measured | RowGivenUp:
    ids = {place: truth.id for place, truth in zip(task.places, task.truths, strict=True)}
    try:
        return measure_task(task, protocol, thresholds, lambda place, row: line.at((ids[place], row)))
    except RowGivenUp as error:
        return error


def _refuse_main(task: Task | None) -> Task | None:
    """The task.

    Raises:
        ValueError: a prediction's class is defined in the script that was run, which no process imports.
    """
    for shapes in task.predictions if task is not None else ():
        for name, shape in shapes.items():
            if type(shape).__module__ == "__main__":
                raise ValueError(
                    f"row '{name}': {type(shape).__name__} is defined in the script that was run; move it to "
                    f"a module, or score with workers=0"
                )
    return task
