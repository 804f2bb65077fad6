"""The instances that pictures show of predictions that somebody else made, chosen as those of models are.

Files have frames and units of their own. A case is shown in those of its true shape: the box of a true mesh
or cloud is centred and its longest edge is 1. A true grid fills the unit cube, and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.files.pairing import Instance
from benchmarks.files.predictions import PredictionFiles, TruthFiles
from benchmarks.gallery.cases import Cases, Choice, Found, choose, light, scores_of
from benchmarks.gallery.picture import Case, Drawn
from benchmarks.statistics.comparison import Comparison
from datasets import BadItem
from datasets.formats.shapes import read_shape
from zoo.geometry.mesh import Mesh
from zoo.shapes import MeshShape, PointShape, Shape


def gather_foreign(
    comparison: Comparison,
    wanted: Sequence[Instance],
    folders: Sequence[PredictionFiles],
    found: Mapping[str, Found],
    lighten: Callable[[Shape, float], Shape] | None = None,
) -> Cases:
    """Choose instances by what the reference scored on them, and read what every row has of them.

    Args:
        wanted: all instances, in the order of every row's files and results.
        found: record and rows of each folder, by its name.
        lighten: as `benchmarks.gallery.cases.gather_cases` takes it.
    """
    own = [row.name for row in comparison.models]
    if not own:
        return Cases("of nobody", ())
    reference = comparison.reference if comparison.reference in own else own[0]
    words, overall, by_category = choose(comparison, reference, found[reference][1], lighten is not None)
    truths, place = TruthFiles(wanted), {(one.shape, one.view): k for k, one in enumerate(wanted)}
    whole = {place[id, view or 0] for _, id, view in overall}

    def case(k: int) -> Case:
        truth, drawn = truths[k].shape, {}
        frame = _frame(truth)
        for files in (each for each in folders if each.name in found):
            record, rows = found[files.name]
            level = 0.5 if record.threshold is None else record.threshold.value
            shape = _read(files.files[k])
            if shape is not None:
                shown = Drawn(_moved(shape, level, *frame), level, scores_of(comparison, rows[k]))
                drawn[files.name] = shown if lighten is None or k in whole else light(shown, lighten)
        return Case(wanted[k].name, wanted[k].category, "", None, _moved(truth, 0.5, *frame), drawn)

    cases = {k: case(k) for k in sorted({place[id, view or 0] for _, id, view in [*overall, *by_category]})}

    def grouped(choice: Choice) -> tuple[Case, ...]:
        return tuple(replace(cases[place[id, view or 0]], group=group) for group, id, view in choice)

    return Cases(words, grouped(overall), grouped(by_category))


def _read(file: Path | None) -> Shape | None:
    if file is None:
        return None
    try:
        return read_shape(file)
    except BadItem:  # counted as a failure, with its reason, where it was measured
        return None


def _frame(truth: Shape) -> tuple[np.ndarray, float]:
    """Centre (3,) of a true shape's box and the box's longest edge, in the units of its file."""
    if truth.grid is not None:
        return np.zeros(3), 1.0
    corners = truth.bounds()
    low, high = np.zeros((2, 3)) if corners is None else corners
    return (low + high) / 2, float((high - low).max())


def _moved(shape: Shape, level: float, centre: np.ndarray, edge: float) -> Shape:
    """The surface or the points of a shape in a frame; as it is where there is nothing to move."""
    if edge == 1 and not centre.any():
        return shape
    if shape.own_points is not None:
        return PointShape((shape.own_points - centre) / edge)
    mesh = shape.mesh(level)
    return shape if mesh is None else MeshShape(Mesh((mesh.vertices - centre) / edge, mesh.faces))
