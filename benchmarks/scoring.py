"""Scoring many predictions: work is handed out per true shape, to processes that never load torch.

Everything that depends on a truth alone (its surface, points and search trees) is computed once and used
for every row: models, seeds and controls of one instance are scored together.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.protocols import Measurement, Protocol, Truth
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape

Unread = Callable[[], Shape]
"""A prediction that is read, from a file say, by the process that measures it; picklable."""

Prediction = Shape | Unread | None


@dataclass(frozen=True)
class Scores:
    """What `score` found, by row name.

    Attributes:
        rows: one dict per truth, in the order of the truths: id, category, view, failed, reason, then one
            value per column of the protocol (None where it is not defined).
        iou_curve: (threshold, mean IoU over all instances), thresholds ascending; empty without voxels.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    iou_curve: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    """All the instances of one true shape with the predictions of every row."""

    places: list[int]
    truths: list[Truth]
    predictions: list[dict[str, Prediction]]


def score(
    predictions: Mapping[str, Sequence[Prediction]],
    truths: Sequence[Truth],
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Measure every row's prediction of every truth.

    A prediction that is None, or whose reading or measurement raises, becomes a failed row at the protocol's
    worst values with the reason; it never costs another row. The numbers do not depend on `workers`.

    Args:
        predictions: row name to one shape per truth, in their order; read once, item by item.
        thresholds: frozen occupancy threshold of each row; None for shapes without voxels.
        workers: processes; None for one per available core, 0 to stay in this one.
        progress: called with (instances done, instances in all).

    Raises:
        TruthError: a truth cannot be measured against.
        ValueError: no truths, an instance twice, rows of another length, a row without its threshold.
        RuntimeError: a process died (usually killed for memory).
    """
    who = _check(predictions, truths, thresholds)
    tasks = _tasks(predictions, truths, who)
    found: dict[int, dict[str, Measurement]] = {}
    count = _available_cores() if workers is None else workers
    groups = len({id for id, _, _ in who})
    results = (
        _in_processes(tasks, protocol, thresholds, min(count, groups))
        if count > 0 and groups > 1
        else (_score_task(task, protocol, thresholds) for task in tasks)
    )
    for part in results:
        found |= part
        if progress is not None:
            progress(len(found), len(who))
    if set(found) != set(range(len(who))):
        raise RuntimeError(f"scored {len(found)} of {len(who)} instances: a bug in benchmarks.scoring")
    scores = Scores()
    for name in predictions:
        measured = protocol.finish([found[k][name] for k in range(len(who))])
        scores.rows[name] = [_row(*w, m, protocol) for w, m in zip(who, measured, strict=True)]
        scores.iou_curve[name] = _mean_curve(measured, protocol)
    return scores


def _check(
    predictions: Mapping[str, Sequence[Prediction]],
    truths: Sequence[Truth],
    thresholds: Mapping[str, float | None],
) -> list[tuple[str, str, int]]:
    """Id, category and view of each instance; a bad truth is found before anything is measured."""
    who = []
    for truth in truths:  # one at a time: they may be read from a file as asked for
        truth.check()
        who.append((truth.id, truth.category, truth.view))
    if not who:
        raise ValueError("there is no instance to score: the split is empty")
    if len({(id, view) for id, _, view in who}) != len(who):
        raise ValueError("an instance (id, view) occurs twice among the truths")
    for name, shapes in predictions.items():
        if len(shapes) != len(who):
            raise ValueError(f"row '{name}' has {len(shapes)} predictions for {len(who)} instances")
        if name not in thresholds:
            raise ValueError(f"row '{name}' has no threshold; give None for shapes without voxels")
    return who


def _tasks(
    predictions: Mapping[str, Sequence[Prediction]],
    truths: Sequence[Truth],
    who: Sequence[tuple[str, str, int]],
) -> Iterator[_Task]:
    places: dict[str, list[int]] = {}
    for place, (id, _, _) in enumerate(who):
        places.setdefault(id, []).append(place)
    for group in places.values():
        own = [truths[k] for k in group]
        for other in own[1:]:
            if not _same_shape(own[0], other):
                raise ValueError(f"id '{other.id}' names different true shapes in different views")
        yield _Task(group, own, [{name: p[k] for name, p in predictions.items()} for k in group])


def _same_shape(a: Truth, b: Truth) -> bool:
    if a.shape is not b.shape and not _equal(a.shape, b.shape):
        return False
    if a.surface is None or b.surface is None:
        return a.surface is b.surface
    return np.array_equal(a.surface, b.surface)


def _equal(a: Shape, b: Shape) -> bool:
    """Whether two shapes are of one kind and hold equal arrays."""
    if isinstance(a, VoxelShape) and isinstance(b, VoxelShape):
        return np.array_equal(a.occupancy, b.occupancy)
    if isinstance(a, PointShape) and isinstance(b, PointShape):
        return np.array_equal(a.cloud, b.cloud)
    if isinstance(a, MeshShape) and isinstance(b, MeshShape):
        ours, theirs = a.surface, b.surface
        return np.array_equal(ours.vertices, theirs.vertices) and np.array_equal(ours.faces, theirs.faces)
    return False


def _score_task(
    task: _Task, protocol: Protocol, thresholds: Mapping[str, float | None]
) -> dict[int, dict[str, Measurement]]:
    """One true shape, all its views, all rows."""
    prepared = protocol.prepare(task.truths[0])
    found: dict[int, dict[str, Measurement]] = {}
    for place, truth, shapes in zip(task.places, task.truths, task.predictions, strict=True):
        found[place] = {}
        for name, shape in shapes.items():
            threshold = thresholds[name]
            if shape is None:
                found[place][name] = protocol.failure(threshold, truth, "no prediction")
                continue
            try:
                there = shape if isinstance(shape, Shape) else shape()
                found[place][name] = protocol.measure(there, threshold, truth, prepared)
            except Exception as error:  # one bad prediction is that row's failure, with its reason
                reason = f"{type(error).__name__}: {error}"
                found[place][name] = protocol.failure(threshold, truth, reason)
    return found


def _row(id: str, category: str, view: int, measured: Measurement, protocol: Protocol) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id,
        "category": category,
        "view": view,
        "failed": measured.failed,
        "reason": measured.reason,
    }
    return row | {column.name: measured.values[column.name] for column in protocol.columns}


def _mean_curve(measured: Sequence[Measurement], protocol: Protocol) -> tuple[tuple[float, float], ...]:
    curves = [m.iou_curve for m in measured if m.iou_curve is not None]
    if not curves:
        return ()
    return tuple(zip(protocol.curve, map(float, np.mean(curves, axis=0)), strict=True))


def _in_processes(
    tasks: Iterator[_Task], protocol: Protocol, thresholds: Mapping[str, float | None], workers: int
) -> Iterator[dict[int, dict[str, Measurement]]]:
    """Results as they come, with only a few tasks under way: a large test split never waits in memory."""
    context = multiprocessing.get_context("spawn")
    initargs = (protocol, dict(thresholds))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=initargs)
    pending: set[Future[dict[int, dict[str, Measurement]]]] = set()
    try:
        for task in tasks:
            _refuse_main(task)
            with _without_main():
                pending.add(pool.submit(_run, task))
            if len(pending) >= 3 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a scoring process died, most likely killed for lack of memory; try fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_state: dict[str, Any] = {}


def _start(protocol: Protocol, thresholds: dict[str, float | None]) -> None:
    _state.update(protocol=protocol, thresholds=thresholds)


def _run(task: _Task) -> dict[int, dict[str, Measurement]]:
    return _score_task(task, _state["protocol"], _state["thresholds"])


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


def _refuse_main(task: _Task) -> None:
    for shapes in task.predictions:
        for name, shape in shapes.items():
            if type(shape).__module__ == "__main__":
                raise ValueError(
                    f"row '{name}': {type(shape).__name__} is defined in the script that was run; move it to "
                    f"a module, or score with workers=0"
                )


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
