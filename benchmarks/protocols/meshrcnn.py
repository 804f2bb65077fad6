"""The protocol of Mesh R-CNN on ShapeNet, setting gt-10: squared Chamfer distance, normals, F1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmarks.protocols import PROTOCOLS, Truth
from benchmarks.protocols._common import Gaps, PointsConfig, PublishedSurface, Sampled, normal_consistency
from zoo.metrics import Column, chamfer, fscore

EDGE = 10.0
RADII = (0.1, 0.3, 0.5)
DESCRIPTION = """\
Protocol {id}
As compare_meshes of Mesh R-CNN (Gkioxari et al. 2019; commit 2c6ecbe) does it with scale gt-10.
Frame      the longest edge of the truth's bounding box becomes 10, the same factor for the prediction:
           errors of scale and position count. The original measures in the camera's frame, which changes
           no number for a prediction in the true pose.
Points     {points} per side, uniform by area, seeded by the instance.
CD_sq      mean(d_P^2) + mean(d_G^2), squared and summed, in units of (a tenth of the longest edge)^2;
           lower is better. There is no conversion to unsquared distances, only cd <= sqrt(2 cd_sq) / 10
           longest edges.
Normals    normals: mean of the two directed mean cosines of the normals at nearest points; normals_abs: of
           their absolute values (the column of the published table). -1 or 0 to 1, higher is better. The
           signed one needs faces that are turned outwards.
F1         at .1, .3 and .5 (1, 3 and 5 % of the longest edge), strictly nearer, in per cent, higher is
           better.
Threshold  the surface of voxels is marching cubes at the model's own frozen threshold; one half for the
           truth.
Averages   instance mean; the category mean stands beside it. The original prints both.
Failures   a missing or empty prediction scores CD_sq = 600 (two points at opposite corners of the cube of
           edge 10, both ways), normals -1 (absolute 0), F1 0, and is counted. The original leaves out the
           batch or measures a sphere in its place. Nothing scores worse (version 1 and the original have
           no such bound).
Undefined  normals where a side is nothing but points: no value.
Compares   with the gt-10 rows of Mesh R-CNN (CD .171, normals .703, F1 34.9 / 82.4 / 93.1 per instance) on
           its split and views. Not with its P2M setting, nor with PyTorch3D's chamfer_distance of other
           units.
Departs    the original's truth is the ShapeNet mesh; here it is the surface of the true grid, or the true
           mesh or points where a file holds these."""


class MeshRCNNConfig(PointsConfig):
    """How many points are sampled."""

    points: int = Field(10_000, ge=1)
    """Points per side; the original's 10,000."""


@PROTOCOLS.register(
    "meshrcnn", config=MeshRCNNConfig, smoke={"points": 256}, cite="Gkioxari et al. 2019 (arXiv:1906.02739)"
)
class MeshRCNN(PublishedSurface):
    """Mesh R-CNN (gt-10): squared Chamfer distance, normals and F1, the truth's longest edge being 10."""

    name = "meshrcnn"
    version = 2
    published = ("meshrcnn_shapenet",)
    text = DESCRIPTION
    compares = "Mesh R-CNN's gt-10 rows, on its split"
    of_normals = frozenset({"normals", "normals_abs"})
    constants: ClassVar = {"edge": EDGE, "radii": list(RADII)}
    cases = ("cd_sq", "f1@.3")
    headline = ("cd_sq", "normals_abs", *(f"f1@.{10 * r:.0f}" for r in RADII))
    columns = (
        Column("cd_sq", "CD²", "lower", 6 * EDGE**2, 4, "squared tenths of the longest edge"),
        Column("normals", "Normals", "higher", -1.0, 3, "mean cosine"),
        Column("normals_abs", "Normals (abs.)", "higher", 0.0, 3, "mean absolute cosine"),
        *(
            Column(f"f1@.{10 * r:.0f}", f"F1@.{10 * r:.0f}", "higher", 0.0, 2, "per cent", 100.0)
            for r in RADII
        ),
    )

    def check(self, truth: Truth) -> None:
        truth.check_extent()

    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        low, high = truth.bounds
        return (low + high) / 2, EDGE / float((high - low).max())

    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        values: dict[str, float | None] = {
            "cd_sq": chamfer.from_distances(found.to_truth, found.to_prediction).cd_sq,
            "normals": normal_consistency(found, absolute=False),
            "normals_abs": normal_consistency(found, absolute=True),
        }
        for r in RADII:
            result = fscore.from_distances(found.to_truth, found.to_prediction, r)
            values[f"f1@.{10 * r:.0f}"] = result.fscore
        return values
