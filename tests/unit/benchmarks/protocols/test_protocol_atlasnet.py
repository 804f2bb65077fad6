"""AtlasNet's protocol: squared distances in the unit ball of the truth's points."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS, TruthError
from benchmarks.protocols._common import sample
from benchmarks.protocols.atlasnet import AtlasNetConfig, AtlasNetProtocol
from tests.helpers.protocol_shapes import box_mesh, chair, distances, sphere, truth
from zoo.geometry.mesh import Mesh
from zoo.seeding import rng
from zoo.shapes import MeshShape, PointShape, VoxelShape

SMALL = AtlasNetProtocol(AtlasNetConfig(points=1500))


def measure(prediction, target, threshold=0.5, protocol=SMALL):
    true = truth(target)
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    return protocol.measure(shape, threshold, true, protocol.prepare(true))


def test_named_and_described():
    assert PROTOCOLS.get("atlasnet").cls is AtlasNetProtocol
    default = AtlasNetProtocol(AtlasNetConfig())
    assert default.id == "atlasnet v2" and default.points == 2500 and SMALL.id == "atlasnet v2 (1,500 points)"
    text = " ".join(default.describe().split())
    for fact in ("unit ball of the truth", "never scaled by itself", "below .001", "metro", "2,500 per side"):
        assert fact in text


def test_by_brute_force():
    prediction = np.roll(chair(32), 2, axis=0)
    result = measure(prediction, chair(32))
    a = sample(VoxelShape(prediction), 1500, rng(0, "atlasnet", "one", 0, "prediction"), 0.5).points
    b = sample(VoxelShape(chair(32)), 1500, rng(0, "atlasnet", "one", "truth"), 0.5).points
    radius = max(np.linalg.norm(p - b.mean(0)) for p in b)
    there, back = (d**2 for d in distances((a - b.mean(0)) / radius, (b - b.mean(0)) / radius))
    assert result.values["cd_sq"] == pytest.approx(there.mean() + back.mean(), rel=1e-9)
    p, r = (there < 0.001).mean(), (back < 0.001).mean()
    assert result.values["fscore"] == pytest.approx(2 * p * r / (p + r), rel=1e-9)


def test_the_truths_points_fill_the_unit_ball():
    placed = SMALL.prepare(truth(chair(32)))
    np.testing.assert_allclose(placed.surface.points.mean(0), 0, atol=1e-12)
    assert np.linalg.norm(placed.surface.points, axis=1).max() == pytest.approx(1)
    twice = [MeshShape(box_mesh((s, 0.5 * s, 0.3 * s), (0.1 * s, 0.0, 0.0))) for s in (0.4, 0.8)]
    centred = [MeshShape(box_mesh((s, 0.5 * s, 0.3 * s))) for s in (0.4, 0.8)]
    small, large = (measure(p, t, None) for p, t in zip(twice, centred, strict=True))
    assert small.values == pytest.approx(large.values, rel=1e-9)


def test_noise_floor_of_a_sphere():
    """(A / pi) (1 / N + 1 / N) with A = 4 pi: 3.2e-3 at 2,500 points of the unit sphere."""
    result = measure(sphere(64), sphere(64), 0.5, AtlasNetProtocol(AtlasNetConfig()))
    assert result.values["cd_sq"] == pytest.approx(3.2e-3, rel=0.08)


def test_failures():
    empty = measure(np.zeros((32,) * 3, bool), chair(32))
    assert empty.failed and empty.values == {"cd_sq": 8.0, "fscore": 0.0}
    assert SMALL.failure(None, truth(chair(32)), "x").values == {"cd_sq": 8.0, "fscore": 0.0}
    cloud = PointShape(VoxelShape(chair(32)).points(1500, np.random.default_rng(0)))
    assert measure(cloud, cloud, None).values["fscore"] > 0.9
    with pytest.raises(TruthError, match="is one point: it has no ball"):
        SMALL.prepare(truth(PointShape(np.ones((9, 3)))))
    with pytest.raises(TruthError, match="has no surface"):
        SMALL.prepare(truth(MeshShape(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64)))))


def test_golden_values():
    assert measure(np.roll(chair(32), 1, axis=2), chair(32)).values == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = {"cd_sq": 0.001687277, "fscore": 0.6995674}
