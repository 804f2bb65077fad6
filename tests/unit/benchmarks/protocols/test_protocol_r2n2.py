"""3D-R2N2's protocol: IoU at 32^3 and .4, by counting."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import CURVE, PROTOCOLS, TruthError
from benchmarks.protocols.r2n2 import R2N2, R2N2Config
from tests.helpers.protocol_shapes import box_mesh, boxes, chair, truth
from zoo.shapes import MeshShape, PointShape, VoxelShape

R2N2_PROTOCOL = R2N2(R2N2Config())


def measure(prediction, target, threshold=0.5):
    true = truth(target)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return R2N2_PROTOCOL.measure(shape, threshold, true, R2N2_PROTOCOL.prepare(true))


def test_named_and_described():
    assert PROTOCOLS.get("r2n2").cls is R2N2 and R2N2_PROTOCOL.id == "r2n2 v1"
    assert R2N2_PROTOCOL.average == "category"
    text = " ".join(R2N2_PROTOCOL.describe().split())
    for fact in (">= .4", "32^3", "category mean", ".560", "last batch", "no value, never 0"):
        assert fact in text
    assert R2N2_PROTOCOL.settings == {"resolution": 32, "level": 0.4, "average": "category"}


def test_iou_by_counting():
    """Grey values on either side of .4, one exactly there: >=, whatever the model's threshold."""
    rng = np.random.default_rng(0)
    grey = rng.choice(np.array([0.1, 0.39, 0.4, 0.41, 0.9], np.float32), (32,) * 3)
    target = chair(32)
    both = either = 0
    for p, g in zip(grey.reshape(-1), target.reshape(-1), strict=True):
        both += bool(p >= np.float32(0.4)) and bool(g)
        either += bool(p >= np.float32(0.4)) or bool(g)
    for threshold in (0.1, 0.95):
        assert measure(grey, target, threshold).values == {"iou@.4": both / either}
    assert measure(grey, target).iou_curve[CURVE.index(0.4)] == both / either


def test_a_shifted_cube():
    """Edge n, shifted by k: (n - k) / (n + k)."""
    cube = boxes(32, ((-0.25,) * 3, (0.25,) * 3))
    assert measure(np.roll(cube, 4, axis=0), cube).values["iou@.4"] == (16 - 4) / (16 + 4)


def test_other_resolutions_are_brought_to_32():
    """Averaged where they divide: a truth is occupied from one half on, a prediction from .4 on."""
    fine = np.zeros((64,) * 3, bool)
    fine[:32, :32, :32] = True
    fine[32, :32, :32] = True  # half of the next cells
    expected = np.zeros((32,) * 3, bool)
    expected[:17, :16, :16] = True
    np.testing.assert_array_equal(R2N2_PROTOCOL.prepare(truth(fine)), expected)
    prediction = fine.astype(np.float32)
    prediction[33, :32, :32] = 0.0
    assert measure(prediction * np.float32(0.8), fine).values["iou@.4"] == 1  # .4 in the half cells
    assert measure(prediction * np.float32(0.79), fine).values["iou@.4"] == 16 / 17
    thin = np.zeros((64,) * 3, bool)
    thin[::2, ::2, ::2] = True
    with pytest.raises(
        TruthError, match=r"no cell that is half full at 32\^3; measure by a protocol .* 64\^3"
    ):
        R2N2_PROTOCOL.prepare(truth(thin))


def test_empty_missing_and_without_voxels():
    result = measure(np.full((32,) * 3, 0.39, np.float32), chair(32))
    assert result.failed and result.values == {"iou@.4": 0.0} and result.reason == "no cell reaches 0.4"
    assert result.iou_curve[0] > 0
    missing = R2N2_PROTOCOL.failure(0.5, truth(chair(32)), "no prediction")
    assert missing.values == {"iou@.4": 0.0} and missing.failed and (missing.iou_curve == 0).all()
    mesh = MeshShape(box_mesh((1, 0.5, 0.5)))
    for shape in (mesh, PointShape(np.zeros((4, 3)))):
        result = measure(shape, chair(32), None)
        assert result.values == {"iou@.4": None} and not result.failed and result.iou_curve is None
    assert measure(chair(32), mesh).values == {"iou@.4": None}
    assert R2N2_PROTOCOL.failure(0.5, truth(mesh), "no prediction").values == {"iou@.4": None}
    assert R2N2_PROTOCOL.failure(None, truth(chair(32)), "no prediction").values == {"iou@.4": None}


def test_the_fixed_threshold_is_recorded_as_the_models():
    choice = R2N2_PROTOCOL.choose_threshold([VoxelShape(chair(32) * np.float32(0.2))], [truth(chair(32))])
    assert choice is not None and (choice.value, choice.rule) == (0.4, "fixed by the protocol")
    assert dict(choice.curve)[0.2] == 1
    assert R2N2_PROTOCOL.choose_threshold([PointShape(np.zeros((4, 3)))], [truth(chair(32))]) is None
