"""Measuring one true shape with all its predictions, in processes of which one may die.

A pool of the standard library is broken for good when one of its processes dies, and does not say what
killed it. What was under way is then measured again in a process of its own, and where that dies too, row by
row: the row that kills it is given up, by name, and costs no other row. It gets no worst values either: lack
of memory, which is the usual cause, says nothing about a prediction.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from benchmarks.protocols import Measurement, Protocol, Truth
from zoo.shapes import Shape, VoxelShape

Unread = Callable[[], Shape]
"""A prediction that is read, from a file say, by the process that measures it; picklable."""

Prediction = Shape | Unread | None

Measured = dict[int, dict[str, Measurement]]
"""Place of an instance among the truths to row name to what was measured."""


@dataclass(frozen=True)
class Task:
    """All the instances of one true shape with the predictions of every row."""

    places: list[int]
    truths: list[Truth]
    predictions: list[dict[str, Prediction]]

    def of(self, names: Collection[str]) -> Task:
        """The same with these rows alone."""
        kept = [{name: shape for name, shape in own.items() if name in names} for own in self.predictions]
        return replace(self, predictions=kept)


def measure_task(task: Task, protocol: Protocol, thresholds: Mapping[str, float | None]) -> Measured:
    """One true shape, all its views, all rows."""
    prepared = protocol.prepare(task.truths[0])
    found: Measured = {}
    for place, truth, shapes in zip(task.places, task.truths, task.predictions, strict=True):
        found[place] = {}
        for name, shape in shapes.items():
            threshold = thresholds[name]
            if shape is None:
                found[place][name] = protocol.failure(threshold, truth, "no prediction")
                continue
            try:
                there = shape if isinstance(shape, Shape) else shape()
                # one row's files may be of several kinds, of which only grids have a threshold
                known = isinstance(shape, Shape) or isinstance(there, VoxelShape)
                found[place][name] = protocol.measure(there, threshold if known else None, truth, prepared)
            except Exception as error:  # one bad prediction is that row's failure, with its reason
                reason = f"{type(error).__name__}: {error}"
                found[place][name] = protocol.failure(threshold, truth, reason)
    return found


class Measurers:
    """Processes that measure tasks.

    Attributes:
        died: name of each row that killed the process which measured it, to what happened.
    """

    def __init__(self, protocol: Protocol, thresholds: Mapping[str, float | None], workers: int) -> None:
        self.workers = workers
        self.died: dict[str, str] = {}
        self._state = (protocol, dict(thresholds))

    def run(self, tasks: Iterator[Task]) -> Iterator[Measured]:
        """Results as they come, with only a few tasks under way: a large test split never waits in memory."""
        pool, pending = self._pool(self.workers), dict[Future[Measured], Task]()
        more = True
        try:
            while more or pending:
                suspects: list[Task] = []
                while more and not suspects and len(pending) < 3 * self.workers:
                    task = next(tasks, None)
                    if task is None:
                        more = False
                    else:
                        try:
                            pending[self._submit(pool, task)] = task
                        except BrokenProcessPool:
                            suspects.append(task)
                done = wait(pending, return_when=FIRST_COMPLETED).done
                if suspects or any(_broke(future) for future in done):
                    pool.shutdown(wait=True)  # then every future is done, one way or the other
                    done = set(pending)
                for future in done:
                    task = pending.pop(future)
                    if _broke(future):
                        suspects.append(task)
                    else:
                        yield future.result()
                if suspects:
                    yield from self._one_by_one(suspects)
                    pool = self._pool(self.workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _one_by_one(self, suspects: list[Task]) -> Iterator[Measured]:
        """Each task alone, and where that kills its process, each of its rows; the guilty ones are noted."""
        for task in suspects:
            found = self._alone(task)
            if found is None:
                found = {place: {} for place in task.places}
                for name in [name for name in task.predictions[0] if name not in self.died]:
                    own = self._alone(task.of({name}))
                    if own is None:
                        self.died[name] = (
                            f"the process that measured it died at '{task.truths[0].id}', most likely killed "
                            f"for lack of memory; try fewer --workers"
                        )
                        continue
                    for place, measured in own.items():
                        found[place] |= measured
            yield found

    def _alone(self, task: Task) -> Measured | None:
        """What a process of its own measures; None where that dies."""
        with self._pool(1) as pool:
            try:
                return self._submit(pool, task).result()
            except BrokenProcessPool:
                return None

    def _submit(self, pool: ProcessPoolExecutor, task: Task) -> Future[Measured]:
        _refuse_main(task)
        with _without_main():
            return pool.submit(_run, task.of(task.predictions[0].keys() - self.died.keys()))

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=self._state)


def _broke(future: Future[Measured]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


_state: dict[str, Any] = {}


def _start(protocol: Protocol, thresholds: dict[str, float | None]) -> None:
    _state.update(protocol=protocol, thresholds=thresholds)


def _run(task: Task) -> Measured:
    return measure_task(task, _state["protocol"], _state["thresholds"])


@contextmanager
def _without_main() -> Iterator[None]:
    """Start children without the main module.

    A spawned process imports the module that was run as a script, which here imports torch: seconds and
    hundreds of megabytes for nothing. Children look it up in `sys.modules` when they are started.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _refuse_main(task: Task) -> None:
    for shapes in task.predictions:
        for name, shape in shapes.items():
            if type(shape).__module__ == "__main__":
                raise ValueError(
                    f"row '{name}': {type(shape).__name__} is defined in the script that was run; move it to "
                    f"a module, or score with workers=0"
                )
