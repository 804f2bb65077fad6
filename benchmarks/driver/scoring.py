"""Scoring any function from pictures to shapes: data, truths, threshold and table as a model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells.events import Event, Tell, silent
from benchmarks.cells.session import Session
from benchmarks.cells.work import CellWork
from benchmarks.controls import CONTROLS, title_of
from benchmarks.records.identity import cell_hash
from benchmarks.records.making import make_record
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.request.run_request import settings_of
from benchmarks.request.settings import settings
from benchmarks.scoring.score import score as score_rows
from benchmarks.statistics.comparison import Comparison, compare
from datasets.prepare import open_dataset
from zoo.config import ConfigError
from zoo.names import check_name
from zoo.shapes import PointShape, Shape, VoxelShape
from zoo.system.lazy import LazySequence
from zoo.system.processes import available_cores

PICTURES = 32
"""A function is given so many pictures at a time."""

Predict = Callable[[np.ndarray], Sequence[Any]]
"""Pictures (N, H, W, 4) uint8, straight alpha -> one for each: a `zoo.shapes.Shape`; occupancy (R, R, R),
bool or in [0, 1]; points (P, 3); or None where there is none. All in the canonical frame, the unit cube."""


class Asked(LazySequence["Shape | None"]):
    """What a function makes of a split's pictures, asked for as it is needed; the last ones are held."""

    def __init__(self, predict: Predict, pictures: np.ndarray) -> None:
        self._predict, self._pictures = predict, pictures
        self._start, self._shapes = -1, list[Shape | None]()

    def item(self, index: int) -> Shape | None:
        """Raises ConfigError where the function gives something else than it should."""
        start = index // PICTURES * PICTURES
        if start != self._start:
            part = self._pictures[start : start + PICTURES]
            found = self._predict(part)
            if not isinstance(found, Sequence | np.ndarray) or len(found) != len(part):
                got = f"{len(found)}" if hasattr(found, "__len__") else type(found).__name__
                raise ConfigError(f"the function gave {got} shapes for {len(part)} pictures")
            self._start, self._shapes = start, [as_shape(one) for one in found]
        return self._shapes[index - start]

    def __len__(self) -> int:
        return len(self._pictures)


def as_shape(given: Any) -> Shape | None:
    """A shape of what a function gave for one picture.

    Raises:
        ConfigError: it is none of what `Predict` lists.
    """
    if given is None or isinstance(given, Shape):
        return given
    values = np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ConfigError(f"a prediction ({values.dtype} {values.shape}) holds NaN or infinity")
    if values.ndim == 3 and len(set(values.shape)) == 1 and values.dtype.kind in "bf":
        if values.dtype.kind == "f" and not (values.min() >= 0 and values.max() <= 1):
            raise ConfigError(f"occupancy must lie in [0, 1], got {values.min():g} to {values.max():g}")
        return VoxelShape(values if values.dtype.kind == "b" else values.astype(np.float32))
    if values.ndim == 2 and values.shape[1] == 3 and values.dtype.kind == "f":
        return PointShape(values.astype(np.float64))
    raise ConfigError(
        f"a prediction is {values.dtype} {values.shape}; allowed are a zoo.shapes.Shape, occupancy (R, R, R) "
        f"bool or float in [0, 1], points (P, 3) float, or None"
    )


def score(
    predict: Predict,
    *,
    dataset: str = "procedural",
    protocol: str = "r3d-v1",
    name: str | None = None,
    preset: str = "quick",
    data_root: str | Path | None = None,
    overrides: Any = (),
    limit: int | None = None,
    controls: bool = True,
    workers: int | None = None,
    out: str | Path = "runs",
    progress: Tell | None = None,
) -> Comparison:
    """Measure a function from pictures to shapes on the test split, beside the controls.

    A threshold for voxels is chosen on the validation split, as for a model. What the function gives is not
    kept: it cannot be told from another of its name. Results of the controls are, in `out`.

    Args:
        predict: see `Predict`.
        name: of its row; by default the function's own.
        overrides: settings of data (``data.``), preparation (``prepare.``) and protocol (``protocol.``).
        limit: measure on so many test instances only.
        controls: whether those that need no network stand beside it; made where they are not there.
        progress: called with every event on the way.

    Raises:
        UserError: bad input.
        Exception: what the function raises.
    """
    tell = progress or silent
    own = check_name(name or getattr(predict, "__name__", type(predict).__name__).strip("<>"), "name")
    if title_of(own) is not None:
        raise ConfigError(f"the name '{own}' is that of a control; give another with name=")
    chosen = settings(preset, dataset, settings_of(overrides))
    store = open_dataset(
        dataset,
        data_root=data_root,
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=workers,
        progress=progress is not None,
    )
    cpu = torch.device("cpu")
    session = Session(chosen, store, chosen.protocol(protocol), cpu, Path(out), limit=limit)
    results = [_row(predict, own, session, workers, tell)]
    if controls:
        results += _controls(session, available_cores() if workers is None else workers, tell)
    return compare(results, session.protocol)


def _row(
    predict: Predict, name: str, session: Session, workers: int | None, tell: Tell
) -> tuple[Record, Rows]:
    """The function's own row."""
    validation = Asked(predict, session.pictures("val"))
    choice = session.protocol.choose_threshold(validation, session.truths("val"))
    scores = score_rows(
        {name: Asked(predict, session.pictures("test"))},
        session.truths("test"),
        session.protocol,
        {name: None if choice is None else choice.value},
        workers=workers,
        progress=lambda done, total: tell(Event("measuring", name, done=done, total=total)),
    )
    if name in scores.died:
        raise ResultError(f"'{name}' cannot be measured: {scores.died[name]}")
    config = {"callable": f"{getattr(predict, '__module__', '?')}.{getattr(predict, '__qualname__', name)}"}
    facts = session.facts()
    cell = cell_hash(
        kind="files",
        name=name,
        config=config,
        dataset=facts["dataset"],
        protocol=facts["protocol"],
        preset=facts["preset"],
        seed=None,
    )
    record = make_record(
        rows=scores.rows[name],
        threshold=choice,
        kind="files",
        name=name,
        title=name,
        seed=None,
        config=config,
        cell=cell,
        iou_curve=scores.iou_curve[name],
        hints=scores.hints[name],
        **facts,
    )
    return record, scores.rows[name]


def _controls(session: Session, workers: int, tell: Tell) -> list[tuple[Record, Rows]]:
    """The controls that need no network."""
    results = []
    for control in CONTROLS:
        cell = session.control_cell(control)
        CellWork(session, cell, workers).run(session.device, tell, session.predictor)
        found = session.results.find(cell.hash)
        assert found is not None
        results.append(found)
    return results
