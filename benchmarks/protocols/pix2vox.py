"""The protocol of Pix2Vox and its successors: voxel IoU at four thresholds and their best, F-score at 1 %."""

from __future__ import annotations

from collections.abc import Sequence
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
    best_of_the_list,
)
from benchmarks.protocols._voxels import SIZE, true_grid
from zoo.metrics import Column, fscore
from zoo.metrics.iou import iou_curve
from zoo.shapes import Shape

RADIUS = 0.01
DESCRIPTION = """\
Protocol {id}
As the evaluation of Pix2Vox (Xie et al. 2019; commit 0596d5e) does it; the F-score as in the tables of its
successors (Pix2Vox++, 3D-RETR, UMIFormer, R3Davit).
Frame      object-centred, as it is, lengths in edges of the cube (the unit of files of meshes and points):
           nothing is aligned or scaled.
IoU        |P and G| / |P or G| at 32^3 of cells >= t, for t = .2, .3, .4, .5. iou_oracle: at the one of
           the four whose mean over the evaluated list is highest (of equal ones the first). Chosen on the
           test list, hence the name; it is what Pix2Vox prints as overall.
F-score    fscore@1%: 2 P R / (P + R) of points strictly nearer than .01 of the cube's edge, harmonic mean
           per instance, of surfaces by marching cubes.
Threshold  for the IoU the four, whatever the model's own. The model's own, frozen on the validation split,
           is where the surface of its F-score is; one half for the truth.
Points     {points} per side for the F-score, uniform by area, seeded by the instance.
Averages   instance mean, as Pix2Vox weighs its categories by their counts; the category mean stands beside
           it.
Failures   a missing prediction scores 0 throughout; one without a surface has the IoU that it has and an
           F-score of 0. Both are counted. Pix2Vox gets not-a-number where prediction and truth are both
           empty; here an empty truth is refused.
Undefined  IoU for predictions and truths without voxels (meshes, points): no value, never 0.
Compares   IoU with the tables of Pix2Vox and its successors on the same split (43,784 models, test 8,770)
           and view 00. They print 3D-R2N2's category rows, of another split, beside their own.
Uncertain  the F-score: 8,192 points and .01 are those of the Pix2Vox++ paper, not checked in code.
           Successors take their surface as what3d does (marching cubes at 0 of the thresholded, padded
           grid, which lies up to half a cell farther out and is scaled by 32 / 33); here it is at the
           threshold, unscaled. Put F-scores of other tables beside these only with that said.
Departs    grids of another resolution are averaged to 32^3 where it divides, and interpolated otherwise;
           the true one is occupied from one half on."""


class Pix2VoxConfig(PointsConfig):
    """How many points the F-score is taken from; everything else is Pix2Vox's."""

    points: int = Field(8192, ge=1)
    """Points per side for the F-score."""


@dataclass(frozen=True)
class Prepared:
    """A truth: its surface, and its occupied cells (32, 32, 32) or None."""

    surface: Placed
    grid: np.ndarray | None


@PROTOCOLS.register(
    "pix2vox", config=Pix2VoxConfig, smoke={"points": 256}, cite="Xie et al. 2019 (arXiv:1901.11153)"
)
class Pix2Vox(PublishedSurface):
    """Pix2Vox family: voxel IoU at 32^3 at .2 .3 .4 .5 and the best of the four, F-score at 1 %."""

    name = "pix2vox"
    published = ("shapenet13_voxels",)
    text = DESCRIPTION
    compares = "Pix2Vox and successors at 32^3, on the same split and view"
    curve = (0.2, 0.3, 0.4, 0.5)
    of_voxels = frozenset({"iou_oracle", "iou@.2", "iou@.3", "iou@.4", "iou@.5"})
    constants: ClassVar = {"resolution": SIZE, "thresholds": list(curve), "radius": RADIUS}
    cases = headline = ("iou_oracle", "fscore@1%")
    columns = (
        Column("iou_oracle", "IoU (oracle t)", "higher", 0.0, 3, "fraction; t chosen on the test list"),
        *(Column(f"iou@.{k}", f"IoU@.{k}", "higher", 0.0, 3, "fraction, at 32^3") for k in (2, 3, 4, 5)),
        Column("fscore@1%", "F@1%", "higher", 0.0, 3, "fraction, of the cube's edge"),
    )

    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        return np.zeros(3), 1.0

    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        return {"fscore@1%": fscore.from_distances(found.to_truth, found.to_prediction, RADIUS).fscore}

    def check(self, truth: Truth) -> None:
        true_grid(truth)

    def prepare(self, truth: Truth) -> Prepared:
        return Prepared(super().prepare(truth), true_grid(truth))

    def measure(
        self, prediction: Shape, threshold: float | None, truth: Truth, prepared: Prepared
    ) -> Measurement:
        measured = super().measure(prediction, threshold, truth, prepared.surface)
        curve, grid = None, None if prepared.grid is None else prediction.voxels(SIZE)
        values = {**measured.values, **dict.fromkeys(self.of_voxels)}
        if grid is not None and prepared.grid is not None:
            curve = iou_curve(grid, prepared.grid, self.curve)
            values |= {f"iou@.{10 * t:.0f}": float(v) for t, v in zip(self.curve, curve, strict=True)}
        return Measurement(values, curve, measured.failed, measured.reason)

    def finish(self, measured: Sequence[Measurement]) -> Sequence[Measurement]:
        """With the IoU at the best of the four thresholds; until then it is None."""
        return best_of_the_list(measured, "iou_oracle")
