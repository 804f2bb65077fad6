"""Self-attention over the positions of a feature map, as in R3D's encoder."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CHUNK = 128
"""Queries per chunk of `attention_with_dropout`; 12,288 tokens then need about 100 MB per image."""


class Attention2d(nn.Module, ABC):
    """A residual block over the H*W positions of a map, for any way in which positions see each other.

    One linear map to queries, keys and values, `attend`, one linear map out, added to the input. The
    parameters do not depend on `attend`: blocks that differ in it alone start from the same weights.

    Args:
        channels: C of the map; it stays the same.
        heads: number of heads.
        head_dim: channels of one head; queries, keys and values have heads * head_dim channels.
        dropout: probability of dropping an output element before the residual addition, in training.
        pre_norm: layer norm over channels before the attention (and the MLP).
        mlp_ratio: width of a GELU MLP after the attention, in multiples of C; 0 for none.
        position: 'sincos' adds a fixed 2-D sine-cosine signal to the tokens that are attended.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        head_dim: int,
        *,
        dropout: float = 0.0,
        pre_norm: bool = False,
        mlp_ratio: float = 0.0,
        position: Literal["none", "sincos"] = "none",
    ) -> None:
        super().__init__()
        self.heads = heads
        self.position = position
        self.norm = nn.LayerNorm(channels) if pre_norm else nn.Identity()
        self.qkv = nn.Linear(channels, 3 * heads * head_dim)
        self.out = nn.Linear(heads * head_dim, channels)
        self.dropout = nn.Dropout(dropout)
        self.mlp: nn.Module | None = None
        if mlp_ratio > 0:
            hidden = round(mlp_ratio * channels)
            self.mlp = nn.Sequential(
                nn.LayerNorm(channels) if pre_norm else nn.Identity(),
                nn.Linear(channels, hidden),
                nn.GELU(),
                nn.Linear(hidden, channels),
                nn.Dropout(dropout),
            )

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        """What every position takes from the others (B, heads, H*W, d); q, k and v are of this shape.

        Args:
            size: H and W; positions are in raster order.
        """

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        height, width = x.shape[-2:]
        tokens = rearrange(x, "b c h w -> b (h w) c")
        attended = self.norm(tokens)
        if self.position == "sincos":
            attended = attended + sincos_2d(height, width, x.shape[1]).to(attended)
        q, k, v = rearrange(self.qkv(attended), "b n (three g d) -> three b g n d", three=3, g=self.heads)
        mixed = self.attend(q, k, v, (height, width))
        tokens = tokens + self.dropout(self.out(rearrange(mixed, "b g n d -> b n (g d)")))
        if self.mlp is not None:
            tokens = tokens + self.mlp(tokens)
        return rearrange(tokens, "b (h w) c -> b c h w", h=height)


class SelfAttention2d(Attention2d):
    """Multi-head self-attention of every position to every other.

    The listing of the R3D report (appendix) is `causal=True, attention_dropout=0.1, dropout=0.1`, without
    normalisation, MLP or position signal: one linear map to queries, keys and values, one linear map out.
    Its text promises further projection and non-linear layers; `pre_norm`, `mlp_ratio` and `position`
    are those, off by default.

    Args:
        causal: position i attends to positions 0...i of the raster order only (the listing's mask).
        attention_dropout: probability of dropping an attention weight, in training.
        others: see `Attention2d`.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        head_dim: int,
        *,
        causal: bool = False,
        attention_dropout: float = 0.0,
        **others: Any,
    ) -> None:
        super().__init__(channels, heads, head_dim, **others)
        self.causal = causal
        self.attention_dropout = attention_dropout

    def attend(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        p = self.attention_dropout if self.training else 0.0
        if p > 0 and q.device.type == "cpu":
            return attention_with_dropout(q, k, v, p, self.causal)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=self.causal)


def attention_with_dropout(q: Tensor, k: Tensor, v: Tensor, p: float, causal: bool) -> Tensor:
    """Exact attention with dropped weights in memory linear in the number of tokens.

    torch has no fused CPU kernel with dropout and falls back to one that stores every weight (9.7 GB for
    an image of 192x256). Here queries go in chunks that the backward pass computes again; each chunk draws
    its mask from a seed of its own, so that the same weights are dropped both times.

    Args:
        q, k, v: (B, heads, N, d).
        p: probability of dropping a weight; what stays is scaled by 1 / (1 - p).
        causal: query i sees keys 0...i.
    """
    return _ChunkedAttention.apply(q, k, v, p, causal, int(torch.randint(2**62, ()).item()))


class _ChunkedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, p: float, causal: bool, seed: int) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.p, ctx.causal, ctx.seed = p, causal, seed
        out = torch.empty_like(q)
        for rows, keys in _chunks(q, k, causal):
            weights = _weights(q, k, rows, keys, causal)
            out[..., rows, :] = weights.mul_(_kept(weights, p, seed, rows)) @ v[..., keys, :]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        scale = 1 / math.sqrt(q.shape[-1])
        for rows, keys in _chunks(q, k, ctx.causal):
            weights = _weights(q, k, rows, keys, ctx.causal)
            kept = _kept(weights, ctx.p, ctx.seed, rows)
            grad_rows = grad[..., rows, :]
            dv[..., keys, :] += (weights * kept).transpose(-2, -1) @ grad_rows
            dweights = (grad_rows @ v[..., keys, :].transpose(-2, -1)).mul_(kept)
            dweights.sub_((dweights * weights).sum(-1, keepdim=True)).mul_(weights)  # through the softmax
            dq[..., rows, :] = scale * (dweights @ k[..., keys, :])
            dk[..., keys, :] += scale * (dweights.transpose(-2, -1) @ q[..., rows, :])
        return dq, dk, dv, None, None, None


def _chunks(q: Tensor, k: Tensor, causal: bool) -> Iterator[tuple[slice, slice]]:
    """Rows of queries, and the keys that they can see."""
    for first in range(0, q.shape[-2], CHUNK):
        last = min(first + CHUNK, q.shape[-2])
        yield slice(first, last), slice(0, last if causal else k.shape[-2])


def _weights(q: Tensor, k: Tensor, rows: slice, keys: slice, causal: bool) -> Tensor:
    scores = (q[..., rows, :] @ k[..., keys, :].transpose(-2, -1)).div_(math.sqrt(q.shape[-1]))
    if causal:
        row = torch.arange(rows.start, rows.stop, device=q.device)[:, None]
        scores.masked_fill_(torch.arange(keys.stop, device=q.device) > row, -math.inf)
    return scores.softmax(-1)


def _kept(weights: Tensor, p: float, seed: int, rows: slice) -> Tensor:
    """Mask of the kept weights, scaled to keep the mean; a function of seed and chunk."""
    generator = torch.Generator(weights.device).manual_seed((seed + rows.start) % 2**63)
    return torch.empty_like(weights).bernoulli_(1 - p, generator=generator).div_(1 - p)


def sincos_2d(height: int, width: int, channels: int) -> Float[Tensor, "tokens channels"]:
    """Fixed 2-D position signal: half of the channels for the row, half for the column (MoCo v3).

    Raises:
        ValueError: channels is no multiple of 4.
    """
    if channels % 4:
        raise ValueError(f"a 2-D sine-cosine position signal needs channels divisible by 4, got {channels}")
    omega = 1.0 / 10_000 ** (torch.arange(channels // 4, dtype=torch.float32) / (channels // 4))
    rows = torch.arange(height, dtype=torch.float32)[:, None] * omega
    columns = torch.arange(width, dtype=torch.float32)[:, None] * omega
    row_part = torch.cat([rows.sin(), rows.cos()], 1)[:, None].expand(-1, width, -1)
    column_part = torch.cat([columns.sin(), columns.cos()], 1)[None].expand(height, -1, -1)
    return torch.cat([row_part, column_part], 2).reshape(height * width, channels)
