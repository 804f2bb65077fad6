"""Scoring many predictions: work is handed out per true shape, to processes that never load torch.

Everything that depends on a truth alone (its surface, points and search trees) is computed once and used
for every row: models, seeds and controls of one instance are scored together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.measuring import Measured, Measurers, Prediction, Task, measure_task
from benchmarks.protocols import Measurement, Protocol, Truth
from zoo.processes import available_cores
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape


@dataclass(frozen=True)
class Scores:
    """What `score` found, by row name.

    Attributes:
        rows: one dict per truth, in the order of the truths: id, category, view, failed, reason, then one
            value per column of the protocol (None where it is not defined).
        iou_curve: (threshold, mean IoU over all instances), thresholds ascending; empty without voxels.
        died: rows that are in neither, because measuring them killed its process, to what happened.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    iou_curve: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    died: dict[str, str] = field(default_factory=dict)


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
    worst values with the reason; one that kills the process that measures it costs its row. Neither costs
    another row. The numbers do not depend on `workers`.

    Args:
        predictions: row name to one shape per truth, in their order; read once, item by item.
        thresholds: frozen occupancy threshold of each row; None for shapes without voxels.
        workers: processes; None for one per available core, 0 to stay in this one, without protection.
        progress: called with (instances done, instances in all).

    Raises:
        TruthError: a truth cannot be measured against.
        ValueError: no truths, an instance twice, rows of another length, a row without its threshold.
    """
    who = _check(predictions, truths, thresholds)
    tasks = _tasks(predictions, truths, who)
    found: Measured = {}
    count = available_cores() if workers is None else workers
    groups = len({id for id, _, _ in who})
    measurers = Measurers(protocol, thresholds, min(count, groups))
    results = (
        measurers.run(tasks)
        if count > 0 and groups > 1
        else (measure_task(task, protocol, thresholds) for task in tasks)
    )
    for part in results:
        found |= part
        if progress is not None:
            progress(len(found), len(who))
    if set(found) != set(range(len(who))):
        raise RuntimeError(f"scored {len(found)} of {len(who)} instances: a bug in benchmarks.scoring")
    scores = Scores(died=measurers.died)
    for name in [name for name in predictions if name not in measurers.died]:
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
) -> Iterator[Task]:
    places: dict[str, list[int]] = {}
    for place, (id, _, _) in enumerate(who):
        places.setdefault(id, []).append(place)
    for group in places.values():
        own = [truths[k] for k in group]
        for other in own[1:]:
            if not _same_shape(own[0], other):
                raise ValueError(f"id '{other.id}' names different true shapes in different views")
        yield Task(group, own, [{name: p[k] for name, p in predictions.items()} for k in group])


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
