"""Losses on point sets against brute force, exact optima and finite differences."""

import itertools

import numpy as np
import pytest
import torch

from zoo.losses.chamfer import Chamfer, ChamferConfig, draw, nearest_distances
from zoo.losses.emd import EMD, EMDConfig, matched_distances
from zoo.metrics.chamfer import chamfer
from zoo.metrics.emd import emd
from zoo.types import Batch, ContractError, Latent, Points, Prediction


def seeded(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 0.5


def batch_of(points, count=3):
    image = torch.zeros(count, 1, 4, 2, 2, dtype=torch.uint8)
    return Batch(ids=tuple(map(str, range(count))), image=image, points=points)


def predict(xyz):
    return Prediction(Latent(torch.zeros(len(xyz), 1)), torch.zeros(len(xyz), 1), Points(xyz))


def brute(a, b):
    """All distances in double precision, the least of each row."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").min(2).values


# --- Chamfer


@pytest.mark.parametrize("squared", [True, False])
def test_chamfer_against_brute_force(squared):
    xyz, truth = seeded(3, 40, 3), seeded(3, 70, 3, seed=1)
    config = ChamferConfig(squared=squared, to_prediction=1.5, to_truth=0.5)
    value = Chamfer(config)(predict(xyz), batch_of(truth))
    power = 2 if squared else 1
    want = 1.5 * (brute(truth, xyz) ** power).mean() + 0.5 * (brute(xyz, truth) ** power).mean()
    assert value.item() == pytest.approx(want.item(), rel=1e-6)


def test_chamfer_is_the_metric():
    """Plain distances give `cd`, squared ones `cd_sq`, as the mean over the samples."""
    xyz, truth = seeded(3, 50, 3), seeded(3, 80, 3, seed=1)
    found = [chamfer(p.numpy(), t.numpy()) for p, t in zip(xyz, truth, strict=True)]
    for squared, name in ((False, "cd"), (True, "cd_sq")):
        value = Chamfer(ChamferConfig(squared=squared))(predict(xyz), batch_of(truth))
        assert value.item() == pytest.approx(np.mean([getattr(f, name) for f in found]), rel=1e-6)


@pytest.mark.parametrize("squared", [True, False])
def test_chamfer_gradient(squared):
    a = seeded(2, 6, 3, dtype=torch.float64).requires_grad_()
    b = seeded(2, 9, 3, seed=1, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(lambda a, b: nearest_distances(a, b, squared), (a, b))


@pytest.mark.parametrize("squared", [True, False])
def test_chamfer_of_equal_clouds_has_a_finite_gradient(squared):
    xyz = seeded(1, 8, 3).requires_grad_()
    value = Chamfer(ChamferConfig(squared=squared))(predict(xyz), batch_of(xyz.detach().flip(1), 1))
    value.backward()
    assert value.item() == 0
    assert not xyz.grad.any()


@pytest.mark.parametrize("half", ["to_prediction", "to_truth"])
def test_each_half_alone(half):
    """One predicted point on the truth, one far away: only one of the two halves minds the far one."""
    truth = torch.zeros(1, 1, 3)
    xyz = torch.tensor([[[0.0, 0, 0], [0.4, 0, 0]]], requires_grad=True)
    weights = {"to_prediction": 0.0, "to_truth": 0.0, half: 1.0}
    Chamfer(ChamferConfig(**weights))(predict(xyz), batch_of(truth, 1)).backward()
    want = [[[0.0, 0, 0], [0.4, 0, 0]]] if half == "to_truth" else torch.zeros(1, 2, 3)
    torch.testing.assert_close(xyz.grad, torch.as_tensor(want))


def test_what_is_not_finite_stays_so():
    xyz = seeded(2, 8, 3)
    xyz[1, 3] = float("nan")
    assert Chamfer(ChamferConfig())(predict(xyz), batch_of(seeded(2, 9, 3, seed=1), 2)).isnan()


# --- drawn true points


def test_drawn_points_are_true_ones_without_repetition():
    points = seeded(2, 30, 3)
    torch.manual_seed(3)
    one, other = draw(points, 10, "chamfer"), draw(points, 10, "chamfer")
    torch.manual_seed(3)
    assert torch.equal(one, draw(points, 10, "chamfer"))
    assert not torch.equal(one, other)
    for cloud, all_points in zip(one, points, strict=True):
        hits = (cloud[:, None] == all_points[None]).all(2)
        assert hits.any(1).all() and hits.sum(0).max() == 1
    for all_of_them in (None, 30, 31):
        assert draw(points, all_of_them, "chamfer") is points


def test_missing_points_are_named():
    with pytest.raises(ContractError, match="chamfer needs points"):
        draw(None, None, "chamfer")


# --- earth mover's distance


@pytest.mark.parametrize("count", [5, 80])
def test_emd_is_the_exact_optimum(count):
    xyz, truth = seeded(3, count, 3), seeded(3, count, 3, seed=1)
    want = [emd(p.numpy(), t.numpy()) for p, t in zip(xyz, truth, strict=True)]
    assert EMD(EMDConfig())(predict(xyz), batch_of(truth)).item() == pytest.approx(np.mean(want), rel=1e-6)


def test_emd_against_every_permutation():
    xyz, truth = seeded(2, 5, 3), seeded(2, 5, 3, seed=1)
    far = torch.cdist(xyz, truth)
    every = [far[:, range(5), list(p)].mean(1) for p in itertools.permutations(range(5))]
    want = torch.stack(every).min(0).values.mean()
    torch.testing.assert_close(EMD(EMDConfig())(predict(xyz), batch_of(truth, 2)), want)


def test_emd_gradient():
    a = seeded(2, 6, 3, dtype=torch.float64).requires_grad_()
    b = seeded(2, 6, 3, seed=1, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(matched_distances, (a, b))


def test_emd_minds_how_many_where_chamfer_does_not():
    """Three points on one true point and one on the other: every nearest point is at hand, not its own."""
    truth = torch.tensor([[[0.0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]]])
    xyz = torch.tensor([[[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]])
    assert Chamfer(ChamferConfig())(predict(xyz), batch_of(truth, 1)) == 0
    assert EMD(EMDConfig())(predict(xyz), batch_of(truth, 1)).item() == pytest.approx(1 / 4)


def test_emd_draws_as_many_true_points():
    truth = seeded(2, 50, 3)
    xyz = seeded(2, 10, 3, seed=1).requires_grad_()
    torch.manual_seed(0)
    value = EMD(EMDConfig())(predict(xyz), batch_of(truth, 2))
    torch.manual_seed(0)
    torch.testing.assert_close(value, matched_distances(xyz, draw(truth, 10, "emd")).mean())
    value.backward()
    torch.testing.assert_close(xyz.grad.norm(dim=2), torch.full((2, 10), 1 / 20))


def test_emd_of_equal_clouds_is_zero_with_a_finite_gradient():
    xyz = seeded(1, 12, 3).requires_grad_()
    value = EMD(EMDConfig())(predict(xyz), batch_of(xyz.detach().flip(1), 1))
    value.backward()
    assert value.item() == 0 and not xyz.grad.any()


def test_emd_says_what_it_lacks():
    with pytest.raises(ContractError, match="40 points are predicted, but there are 30 true ones"):
        EMD(EMDConfig())(predict(seeded(2, 40, 3)), batch_of(seeded(2, 30, 3), 2))
    xyz = seeded(2, 8, 3)
    xyz[1, 3] = float("nan")
    assert EMD(EMDConfig())(predict(xyz), batch_of(seeded(2, 9, 3, seed=1), 2)).isnan()
