"""Stages: their place in the run, and freezing."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zoo.config import StageConfig
from zoo.training.stages import freeze, lay_out


def spans(shares, steps):
    return [(s.first, s.last) for s in lay_out([StageConfig(share=share) for share in shares], steps)]


@pytest.mark.parametrize(
    ("shares", "steps", "want"),
    [
        ([1], 10, [(0, 10)]),
        ([1, 1], 10, [(0, 5), (5, 10)]),
        ([1, 3], 8, [(0, 2), (2, 8)]),
        ([0.2, 0.3, 0.5], 100, [(0, 20), (20, 50), (50, 100)]),
        ([1, 1000], 10, [(0, 1), (1, 10)]),  # a small share is one step at least
        ([1000, 1, 1], 3, [(0, 1), (1, 2), (2, 3)]),  # also at the end
        ([1000, 1, 1], 10, [(0, 8), (8, 9), (9, 10)]),
    ],
)
def test_shares_divide_the_steps(shares, steps, want):
    assert spans(shares, steps) == want


@given(shares=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), extra=st.integers(0, 200))
def test_stages_follow_each_other_and_none_is_empty(shares, extra):
    steps = len(shares) + extra
    found = spans(shares, steps)
    assert found[0][0] == 0
    assert found[-1][1] == steps
    assert all(first < last for first, last in found)
    assert all(one[1] == other[0] for one, other in pairwise(found))


def test_more_stages_than_steps():
    with pytest.raises(ValueError, match=r"2 steps cannot hold 3 stages; raise train.steps"):
        spans([1, 1, 1], 2)


def test_stages_keep_their_configs():
    configs = [StageConfig(name="a"), StageConfig(name="b")]
    assert [s.config for s in lay_out(configs, 4)] == configs


def test_freezing_holds_gradients_and_statistics():
    part = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    freeze(part, learns=False)
    before = {k: v.clone() for k, v in part.state_dict().items()}
    out = part(torch.randn(8, 3, requires_grad=True))
    assert out.requires_grad, "gradients still pass through"
    out.sum().backward()
    assert all(p.grad is None for p in part.parameters())
    assert all(torch.equal(v, before[k]) for k, v in part.state_dict().items())
    freeze(part, learns=True)
    part(torch.randn(8, 3)).sum().backward()
    assert all(p.grad is not None for p in part.parameters())
    assert not torch.equal(part[1].running_mean, before["1.running_mean"])


def test_a_frozen_part_itself_stays_in_its_mode():
    """What it draws in training, it still draws for those that learn through it."""
    part = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3)), nn.Dropout())
    freeze(part, learns=False)
    assert [m.training for m in part.modules()] == [True, False, False, False]
    freeze(part.eval(), learns=True)
    assert [m.training for m in part.modules()] == [False, True, True, True]
