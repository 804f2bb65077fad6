"""Viewpoints as classes: where the bins lie, what the head gives, and the loss."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.heads.pose_bins import PoseBins, PoseBinsConfig
from zoo.losses import LossConfig
from zoo.losses.pose import Pose
from zoo.pose import ANGLES, decode
from zoo.testing.smoke import SmokeSource
from zoo.types import ContractError, Latent, Prediction


@pytest.mark.parametrize(
    ("name", "degrees", "count", "want"),
    [
        ("azimuth", [0, 7.4, 7.6, 352.4, 352.6, 359.9, -7.4, 360, 180], 24, [0, 0, 1, 23, 0, 0, 0, 0, 12]),
        ("in_plane", [-20, 20, 44, 46, -46], 4, [0, 0, 0, 1, 3]),
        ("elevation", [-90, -75.1, -74.9, -0.1, 0.1, 30, 89, 90], 12, [0, 0, 1, 5, 6, 8, 11, 11]),
    ],
)
def test_bins(name, degrees, count, want):
    assert ANGLES[name].bins(torch.tensor(degrees, dtype=torch.float64), count).tolist() == want


@given(name=st.sampled_from(sorted(ANGLES)), degrees=st.floats(-90, 90), count=st.integers(2, 72))
def test_the_centre_of_its_bin_is_at_most_half_a_bin_away(name, degrees, count):
    angle, true = ANGLES[name], torch.tensor([degrees], dtype=torch.float64)
    found = angle.degrees(angle.bins(true, count), count)
    assert angle.error(found, true).item() <= angle.span / count / 2 + 1e-4
    assert angle.bins(found, count).item() == angle.bins(true, count).item()


def test_errors_go_the_short_way_round():
    found, true = torch.tensor([350.0, 10.0, 0.0, -170.0]), torch.tensor([10.0, 350.0, 180.0, 170.0])
    assert ANGLES["azimuth"].error(found, true).tolist() == [20, 20, 180, 20]
    assert ANGLES["elevation"].error(torch.tensor([-20.0]), torch.tensor([60.0])).item() == 80


def test_decode():
    scores = {
        "azimuth": torch.eye(24)[[6, 23]],
        "elevation": torch.eye(12)[[6, 0]],
        "other": torch.zeros(2, 5),
    }
    assert {k: v.tolist() for k, v in decode(scores).items()} == {
        "azimuth": [90, 345],
        "elevation": [7.5, -82.5],
    }


@pytest.mark.parametrize(("in_plane", "names"), [(0, {"azimuth", "elevation"}), (6, set(ANGLES))])
def test_head(in_plane, names):
    head = PoseBins(PoseBinsConfig(in_plane=in_plane), latent_dim=10)
    out = head(torch.randn(3, 10))
    assert set(out) == names
    assert out["azimuth"].shape == (3, 24)
    assert out["elevation"].shape == (3, 12)
    assert sum(p.numel() for p in head.parameters()) == 11 * (36 + in_plane)


def test_loss_is_the_sum_of_cross_entropies():
    batch = SmokeSource().fetch([0, 1], [[0, 3], [1, 2]])
    zero = {"azimuth": torch.zeros(2, 24), "elevation": torch.zeros(2, 12)}
    loss = Pose(LossConfig())
    guess = loss(Prediction(latent=Latent(torch.zeros(2, 1), aux=zero)), batch)
    assert guess.item() == pytest.approx(math.log(24) + math.log(12), rel=1e-6)
    sure = {name: torch.zeros_like(s) for name, s in zero.items()}
    for name, scores in sure.items():
        angle = ANGLES[name]
        scores[range(2), angle.bins(angle.of(batch.camera[:, 0]), scores.shape[1])] = 50
    assert loss(Prediction(latent=Latent(torch.zeros(2, 1), aux=sure)), batch).item() < 1e-6
    sure["azimuth"] = sure["azimuth"].roll(1, dims=1)
    assert loss(Prediction(latent=Latent(torch.zeros(2, 1), aux=sure)), batch).item() == pytest.approx(50)


def test_another_head_is_named():
    batch = SmokeSource().fetch([0], [[0]])
    with pytest.raises(ContractError, match=r"head that predicts azimuth or elevation .* pose_bins"):
        Pose(LossConfig())(
            Prediction(latent=Latent(torch.zeros(1, 1), aux={"size": torch.zeros(1, 1)})), batch
        )
