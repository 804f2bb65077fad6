"""DRC's voxel decoder, which may say of each cell that it is empty or that it is occupied."""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.layers.normal_init import normal_init
from zoo.registry import EntryConfig
from zoo.types import Latent, Voxels

SEED = 2
"""Side of the grid that the latent is mapped to."""
HALVINGS = 4
"""How often the published widths halve; further doublings of the side keep the width."""


class DRCDeconvConfig(EntryConfig):
    """The defaults are the published network for ray losses."""

    resolution: Literal[32, 64, 128] = 32
    """Side of the voxel grid."""
    width: int = Field(128, ge=1)
    """Channels at 2^3; each of the first four doublings of the side halves them."""
    output: Literal["empty", "occupied"] = "empty"
    """What (tanh + 1) / 2 of the last layer is the probability of: 'empty' in the published networks for ray
    losses, 'occupied' in the one that learns from voxels."""


@DECODERS.register(
    "drc_deconv",
    config=DRCDeconvConfig,
    smoke={"width": 8},
    cite="Tulsiani et al., DRC, CVPR 2017; arXiv:1704.06254",
    tags={"representation": "voxels"},
)
class DRCDeconv(Decoder):
    """Linear map to 2^3, transposed convolutions 4/2/1, one convolution; batch norm and ReLU throughout.

    From a 100-d latent to 32^3 it has 802,369 parameters, as published. (tanh(y) + 1) / 2 is the sigmoid of
    2 y, so the logits of occupancy are -2 y or 2 y.

    Source: shubhtuls/drc, nnutils/netBlocks.lua and experiments/synthetic/.
    """

    representation = "voxels"

    def __init__(self, config: DRCDeconvConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.resolution = config.resolution
        doublings = (config.resolution // SEED).bit_length() - 1
        widths = [max(1, config.width >> min(i, HALVINGS)) for i in range(doublings + 1)]
        cells = widths[0] * SEED**3
        self.stem = nn.Sequential(
            nn.Linear(latent_dim, cells),
            nn.BatchNorm1d(cells),
            nn.ReLU(),
            nn.Unflatten(1, (widths[0], SEED, SEED, SEED)),
        )
        layers: list[nn.Module] = []
        for channels, out_channels in pairwise(widths):
            layers.append(nn.ConvTranspose3d(channels, out_channels, 4, stride=2, padding=1))
            layers += [nn.BatchNorm3d(out_channels), nn.ReLU()]
        layers.append(nn.Conv3d(widths[-1], 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        self.scale = 2.0 if config.output == "occupied" else -2.0
        self.apply(normal_init)

    def forward(self, latent: Latent) -> Voxels:
        seed = self.stem(latent.mean)
        # channels last: with as few channels as here, CPU kernels then take half the time
        y: Tensor = self.layers(seed.contiguous(memory_format=torch.channels_last_3d))
        return Voxels(self.scale * y.squeeze(1).contiguous())
