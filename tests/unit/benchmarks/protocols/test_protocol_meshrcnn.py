"""Mesh R-CNN's protocol (gt-10): squared distances at scale 10, two kinds of normals, F1."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.protocols import PROTOCOLS
from benchmarks.protocols._common import sample
from benchmarks.protocols.meshrcnn import MeshRCNN, MeshRCNNConfig
from tests.helpers.conversions import cd_sq_of_gt10
from tests.helpers.protocol_shapes import box_mesh, boxes, chair, distances, truth
from zoo.geometry.mesh import Mesh
from zoo.metrics.neighbours import why_not
from zoo.seeding import rng
from zoo.shapes import MeshShape, PointShape, VoxelShape

SMALL = MeshRCNN(MeshRCNNConfig(points=1500))
TARGET = boxes(32, ((-0.3, -0.1, -0.1), (0.5, 0.2, 0.3)))


def measure(prediction, target, threshold=0.5):
    true = truth(target)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return SMALL.measure(shape, threshold, true, SMALL.prepare(true))


def clouds():
    """Both sides again from their seeds, the truth's longest edge at 10."""
    low, high = truth(TARGET).bounds
    factor = 10 / (high - low).max()
    a = sample(VoxelShape(chair(32)), 1500, rng(0, "meshrcnn", "one", 0, "prediction"), 0.5)
    b = sample(VoxelShape(TARGET), 1500, rng(0, "meshrcnn", "one", "truth"), 0.5)
    return a.moved(np.zeros(3), factor), b.moved(np.zeros(3), factor)


def test_named_and_described():
    assert PROTOCOLS.get("meshrcnn").cls is MeshRCNN
    assert MeshRCNN(MeshRCNNConfig()).id == "meshrcnn v2" and SMALL.id == "meshrcnn v2 (1,500 points)"
    assert MeshRCNN(MeshRCNNConfig()).settings["points"] == 10_000
    text = " ".join(SMALL.describe().split())
    for fact in ("becomes 10", "squared and summed", "signed one", "strictly nearer, in per cent", "600"):
        assert fact in text


def test_by_brute_force():
    result, (a, b) = measure(chair(32), TARGET), clouds()
    there, back = distances(a.points, b.points)
    assert result.values["cd_sq"] == pytest.approx((there**2).mean() + (back**2).mean(), rel=1e-9)
    for t in (0.1, 0.3, 0.5):
        p, r = (there < t).mean(), (back < t).mean()
        assert result.values[f"f1@.{10 * t:.0f}"] == pytest.approx(2 * p * r / (p + r), rel=1e-9)
    cosines = []
    for p, q in ((a, b), (b, a)):
        near = [int(((x - q.points) ** 2).sum(1).argmin()) for x in p.points]
        cosines.append((p.normals * q.normals[near]).sum(1))
    assert result.values["normals"] == pytest.approx(np.mean([c.mean() for c in cosines]), rel=1e-9)
    assert result.values["normals_abs"] == pytest.approx(np.mean([np.abs(c).mean() for c in cosines]))


def test_like_pytorch3d():
    """Its chamfer_distance on the same clouds, where it runs; its kernels take single precision."""
    if (problem := why_not("pytorch3d")) is not None:
        pytest.skip(problem)
    loss = pytest.importorskip("pytorch3d.loss")
    a, b = (torch.from_numpy(cloud.points).float()[None] for cloud in clouds())
    assert measure(chair(32), TARGET).values["cd_sq"] == pytest.approx(
        float(loss.chamfer_distance(a, b)[0]), rel=1e-4
    )


def test_the_scale_is_the_truths_and_position_counts():
    """A box of twice the size gives the same numbers, its prediction being twice as large, too."""
    small, large = box_mesh((0.4, 0.2, 0.1)), box_mesh((0.8, 0.4, 0.2))
    moved = [Mesh(m.vertices + np.array([0.1 * s, 0, 0]), m.faces) for m, s in ((small, 1), (large, 2))]
    one = measure(MeshShape(moved[0]), MeshShape(small), None)
    two = measure(MeshShape(moved[1]), MeshShape(large), None)
    assert one.values == pytest.approx(two.values, rel=1e-9)
    assert one.values["f1@.5"] < 0.9
    assert cd_sq_of_gt10(one.values["cd_sq"]) < 2 * 0.25**2  # a quarter of the longest edge away at most


def test_flipped_faces_cost_the_signed_normals_only():
    box = box_mesh((1, 0.6, 0.3))
    flipped = MeshShape(Mesh(box.vertices, box.faces[:, ::-1]))
    right, wrong = measure(MeshShape(box), MeshShape(box), None), measure(flipped, MeshShape(box), None)
    assert wrong.values["normals"] == pytest.approx(-right.values["normals"], abs=0.1)
    assert right.values["normals"] > 0.8 and wrong.values["normals_abs"] > 0.8


def test_failures_and_points():
    worst = {"cd_sq": 600.0, "normals": -1.0, "normals_abs": 0.0, "f1@.1": 0.0, "f1@.3": 0.0, "f1@.5": 0.0}
    empty = measure(np.zeros((32,) * 3, bool), chair(32))
    assert empty.failed and empty.values == worst
    assert SMALL.failure(None, truth(chair(32)), "no prediction").values == worst
    cloud = PointShape(VoxelShape(chair(32)).points(1500, np.random.default_rng(0)))
    result = measure(cloud, chair(32), None)
    assert result.values["normals"] is None and result.values["normals_abs"] is None
    assert result.values["f1@.5"] > 0.9
    missing = SMALL.failure(0.5, truth(cloud), "no prediction").values
    assert missing["normals"] is None and missing["cd_sq"] == 600


def test_golden_values():
    result = measure(chair(32), TARGET)
    assert result.values == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = {
    "cd_sq": 6.922433,
    "normals": 0.3519104,
    "normals_abs": 0.4499590,
    "f1@.1": 0.002,
    "f1@.3": 0.05935196,
    "f1@.5": 0.2283095,
}
