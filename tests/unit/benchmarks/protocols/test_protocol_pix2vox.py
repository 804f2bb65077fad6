"""Pix2Vox's protocol: four thresholds, the best of them on the list, F-score at one per cent."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS
from benchmarks.protocols._common import sample
from benchmarks.protocols.pix2vox import Pix2Vox, Pix2VoxConfig
from benchmarks.scoring.score import score
from tests.helpers.protocol_shapes import box_mesh, boxes, chair, distances, truth
from zoo.seeding import rng
from zoo.shapes import MeshShape, PointShape, VoxelShape

SMALL = Pix2Vox(Pix2VoxConfig(points=1500))
LEVELS = (0.2, 0.3, 0.4, 0.5)


def measure(prediction, target, threshold=0.5, id="one"):
    true = truth(target, id)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return SMALL.measure(shape, threshold, true, SMALL.prepare(true))


def test_named_and_described():
    assert PROTOCOLS.get("pix2vox").cls is Pix2Vox
    assert Pix2Vox(Pix2VoxConfig()).id == "pix2vox v1" and SMALL.id == "pix2vox v1 (1,500 points)"
    assert SMALL.average == "instance" and SMALL.curve == LEVELS
    text = " ".join(SMALL.describe().split())
    for fact in ("t = .2, .3, .4, .5", "Chosen on the test list", "1,500 per side", "not checked in code"):
        assert fact in text


def test_the_best_of_four_is_one_for_the_whole_list():
    """Instance-weighted: t = .2 suits one instance, t = .4 the other two."""
    target = boxes(32, ((-0.25,) * 3, (0.25,) * 3))
    low = target * np.float32(0.25)
    high = np.where(target, 0.45, np.where(np.roll(target, 8, 0), 0.35, 0)).astype(np.float32)
    measured = [measure(p, target, id=str(k)) for k, p in enumerate((low, high, high))]
    by_hand = np.zeros((3, 4))
    for k, grey in enumerate((low, high, high)):
        for j, t in enumerate(LEVELS):
            inside = grey >= np.float32(t)
            by_hand[k, j] = (inside & target).sum() / (inside | target).sum()
    for m, expected in zip(measured, by_hand, strict=True):
        assert [m.values[f"iou@.{k}"] for k in (2, 3, 4, 5)] == pytest.approx(list(expected))
        assert m.values["iou_oracle"] is None  # nothing is chosen before the list is complete
    finished = SMALL.finish(measured)
    best = int(by_hand.mean(0).argmax())
    assert LEVELS[best] == 0.2 or by_hand.mean(0)[best] > by_hand.mean(0)[0]
    assert [m.values["iou_oracle"] for m in finished] == pytest.approx(list(by_hand[:, best]))
    alone = SMALL.finish(measured[1:])  # another list, another threshold
    assert alone[0].values["iou_oracle"] == 1.0


def test_fscore_by_brute_force():
    """One per cent of the cube's edge, strictly nearer, on the same points, whatever the shape's size."""
    target, prediction = chair(32), np.roll(chair(32), 1, axis=2)
    a = sample(VoxelShape(prediction), 1500, rng(0, "pix2vox", "one", 0, "prediction"), 0.5).points
    b = sample(VoxelShape(target), 1500, rng(0, "pix2vox", "one", "truth"), 0.5).points
    there, back = distances(a, b)
    precision, recall = (there < 0.01).mean(), (back < 0.01).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert 0 < expected < 1
    assert measure(prediction, target).values["fscore@1%"] == pytest.approx(expected, rel=1e-12)


def test_the_surface_is_at_the_models_threshold_and_the_iou_is_not():
    grey = chair(32) * np.float32(0.35)
    lower, upper = measure(grey, chair(32), 0.175), measure(grey, chair(32), 0.5)
    same = measure(chair(32), chair(32)).values["fscore@1%"]  # half of .35 lies where half of 1 does
    assert lower.values["fscore@1%"] == pytest.approx(same, abs=1e-3) and not lower.failed
    assert upper.failed and upper.values["fscore@1%"] == 0 and upper.reason == "empty at its threshold of 0.5"
    for result in (lower, upper):
        assert [result.values[f"iou@.{k}"] for k in (2, 3, 4, 5)] == [1, 1, 0, 0]
    assert SMALL.finish([upper])[0].values["iou_oracle"] == 1
    choice = SMALL.choose_threshold([VoxelShape(grey)], [truth(chair(32))])
    assert choice is not None and choice.value == 0.3  # of the four, nearest to one half


def test_a_list_is_scored_and_finished_with_its_failures():
    """Through `score`, as every benchmark does: a missing prediction weighs in the choice of t."""
    grid = chair(32)
    truths = [truth(grid, id=str(k)) for k in range(4)]
    levels = [0.25, 0.45, 0.45]
    predictions = [*(VoxelShape(grid * np.float32(v)) for v in levels), None]
    rows = score({"a": predictions}, truths, SMALL, {"a": 0.2}, workers=0)
    assert [row["iou_oracle"] for row in rows.rows["a"]] == [1.0, 1.0, 1.0, 0.0]
    assert rows.iou_curve["a"] == ((0.2, 0.75), (0.3, 0.5), (0.4, 0.5), (0.5, 0.0))
    raised = score({"a": predictions}, truths, SMALL, {"a": None}, workers=0).rows["a"]
    assert [row["failed"] for row in raised] == [True] * 4 and "threshold is None" in raised[0]["reason"]


def test_without_voxels_and_missing():
    points = PointShape(VoxelShape(chair(32)).points(1500, np.random.default_rng(0)))
    for shape in (points, MeshShape(box_mesh((1, 0.5, 0.5)))):
        result = SMALL.finish([measure(shape, chair(32), None)])[0]
        assert {result.values[n] for n in SMALL.of_voxels} == {None} and result.iou_curve is None
        assert result.values["fscore@1%"] > 0
    missing = SMALL.finish([SMALL.failure(0.3, truth(chair(32)), "no prediction")])[0]
    assert set(missing.values.values()) == {0.0} and missing.failed
    with pytest.raises(ValueError, match="has voxels, but its threshold is None"):
        measure(chair(32), chair(32), None)


def test_golden_values():
    result = SMALL.finish([measure(np.roll(chair(32), 1, axis=2) * np.float32(0.9), chair(32))])[0]
    assert result.values["iou@.4"] == pytest.approx(GOLDEN["iou@.4"], rel=1e-4)
    assert result.values["fscore@1%"] == pytest.approx(GOLDEN["fscore@1%"], rel=1e-4)


GOLDEN = {"iou@.4": 0.8, "fscore@1%": 0.2252623}
