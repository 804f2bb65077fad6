"""MarrNet's first step as its authors released it anew: a ResNet-18 and three decoders that mirror it."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.layers.timm_models import create_backbone, pad_image, padded
from zoo.registry import EntryConfig
from zoo.sketchers import SKETCHERS, Sketcher
from zoo.types import Sketches

STRIDE = 32
"""The trunk's lowest resolution; pictures are padded to multiples of it."""
STEM = 64
"""Channels of ResNet-18's first convolution, whatever the widths of its stages."""
WIDTHS = (64, 128, 256, 512)
"""ResNet-18's stages; pretrained weights exist for these alone."""
MAPS = {"normals": 3, "depth": 1, "silhouette": 1}
"""One decoder each, and its channels."""


class ResNetUNetConfig(EntryConfig):
    """Widths of the trunk, which the decoders mirror."""

    widths: tuple[int, int, int, int] = WIDTHS
    """Channels of the four stages."""
    pretrained: bool = False
    """Start the trunk from timm's ImageNet weights (a download). They want RGB normalised with ImageNet's
    mean and std: set preprocess.channels, .mean and .std."""
    up: int = Field(64, ge=1)
    """Channels of each decoder at half the picture's size."""

    @model_validator(mode="after")
    def _check(self) -> "ResNetUNetConfig":
        if min(self.widths) < 1:
            raise ValueError(f"widths must be at least 1, got {self.widths}")
        if self.pretrained and self.widths != WIDTHS:
            raise ValueError(f"pretrained weights exist for widths {WIDTHS} alone, got {self.widths}")
        return self


@SKETCHERS.register(
    "resnet_unet",
    config=ResNetUNetConfig,
    smoke={"widths": (4, 4, 8, 8), "up": 4},
    cite="arXiv:1711.03129 (MarrNet); arXiv:1809.05068 (ShapeHD, the PyTorch re-release)",
)
class ResNetUNet(Sketcher):
    """ResNet-18 shared by three mirrored decoders for normals, depth and silhouette, with U-Net skips.

    The decoders double the map where the trunk halves it, and read the trunk's map of the same size beside
    their own. The last layers are linear. With three channels in, 25,363,904 parameters.
    """

    def __init__(self, config: ResNetUNetConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        # without weights to load, every block must begin with a gradient in all of its layers
        options = {} if config.pretrained else {"channels": config.widths, "zero_init_last": False}
        trunk: Any = create_backbone(
            "resnet18", pretrained=config.pretrained, in_chans=in_channels, **options
        )
        self.stages = nn.ModuleList(
            [
                nn.Sequential(trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool),
                *(getattr(trunk, f"layer{i}") for i in (1, 2, 3, 4)),
            ]
        )
        self.padded_size = padded(image_size, STRIDE)
        self.decoders = nn.ModuleDict({name: _Decoder(config, out) for name, out in MAPS.items()})

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Sketches:
        x, maps = pad_image(image, self.padded_size), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        height, width = self.image_size
        top, left = (
            (whole - side) // 2 for whole, side in zip(self.padded_size, self.image_size, strict=True)
        )
        found = {
            name: decoder(maps)[..., top : top + height, left : left + width]
            for name, decoder in self.decoders.items()
        }
        return Sketches(found["depth"][:, 0], found["normals"], found["silhouette"][:, 0])


class _Decoder(nn.Module):
    """ResNet-18 backwards: from the trunk's five maps, the smallest last, to one at the picture's size."""

    def __init__(self, config: ResNetUNetConfig, out_channels: int) -> None:
        super().__init__()
        skips = (
            *reversed(config.widths[:-1]),
            STEM,
        )  # the trunk's maps, beside which each stage's result lies
        planes = (*reversed(config.widths[:-1]), config.up)
        inputs = (config.widths[-1], *(p + s for p, s in zip(planes, skips, strict=True)))
        self.stages = nn.ModuleList(
            nn.Sequential(_ReverseBlock(a, b, stride), _ReverseBlock(b, b, 1))
            for a, b, stride in zip(inputs, planes, (2, 2, 2, 1), strict=False)
        )
        self.out = nn.Sequential(
            _up(inputs[-1], config.up, 3, 2, bias=True),
            nn.BatchNorm2d(config.up),
            nn.ReLU(),
            _up(config.up, out_channels, 7, 2),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = maps[-1]
        for stage, skip in zip(self.stages, reversed(maps[:-1]), strict=True):
            x = torch.cat([stage(x), skip], 1)
        return self.out(x)


class _ReverseBlock(nn.Module):
    """A basic residual block with transposed convolutions; the second of them doubles the map."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _up(channels, out_channels, 3, 1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            _up(out_channels, out_channels, 3, stride),
            nn.BatchNorm2d(out_channels),
        )
        plain = stride == 1 and channels == out_channels
        skip = [_up(channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)]
        self.skip = nn.Identity() if plain else nn.Sequential(*skip)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.skip(x))


def _up(channels: int, out_channels: int, kernel: int, stride: int, bias: bool = False) -> nn.ConvTranspose2d:
    """A transposed convolution that makes the map exactly `stride` times as large."""
    return nn.ConvTranspose2d(
        channels, out_channels, kernel, stride, kernel // 2, output_padding=stride - 1, bias=bias
    )
