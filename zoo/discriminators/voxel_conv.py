"""Strided-convolution voxel discriminator: R3D's and 3D-GAN's are configurations of it."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from zoo.discriminators import DISCRIMINATORS, Discriminator
from zoo.layers.halving_conv3d import HalvingConv3d
from zoo.layers.norm3d import Norm, norm3d
from zoo.registry import EntryConfig


class VoxelConvConfig(EntryConfig):
    """The defaults are R3D's discriminator; `bias_out: false` is 3D-GAN's."""

    width: int = Field(64, ge=1)
    """Channels of the first layer; every halving of the side doubles them."""
    down: Literal["stride", "maxpool"] = "stride"
    """How the side halves: convolution 4/2/1 (R3D's listing, 3D-GAN), or convolution 3/1/1 and max
    pooling (R3D's text)."""
    norm: Norm = "batch"
    """Normalisation after each convolution, the first included, as listed."""
    slope: float = 0.2
    """Negative slope of the leaky ReLU."""
    bias_out: bool = True
    """Bias of the last layer."""


@DISCRIMINATORS.register(
    "voxel_conv",
    config=VoxelConvConfig,
    smoke={"width": 4},
    cite="R3D report, appendix; arXiv:1610.07584 (3D-GAN)",
    tags={"representation": "voxels"},
)
class VoxelConv(Discriminator):
    """Halves the grid with convolutions down to 4^3, then one linear layer to a logit.

    R3D's at 64^3 has 11,048,833 parameters, 3D-GAN's 11,048,832 (its last 4^3 convolution is the same
    linear layer without the bias). The published sigmoid is left to the loss, which takes logits.
    """

    representation = "voxels"

    def __init__(self, config: VoxelConvConfig, *, resolution: int) -> None:
        super().__init__(config, resolution=resolution)
        layers: list[nn.Module] = []
        channels = 1
        for i in range((resolution // 4).bit_length() - 1):
            out_channels = config.width << i
            if config.down == "stride":
                layers += [HalvingConv3d(channels, out_channels, bias=False)]
            else:
                layers += [nn.Conv3d(channels, out_channels, 3, padding=1, bias=False), nn.MaxPool3d(2)]
            layers += [norm3d(config.norm, out_channels), nn.LeakyReLU(config.slope)]
            channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(channels * 64, 1, bias=config.bias_out)

    def responses(self, shapes: Float[Tensor, "batch r r r"]) -> tuple[Tensor, ...]:
        found, x = [], shapes.unsqueeze(1)
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return tuple(found)

    def forward(self, shapes: Float[Tensor, "batch r r r"]) -> Float[Tensor, " batch"]:
        if shapes.shape[-1] != self.resolution:
            raise ValueError(f"discriminator built for {self.resolution}^3 voxels, got {tuple(shapes.shape)}")
        return self.out(self.layers(shapes.unsqueeze(1)).flatten(1)).squeeze(1)
