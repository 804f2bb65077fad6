"""Layers of several small networks side by side, one per patch of a surface: all of them in one product.

Features are (P, C, N): patches, channels, points of all samples.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PatchLinear(nn.Module):
    """One linear layer per patch, with the initial weights of `torch.nn.Linear`.

    Args:
        fan_in: inputs that the initial weights go by; more than `inputs` where others are added to this
            layer's outputs.
    """

    def __init__(
        self, patches: int, inputs: int, outputs: int, *, bias: bool = True, fan_in: int | None = None
    ) -> None:
        super().__init__()
        bound = (fan_in or inputs) ** -0.5
        self.weight = nn.Parameter(torch.empty(patches, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(patches, outputs, 1).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Float[Tensor, "#patches inputs n"]) -> Float[Tensor, "patches outputs n"]:
        x = x.expand(len(self.weight), -1, -1)
        return self.weight @ x if self.bias is None else torch.baddbmm(self.bias, self.weight, x)


class PatchNorm(nn.BatchNorm1d):
    """Batch normalisation of every channel of every patch by itself, over the points of all samples."""

    def __init__(self, patches: int, channels: int) -> None:
        super().__init__(patches * channels)

    def forward(self, input: Float[Tensor, "patches channels n"]) -> Float[Tensor, "patches channels n"]:
        patches, channels, n = input.shape
        return super().forward(input.reshape(1, patches * channels, n)).view(patches, channels, n)
