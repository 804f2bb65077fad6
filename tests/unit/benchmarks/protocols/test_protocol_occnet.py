"""Occupancy Networks' protocol: halves, tenths, normals, and volumes by counting points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS
from benchmarks.protocols._common import sample
from benchmarks.protocols.occnet import OccNet, OccNetConfig
from tests.helpers.conversions import cd_of_occnet, cd_sq_of_occnet
from tests.helpers.protocol_shapes import box_mesh, boxes, chair, distances, sphere, truth
from zoo.geometry.mesh import Mesh
from zoo.seeding import rng
from zoo.shapes import MeshShape, PointShape, VoxelShape

SMALL = OccNet(OccNetConfig(points=2000))


def measure(prediction, target, threshold=0.5, protocol=SMALL):
    true = truth(target)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return protocol.measure(shape, threshold, true, protocol.prepare(true))


def test_named_and_described():
    assert PROTOCOLS.get("occnet").cls is OccNet
    assert OccNet(OccNetConfig()).id == "occnet v2" and SMALL.id == "occnet v2 (2,000 points)"
    assert OccNet(OccNetConfig()).settings["points"] == 100_000 and SMALL.average == "category"
    shown = {c.name: c for c in SMALL.columns}
    assert shown["chamfer_l1"].display == 10 and "×10" in shown["chamfer_l1"].label
    text = " ".join(OccNet(OccNetConfig()).describe().split())
    for fact in (
        "/ 2, Euclidean and unsquared",
        "100,000 points",
        "box of side 1.1",
        "drop out of that mean",
    ):
        assert fact in text


def test_distances_are_halves_by_brute_force():
    """Unit: the truth's longest edge, 1 for the chair, .8 here; the prediction is not scaled by itself."""
    target = boxes(32, ((-0.3, -0.1, -0.1), (0.5, 0.2, 0.3)))
    result = measure(chair(32), target)
    low, high = truth(target).bounds
    a = sample(VoxelShape(chair(32)), 2000, rng(0, "occnet", "one", 0, "prediction"), 0.5)
    b = sample(VoxelShape(target), 2000, rng(0, "occnet", "one", "truth"), 0.5)
    there, back = distances(a.points / (high - low).max(), b.points / (high - low).max())
    assert result.values["chamfer_l1"] == pytest.approx((there.mean() + back.mean()) / 2, rel=1e-9)
    assert result.values["chamfer_l2"] == pytest.approx(((there**2).mean() + (back**2).mean()) / 2, rel=1e-9)
    assert cd_of_occnet(10 * result.values["chamfer_l1"]) == pytest.approx(there.mean() + back.mean())
    assert cd_sq_of_occnet(result.values["chamfer_l2"]) == pytest.approx((there**2).mean() + (back**2).mean())
    cosines = []
    for p, q in ((a, b), (b, a)):
        near = [int(((x - q.points) ** 2).sum(1).argmin()) for x in p.points]
        cosines.append(np.abs((p.normals * q.normals[near]).sum(1)).mean())
    assert result.values["normals"] == pytest.approx(np.mean(cosines), rel=1e-9)


def test_volumes_of_boxes():
    """Half of the truth, and as much again beside it: 1/3. A mesh and its voxels agree."""
    protocol = OccNet(OccNetConfig(points=20_000))
    target = box_mesh((1, 0.5, 0.5))
    moved = MeshShape(box_mesh((1, 0.5, 0.5), (0, 0.25, 0)))
    expected = pytest.approx(1 / 3, abs=0.02)
    assert measure(moved, MeshShape(target), None, protocol).values["iou_volume"] == expected
    grid = boxes(32, ((-0.5, -0.25, -0.25), (0.5, 0.25, 0.25)))
    result = measure(np.roll(grid, 8, axis=1), grid, 0.5, protocol)
    assert result.values["iou_volume"] == expected
    assert measure(MeshShape(target), grid, None, protocol).values["iou_volume"] > 0.97
    assert measure(grid, grid, 0.5, protocol).values["iou_volume"] == 1
    assert result.iou_curve is None


def test_voxels_are_cut_at_the_models_threshold():
    """A ramp: p = t at radius (1 - t) / 2."""
    line = (np.arange(32) + 0.5) / 32 - 0.5
    radius = np.sqrt(line[:, None, None] ** 2 + line[:, None] ** 2 + line**2)
    ramp = np.clip(1 - 2 * radius, 0, 1).astype(np.float32)
    target = sphere(32, 0.8)
    at = {t: measure(ramp, target, t, OccNet(OccNetConfig(points=20_000))).values for t in (0.2, 0.6)}
    assert at[0.2]["iou_volume"] > 0.93
    assert at[0.6]["iou_volume"] == pytest.approx((0.2 / 0.4) ** 3, abs=0.02)
    assert at[0.6]["chamfer_l1"] == pytest.approx(0.25, abs=0.02)
    assert at[0.2]["normals"] > 0.9


def test_what_has_no_inside_or_no_normals_has_no_number():
    box = box_mesh((1, 0.5, 0.5))
    open_box = MeshShape(Mesh(box.vertices, box.faces[2:]))
    points = PointShape(MeshShape(box).points(2000, np.random.default_rng(0)))
    target = boxes(32, ((-0.5, -0.25, -0.25), (0.5, 0.25, 0.25)))
    assert measure(open_box, target, None).values["iou_volume"] is None
    assert measure(open_box, target, None).values["normals"] > 0.9
    result = measure(points, target, None)
    assert result.values["iou_volume"] is None and result.values["normals"] is None and not result.failed
    assert result.values["chamfer_l1"] < 0.03
    assert measure(target, open_box).values["iou_volume"] is None
    against_points = measure(target, points)
    assert against_points.values["iou_volume"] is None and against_points.values["normals"] is None
    missing = SMALL.failure(0.5, truth(points), "no prediction")
    assert missing.values == {
        "iou_volume": None,
        "chamfer_l1": math.sqrt(3),
        "chamfer_l2": 3.0,
        "normals": None,
    }


def test_failures_are_the_worst_and_not_dropped():
    worst = {"iou_volume": 0.0, "chamfer_l1": math.sqrt(3), "chamfer_l2": 3.0, "normals": -1.0}
    empty = measure(np.zeros((32,) * 3, bool), chair(32))
    assert empty.failed and empty.values == worst and empty.reason == "empty at its threshold of 0.5"
    missing = SMALL.failure(0.4, truth(chair(32)), "no prediction")
    assert missing.failed and missing.values == worst and missing.iou_curve is None


def test_noise_floor():
    """A perfect sphere at 10,000 points: .089 as printed (section 9 of the field's tables: 5 c)."""
    perfect = measure(sphere(64), sphere(64), 0.5, OccNet(OccNetConfig(points=10_000)))
    assert 10 * perfect.values["chamfer_l1"] == pytest.approx(0.089, rel=0.05)


def test_views_share_the_volume():
    a, b = truth(chair(32), view=0), truth(chair(32), view=1)
    np.testing.assert_array_equal(SMALL.prepare(a).volume, SMALL.prepare(b).volume)
    volume = SMALL.prepare(a).volume
    assert np.abs(volume).max() < 0.6 and np.abs(volume).max() > 0.5  # 1.1 longest edges, about the centre


def test_golden_values():
    result = measure(np.roll(chair(32), 1, axis=2), chair(32))
    assert {name: result.values[name] for name in GOLDEN} == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = {
    "iou_volume": 0.7906977,
    "chamfer_l1": 0.01604971,
    "chamfer_l2": 0.000342562,
    "normals": 0.8659118,
}
