"""Attention within windows, linear attention and single heads, against slow versions with every weight."""

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from zoo.config import list_presets, load_config
from zoo.encoders.attention_cnn import AttentionCNNConfig
from zoo.layers.attention import SelfAttention2d
from zoo.layers.linear_attention import LinearAttention2d, linear_attention
from zoo.layers.window_attention import WindowAttention2d, window_attention
from zoo.model import build_model

ATTENTIONS = ("r3d_single_head", "r3d_window", "r3d_linear")


def seeded(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def same_window(size, window, shift):
    """(N, N): whether two positions of a map share a window whose first one begins at -shift."""
    height, width = size
    places = [((y + shift) // window, (x + shift) // window) for y in range(height) for x in range(width)]
    return torch.tensor([[a == b for b in places] for a in places])


def masked_attention(q, k, v, seen):
    """Full attention in which the weights of unseen keys are taken out."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.masked_fill(~seen, -math.inf).softmax(-1) @ v


def quadratic_attention(q, k, v):
    """Linear attention with every weight written out."""
    weights = torch.zeros(*q.shape[:-1], k.shape[-2], dtype=q.dtype)
    for i in range(q.shape[-2]):
        for j in range(k.shape[-2]):
            a, b = (torch.where(x > 0, x + 1, x.exp()) for x in (q[..., i, :], k[..., j, :]))
            weights[..., i, j] = (a * b).sum(-1)
    return (weights / (weights.sum(-1, keepdim=True) + 1e-6)) @ v


# --- windows


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("size", [(6, 9), (7, 5), (3, 3), (2, 1), (1, 8)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_windows_are_full_attention_with_a_block_mask(size, shift):
    """Values and gradients, for maps that windows of 3 divide and for others."""
    q, k, v = (seeded(2, 2, math.prod(size), 4, seed=s).requires_grad_() for s in range(3))
    weights = seeded(2, 2, math.prod(size), 4, seed=3)
    results = []
    for out in (
        window_attention(q, k, v, size, 3, shift),
        masked_attention(q, k, v, same_window(size, 3, shift)),
    ):
        results.append([out, *torch.autograd.grad((out * weights).sum(), [q, k, v])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_pattern_is_that_of_cyclic_shifts_with_a_mask():
    """Swin's own way: roll the map, cut it, hide what was not beside each other, roll back."""
    size, window, shift = (8, 12), 4, 2
    q, k, v = (seeded(1, 1, math.prod(size), 3, seed=s) for s in range(3))
    rolled = [t.unflatten(2, size).roll((-shift, -shift), (2, 3)).flatten(2, 3) for t in (q, k, v)]
    region = torch.zeros(size)
    for i, rows in enumerate((slice(0, -window), slice(-window, -shift), slice(-shift, None))):
        for j, columns in enumerate((slice(0, -window), slice(-window, -shift), slice(-shift, None))):
            region[rows, columns] = 3 * i + j
    region = region.flatten()
    seen = same_window(size, window, 0) & (region[:, None] == region[None])
    swin = masked_attention(*rolled, seen).unflatten(2, size).roll((shift, shift), (2, 3)).flatten(2, 3)
    torch.testing.assert_close(window_attention(q, k, v, size, window, shift), swin)


def test_a_window_as_large_as_the_map_is_plain_attention():
    block, whole = WindowAttention2d(16, 2, 8, window=6), SelfAttention2d(16, 2, 8)
    whole.load_state_dict(block.state_dict())
    for size in ((6, 6), (4, 5)):
        x = seeded(2, 16, *size, dtype=torch.float32)
        torch.testing.assert_close(block(x), whole(x), rtol=1e-4, atol=1e-5)


def test_a_change_stays_in_its_window():
    block = WindowAttention2d(8, 2, 4, window=4, shift=2)
    x = seeded(1, 8, 8, 8, dtype=torch.float32)
    changed = x.clone()
    changed[..., 3, 6] += 1.0  # windows of rows 2 to 5 and columns 6 to 7
    moved = (block(x) != block(changed)).any(1)[0]
    assert moved[2:6, 6:8].all()
    assert moved.sum() == 8


@pytest.mark.parametrize("shift", [-1, 4, 5])
def test_a_shift_is_smaller_than_the_window(shift):
    with pytest.raises(ValueError, match=f"smaller than the window of 4, got {shift}"):
        WindowAttention2d(8, 2, 4, window=4, shift=shift)


def test_every_second_block_is_shifted():
    encoder = build_model(load_config("r3d_window", "quick"), seed=0).encoder
    assert [(block.window, block.shift) for block in encoder.attention] == [(8, 0), (8, 4)]
    straight = load_config("r3d_window", "quick", ["encoder.shift=false"])
    assert [block.shift for block in build_model(straight, seed=0).encoder.attention] == [0, 0]


# --- linear


@pytest.mark.parametrize("tokens", [1, 2, 30])
def test_linear_attention_is_its_quadratic_form(tokens):
    q, k, v = (seeded(2, 3, tokens, 5, seed=s).requires_grad_() for s in range(3))
    weights = seeded(2, 3, tokens, 5, seed=3)
    results = []
    for out in (linear_attention(q, k, v), quadratic_attention(q, k, v)):
        results.append([out, *torch.autograd.grad((out * weights).sum(), [q, k, v])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_linear_attention_of_equal_keys_is_the_mean():
    q, v = seeded(1, 2, 7, 4), seeded(1, 2, 7, 4, seed=1)
    out = linear_attention(q, torch.ones_like(q), v)
    torch.testing.assert_close(out, v.mean(2, keepdim=True).expand_as(v), rtol=1e-5, atol=1e-6)


def test_keys_without_weight_do_not_divide_by_zero():
    q = torch.full((1, 1, 3, 4), -200.0)  # elu(x) + 1 is 0 in float32
    assert torch.equal(linear_attention(q, q, torch.ones_like(q)), torch.zeros_like(q))


# --- as systems


def test_blocks_have_the_parameters_of_the_report():
    """Per head or not, in windows or not: qkv 32 to 96 and out 32 to 32; 64 to 192 and 64 to 64."""
    for channels, heads, count in ((32, 4, 4_224), (64, 8, 16_640)):
        blocks = (
            SelfAttention2d(channels, 1, channels),
            WindowAttention2d(channels, heads, 8, window=8),
            LinearAttention2d(channels, heads, 8),
        )
        assert [sum(p.numel() for p in block.parameters()) for block in blocks] == [count] * 3


@pytest.mark.parametrize("name", ATTENTIONS)
def test_encoder_has_as_many_parameters_as_r3d(name):
    with torch.device("meta"):
        model = build_model(load_config(name))
    assert sum(p.numel() for p in model.encoder.parameters()) == 7_588_480


@pytest.mark.parametrize("preset", [None, *list_presets()])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_only_the_attention_differs_from_r3d(name, preset):
    about = {"name", "title", "summary", "citation", "follows", "departs"}

    def rest(model):
        data = load_config(model, preset).resolved()
        attention = {"name", "heads", "head_dim", "causal", "attention_dropout", "window", "shift"}
        data["encoder"] = {k: v for k, v in data["encoder"].items() if k not in attention}
        return {k: v for k, v in data.items() if k not in about}

    assert rest(name) == rest("r3d")


@pytest.mark.parametrize("name", ATTENTIONS)
def test_all_start_from_the_weights_of_r3d(name):
    ours, theirs = (build_model(load_config(m, "quick"), seed=3).state_dict() for m in (name, "r3d"))
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_each_attention_sees_something_else(name):
    image = seeded(1, 1, 48, 48, dtype=torch.float32)
    found = [build_model(load_config(m, "quick"), seed=3).eval().encoder(image).mean for m in (name, "r3d")]
    assert not torch.allclose(*found, rtol=1e-3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"head_dim": [8]}, "1 head_dims for 2 attended blocks"),
        ({"heads": [1, 1, 1, 1]}, "heads for 4 blocks, but there are only 3"),
        ({"heads": [4, 0]}, r"at least one head of one channel, got \(4, 0\) of 8"),
        ({"head_dim": [8, 0]}, r"at least one head of one channel, got \(4, 8\) of \(8, 0\)"),
    ],
)
def test_heads_that_do_not_fit_are_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        AttentionCNNConfig.model_validate(config)


def test_bf16_stays_near_float32():
    q, k, v = (seeded(1, 2, 64, 8, seed=s, dtype=torch.float32) for s in range(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        linear, windows = linear_attention(q, k, v), window_attention(q, k, v, (8, 8), 3, 1)
    torch.testing.assert_close(linear.float(), linear_attention(q, k, v), rtol=0.05, atol=0.03)
    torch.testing.assert_close(windows.float(), window_attention(q, k, v, (8, 8), 3, 1), rtol=0.05, atol=0.03)
    assert F.elu(torch.tensor(-1e4)) + 1 == 0
