"""The protocol of Occupancy Networks: Chamfer-L1, normals and volumetric IoU from 100,000 points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmarks.protocols import PROTOCOLS, Measurement, Truth
from benchmarks.protocols._common import (
    Gaps,
    Placed,
    PointsConfig,
    PublishedSurface,
    Sampled,
    normal_consistency,
    surface_level,
)
from zoo.geometry.contains import contains, is_watertight
from zoo.metrics import Column, chamfer
from zoo.seeding import rng
from zoo.shapes import Shape

BOX = 1.1
DESCRIPTION = """\
Protocol {id}
As the evaluation of Occupancy Networks (Mescheder et al. 2019; commit 406f794) does it.
Frame      the bounding box of the true surface gives centre and scale (longest edge 1) for truth and
           prediction alike; the original has one such frame per data set. No alignment, no rescaling of
           the prediction.
Chamfer-L1 (mean(d_P) + mean(d_G)) / 2, Euclidean and unsquared, printed x 10 as in the paper: in tenths of
           the longest edge. Half of eq. (1) of the R3D report. Lower is better.
Chamfer-L2 (mean(d_P^2) + mean(d_G^2)) / 2 in squared longest edges, printed x 1000.
Normals    mean of the two directed mean absolute cosines of the normals at nearest points, higher is
           better.
IoU        volumetric, from {points} points, uniform in the box of side 1.1 around the centre: share of the
           points inside both surfaces among those inside either, inside by the crossings of a ray. For
           voxels the surface is marching cubes, and the points are asked against that mesh. The same
           points for every prediction of a shape.
Points     {points} per side, uniform by area, seeded by the instance.
Threshold  the surface of voxels is marching cubes at the model's own frozen threshold (the original: .2
           for its image model, .4 for 3D-R2N2); one half for the truth.
Averages   the category mean is what the paper prints: rank by it. The instance mean stands beside it.
Failures   a missing or empty prediction scores Chamfer-L1 sqrt(3), Chamfer-L2 3, normals -1, IoU 0, and is
           counted. The original has these values but not the Chamfer itself, so its empty meshes drop out
           of that mean. Nothing scores worse (version 1 and the original have no such bound).
Undefined  normals where a side is nothing but points; IoU where a side is points or a mesh that is not
           closed, for it has no inside, and where no point falls into either.
Compares   with the tables of Occupancy Networks (IoU .593, Chamfer-L1 .194, normals .840 for the updated
           model) on the split of 3D-R2N2, view 00.
Departs    the original's truth is a mesh made watertight, its points stored with noise and in half
           precision; here it is the surface of the true grid, or the true mesh or points where a file
           holds these."""


class OccNetConfig(PointsConfig):
    """How many points are sampled."""

    points: int = Field(100_000, ge=1)
    """Points per side on the surfaces, and in the volume; the original's 100,000."""


@dataclass(frozen=True)
class Prepared:
    """A truth: its surface, and points (N, 3) of the volume in the canonical frame with what is inside.

    `volume` and `inside` are None where the truth has no inside.
    """

    surface: Placed
    volume: np.ndarray | None
    inside: np.ndarray | None


@PROTOCOLS.register(
    "occnet", config=OccNetConfig, smoke={"points": 256}, cite="Mescheder et al. 2019 (arXiv:1812.03828)"
)
class OccNet(PublishedSurface):
    """Occupancy Networks: Chamfer-L1, Chamfer-L2, normal consistency and volumetric IoU, category mean."""

    name = "occnet"
    version = 2
    published = ("occnet_table",)
    text = DESCRIPTION
    compares = "the tables of Occupancy Networks, on 3D-R2N2's split, view 00"
    average = "category"
    of_normals = frozenset({"normals"})
    constants: ClassVar = {"box": BOX}
    cases = ("iou_volume", "chamfer_l1")
    headline = ("iou_volume", "chamfer_l1", "normals")
    columns = (
        Column("iou_volume", "IoU (volume)", "higher", 0.0, 3, "fraction"),
        Column("chamfer_l1", "Chamfer-L1 ×10", "lower", math.sqrt(3), 3, "tenths of the longest edge", 10.0),
        Column("chamfer_l2", "Chamfer-L2 ×1000", "lower", 3.0, 3, "squared longest edges", 1000.0),
        Column("normals", "Normals", "higher", -1.0, 3, "mean absolute cosine"),
    )

    def check(self, truth: Truth) -> None:
        truth.check_extent()

    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        low, high = truth.bounds
        return (low + high) / 2, 1 / float((high - low).max())

    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        result = chamfer.from_distances(found.to_truth, found.to_prediction)
        return {
            "chamfer_l1": result.cd / 2,
            "chamfer_l2": result.cd_sq / 2,
            "normals": normal_consistency(found, absolute=True),
        }

    def prepare(self, truth: Truth) -> Prepared:
        surface = super().prepare(truth)
        unit = rng(0, self.name, truth.id, "volume").random((self.points, 3)) - 0.5
        volume = BOX * unit / surface.scale + surface.centre
        inside = _inside(truth.shape, 0.5, volume)
        return Prepared(surface, None if inside is None else volume, inside)

    def measure(
        self, prediction: Shape, threshold: float | None, truth: Truth, prepared: Prepared
    ) -> Measurement:
        measured = super().measure(prediction, threshold, truth, prepared.surface)
        if measured.failed:
            return measured
        value = None
        if prepared.volume is not None and prepared.inside is not None:
            inside = _inside(prediction, surface_level(prediction, threshold), prepared.volume)
            value = None if inside is None else _iou(inside, prepared.inside)
        return Measurement({**measured.values, "iou_volume": value})

    def failure(self, threshold: float | None, truth: Truth, reason: str) -> Measurement:
        worst = super().failure(threshold, truth, reason)
        mesh = truth.shape.mesh(0.5)
        if mesh is not None and is_watertight(mesh):
            return worst
        return Measurement({**worst.values, "iou_volume": None}, None, True, reason)


def _inside(shape: Shape, level: float, points: np.ndarray) -> np.ndarray | None:
    """Which points (N, 3) are in the shape; None where it has no inside."""
    mesh = shape.mesh(level)
    return None if mesh is None or not is_watertight(mesh) else contains(mesh, points)


def _iou(a: np.ndarray, b: np.ndarray) -> float | None:
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else None
