"""Metrics against closed forms, brute force in double precision, enumeration and the declared worst cases."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from zoo.metrics import METRICS
from zoo.metrics.chamfer import DIAGONAL, WORST, Chamfer, chamfer
from zoo.metrics.emd import BLOCK, assignment, emd
from zoo.metrics.fscore import fscore
from zoo.metrics.inputs import Measured
from zoo.metrics.iou import iou, iou_curve
from zoo.registry import RegistryError


def sphere(n: int, rng: np.random.Generator, radius: float = 0.5) -> np.ndarray:
    p = rng.normal(size=(n, 3))
    return p / np.linalg.norm(p, axis=1, keepdims=True) * radius


def box(n: int, rng: np.random.Generator, edges=(1.0, 0.6, 0.3)) -> np.ndarray:
    """Area-uniform points on the six faces of a box."""
    e = np.array(edges)
    faces = np.array([e[1] * e[2], e[0] * e[2], e[0] * e[1]])
    axis = rng.choice(3, n, p=faces / faces.sum())
    p = rng.uniform(-0.5, 0.5, (n, 3))
    p[np.arange(n), axis] = rng.choice([-0.5, 0.5], n)
    return p * e


def grid_plane(z: float, n: int = 20) -> np.ndarray:
    x, y = np.meshgrid(np.arange(n) / n, np.arange(n) / n)
    return np.stack([x.ravel(), y.ravel(), np.full(n * n, z)], axis=1)


def cube(edge: int, shift: int = 0, resolution: int = 32) -> np.ndarray:
    grid = np.zeros((resolution,) * 3, bool)
    grid[4 + shift : 4 + shift + edge, 4 : 4 + edge, 4 : 4 + edge] = True
    return grid


# ------------------------------------------------------------------ distances


@pytest.mark.sceptic(1)
def test_identity():
    p = sphere(500, np.random.default_rng(0))
    assert chamfer(p, p) == Chamfer(0, 0, 0, 0)
    assert fscore(p, p, 0.01) == (1, 1, 1)
    assert emd(p, p[::-1]) == 0
    assert iou(cube(5), cube(5)) == 1


@pytest.mark.sceptic(3)
def test_two_single_points():
    a, b = np.array([[0.0, 0, 0]]), np.array([[0.0, 0.3, 0.4]])
    result = chamfer(a, b)
    assert result == pytest.approx((0.5, 0.5, 1.0, 0.5))  # c = 2d and CD_sq = 2d^2, with d = 1/2
    assert emd(a, b) == pytest.approx(0.5)


def test_chamfer_is_the_sum_of_two_unsquared_means():
    """Points placed so that squaring, halving or taking the maximum would each give another number."""
    prediction = np.array([[0.0, 0, 0], [1, 0, 0]])
    truth = np.array([[0.0, 0, 0], [1, 2, 0], [1, 0, 4]])
    result = chamfer(prediction, truth)
    assert result.accuracy == pytest.approx((0 + 1) / 2)
    assert result.completeness == pytest.approx((0 + 2 + 4) / 3)
    assert result.cd == pytest.approx(2.5)
    assert result.cd_sq == pytest.approx(1 / 2 + 20 / 3)


@pytest.mark.sceptic(4)
def test_parallel_planes():
    gap = 0.25
    a, b = grid_plane(0.0), grid_plane(gap)
    assert chamfer(a, b).cd == 2 * gap
    assert fscore(a, b, np.nextafter(gap, 1)).fscore == 1
    assert fscore(a, b, gap).fscore == 0  # strictly nearer
    assert emd(a, b) == pytest.approx(gap)


@pytest.mark.sceptic(4)
def test_concentric_spheres():
    rng = np.random.default_rng(0)
    a, b = sphere(40_000, rng), sphere(40_000, rng, 0.4)
    assert chamfer(a, b).cd == pytest.approx(0.2, rel=2e-3)
    assert fscore(a, b, 0.0995).fscore == 0
    assert fscore(a, b, 0.102).fscore > 0.99


@pytest.mark.sceptic(9)
def test_chamfer_equals_brute_force_far_from_the_origin():
    rng = np.random.default_rng(1)
    for offset in (0, 1e3):
        a, b = sphere(400, rng) + offset, box(300, rng) + offset
        d = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
        to_truth, to_prediction = d.min(1), d.min(0)
        result = chamfer(a, b)
        assert result.cd == pytest.approx(to_truth.mean() + to_prediction.mean(), rel=1e-9)
        assert result.cd_sq == pytest.approx((to_truth**2).mean() + (to_prediction**2).mean(), rel=1e-9)


@pytest.mark.sceptic(12)
def test_unequal_counts_are_averaged_per_cloud():
    truth = np.array([[0.0, 0, 0]])
    many = np.concatenate([np.zeros((99, 3)), [[1.0, 0, 0]]])
    assert chamfer(many, truth).cd == pytest.approx(0.01)  # a global mean over 101 distances would not be
    assert chamfer(truth, many).cd == pytest.approx(0.01)
    result = fscore(many, truth, 0.5)
    assert result == pytest.approx((0.99, 1.0, 2 * 0.99 / 1.99))


@pytest.mark.parametrize("count", [1024, 10_000])
@pytest.mark.sceptic(11)
def test_noise_floor_on_a_sphere(count):
    area = math.pi
    draws = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        a, b = sphere(count, rng), sphere(count, rng)
        draws.append((*chamfer(a, b), fscore(a, b, 0.01).precision))
    accuracy, completeness, cd, cd_sq, precision = np.mean(draws, axis=0)
    assert accuracy == pytest.approx(0.5 * math.sqrt(area / count), rel=0.02)
    assert completeness == pytest.approx(0.5 * math.sqrt(area / count), rel=0.02)
    assert cd == pytest.approx(math.sqrt(area / count), rel=0.02)
    assert cd_sq == pytest.approx(area / math.pi * 2 / count, rel=0.03)
    assert precision == pytest.approx(1 - math.exp(-math.pi * 1e-4 * count / area), rel=0.05)


def test_precision_and_recall_sides():
    prediction = np.array([[0.0, 0, 0]])
    truth = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    assert fscore(prediction, truth, 0.1) == pytest.approx((1, 0.25, 0.4))
    assert fscore(truth, prediction, 0.1) == pytest.approx((0.25, 1, 0.4))
    assert fscore(prediction, prediction + 5, 0.1) == (0, 0, 0)
    with pytest.raises(ValueError, match="radius must be positive"):
        fscore(prediction, truth, 0.0)


# ------------------------------------------------------------------------ EMD


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.sceptic(15)
def test_emd_equals_enumeration(count):
    rng = np.random.default_rng(count)
    a, b = rng.normal(size=(count, 3)), rng.normal(size=(count, 3))
    d = cdist(a, b)
    best = min(d[range(count), order].mean() for order in itertools.permutations(range(count)))
    assert emd(a, b) == pytest.approx(best, rel=1e-12)


def _pairs():
    rng = np.random.default_rng(7)
    n = 300
    few = rng.normal(size=(6, 3))
    yield "same surface", sphere(n, rng), sphere(n, rng)
    yield "sphere and box", sphere(n, rng), box(n, rng)
    yield "far apart", sphere(n, rng) * 0.1 + 3, box(n, rng)
    yield "far from the origin", sphere(n, rng) + 1e3, box(n, rng) + 1e3
    yield "noise", rng.normal(size=(n, 3)), rng.normal(size=(n, 3)) * [1, 2, 3]
    yield "one point and a cloud", np.zeros((n, 3)), box(n, rng)
    yield "few distinct points", few[rng.integers(0, 6, n)], few[rng.integers(0, 6, n)] + 0.1
    yield "all points equal", np.zeros((n, 3)), np.ones((n, 3))
    yield "identical", (p := sphere(n, rng)), p[rng.permutation(n)]
    yield "shifted lattice", grid_plane(0.0, 17), grid_plane(0.5, 17) + 1 / 17
    for far in (1e6, 1e60):  # the second is more than single precision holds
        yield (
            f"one stray point at {far:g}",
            np.concatenate([sphere(n - 1, rng), [[far, 0, 0]]]),
            sphere(n, rng),
        )
    for count in (BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK):
        yield f"{count} points", sphere(count, rng), box(count, rng)
    yield "nothing but equal points", np.zeros((n, 3)), np.zeros((n, 3))
    yield "all strays", sphere(n, rng) * 1e60, box(n, rng) * 1e60
    yield "tiny", sphere(n, rng) * 1e-60, box(n, rng) * 1e-60


@pytest.mark.parametrize(("name", "a", "b"), [pytest.param(*p, id=p[0]) for p in _pairs()])
def test_emd_is_the_optimum_that_scipy_finds(name, a, b):
    cost = cdist(a, b)
    rows, columns = linear_sum_assignment(cost)
    optimum = cost[rows, columns].mean()
    assert emd(a, b) == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert sorted(assignment(cost)) == list(range(len(a)))  # one to one


def test_emd_at_the_protocol_size():
    rng = np.random.default_rng(3)
    a, b = box(1024, rng), sphere(1024, rng)
    cost = cdist(a, b)
    assert emd(a, b) == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-9)


def test_emd_refuses_unequal_counts():
    with pytest.raises(ValueError, match="as many predicted as true points, got 3 and 4"):
        emd(np.zeros((3, 3)), np.zeros((4, 3)))


# ------------------------------------------------------------------------ IoU


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.sceptic(5)
def test_shifted_cube(shift):
    assert iou(cube(5, shift), cube(5)) == pytest.approx((5 - shift) / (5 + shift))


def test_threshold_is_inclusive():
    truth = np.ones((1, 1, 2), bool)
    prediction = np.array([[[0.4, np.nextafter(np.float32(0.4), 0)]]], np.float32)
    assert iou(prediction, truth, 0.4) == 0.5


@pytest.mark.parametrize("levels", [tuple(np.arange(1, 20) / 20), (0.5,), (0.013, 0.4, 0.41, 0.99, 1.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool])
def test_curve_equals_one_threshold_at_a_time(levels, dtype):
    rng = np.random.default_rng(0)
    values = rng.random((9, 9, 9)).astype(np.float32)
    values.flat[: len(levels)] = levels  # exactly on the thresholds
    prediction = values >= 0.7 if dtype is bool else values.astype(dtype)
    truth = rng.random((9, 9, 9)) < 0.3
    expected = []
    for t in levels:
        p = np.asarray(prediction, np.float32) >= np.float32(t)
        expected.append((p & truth).sum() / (p | truth).sum())
    np.testing.assert_allclose(iou_curve(prediction, truth, levels), expected, rtol=1e-14)


def test_curve_takes_values_outside_the_unit_interval():
    truth = np.array([[[True, False, False]]])
    assert iou(np.array([[[7.0, -3.0, 2.0]]]), truth, 0.5) == 0.5


def test_iou_refuses():
    full = np.ones((2, 2, 2), bool)
    with pytest.raises(ValueError, match="truth is empty"):
        iou(full, ~full)
    with pytest.raises(ValueError, match="same grid"):
        iou(np.ones((3, 3, 3), bool), full)
    with pytest.raises(ValueError, match="NaN"):
        iou(np.full((2, 2, 2), np.nan), full)
    with pytest.raises(ValueError, match="must be bool"):
        iou(full, full.astype(float))
    for bad in ((0.5, 0.4), (0.0,), (1.1,), (), (0.3, 0.3), (float("nan"),)):
        with pytest.raises(ValueError, match="thresholds must"):
            iou_curve(full, full, bad)


# --------------------------------------------------------------- empty and bad


@pytest.mark.sceptic(13)
def test_empty_prediction_is_the_declared_worst():
    truth, none = sphere(20, np.random.default_rng(0)), np.zeros((0, 3))
    assert chamfer(none, truth) == WORST
    assert pytest.approx((math.sqrt(3), math.sqrt(3), 2 * math.sqrt(3), 6)) == WORST
    assert fscore(none, truth, 0.01) == (0, 0, 0)
    assert emd(none, truth) == DIAGONAL
    assert iou(np.zeros((4, 4, 4)), np.ones((4, 4, 4), bool)) == 0


@pytest.mark.parametrize("measure", [chamfer, emd, lambda p, t: fscore(p, t, 0.01)])
@pytest.mark.sceptic(13)
def test_empty_truth_and_bad_numbers_raise(measure):
    good, none = np.zeros((2, 3)), np.zeros((0, 3))
    for prediction in (good, none):
        with pytest.raises(ValueError, match="truth is empty"):
            measure(prediction, none)
    for bad in (np.nan, np.inf):
        broken = np.array([[0.0, 0, 0], [0, bad, 0]])
        with pytest.raises(ValueError, match="prediction: 1 points hold NaN or infinity"):
            measure(broken, good)
        with pytest.raises(ValueError, match="truth: 1 points hold NaN or infinity"):
            measure(good, broken)
    with pytest.raises(ValueError, match=r"prediction must be \(N, 3\)"):
        measure(np.zeros((3, 2)), good)


# -------------------------------------------------------------------- registry


def _built():
    return [entry.cls(entry.smoke_config()) for entry in METRICS]


def _measured(seed: int, threshold: float | None = 0.5) -> Measured:
    rng = np.random.default_rng(seed)
    return Measured(sphere(200, rng), cube(6 + seed), threshold, seed)


def test_the_five_metrics_are_found_and_a_typo_is_named():
    assert METRICS.names() == ["chamfer", "emd", "fscore", "iou", "iou_filled"]
    with pytest.raises(RegistryError, match="Did you mean 'chamfer'"):
        METRICS.get("chamfr")


@pytest.mark.parametrize("metric", _built(), ids=lambda m: type(m).__name__)
def test_contract_of_every_metric(metric):
    """Columns are what is returned; identity is best; nothing is worse than empty, which is as declared."""
    columns = {c.name: c for c in metric.columns}
    same = _measured(0)
    perfect, other = metric(same, same), metric(_measured(1), same)
    nothing = metric(Measured(np.zeros((0, 3)), np.zeros((32, 32, 32)), 0.5), same)
    assert list(perfect) == list(other) == list(nothing) == list(columns)
    for name, column in columns.items():
        best = 1.0 if column.better == "higher" else 0.0
        if name != "iou_filled":  # it holds points against a grid, and these clouds are spheres beside cubes
            assert perfect[name] == best
        assert nothing[name] == column.worst
        low, high = sorted((column.worst, best))
        assert low <= other[name] <= high
        assert column.label and column.digits > 0
    with pytest.raises(ValueError, match="truth is empty"):
        metric(same, Measured(np.zeros((0, 3)), np.zeros((32, 32, 32), bool), 0.5))


def test_shapes_without_voxels_have_no_iou():
    metric = METRICS.get("iou")
    built = metric.cls(metric.config())
    cloud = Measured(sphere(10, np.random.default_rng(0)))
    assert built(cloud, _measured(0)) == {"iou@val": None, "iou@.5": None}
    with pytest.raises(ValueError, match="needs its threshold"):
        built(_measured(0, threshold=None), _measured(0))


def test_classes_equal_the_functions():
    a, b = _measured(1), _measured(2)
    rows: dict[str, float | None] = {}
    for metric in _built():
        rows |= metric(a, b)
    assert rows["cd"] == chamfer(a.points, b.points).cd
    assert rows["cd_sq"] == chamfer(a.points, b.points).cd_sq
    assert rows["precision@5%"] == fscore(a.points, b.points, 0.05).precision
    assert rows["emd"] == emd(a.subset(64), b.subset(64))
    assert rows["iou@.5"] == iou(cube(7), cube(8))


def test_distances_are_computed_once(monkeypatch):
    a, b = _measured(1), _measured(2)
    first = a.distances_to(b)
    monkeypatch.setattr(type(b.index), "query", lambda *_: pytest.fail("searched again"))
    assert a.distances_to(b) is first


def test_subset_is_random_and_repeatable():
    m = _measured(0)
    assert (m.subset(50) == m.subset(50)).all()
    assert len(np.unique(m.subset(50), axis=0)) == 50
    assert not (m.subset(50) == m.points[:50]).all()
    assert m.subset(200) is m.points
    other = Measured(m.points, seed=1)
    assert not (m.subset(50) == other.subset(50)).all()
    with pytest.raises(ValueError, match="cannot take 201 points from a cloud of 200"):
        m.subset(201)


def test_importing_metrics_does_not_load_torch():
    code = "import sys; from zoo.metrics import METRICS; METRICS.names(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
