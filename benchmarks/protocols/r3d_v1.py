"""The default protocol: one fixed frame, one frozen threshold, every metric from the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchmarks.protocols import (
    PROTOCOLS,
    Measurement,
    Protocol,
    Truth,
)
from zoo.metrics import METRICS, Column, Metric
from zoo.metrics.inputs import Measured
from zoo.metrics.iou import iou_curve
from zoo.metrics.iou_filled import REACH
from zoo.registry import EntryConfig
from zoo.seeding import derive, rng
from zoo.shapes import PointShape, Shape

EMD_POINTS = 1024
DESCRIPTION = """\
Protocol {id}
Version    {version}; in version 1 a prediction far outside the truth's box scored worse than a missing one.
Frame      object-centred, canonical pose. The bounding box of the true surface gives centre and scale
           (longest edge 1) for truth and prediction alike; no alignment, no rescaling of either.
Threshold  one per model: the t in .05, .10, ... .95 with the highest mean IoU on the validation split,
           frozen. Shapes without voxels have no threshold and no IoU.
IoU        |P and G| / |P or G| of cells >= t at the truth's native grid, to which the prediction is
           resampled; iou@val at the frozen t, iou@.5 at one half. Fraction, higher is better.
IoU filled iou_filled: the same of the true grid with what the prediction's surface points enclose, on twice
           the grid: each point spreads by {reach} of the cube's edge, what the outside cannot reach is
           filled, the body is taken back by as much; a cell counts when more than half of it is filled.
           Of every row from its points. The main table shows it where a row has no voxels.
Surface    marching cubes on the prediction's own grid, padded by one empty cell, at the frozen t; at .5
           on the true grid.
Points     {points} per side, uniform by area; the seed is SHA-256 of instance and side.
CD         cd = mean(d_P) + mean(d_G), unsquared: eq. (1) of the R3D report; acc and comp are its halves.
           cd_sq = mean(d_P^2) + mean(d_G^2), printed x 1000. Longest edges of the truth, lower is better.
F-score    2 P R / (P + R) at 1, 2 and 5 % of the longest edge, strictly nearer. Fraction, higher is better.
EMD        mean distance under the exact best assignment of {emd_points} points per side, a subset of the same
           clouds. Longest edges of the truth, lower is better.
*_mesh     the same against points of the true mesh instead of the true grid's surface; with the number of
           points that the store holds on both sides, where that is smaller.
Failures   a missing or empty prediction scores IoU = P = R = F = 0, acc = comp = EMD = sqrt(3),
           CD = 2 sqrt(3), CD_sq = 6, and is counted. Nothing is dropped, and nothing scores worse: such
           distances are cut to these values.
Averages   instance mean and category mean of per-instance values; 95 % percentile intervals by bootstrap
           over shapes within category.
Compares   with rows of this protocol on the same split, and with nothing else. Pix3D scales each cloud by
           itself and searches its threshold on the test images; Occupancy Networks print 5 x cd (of other
           data); PyTorch3D, Mesh R-CNN and AtlasNet print squared distances."""
MODES = {10_000: "fast, ", 100_000: "final, "}


class R3DV1Config(EntryConfig):
    """What may be chosen within r3d-v1; every departure from the defaults shows in the protocol's id."""

    points: int = Field(30_000, ge=EMD_POINTS)
    """Surface points per side: 30,000, or 10,000 in fast mode, or 100,000 in final mode."""
    extra_metrics: tuple[str, ...] = ()
    """Further entries of METRICS, measured on the same samples and appended as columns."""


@dataclass(frozen=True)
class Prepared:
    """A truth in the frame of the metrics.

    Attributes:
        centre, scale: a canonical point p is measured at (p - centre) * scale.
        grid: the true occupancy, bool; None where the truth is a mesh or points.
        surface: points of the marching-cubes surface of the true grid, and the grid; or of the true mesh.
        mesh: points of the true mesh, or None.
    """

    centre: np.ndarray
    scale: float
    grid: np.ndarray | None
    surface: Measured
    mesh: Measured | None


@PROTOCOLS.register("r3d-v1", config=R3DV1Config, smoke={"points": EMD_POINTS})
class R3DV1(Protocol):
    """R3D evaluation, version 1: fixed frame, validation threshold, IoU, Chamfer, F-score, exact EMD."""

    name = "r3d-v1"
    version = 2
    published = ("r3d_table1",)
    cases = ("iou@val", "cd")
    compares = "rows of this protocol on the same split, nothing published"
    headline = ("iou@val", "cd", "fscore@1%", "fscore@5%", "emd")
    stand_ins: ClassVar[Mapping[str, str]] = {"iou@val": "iou_filled"}

    def __init__(self, config: R3DV1Config) -> None:
        super().__init__(config)
        self.points, self.extra = config.points, config.extra_metrics
        surface = ("chamfer", "fscore")
        fixed = [
            *((name, {}) for name in ("iou", "iou_filled", *surface)),
            ("emd", {"points": EMD_POINTS}),
        ]
        self._metrics = [_metric(name, **options) for name, options in fixed]
        self._mesh_metrics = [_metric(name) for name in surface]
        self._extra_metrics = [_metric(name) for name in self.extra]
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"extra_metrics {list(self.extra)} repeat columns of r3d-v1: {names}")

    @property
    def id(self) -> str:
        notes = [] if self.points == 30_000 else [f"{MODES.get(self.points, '')}{self.points:,} points"]
        notes += [f"+ {name}" for name in self.extra]
        return self.name + (f" ({'; '.join(notes)})" if notes else "")

    @property
    def columns(self) -> tuple[Column, ...]:
        own = [c for metric in self._metrics for c in metric.columns]
        mesh = [_of_mesh(c) for metric in self._mesh_metrics for c in metric.columns]
        extra = [c for metric in self._extra_metrics for c in metric.columns]
        return (*own, *mesh, *extra)

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "emd_points": EMD_POINTS, "curve": list(self.curve), "truth_level": 0.5}

    def check(self, truth: Truth) -> None:
        truth.check_extent()

    def prepare(self, truth: Truth) -> Prepared:
        self.check(truth)
        low, high = truth.bounds
        centre, scale = (low + high) / 2, 1 / float((high - low).max())
        grid = truth.grid
        # of the id alone: every view of a shape is measured against the same true points
        sampled = truth.shape.points(self.points, rng(0, self.name, truth.id, "truth"), 0.5)
        surface = Measured(
            (sampled - centre) * scale,
            grid,
            threshold=None if grid is None else 0.5,
            seed=derive(0, self.name, truth.id, "truth"),
        )
        if truth.surface is None:
            return Prepared(centre, scale, grid, surface, None)
        count = min(self.points, len(truth.surface))
        chosen = PointShape(truth.surface).points(count, rng(0, self.name, truth.id, "mesh"))
        return Prepared(centre, scale, grid, surface, Measured((chosen - centre) * scale))

    def measure(
        self, prediction: Shape, threshold: float | None, truth: Truth, prepared: Prepared
    ) -> Measurement:
        grid = None if prepared.grid is None else prediction.voxels(len(prepared.grid))
        if prepared.grid is not None and (grid is None) != (threshold is None):
            has = "no voxels" if grid is None else "voxels"
            raise ValueError(f"the prediction has {has}, but its threshold is {threshold}")
        keys = (0, self.name, *truth.key, "prediction")
        level = 0.5 if threshold is None else threshold
        points = (prediction.points(self.points, rng(*keys), level) - prepared.centre) * prepared.scale
        measured = Measured(points, grid, threshold, derive(*keys), prepared.centre, prepared.scale)
        values: dict[str, float | None] = {}
        for metric in self._metrics:
            values |= metric(measured, prepared.surface)
        values |= self._against_mesh(measured, prepared.mesh)
        for metric in self._extra_metrics:
            values |= metric(measured, prepared.surface)
        values, curve = self.bounded(values), None
        if grid is not None and prepared.grid is not None:
            curve = iou_curve(grid, prepared.grid, self.curve)
        if len(points):
            return Measurement(values, curve)
        if grid is not None:
            # no cell of its own grid reaches the threshold; one that only interpolation lifts is none
            values["iou@val"] = 0.0
            return Measurement(values, curve, True, f"empty at its threshold of {threshold:g}")
        return Measurement(values, curve, True, "empty")

    def failure(self, threshold: float | None, truth: Truth, reason: str) -> Measurement:
        grid = truth.grid
        there = {"threshold": threshold, "true grid": grid, "true mesh": truth.surface}
        lacking = {need for need, value in there.items() if value is None}
        values = {c.name: None if lacking & {*c.defined_for} else c.worst for c in self.columns}
        curve = None if threshold is None or grid is None else np.zeros(len(self.curve))
        return Measurement(values, curve, True, reason)

    def _against_mesh(self, measured: Measured, mesh: Measured | None) -> dict[str, float | None]:
        """The surface metrics against the true mesh, with as many points as it has on either side."""
        if mesh is None:
            return {_of_mesh(c).name: None for metric in self._mesh_metrics for c in metric.columns}
        few = len(mesh.points) < len(measured.points)
        side = Measured(measured.subset(len(mesh.points))) if few else measured
        found: dict[str, float | None] = {}
        for metric in self._mesh_metrics:
            found |= metric(side, mesh)
        return {_mesh_name(name): value for name, value in found.items()}

    def describe(self) -> str:
        facts = {
            "id": self.id,
            "version": self.version,
            "points": f"{self.points:,}",
            "emd_points": f"{EMD_POINTS:,}",
        }
        facts["reach"] = f"{REACH:.3f}".lstrip("0")
        return DESCRIPTION.format(**facts)


def _metric(name: str, **options: Any) -> Metric:
    entry = METRICS.get(name)
    return entry.cls(entry.config.model_validate(options))


def _mesh_name(name: str) -> str:
    base, at, level = name.partition("@")
    return f"{base}_mesh{at}{level}"


def _of_mesh(column: Column) -> Column:
    name, label = _mesh_name(column.name), f"{column.label} (mesh)"
    return replace(column, name=name, label=label, defined_for=("true mesh",), curve=None)
