"""The 3D blocks of 3D-R2N2's residual decoder; in all of them the activation precedes the addition."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.unpool3d import UnpoolConv3d

SLOPE = 0.01
"""Negative slope of every leaky ReLU of 3D-R2N2."""


class UnpoolResidual3d(nn.Module):
    """Unpool, two 3x3x3 convolutions, and a skip from the unpooled tensor.

    The skip is the identity while the width stays, else a 1x1x1 convolution. Both are zero (or the bias)
    off the even indices, so the unpooled tensor itself is never built.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = UnpoolConv3d(in_channels, out_channels)
        self.conv2 = nn.Conv3d(out_channels, out_channels, 3, padding=1)
        self.skip = None if in_channels == out_channels else nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "batch c x y z"]) -> Float[Tensor, "batch d 2*x 2*y 2*z"]:
        y = F.leaky_relu(self.conv1(x), SLOPE)
        y = F.leaky_relu(self.conv2(y), SLOPE)
        if self.skip is not None:
            assert self.skip.bias is not None
            x = F.conv3d(x, self.skip.weight)
            y = y + self.skip.bias[:, None, None, None]
        y[:, :, ::2, ::2, ::2] += x
        return y


class LateSkipResidual3d(nn.Module):
    """Two 3x3x3 convolutions; the skip, a third one, starts after the first activation.

    So the published network has it (stage 10), unlike the usual skip from the input.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv3d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv3d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch c x y z"]) -> Float[Tensor, "batch d x y z"]:
        first = F.leaky_relu(self.conv1(x), SLOPE)
        return F.leaky_relu(self.conv2(first), SLOPE) + self.skip(first)
