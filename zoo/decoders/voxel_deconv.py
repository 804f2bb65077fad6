"""Transposed-convolution voxel decoder: R3D's and 3D-GAN's generators are configurations of it."""

import math
from itertools import pairwise
from typing import Literal, cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.layers.norm3d import Norm, norm3d
from zoo.registry import EntryConfig
from zoo.types import Latent, Voxels


class VoxelDeconvConfig(EntryConfig):
    """The defaults are R3D's generator; `stem: deconv, width: 512, bias: false` is 3D-GAN's."""

    resolution: Literal[32, 64, 128] = 64
    """Side of the voxel grid."""
    width: int = Field(64, ge=1)
    """Channels at 4^3; every doubling of the side halves them."""
    stem: Literal["linear", "deconv"] = "linear"
    """How the vector becomes width x 4^3: a linear layer without activation (R3D), or a transposed
    convolution with norm and ReLU (3D-GAN)."""
    up: Literal["deconv", "interp"] = "deconv"
    """How the side doubles: transposed convolution 4/2/1 (the listings), or nearest upsampling and a
    convolution 3/1/1 (R3D's text)."""
    norm: Norm = "batch"
    """Normalisation after each layer but the last."""
    bias: bool = True
    """Biases in the convolutions (3D-GAN has none)."""
    prior: float | None = Field(None, gt=0, lt=1)
    """Probability of an occupied cell that the last bias starts from (RetinaNet, arXiv:1708.02002, section
    4.1); None leaves it near one half. Without it the first steps, in which nearly every cell must become
    empty, turn the last weights negative throughout, and no cell is ever likelier than one half."""

    @model_validator(mode="after")
    def _prior_needs_bias(self) -> "VoxelDeconvConfig":
        if self.prior is not None and not self.bias:
            raise ValueError("prior sets the last bias, but bias is false; leave one of them out")
        return self


@DECODERS.register(
    "voxel_deconv",
    config=VoxelDeconvConfig,
    smoke={"resolution": 32, "width": 8},
    cite="R3D report, appendix; arXiv:1610.07584 (3D-GAN, 3D-VAE-GAN)",
    tags={"representation": "voxels"},
)
class VoxelDeconv(Decoder):
    """Doubles a 4^3 map with transposed convolutions until the wanted resolution; gives logits.

    R3D at 64^3 from a 1024-d latent has 4,371,113 parameters, 3D-GAN's generator from 200-d 17,569,664.
    """

    representation = "voxels"

    def __init__(self, config: VoxelDeconvConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.resolution = config.resolution
        doublings = (config.resolution // 4).bit_length() - 1
        widths = [max(1, config.width >> i) for i in range(doublings)]
        stem: list[nn.Module]
        if config.stem == "linear":
            stem = [nn.Linear(latent_dim, widths[0] * 64), nn.Unflatten(1, (widths[0], 4, 4, 4))]
        else:
            stem = [
                nn.Unflatten(1, (latent_dim, 1, 1, 1)),
                nn.ConvTranspose3d(latent_dim, widths[0], 4, bias=config.bias),
                norm3d(config.norm, widths[0]),
                nn.ReLU(),
            ]
        self.stem = nn.Sequential(*stem)
        layers: list[nn.Module] = []
        for channels, out_channels in pairwise(widths):
            layers += self._double(channels, out_channels, config)
            layers += [norm3d(config.norm, out_channels), nn.ReLU()]
        layers += self._double(widths[-1], 1, config)
        self.layers = nn.Sequential(*layers)
        if config.prior is not None:
            nn.init.constant_(cast(Tensor, self.layers[-1].bias), math.log(config.prior / (1 - config.prior)))

    @staticmethod
    def _double(channels: int, out_channels: int, config: VoxelDeconvConfig) -> list[nn.Module]:
        if config.up == "deconv":
            return [nn.ConvTranspose3d(channels, out_channels, 4, stride=2, padding=1, bias=config.bias)]
        return [
            nn.Upsample(scale_factor=2),
            nn.Conv3d(channels, out_channels, 3, padding=1, bias=config.bias),
        ]

    def forward(self, latent: Latent) -> Voxels:
        return Voxels(self.layers(self.stem(latent.mean)).squeeze(1))
