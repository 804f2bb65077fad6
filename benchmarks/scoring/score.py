"""Scoring many predictions: work is handed out per true shape, to processes that never load torch.

Everything that depends on a truth alone (its surface, points and search trees) is computed once and used
for every row: models, seeds and controls of one instance are scored together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.protocols import Measurement, Protocol, Truth, TruthError
from benchmarks.scoring.journal import Journal, Key
from benchmarks.scoring.measuring import Measured, Prediction, RowGivenUp, Task, measure_task
from benchmarks.scoring.placement import LOOKED_AT, hints
from benchmarks.scoring.workers import Measurers
from zoo.metrics.neighbours import running_backend
from zoo.system.processes import available_cores

SHOWN = 5
"""So many truths that cannot be measured against are named."""


@dataclass(frozen=True)
class Scores:
    """What `score` found, by row name.

    Attributes:
        rows: one dict per truth, in the order of the truths: id, category, view, failed, reason, then one
            value per column of the protocol (None where it is not defined).
        iou_curve: (threshold, mean IoU over all instances), thresholds ascending; empty without voxels.
        hints: what the predictions of a row look like where they lie otherwise than the truth, in sentences
            after its name; mostly nothing.
        died: rows that are in neither, because predicting or measuring them failed, to what happened.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    iou_curve: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    hints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    died: dict[str, str] = field(default_factory=dict)


def score(
    predictions: Mapping[str, Sequence[Prediction]],
    truths: Sequence[Truth],
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    journals: Mapping[str, Path] | None = None,
    limit: float | None = None,
    weights: Mapping[str, str] | None = None,
) -> Scores:
    """Measure every row's prediction of every truth.

    A prediction that is None, or whose reading or measurement raises, becomes a failed row at the protocol's
    worst values with the reason. One that raises when it is asked for, kills the process that measures it or
    takes longer than the limit costs its row. Neither costs another row. The numbers do not depend on
    `workers`, nor on what the journals hold.

    Args:
        predictions: row name to one shape per truth, in their order; read once, item by item.
        thresholds: frozen occupancy threshold of each row; None for shapes without voxels.
        workers: processes; None for one per available core, 0 to stay in this one, without protection.
        progress: called with (instances done, instances in all).
        journals: row name to the file that keeps what was measured of it, to be deleted once the row is
            saved. What it holds is neither measured nor asked for again; other predictions need another file.
        limit: seconds that one prediction may take in another process; None for no limit.
        weights: row name to a digest of the weights that predict: the journal of others is begun anew.

    Raises:
        TruthError: a truth cannot be measured against.
        MeasuringError: measuring failed by no prediction's fault.
        BackendError: the nearest-neighbour backend that is asked for cannot run.
        ValueError: no truths, an instance twice, rows of another length, a row without its threshold, a
            number of workers below 0.
    """
    neighbours = running_backend().name
    who = _check(predictions, truths, thresholds, protocol)
    count = _processes(workers)
    died: dict[str, str] = {}
    groups = len({id for id, _, _ in who})
    books = _journals(predictions, protocol, thresholds, neighbours, journals or {}, weights or {})
    keys = [(id, view) for id, _, view in who]
    found = _found(books, keys)
    tasks = _tasks(predictions, truths, who, found, died)
    if count > 0 and (groups > 1 or limit is not None):
        results = Measurers(protocol, thresholds, min(count, groups), limit, died).run(tasks)
    else:
        results = _measure_here(tasks, protocol, thresholds, died)
    for part in results:
        for name, book in books.items():
            book.add((keys[k], own[name]) for k, own in part.items() if name in own)
        for k, own in part.items():
            found[k] |= own
        if progress is not None:
            progress(_done(found, predictions.keys() - died.keys()), len(who))
    return _finished(found, who, [name for name in predictions if name not in died], died, protocol)


def _found(books: Mapping[str, Journal], keys: Sequence[Key]) -> Measured:
    """What the journals hold."""
    return {
        k: {name: book.measured[key] for name, book in books.items() if key in book.measured}
        for k, key in enumerate(keys)
    }


def _done(found: Measured, rows: AbstractSet[str]) -> int:
    """Instances of which every row is measured."""
    return sum(own.keys() >= rows for own in found.values())


def _finished(
    found: Measured,
    who: Sequence[tuple[str, str, int]],
    names: Sequence[str],
    died: dict[str, str],
    protocol: Protocol,
) -> Scores:
    """The rows, once every instance is measured."""
    scores = Scores(died=died)
    for name in names:
        lacking = sum(name not in own for own in found.values())
        if lacking:
            raise RuntimeError(f"row '{name}': {lacking} instances not scored: a bug in {__name__}")
        measured = protocol.finish([found[k][name] for k in range(len(who))])
        scores.rows[name] = [_row(*w, m, protocol) for w, m in zip(who, measured, strict=True)]
        scores.iou_curve[name] = _mean_curve(measured, protocol)
        scores.hints[name] = hints([m.look for m in measured], protocol.own_frames)
    return scores


def _processes(workers: int | None) -> int:
    count = available_cores() if workers is None else workers
    if count < 0:
        raise ValueError(f"workers must be 0 (measure in this process) or more, got {count}")
    return count


def _journals(
    names: Collection[str],
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    neighbours: str,
    paths: Mapping[str, Path],
    weights: Mapping[str, str],
) -> dict[str, Journal]:
    """The journal of each row that has one."""
    facts = {
        "protocol": protocol.id,
        "version": protocol.version,
        "settings": protocol.settings,
        "neighbours": neighbours,
    }
    return {
        name: Journal(path, {**facts, "threshold": thresholds[name], "weights": weights.get(name)})
        for name, path in paths.items()
        if name in names
    }


def check_truths(truths: Sequence[Truth], protocol: Protocol) -> list[tuple[str, str, int]]:
    """Id, category and view of each instance, once the protocol is known to take all the truths.

    To be called before anything is spent on them, training for one.

    Raises:
        TruthError: some cannot be measured against; names them, and why.
    """
    who, problems = [], []
    for truth in truths:  # one at a time: they may be read from a file as asked for
        who.append((truth.id, truth.category, truth.view))
        try:
            protocol.check(truth)
        except TruthError as error:
            problems.append(str(error))
    if problems:
        listed = "; ".join(problems[:SHOWN]) + ("; ..." if len(problems) > SHOWN else "")
        raise TruthError(
            f"{len(problems)} of {len(truths)} true shapes cannot be measured against by {protocol.id}; "
            f"leave them out, or take another --protocol: {listed}"
        )
    return who


def _measure_here(
    tasks: Iterator[Task],
    protocol: Protocol,
    thresholds: Mapping[str, float | None],
    died: dict[str, str],
) -> Iterator[Measured]:
    """Without other processes; a row that is given up is noted in `died`."""
    for task in tasks:
        while True:
            try:
                yield measure_task(task.without(died), protocol, thresholds)
                break
            except RowGivenUp as error:
                died[error.row] = error.reason


def _check(
    predictions: Mapping[str, Sequence[Prediction]],
    truths: Sequence[Truth],
    thresholds: Mapping[str, float | None],
    protocol: Protocol,
) -> list[tuple[str, str, int]]:
    """Id, category and view of each instance; what does not fit is found before anything is measured."""
    who = check_truths(truths, protocol)
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
    found: Mapping[int, Mapping[str, Measurement]],
    died: dict[str, str],
) -> Iterator[Task]:
    """What is not among `found`, by true shape; rows that cannot predict are noted in `died`."""
    places: dict[str, list[int]] = {}
    for place, (id, _, _) in enumerate(who):
        places.setdefault(id, []).append(place)
    step = math.ceil(len(places) / LOOKED_AT)
    for number, group in enumerate(places.values()):
        wanted = {k: predictions.keys() - found[k].keys() - died.keys() for k in group}
        if not any(wanted.values()):
            continue
        own = [truths[k] for k in group]
        for other in own[1:]:
            if not _same_shape(own[0], other):
                raise ValueError(f"id '{other.id}' names different true shapes in different views")
        shapes: list[dict[str, Prediction]] = [{} for _ in group]
        for name in [name for name in predictions if name not in died]:
            try:
                for k, into in zip(group, shapes, strict=True):
                    if name in wanted[k]:
                        into[name] = predictions[name][k]
            except Exception as error:  # a model that fails here must not cost the other rows
                died[name] = f"predicting '{who[k][0]}': {type(error).__name__}: {error}"
        yield Task(group, own, shapes, look=number % step == 0)


def _same_shape(a: Truth, b: Truth) -> bool:
    if a.shape is not b.shape and not a.shape.equals(b.shape):
        return False
    if a.surface is None or b.surface is None:
        return a.surface is b.surface
    return np.array_equal(a.surface, b.surface)


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
