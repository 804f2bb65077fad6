"""3D-R2N2's image encoder, residual and shallow."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.mean_fan_init import mean_fan_init
from zoo.layers.residual3d import SLOPE
from zoo.registry import EntryConfig
from zoo.types import Latent

Skip = Literal["none", "conv", "identity"]
_SKIPS: tuple[Skip, ...] = ("none", "conv", "conv", "none", "conv", "identity")


class ResidualCNNConfig(EntryConfig):
    """Six blocks, each ending in a pooling; the defaults are the published residual network."""

    depth: Literal["residual", "shallow"] = "residual"
    """Two convolutions per block, four of the blocks with a skip; or one per block without."""
    latent_dim: int = 1024
    """Size D of the feature vector."""
    widths: tuple[int, int, int, int, int, int] = (96, 128, 256, 256, 256, 256)
    """Output channels of each block."""

    @model_validator(mode="after")
    def _identity_skip_fits(self) -> "ResidualCNNConfig":
        if self.depth == "residual" and self.widths[4] != self.widths[5]:
            raise ValueError(
                f"the skip of block 6 is the identity, so blocks 5 and 6 must have equal widths, "
                f"got {self.widths[4]} and {self.widths[5]}"
            )
        return self


class ResidualBlock2d(nn.Module):
    """Two convolutions with the activation before the addition of the skip, then the pooling.

    Args:
        kernel: size of the first convolution; the second is 3x3.
        skip: what is added before the pooling: nothing, the input, or a 1x1 convolution of it.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, skip: Skip) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip: nn.Module | None = None
        if skip == "conv":
            self.skip = nn.Conv2d(in_channels, out_channels, 1)
        elif skip == "identity":
            self.skip = nn.Identity()

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch d h2 w2"]:
        y = F.leaky_relu(self.conv1(x), SLOPE)
        y = F.leaky_relu(self.conv2(y), SLOPE)
        return _pool(y if self.skip is None else y + self.skip(x))


class ShallowBlock2d(nn.Module):
    """One convolution, pooled before the activation."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch d h2 w2"]:
        return F.leaky_relu(_pool(self.conv(x)), SLOPE)


def _pool(x: Tensor) -> Tensor:
    """Side n to n // 2 + 1: 127 -> 64 -> 33 -> 17 -> 9 -> 5 -> 3."""
    return F.max_pool2d(x, kernel_size=2, stride=2, padding=1)


@ENCODERS.register(
    "residual_cnn",
    config=ResidualCNNConfig,
    smoke={"latent_dim": 8, "widths": (4, 6, 8, 8, 8, 8)},
    cite="Choy et al., 3D-R2N2, ECCV 2016; arXiv:1604.00449",
    tags={"latent": "deterministic"},
)
class ResidualCNN(Encoder):
    """3D-R2N2's CNN: six conv blocks with padded max-pooling, one linear layer; deterministic.

    At 3x127x127 the residual version has 7,252,832 parameters (convolutions 4,892,512, linear 2,360,320),
    as published; at other sizes only the linear layer differs. No normalisation anywhere; leaky ReLU
    with slope 0.01.

    Source: chrischoy/3D-R2N2, models/res_gru_net.py and models/gru_net.py.
    """

    def __init__(self, config: ResidualCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        blocks: list[nn.Module] = []
        channels = in_channels
        for index, (width, skip) in enumerate(zip(config.widths, _SKIPS, strict=True)):
            kernel = 7 if index == 0 else 3
            if config.depth == "residual":
                blocks.append(ResidualBlock2d(channels, width, kernel=kernel, skip=skip))
            else:
                blocks.append(ShallowBlock2d(channels, width, kernel=kernel))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        height, width = image_size
        for _ in blocks:
            height, width = height // 2 + 1, width // 2 + 1
        self.linear = nn.Linear(channels * height * width, config.latent_dim)
        self.apply(mean_fan_init)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        features = self.blocks(image).flatten(1)
        return Latent(F.leaky_relu(self.linear(features), SLOPE))
