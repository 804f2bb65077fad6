"""The instances that pictures show, chosen by rule, with what every model makes of them.

`gallery.png` shows the best, median and worst instances of one reference model, the report those of each
category as well. Every model predicts them once, with its first seed that has a result. What somebody else
predicted is read from files: `benchmarks.gallery.of_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.session import Session
from benchmarks.controls import CONTROLS
from benchmarks.gallery.picture import VIEWS, Case, Drawn, choose_cases, gallery
from benchmarks.records.schema import Record, Rows
from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.columns import print_value
from zoo.geometry.camera import Camera
from zoo.metrics import Column
from zoo.shapes import Shape
from zoo.sketches import sketch_pictures
from zoo.training.checkpoint import CheckpointError, checkpoints
from zoo.visualize import TRUTH, strip

RETRIEVAL = "image_retrieval"
"""The control that stands beside the models."""

CROWDED = 6
"""Models from which on each shape of the gallery is drawn from one side alone."""

TRIED = 8
"""Pixels of a first drawing: what is wrong with a shape shows where it costs its own model."""

PICTURES = 2000
"""Pictures of instances at most."""

Choice = list[tuple[str, str, int | None]]
"""(group, id, view), as `choose_cases` gives them."""
Found = tuple[Record, Rows]
"""A result, as it is stored."""


@dataclass(frozen=True)
class Pictured:
    """An instance and its picture, uint8 (H, W, 3 or 4) as it is stored."""

    id: str
    view: int | None
    image: np.ndarray


@dataclass(frozen=True)
class Cases:
    """Instances to show.

    Attributes:
        chosen: by which metric of which model, in words.
        overall: best, median and worst of all instances.
        by_category: of each category; their predictions may be lightened.
        failed: models whose predictions could not be made again or drawn, with the error; they have none.
        pictures: what the models saw, of every instance, or of `PICTURES` of them evenly chosen.
    """

    chosen: str
    overall: tuple[Case, ...]
    by_category: tuple[Case, ...] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)
    pictures: tuple[Pictured, ...] = ()


def gather_cases(
    session: Session,
    cells: Sequence[ModelCell],
    comparison: Comparison,
    lighten: Callable[[Shape, float], Shape] | None = None,
) -> Cases:
    """Choose the instances and predict them.

    Args:
        lighten: makes a smaller shape of one at its level, for the instances of each category, of which there
            are many; without it there are none.

    Returns:
        No case where `choose` finds none.
    """
    first = {c.config.name: c for c in reversed(cells) if session.results.find(c.hash) is not None}
    reference = comparison.reference or comparison.models[0].name
    found = session.results.find(first[reference].hash)
    assert found is not None
    words, overall, by_category = choose(comparison, reference, found[1], lighten is not None)
    pictures = _pictures(session, comparison) if lighten is not None else ()
    if not overall:
        return Cases(words, (), pictures=pictures)
    cases = {shape_id: _case(session, shape_id, view) for _, shape_id, view in [*overall, *by_category]}
    whole = {shape_id for _, shape_id, _ in overall}

    def shown(shape_id: str, drawn: Drawn) -> Drawn:
        small = drawn if lighten is None else light(drawn, lighten)
        if shape_id not in whole:
            return small
        strip(drawn.shape, drawn.level, TRUTH, VIEWS[:1], TRIED)
        return drawn

    failed: dict[str, Exception] = {}
    for row in comparison.models:
        try:
            made = _predict(session, first[row.name], comparison, cases, shown)
        except Exception as error:  # it was measured; what it does now costs its pictures alone
            failed[row.name] = error
            continue
        for shape_id, drawn in made.items():
            case = cases[shape_id]
            cases[shape_id] = replace(case, predictions={**case.predictions, row.name: drawn})

    try:
        retrieved = _retrieved(session, comparison, list(cases))
    except Exception as error:
        failed[RETRIEVAL], retrieved = error, {}
    for shape_id, drawn in retrieved.items():
        case, kept = cases[shape_id], shown(shape_id, drawn)
        cases[shape_id] = replace(case, predictions={**case.predictions, RETRIEVAL: kept})

    def grouped(choice: Choice) -> tuple[Case, ...]:
        return tuple(replace(cases[shape_id], group=group) for group, shape_id, _ in choice)

    return Cases(words, grouped(overall), grouped(by_category), failed, pictures)


def columns_of(cases: Cases, comparison: Comparison) -> dict[str, str]:
    """Rows that have a place in pictures, with their headings: every model, and controls that were drawn."""
    drawn = {name for case in (*cases.overall, *cases.by_category) for name in case.predictions}
    controls = {row.name: row.title for row in comparison.controls if row.name in drawn}
    return {row.name: row.name for row in comparison.models} | controls


def choose(
    comparison: Comparison, reference: str, rows: Rows, each_category: bool
) -> tuple[str, Choice, Choice]:
    """By which metric of which row, in words; best, median and worst of all instances, and of each category.

    None where the protocol has no number for the reference's kind of shape (a voxel protocol, points).

    Args:
        rows: what the reference scored.
        each_category: whether those of the categories are wanted.
    """
    columns = [comparison.column(name) for name in comparison.protocol.cases]
    column = next((c for c in columns if any(row[c.name] is not None for row in rows)), None)
    if column is None:
        return f"of {reference}", [], []
    overall = choose_cases(rows, column.name, column.better)
    return f"of {reference} by {column.label}", overall, _by_category(rows, column) if each_category else []


def scores_of(comparison: Comparison, row: Mapping[str, Any]) -> dict[str, str]:
    """What is printed under a prediction."""
    columns = [comparison.column(name) for name in comparison.protocol.cases]
    return {c.label: print_value(row[c.name], c) for c in columns}


def light(drawn: Drawn, lighten: Callable[[Shape, float], Shape]) -> Drawn:
    """A drawn case with a smaller shape, as `lighten` makes it."""
    return replace(drawn, shape=lighten(drawn.shape, drawn.level))


def write_gallery(path: Path, cases: Cases, comparison: Comparison) -> Path:
    """The best, median and worst of all instances as one picture."""
    gallery(
        path,
        cases.overall,
        columns_of(cases, comparison),
        views=VIEWS[:1] if len(comparison.models) > CROWDED else VIEWS,
        caption="; ".join(
            [
                f"best, median and worst test instances {cases.chosen}",
                comparison.protocol.id,
                *(f"{name} is not shown: {error}" for name, error in cases.failed.items()),
            ]
        ),
    )
    return path


def _by_category(rows: Rows, column: Column) -> Choice:
    chosen: Choice = []
    for category in sorted({row["category"] for row in rows}):
        own = [row for row in rows if row["category"] == category and row[column.name] is not None]
        chosen += choose_cases(own, column.name, column.better, per_group=1) if own else []
    return chosen


def _case(session: Session, shape_id: str, view: int | None) -> Case:
    """An instance without predictions, in no group."""
    k = session.test.ids.index(shape_id)
    picture = session.test.images([k], [[view or 0]])[0, 0].transpose(1, 2, 0)
    camera = None
    if "camera" in session.test.provides:
        camera = Camera.from_row(np.asarray(session.test.cameras([k], [[view or 0]])[0, 0]))
    truth = session.truths("test")[k].shape
    return Case(shape_id, session.test.categories[k], "", picture, truth, {}, camera)


def _pictures(session: Session, comparison: Comparison) -> tuple[Pictured, ...]:
    """The picture of each instance, or of some."""
    place = {shape_id: k for k, shape_id in enumerate(session.test.ids)}
    every = [(shape_id, view) for shape_id, view, _ in comparison.instances if shape_id in place]
    few = every[:: max(1, -(-len(every) // PICTURES))]
    images = (session.test.images([place[i]], [[view or 0]])[0, 0].transpose(1, 2, 0) for i, view in few)
    return tuple(Pictured(*one, image) for one, image in zip(few, images, strict=True))


def _retrieved(session: Session, comparison: Comparison, shape_ids: Sequence[str]) -> dict[str, Drawn]:
    """What the control that takes the nearest training image gives for the cases, where it was measured."""
    control = next((c for c in CONTROLS if c.name == RETRIEVAL), None)
    found = None if control is None else session.results.find(session.control_cell(control).hash)
    if control is None or found is None or RETRIEVAL not in {row.name for row in comparison.controls}:
        return {}
    by_id = {row["id"]: row for row in found[1]}
    places = [session.test.ids.index(shape_id) for shape_id in shape_ids]
    truths = session.truths("test")
    images = session.test.images(places, [[0]] * len(places))[:, 0].transpose(0, 2, 3, 1)
    predict = control.fit(session.training(), (), images[:0])
    shapes = predict([truths[k] for k in places], images)
    return {
        shape_id: Drawn(shape, 0.5, scores_of(comparison, by_id[shape_id]))
        for shape_id, shape in zip(shape_ids, shapes, strict=True)
        if shape is not None
    }


def _predict(
    session: Session,
    cell: ModelCell,
    comparison: Comparison,
    cases: Mapping[str, Case],
    shown: Callable[[str, Drawn], Drawn],
) -> dict[str, Drawn]:
    """What one model makes of the cases, with its scores; nothing where it has no result.

    Args:
        shown: what is kept of the prediction of an instance.

    Raises:
        UserError: its weights are gone or damaged, or it does not predict.
    """
    found = session.results.find(cell.hash)
    if found is None:
        return {}
    if not checkpoints(cell.run_dir):
        raise CheckpointError(f"its weights are not in {cell.run_dir}, --force trains it again")
    record, rows = found
    by_id = {row["id"]: row for row in rows}
    level = 0.5 if record.threshold is None else record.threshold.value
    predictions = session.predictions(cell, session.recipe(cell, cell.run_dir), "test")
    drawn = {}
    for k in sorted(session.test.ids.index(shape_id) for shape_id in cases):  # each batch is made once
        shape_id = session.test.ids[k]
        shape, maps = predictions[k], predictions.sketches(k)
        pictures = sketch_pictures(maps) if maps is not None else []
        drawn[shape_id] = shown(
            shape_id, Drawn(shape, level, scores_of(comparison, by_id[shape_id]), pictures)
        )
    return drawn
