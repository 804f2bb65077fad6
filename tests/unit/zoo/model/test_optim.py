"""Optimisers and learning-rate schedules, against closed forms."""

import math

import pytest
import torch
from torch import nn

from zoo.config import OptimizerConfig
from zoo.model.optim import build_optimizer, lr_factor, set_lr


def parameter(value=2.0, grad=0.5):
    p = nn.Parameter(torch.tensor([value]))
    p.grad = torch.tensor([grad])
    return p


def factors(steps=10, **settings):
    return [lr_factor(OptimizerConfig(**settings), step, steps) for step in range(steps)]


def test_constant():
    assert factors() == [1.0] * 10


def test_cosine_starts_at_one_and_ends_near_nought():
    found = factors(100, schedule="cosine")
    assert found[0] == 1.0
    assert found[50] == pytest.approx(0.5)
    assert found[25] == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert 0 < found[-1] < 0.001
    assert found == sorted(found, reverse=True)


def test_warmup_rises_linearly():
    assert factors(10, warmup=0.4) == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 7)
    assert factors(3, warmup=1.0) == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert factors(10, warmup=0.01) == [1.0] * 10, "shorter than a step"


def test_warmup_and_cosine_multiply():
    both = factors(20, warmup=0.5, schedule="cosine")
    apart = [a * b for a, b in zip(factors(20, warmup=0.5), factors(20, schedule="cosine"), strict=True)]
    assert both == pytest.approx(apart)


def test_steps_multiply_at_each_milestone():
    found = factors(10, schedule="steps", milestones=(0.5, 0.8), factor=0.1)
    assert found == pytest.approx([1.0] * 5 + [0.1] * 3 + [0.01] * 2)


def test_set_lr_reaches_every_group():
    config = OptimizerConfig(lr=0.2, schedule="cosine")
    optimizer = torch.optim.Adam([{"params": [parameter()]}, {"params": [parameter()], "lr": 9.0}])
    assert set_lr(optimizer, config, 5, 10) == pytest.approx(0.1)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_first_step_in_closed_form(name):
    """After one step both moments are the gradient's own; only the weight decay tells the two apart."""
    p = parameter(2.0, 0.5)
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.3, betas=(0.8, 0.95), eps=1e-3)
    build_optimizer(config, [p]).step()
    if name == "adamw":  # decoupled
        want = 2.0 * (1 - 0.1 * 0.3) - 0.1 * 0.5 / (0.5 + 1e-3)
    else:  # L2: joins the gradient
        g = 0.5 + 0.3 * 2.0
        want = 2.0 - 0.1 * g / (g + 1e-3)
    assert p.item() == pytest.approx(want, rel=1e-5)


def test_frozen_parameters_are_left_out():
    free, frozen = parameter(), parameter()
    frozen.requires_grad_(False)
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.5), [free, frozen])
    assert [p for g in optimizer.param_groups for p in g["params"]] == [free]
    optimizer.step()
    assert frozen.item() == 2.0


def test_the_fused_kernel_is_used():
    assert build_optimizer(OptimizerConfig(), [parameter()]).param_groups[0]["fused"] is True
