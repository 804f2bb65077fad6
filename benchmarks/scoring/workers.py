"""Processes that measure, of which one may die or hang.

Each holds one task and says which row it is at, so that the culprit is known. The memory killer also hits
innocents: the task of a process that died is measured once more, while nothing else runs.
Where that dies too, the row that it was at is given up, by name, and costs no other row. It gets no worst
values either: lack of memory, which is the usual cause, says nothing about a prediction.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from benchmarks.protocols import Protocol, TruthError
from benchmarks.scoring.measuring import Measured, MeasuringError, RowGivenUp, Task, measure_task
from zoo.cli.command import explain
from zoo.system.children import Child, start_child

_HOPELESS = 3
"""So many processes in a row that end before they begin are not tried again."""


@dataclass
class _Worker:
    """One process.

    Attributes:
        ready: it has started; task: what it measures now; alone: nothing else runs meanwhile.
        at: the instance and the row that it is at; None while it prepares the truth.
        since: when it got there, in seconds of the monotonic clock.
    """

    child: Child
    ready: bool = False
    task: Task | None = None
    alone: bool = False
    at: tuple[str, str] | None = None
    since: float = 0.0


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
        self.workers, self.limit, self.died = workers, limit, died
        self._state = (protocol, dict(thresholds))
        self._pool: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._stillborn = 0

    def run(self, tasks: Iterator[Task]) -> Iterator[Measured]:
        """Results as they come, with only a few tasks under way: a large test split never waits in memory.

        Raises:
            TruthError, MeasuringError: as `measure_task`; or processes cannot be started.
        """
        more = True
        try:
            while more or self._waiting or self._suspects or any(w.task for w in self._pool):
                fetch = more and len(self._waiting) < self.workers
                if fetch:
                    task = next(tasks, None)
                    if task is None:
                        more = False
                    else:
                        _refuse_main(task)
                        self._waiting.append(task)
                self._hand_out()
                yield from self._hear(0 if fetch else 0.5)
                self._stop_overdue()
        finally:
            for worker in self._pool:
                worker.child.end()
            self._pool.clear()

    def _hand_out(self) -> None:
        """Give tasks to those that have none; a suspect alone, once all others are done."""
        busy = any(w.task for w in self._pool)
        source, places = self._waiting, self.workers
        if self._suspects:
            source, places = self._suspects, 0 if busy else 1
        elif any(w.alone and w.task for w in self._pool):
            places = 0
        idle = [w for w in self._pool if w.task is None][:places]
        for worker in [w for w in idle if w.ready][: len(source)]:
            task = source.popleft().without(self.died)
            worker.task, worker.alone = task, source is self._suspects
            worker.at, worker.since = None, time.monotonic()
            with suppress(OSError):  # it died while idle: reading from it will say so
                worker.child.pipe.send(task)
        spare = min(places - len(idle), self.workers - len(self._pool), len(source) - len(idle))
        for _ in range(spare):
            self._pool.append(_Worker(self._start()))

    def _hear(self, timeout: float) -> Iterator[Measured]:
        """Handle what the processes say within so many seconds."""
        heard = wait([w.child.pipe for w in self._pool], timeout)
        for worker in [w for w in self._pool if w.child.pipe in heard]:
            try:
                kind, value = worker.child.pipe.recv()
            except (EOFError, OSError):
                self._pool.remove(worker)
                self._mourn(worker, worker.child.bury())
                continue
            worker.since = time.monotonic()
            if kind == "ready":
                worker.ready, self._stillborn = True, 0
            elif kind == "at":
                worker.at = value
            elif kind == "measured":
                worker.task = None
                yield value
            elif kind == "given up":
                self._give_up(worker, *value)
            else:
                raise {"truth": TruthError, "fault": MeasuringError}.get(kind, RuntimeError)(value)

    def _stop_overdue(self) -> None:
        if self.limit is None:
            return
        for worker in list(self._pool):
            if worker.task is None or time.monotonic() - worker.since <= self.limit:
                continue
            if worker.at is None:
                raise MeasuringError(
                    f"true shape '{worker.task.truths[0].id}': preparing it took longer than "
                    f"{self.limit:g} s; allow more time, or leave it out"
                )
            self._pool.remove(worker)
            worker.child.end()
            id, row = worker.at
            self._give_up(worker, row, f"measuring it at '{id}' took longer than {self.limit:g} s")

    def _mourn(self, worker: _Worker, death: str) -> None:
        """A process is gone: its task is measured once more, or the row that it was at is given up."""
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn == _HOPELESS:
                raise MeasuringError(
                    f"{_HOPELESS} measuring processes ended before they began (the last: {death}); try fewer "
                    f"--workers, or --workers 0 to measure without any"
                )
        if worker.task is None:
            return
        if not worker.alone:
            self._suspects.append(worker.task)
        elif worker.at is None:
            raise MeasuringError(
                f"true shape '{worker.task.truths[0].id}': the process that prepared it died ({death}), most "
                f"likely killed for lack of memory; try fewer --workers, or leave it out"
            )
        else:
            id, row = worker.at
            self._give_up(
                worker,
                row,
                f"the process that measured it died at '{id}', most likely killed for lack of memory "
                f"({death}); try fewer --workers",
            )

    def _give_up(self, worker: _Worker, row: str, reason: str) -> None:
        """Note the row, and put the task of the worker back for the others."""
        assert worker.task is not None
        self.died[row] = reason
        (self._suspects if worker.alone else self._waiting).appendleft(worker.task)
        worker.task = None

    def _start(self) -> Child:
        try:
            return start_child(_serve, *self._state)
        except OSError as error:
            raise MeasuringError(
                f"no process that measures can be started ({explain(error)}); try fewer --workers, or "
                f"--workers 0 to measure without any"
            ) from error


def _serve(pipe: Connection, protocol: Protocol, thresholds: Mapping[str, float | None]) -> None:
    """Body of a process: task in, what was measured out, until the other side is gone."""
    with suppress(EOFError, BrokenPipeError):
        pipe.send(("ready", None))
        while True:
            task: Task = pipe.recv()
            ids = {place: truth.id for place, truth in zip(task.places, task.truths, strict=True)}

            def at(place: int, row: str, ids: dict[int, str] = ids) -> None:
                pipe.send(("at", (ids[place], row)))

            pipe.send(_answer(task, protocol, thresholds, at))


def _answer(
    task: Task,
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    at: Callable[[int, str], None],
) -> tuple[str, Any]:
    try:
        return "measured", measure_task(task, protocol, thresholds, at)
    except RowGivenUp as error:
        return "given up", (error.row, error.reason)
    except TruthError as error:
        return "truth", str(error)
    except MeasuringError as error:
        return "fault", str(error)
    except Exception:
        return "bug", traceback.format_exc()


def _refuse_main(task: Task) -> None:
    for shapes in task.predictions:
        for name, shape in shapes.items():
            if type(shape).__module__ == "__main__":
                raise ValueError(
                    f"row '{name}': {type(shape).__name__} is defined in the script that was run; move it to "
                    f"a module, or score with workers=0"
                )
