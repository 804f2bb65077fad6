"""A strided 3D convolution that reads one channel, made fast on a CPU."""

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


class HalvingConv3d(nn.Conv3d):
    """Convolution with kernel 4, stride 2, padding 1: halves the side of a grid.

    With one input channel, as in the first layer of a voxel discriminator, CPU kernels leave their vector
    lanes empty. There the same sum is taken over 2x2x2 blocks moved into channels: 8 channels, kernel 2,
    stride 1, and about three times the speed. Parameters, values and gradients are those of `nn.Conv3d`.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if self.in_channels > 1 or input.device.type != "cpu":
            return super().forward(input)
        blocks = rearrange(
            F.pad(input, (1,) * 6), "b c (x i) (y j) (z k) -> b (c i j k) x y z", i=2, j=2, k=2
        )
        weight = rearrange(self.weight, "o c (x i) (y j) (z k) -> o (c i j k) x y z", i=2, j=2, k=2)
        return F.conv3d(blocks, weight, self.bias)
