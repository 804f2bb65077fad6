"""The protocol of what3d: F-scores at six radii."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmarks.protocols import PROTOCOLS, Truth
from benchmarks.protocols._common import Gaps, PointsConfig, PublishedSurface, Sampled
from zoo.metrics import Column, fscore

PERCENT = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
DESCRIPTION = """\
Protocol {id}
As the evaluation of what3d (Tatarchenko et al. 2019, "What do single-view 3D reconstruction networks
learn?"; commit a182b68) does it.
Frame      whatever truth and prediction share, lengths in edges of its cube (the unit of files of meshes
           and points): nothing is aligned or scaled. The original is viewer-centred; predictions of this
           benchmark are object-centred, an easier task.
F-score    fscore@5%: 2 P R / (P + R) at .5, 1, 2, 5, 10 and 20 % of the cube's edge, strictly nearer, of
           each instance. Fraction, higher is better. precision is the share of predicted points near the
           truth and recall the share of true points near the prediction; the original's code has the two
           names the other way round, which leaves F as it is.
Points     {points} per side, uniform by area, seeded by the instance. The number of the original is not in
           its evaluation code; at 10,000 a perfect shape reaches only .6 to .9 at 1 %.
Threshold  the surface of voxels is marching cubes at the model's own frozen threshold; one half for the
           truth.
Averages   instance mean; the category mean stands beside it.
Failures   a missing or empty prediction scores P = R = F = 0, as in the original, and is counted.
Compares   with rows of this protocol. With the what3d paper only where the predictions are viewer-centred,
           of its 55 classes and its list (10,432 models, 5 views each).
Departs    the original contours voxels at 0, which puts the surface half a cell farther out, and divides
           by the padded size less one; here the surface is where the threshold is."""


class What3DConfig(PointsConfig):
    """How many points are sampled."""

    points: int = Field(10_000, ge=1)
    """Points per side."""


@PROTOCOLS.register(
    "what3d",
    config=What3DConfig,
    smoke={"points": 256},
    cite="Tatarchenko et al. 2019 (arXiv:1905.03678)",
)
class What3D(PublishedSurface):
    """what3d: F-score, precision and recall at .5 1 2 5 10 20 % of the cube's edge."""

    name = "what3d"
    text = DESCRIPTION
    compares = "what3d's viewer-centred rows only if these are; rows of this protocol"
    constants: ClassVar = {"percent": list(PERCENT)}
    cases = ("fscore@1%",)
    headline = ("fscore@1%", "fscore@2%", "fscore@5%")
    columns = tuple(
        Column(f"{name}@{p:g}%", f"{label}@{p:g}%", "higher", 0.0, 3, "fraction, of the cube's edge")
        for p in PERCENT
        for name, label in (("fscore", "F"), ("precision", "P"), ("recall", "R"))
    )

    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        return np.zeros(3), 1.0

    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        values: dict[str, float | None] = {}
        for p in PERCENT:
            result = fscore.from_distances(found.to_truth, found.to_prediction, p / 100)
            values |= {f"{name}@{p:g}%": value for name, value in result._asdict().items()}
        return values
