"""Self-attention through a kernel in place of softmax: its cost grows with the positions alone."""

import torch.nn.functional as F
from torch import Tensor

from zoo.layers.attention import Attention2d

EPSILON = 1e-6
"""Added to the sum of the weights, which the feature map keeps positive but not away from 0."""


class LinearAttention2d(Attention2d):
    """Multi-head linear attention over all positions of a map (arXiv:2006.16236, section 3.2).

    The weight of a key is phi(q) . phi(k) with phi(x) = elu(x) + 1, over the sum of all weights.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        return linear_attention(q, k, v)


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Linear attention (B, heads, N, d): keys and values meet first, so that no N x N weights exist.

    Args:
        q, k, v: (B, heads, N, d).
    """
    q, k = F.elu(q) + 1, F.elu(k) + 1
    total = q @ k.sum(-2).unsqueeze(-1)
    return (q @ (k.transpose(-2, -1) @ v)) / (total + EPSILON)
