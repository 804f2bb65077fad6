"""3D-R2N2's decoder: a recurrent state over the views, unpooled to a voxel grid."""

import math
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.layers.conv_gru import ConvGRU3d
from zoo.layers.mean_fan_init import mean_fan_init
from zoo.layers.residual3d import SLOPE, LateSkipResidual3d, UnpoolResidual3d
from zoo.layers.unpool3d import UnpoolConv3d
from zoo.registry import EntryConfig
from zoo.types import Latent, Voxels

STATE_SIZE = 4
"""Cells per side of the recurrent state."""


class VoxelGRUConfig(EntryConfig):
    """Recurrent unit and decoder; the defaults are the published residual network."""

    depth: Literal["residual", "shallow"] = "residual"
    """Two convolutions per stage with a skip, or one without."""
    resolution: Literal[32, 64, 128] = 32
    """Side of the voxel grid; published at 32, the others add unpooling stages."""
    channels: int = Field(128, ge=4)
    """Channels of the recurrent state; every stage's width follows from it."""
    init: Literal["published", "nonzero"] = "published"
    """Initial weights. 'published' counts all inputs of a convolution, although after unpooling seven of
    eight are zeros, so that every stage shrinks what the picture says by sqrt(8); 'nonzero' makes up for
    it."""

    @model_validator(mode="after")
    def _widths_are_whole(self) -> "VoxelGRUConfig":
        divisor = self.resolution // 8
        if self.channels % divisor:
            raise ValueError(
                f"channels {self.channels} must be a multiple of {divisor} at resolution {self.resolution}: "
                "the width halves from stage to stage"
            )
        return self

    def widths(self) -> tuple[int, ...]:
        """Output channels of each unpooling stage: (128, 128, 64) as published, then halving."""
        halvings = (self.resolution // STATE_SIZE).bit_length() - 2
        return (self.channels, *(self.channels >> i for i in range(halvings)))


@DECODERS.register(
    "voxel_gru",
    config=VoxelGRUConfig,
    smoke={"channels": 8},
    cite="Choy et al., 3D-R2N2, ECCV 2016; arXiv:1604.00449",
    tags={"representation": "voxels", "views": "any"},
)
class VoxelGRU(Decoder):
    """3D-R2N2's recurrent decoder: a convolutional 3D GRU reads 1..V views, then unpooling to voxels.

    Reads `Latent.mean` as (B, V, D) with any V >= 1, in order. With 1024 features, 26,493,312 parameters
    in the recurrent unit and 2,222,562 (residual) or 1,163,298 (shallow) in the stages, as published.

    The network has two logits per cell, empty and occupied. `Voxels.logits` is occupied minus empty: its
    sigmoid is exactly the softmax probability of occupied, and binary cross-entropy on it is exactly the
    published two-class cross-entropy.

    Beyond the paper: resolutions 64 and 128 repeat the last unpooling stage with half the width each.

    Source: chrischoy/3D-R2N2, models/res_gru_net.py and models/gru_net.py.
    """

    representation = "voxels"
    reads_views = True

    def __init__(self, config: VoxelGRUConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.resolution = config.resolution
        self.gru = ConvGRU3d(latent_dim, config.channels, STATE_SIZE)
        build = _residual_stages if config.depth == "residual" else _shallow_stages
        self.stages = build(config.channels, config.widths())
        self.stages.apply(mean_fan_init)
        if config.init == "nonzero":
            self.stages.apply(_undo_the_zeros)

    def forward(self, latent: Latent) -> Voxels:
        """Voxels of `latent.mean` (B, V, D).

        Raises:
            ValueError: the mean is not (B, V, D) with the D that the decoder was built for, or V is 0.
        """
        x = latent.mean
        if x.ndim != 3 or x.shape[-1] != self.latent_dim:
            raise ValueError(f"voxel_gru reads (B, V, {self.latent_dim}), got {tuple(x.shape)}")
        empty, occupied = self.two_class_logits(x).unbind(1)
        return Voxels(occupied - empty)

    def two_class_logits(self, x: Tensor) -> Tensor:
        """Logits (B, 2, R, R, R) of empty and occupied from features (B, V, D)."""
        # a third of the time of the usual layout on a CPU, where convolutions of so few channels are slow
        return self.stages(self.gru(x).contiguous(memory_format=torch.channels_last_3d))


def _undo_the_zeros(module: nn.Module) -> None:
    """Initial weights of an unpooling convolution for the one input of eight that is not zero."""
    if isinstance(module, UnpoolConv3d):
        with torch.no_grad():
            module.weight *= math.sqrt(8)


def _residual_stages(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    stages: list[nn.Module] = []
    for width in widths:
        stages.append(UnpoolResidual3d(channels, width))
        channels = width
    head = channels // 2
    return nn.Sequential(*stages, LateSkipResidual3d(channels, head), nn.Conv3d(head, 2, 3, padding=1))


def _shallow_stages(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    stages: list[nn.Module] = []
    for width in widths:
        stages += [UnpoolConv3d(channels, width), nn.LeakyReLU(SLOPE)]
        channels = width
    head = channels // 2
    stages += [nn.Conv3d(channels, head, 3, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*stages, nn.Conv3d(head, 2, 3, padding=1))
