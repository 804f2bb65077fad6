"""The protocol of 3D-R2N2: voxel IoU at 32^3 and a fixed threshold, averaged over categories."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from benchmarks.protocols import PROTOCOLS, Measurement, Truth
from benchmarks.protocols._common import Published
from benchmarks.protocols._voxels import SIZE, true_grid
from zoo.metrics import Column
from zoo.metrics.iou import iou, iou_curve
from zoo.registry import EntryConfig
from zoo.shapes import Shape

DESCRIPTION = """\
Protocol {id}
As the evaluation of 3D-R2N2 (Choy et al. 2016; commit 13a30e2) does it.
Frame      object-centred, the grids as they are: nothing is aligned or scaled.
Threshold  .4, fixed: a cell >= .4 is occupied. The model's own frozen threshold is not used.
IoU        |P and G| / |P or G| at 32^3. Fraction, higher is better.
Averages   the category mean is what 3D-R2N2 prints (.560; the instance mean of the same numbers would be
           .569): rank by it. The instance mean stands beside it.
Failures   a missing prediction, and one without a cell >= .4, scores 0 and is counted. Nothing is dropped;
           the original leaves out the last batch where it is not full.
Undefined  for predictions and truths without voxels (meshes, points): no value, never 0.
Compares   with 3D-R2N2 and its successors at 32^3 and t = .4, on the same split and views. Pix2Vox picks
           its threshold and averages over instances; its rows of this network are on another split.
Departs    a grid of another resolution is averaged to 32^3 where it divides, and interpolated otherwise;
           the true one is occupied from one half on. Average precision, which the original computes too,
           is left out. The random views of the original are the views of the evaluated list."""


class R2N2Config(EntryConfig):
    """Nothing may be chosen: grid and threshold are 3D-R2N2's."""


@PROTOCOLS.register("r2n2", config=R2N2Config, cite="Choy et al. 2016 (arXiv:1604.00449)")
class R2N2(Published):
    """3D-R2N2: voxel IoU at 32^3 and the fixed threshold .4, category mean."""

    name = "r2n2"
    published = ("shapenet13_voxels", "r2n2_views")
    text = DESCRIPTION
    compares = "3D-R2N2 and successors at 32^3, t = .4, on the same split"
    average = "category"
    level = 0.4
    of_voxels = frozenset({"iou@.4"})
    constants: ClassVar = {"resolution": SIZE}
    cases = headline = ("iou@.4",)
    columns = (Column("iou@.4", "IoU@.4", "higher", 0.0, 3, "fraction, at 32^3"),)

    def check(self, truth: Truth) -> None:
        true_grid(truth)

    def prepare(self, truth: Truth) -> np.ndarray | None:
        return true_grid(truth)

    def measure(
        self, prediction: Shape, threshold: float | None, truth: Truth, prepared: np.ndarray | None
    ) -> Measurement:
        grid = None if prepared is None else prediction.voxels(SIZE)
        if grid is None or prepared is None:
            return Measurement({"iou@.4": None})
        values, curve = {"iou@.4": iou(grid, prepared, self.level)}, iou_curve(grid, prepared, self.curve)
        if (grid >= np.float32(self.level)).any():
            return Measurement(dict(values), curve)
        return Measurement(dict(values), curve, True, f"no cell reaches {self.level:g}")
