"""what3d's protocol: F-scores at six radii, precision and recall under their right names."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS
from benchmarks.protocols._common import sample
from benchmarks.protocols.what3d import What3D, What3DConfig
from tests.helpers.protocol_shapes import boxes, chair, distances, truth
from zoo.seeding import rng
from zoo.shapes import PointShape, VoxelShape

SMALL = What3D(What3DConfig(points=1500))
PERCENT = (0.5, 1, 2, 5, 10, 20)


def measure(prediction, target, threshold=0.5):
    true = truth(target)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return SMALL.measure(shape, threshold, true, SMALL.prepare(true))


def test_named_and_described():
    assert PROTOCOLS.get("what3d").cls is What3D
    assert What3D(What3DConfig()).id == "what3d v1" and SMALL.id == "what3d v1 (1,500 points)"
    assert len(SMALL.columns) == 18 and len({c.name for c in SMALL.columns}) == 18
    text = " ".join(SMALL.describe().split())
    for fact in ("viewer-centred", "other way round", ".5, 1, 2, 5, 10 and 20 %", "half a cell farther out"):
        assert fact in text


def test_by_brute_force():
    """Per cent of the cube's edge, whatever the size of the shapes."""
    target, prediction = boxes(32, ((-0.2,) * 3, (0.2,) * 3)), boxes(32, ((-0.2,) * 3, (0.2, 0.2, 0.25)))
    a = sample(VoxelShape(prediction), 1500, rng(0, "what3d", "one", 0, "prediction"), 0.5).points
    b = sample(VoxelShape(target), 1500, rng(0, "what3d", "one", "truth"), 0.5).points
    there, back = distances(a, b)
    found = measure(prediction, target).values
    for p in PERCENT:
        precision, recall = (there < p / 100).mean(), (back < p / 100).mean()
        assert found[f"precision@{p:g}%"] == precision and found[f"recall@{p:g}%"] == recall
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert found[f"fscore@{p:g}%"] == pytest.approx(expected, rel=1e-12)


def test_precision_is_of_the_prediction():
    """A part of the truth is precise and not complete; the original's names are the other way round."""
    target = boxes(32, ((-0.5, -0.2, -0.2), (0.5, 0.2, 0.2)))
    part = boxes(32, ((-0.5, -0.2, -0.2), (0.0, 0.2, 0.2)))
    found = measure(part, target).values
    assert found["precision@5%"] > 0.85 and found["recall@5%"] < 0.65
    swapped = measure(target, part).values
    assert swapped["precision@5%"] < 0.65 and swapped["recall@5%"] > 0.85


def test_nothing_is_scaled_or_aligned():
    half = boxes(32, ((-0.25,) * 3, (0.25,) * 3))
    assert measure(np.roll(half, 8, axis=0), half).values["fscore@10%"] < 0.85
    assert measure(half, half).values["fscore@10%"] == 1


def test_failures_and_points():
    empty = measure(np.zeros((32,) * 3, bool), chair(32))
    assert empty.failed and set(empty.values.values()) == {0.0}
    assert set(SMALL.failure(None, truth(chair(32)), "no prediction").values.values()) == {0.0}
    cloud = PointShape(VoxelShape(chair(32)).points(1500, np.random.default_rng(0)))
    assert measure(cloud, chair(32), None).values["fscore@5%"] > 0.95
    assert measure(chair(32), cloud).values["fscore@5%"] > 0.95


def test_golden_values():
    found = measure(np.roll(chair(32), 1, axis=2), chair(32)).values
    assert {n: found[n] for n in GOLDEN} == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = {
    "fscore@1%": 0.2396106,
    "fscore@2%": 0.6295380,
    "precision@5%": 0.9986667,
    "recall@5%": 0.9993333,
}
