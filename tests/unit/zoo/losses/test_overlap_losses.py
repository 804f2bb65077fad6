"""Soft IoU, Dice and focal loss against their formulas, and at their ends."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from zoo.losses import LOSSES
from zoo.testing.smoke import SmokeSource
from zoo.types import Latent, Prediction, Voxels


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    true = (torch.rand(3, 4, 4, 4, generator=generator) < 0.4).float()
    batch = dataclasses.replace(SmokeSource(count=3).fetch(range(3), [[0]] * 3), voxels=true)
    return 3 * torch.randn(3, 4, 4, 4, generator=generator, dtype=torch.float64), true.double(), batch


def value(name, logits, batch, **settings):
    entry = LOSSES.get(name)
    return entry.cls(entry.config(**settings))(
        Prediction(Latent(torch.zeros(3, 2)), shapes=Voxels(logits)), batch
    )


def sure(true):
    return (200 * true - 100).float()


def test_soft_iou_is_that_of_minimum_and_maximum(case):
    logits, true, batch = case
    p = torch.sigmoid(logits)
    both, either = torch.minimum(p, true).flatten(1).sum(1), torch.maximum(p, true).flatten(1).sum(1)
    found = value("soft_iou", logits.float(), batch)
    torch.testing.assert_close(found.double(), (1 - both / either).mean(), rtol=1e-5, atol=0)
    assert value("soft_iou", sure(true), batch) == 0 and value("soft_iou", sure(1 - true), batch) == 1
    empty = dataclasses.replace(batch, voxels=torch.zeros_like(batch.voxels))
    assert torch.isfinite(value("soft_iou", sure(true * 0), empty))


def test_dice_and_that_of_3d_retr(case):
    logits, true, batch = case
    p = torch.sigmoid(logits)
    overlap, squares = (p * true).flatten(1).sum(1), (p * p + true * true).flatten(1).sum(1)
    found = value("dice", logits.float(), batch)
    torch.testing.assert_close(found.double(), (1 - 2 * overlap / squares).mean(), rtol=1e-5, atol=0)
    theirs = value("dice", logits.float(), batch, factor=1, smooth=1)
    torch.testing.assert_close(theirs.double(), (1 - (overlap + 1) / (squares + 1)).mean(), rtol=1e-5, atol=0)
    assert value("dice", sure(true), batch) == pytest.approx(0, abs=1e-6)
    assert value("dice", sure(true), batch, factor=1) == pytest.approx(0.5)  # a perfect prediction


def test_focal_loss(case):
    logits, true, batch = case
    q = torch.where(true > 0, torch.sigmoid(logits), torch.sigmoid(-logits))
    alpha = torch.where(true > 0, 0.25, 0.75)
    expected = -(alpha * (1 - q) ** 2 * q.log()).flatten(1).mean(1).mean()
    found = value("focal", logits.float(), batch, alpha=0.25)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)
    plain = value("focal", logits.float(), batch, gamma=0, reduction="sum")
    entropy = F.binary_cross_entropy_with_logits(logits, true, reduction="sum") / 3
    torch.testing.assert_close(plain.double(), entropy, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["soft_iou", "dice", "focal"])
def test_their_gradients_point_to_the_truth(case, name):
    logits, true, batch = case
    start = logits.float().requires_grad_()
    (gradient,) = torch.autograd.grad(value(name, start, batch), start)
    assert ((gradient < 0) == (true > 0)).all()
