"""Properties that hold for all shapes: symmetry, invariance, scaling, bounds (rows 2, 6, 7, 8 and 14)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zoo.metrics.chamfer import chamfer
from zoo.metrics.emd import emd
from zoo.metrics.fscore import fscore
from zoo.metrics.iou import iou, iou_curve
from zoo.metrics.neighbours import nearest

FEW = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def clouds(seed: int, n: int, m: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of random extent and distance; some points repeated."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 3)) * rng.uniform(0.05, 0.5, 3)
    b = rng.normal(size=(m or n, 3)) * rng.uniform(0.05, 0.5, 3) + rng.uniform(-0.3, 0.3, 3)
    a[rng.integers(0, n, n // 4)] = a[0]
    return a, b


@FEW
@given(seeds, st.integers(1, 90), st.integers(1, 90))
def test_swapping_the_sides(seed, n, m):
    a, b = clouds(seed, n, m)
    one, other = chamfer(a, b), chamfer(b, a)
    assert (one.accuracy, one.completeness) == (other.completeness, other.accuracy)
    assert one.cd == pytest.approx(other.cd, rel=1e-14) and one.cd_sq == pytest.approx(other.cd_sq, rel=1e-14)
    f, g = fscore(a, b, 0.1), fscore(b, a, 0.1)
    assert (f.precision, f.recall) == (g.recall, g.precision)
    assert f.fscore == pytest.approx(g.fscore, rel=1e-14)
    c, d = clouds(seed, n)
    assert emd(c, d) == pytest.approx(emd(d, c), rel=1e-9)


@FEW
@given(seeds, st.integers(2, 120))
def test_bounds(seed, n):
    a, b = clouds(seed, n)
    result, transport, f = chamfer(a, b), emd(a, b), fscore(a, b, 0.1)
    slack = 1 + 1e-12
    assert result.cd / 2 <= transport * slack
    assert np.linalg.norm(a.mean(0) - b.mean(0)) <= transport * slack + 1e-15
    assert result.cd <= math.sqrt(2 * result.cd_sq) * slack
    assert 0 <= f.fscore <= 1 and min(f[:2]) <= f.fscore * slack and f.fscore <= max(f[:2]) * slack
    # a bijection cannot match better than the nearest neighbours do
    assert max(result.accuracy, result.completeness) <= transport * slack


@FEW
@given(seeds, st.integers(2, 120), st.floats(1e-3, 1e3))
def test_rigid_motion_and_scale(seed, n, scale):
    a, b = clouds(seed, n)
    rng = np.random.default_rng(seed)
    turn, shift = Rotation.random(random_state=seed % 2**31), rng.normal(size=3)
    c, d = (scale * (turn.apply(p) + shift) for p in (a, b))
    before, after = chamfer(a, b), chamfer(c, d)
    assert after.cd == pytest.approx(scale * before.cd, rel=1e-6)
    assert after.cd_sq == pytest.approx(scale**2 * before.cd_sq, rel=1e-6)
    assert emd(c, d) == pytest.approx(scale * emd(a, b), rel=1e-6)
    radius = float(np.median(nearest(a, b))) * 1.0001  # off every distance, where rounding could decide
    assert fscore(c, d, scale * radius) == pytest.approx(fscore(a, b, radius), abs=1e-12)


@FEW
@given(seeds, st.integers(1, 120))
def test_order_of_points_does_not_matter(seed, n):
    a, b = clouds(seed, n)
    rng = np.random.default_rng(seed)
    c, d = a[rng.permutation(n)], b[rng.permutation(n)]
    assert chamfer(c, d) == pytest.approx(chamfer(a, b), rel=1e-12)
    assert fscore(c, d, 0.1) == fscore(a, b, 0.1)
    assert emd(c, d) == pytest.approx(emd(a, b), rel=1e-9)


@FEW
@given(seeds, st.integers(1, 200), st.integers(1, 200), st.floats(-1e4, 1e4))
def test_all_neighbour_backends_agree(seed, n, m, offset):
    a, b = (p + offset for p in clouds(seed, n, m))
    reference = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(1)
    for backend in ("boxtree", "kdtree", "torch"):
        np.testing.assert_allclose(nearest(a, b, backend), reference, rtol=1e-6, atol=0)


@FEW
@given(seeds, st.integers(1, 12), st.floats(0.01, 1))
def test_iou_symmetry_bounds_and_complement(seed, size, density):
    rng = np.random.default_rng(seed)
    a, b = (rng.random((size,) * 3) < density for _ in range(2))
    a.flat[0] = b.flat[0] = True
    value = iou(a, b)
    assert 0 < value <= 1 and value == iou(b, a)
    assert value == pytest.approx((a & b).sum() / (a | b).sum(), rel=1e-14)
    turned = [np.rot90(g, axes=(0, 2))[::-1] for g in (a, b)]
    assert iou(*turned) == value


@FEW
@given(seeds, st.lists(st.floats(2**-10, 1, width=32), min_size=1, max_size=30, unique=True))
def test_curve_equals_its_points(seed, levels):
    rng = np.random.default_rng(seed)
    values = rng.choice(np.array([*levels, 0.0, 1.0], np.float32), (6, 6, 6))  # every value is a tie
    truth = rng.random((6, 6, 6)) < 0.5
    truth.flat[0] = True
    curve = iou_curve(values, truth, sorted(levels))
    for t, found in zip(sorted(levels), curve, strict=True):
        p = values >= np.float32(t)
        assert found == pytest.approx((p & truth).sum() / (p | truth).sum(), rel=1e-14)
