"""A convolution of an unpooled grid that skips the zeros."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class UnpoolConv3d(nn.Conv3d):
    """Unpool by zero insertion, then a 3x3x3 convolution; 3D-R2N2's way of doubling the side.

    Unpooling puts the values at the even indices of a grid of twice the side and zeros elsewhere. Seven
    of eight cells that the convolution then reads are zeros; as a transposed convolution with stride 2
    they are never touched, for the same result (on a CPU in a fifth of the time).

    Source: chrischoy/3D-R2N2, lib/layers.py (Unpool3DLayer).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "batch c x y z"]) -> Float[Tensor, "batch d 2*x 2*y 2*z"]:
        weight = self.weight.transpose(0, 1).flip(2, 3, 4)
        return F.conv_transpose3d(x, weight, self.bias, stride=2, padding=1, output_padding=1)
