"""The protocol of AtlasNet: squared Chamfer distance and F-score of 2,500 points in the unit ball."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmarks.protocols import PROTOCOLS, Truth, TruthError
from benchmarks.protocols._common import Gaps, PointsConfig, PublishedSurface, Sampled
from zoo.metrics import Column, chamfer, fscore

SQUARED_RADIUS = 1e-3
DESCRIPTION = """\
Protocol {id}
As the evaluation of AtlasNet (Groueix et al. 2018; commit c9aba65) does it with its default normalisation.
Frame      the unit ball of the truth: the mean of its sampled points at the origin, the farthest of them
           at 1; the same shift and factor for the prediction. The original scales its true clouds so while
           loading and learns to predict there; the prediction is never scaled by itself.
Points     {points} per side, uniform by area, seeded by the instance.
CD_sq      mean(d_P^2) + mean(d_G^2), squared and summed, printed x 1000; lower is better. The unit is the
           ball's radius, which differs from shape to shape (.5 to .87 longest edges): no conversion to
           others. A perfect shape scores 1 to 3 at 2,500 points.
F-score    2 P R / (P + R) at a squared distance below .001 (radius .0316), in per cent, higher is better.
Threshold  the surface of voxels is marching cubes at the model's own frozen threshold; one half for the
           truth.
Averages   instance mean; the category mean stands beside it. The original averages the means of its
           batches.
Failures   a missing or empty prediction scores CD_sq = 8 (opposite ends of the ball, both ways), F 0, and
           is counted. Nothing scores worse (version 1 and the original have no such bound).
Left out   metro, the Hausdorff distance by an external program on meshes that are not normalised.
Compares   with the README of AtlasNet (single view, 25 squares: CD 3.78, F 63.1 %) on its split and view
           00. Not with its BoundingBox option (longest edge 2), nor with rows in longest edges.
Departs    the original's true points come with its data; here they are drawn on the surface of the true
           grid, or on the true mesh or points where a file holds these."""


class AtlasNetConfig(PointsConfig):
    """How many points are sampled."""

    points: int = Field(2500, ge=2)
    """Points per side; the original's 2,500."""


@PROTOCOLS.register(
    "atlasnet", config=AtlasNetConfig, smoke={"points": 256}, cite="Groueix et al. 2018 (arXiv:1802.05384)"
)
class AtlasNetProtocol(PublishedSurface):
    """AtlasNet: squared Chamfer distance x 1000 and F-score of 2,500 points in the truth's unit ball."""

    name = "atlasnet"
    version = 2
    published = ("atlasnet_table",)
    text = DESCRIPTION
    compares = "AtlasNet's README, on its split and view"
    constants: ClassVar = {"squared_radius": SQUARED_RADIUS, "frame": "unit ball of the truth"}
    cases = headline = ("cd_sq", "fscore")
    columns = (
        Column("cd_sq", "CD² ×1000", "lower", 8.0, 2, "squared radii of the truth's ball", 1000.0),
        Column("fscore", "F", "higher", 0.0, 1, "per cent", 100.0),
    )

    def check(self, truth: Truth) -> None:
        truth.check()
        own = truth.shape.own_points
        if own is not None and not np.ptp(own, axis=0).any():
            raise _no_ball(truth)

    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        centre = surface.points.mean(0)
        radius = float(np.linalg.norm(surface.points - centre, axis=1).max())
        if not radius > 0:
            raise _no_ball(truth)
        return centre, 1 / radius

    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        there, back = found.to_truth, found.to_prediction
        return {
            "cd_sq": chamfer.from_distances(there, back).cd_sq,
            "fscore": fscore.from_distances(there, back, math.sqrt(SQUARED_RADIUS)).fscore,
        }


def _no_ball(truth: Truth) -> TruthError:
    return TruthError(f"true shape '{truth.id}' is one point: it has no ball to measure by")
