"""PSGN's decoder: points from a vector, and points from the pixels of a map."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn

from zoo.decoders import DECODERS, Decoder
from zoo.layers.psgn import Shape, Step, check_halving, conv, psgn_init, scale_weight
from zoo.registry import EntryConfig
from zoo.types import ContractError, Latent, Points

SIZE = 0.25
"""Root mean square of the first coordinates, in cube edges."""


class PSGNDecoderConfig(EntryConfig):
    """The defaults give 256 points from the vector and 24 x 32 from the map of a picture of 192 x 256."""

    vector_points: int = Field(256, ge=1)
    """Points of the branch of linear layers."""
    hidden: int = Field(1024, ge=1)
    """Width of its one hidden layer."""
    widths: tuple[int, ...] = (256, 128, 64)
    """Channels after each doubling of the map."""
    pixel_points: int = Field(1, ge=1)
    """Points of each pixel of the last map; the network that PSGN shows on 3D-R2N2's pictures has 3."""

    @model_validator(mode="after")
    def _sizes(self) -> "PSGNDecoderConfig":
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"give at least one width, and widths of at least 1, got {self.widths}")
        return self


@DECODERS.register(
    "psgn",
    config=PSGNDecoderConfig,
    smoke={"vector_points": 16, "hidden": 16, "widths": (8, 8)},
    cite="Fan, Su, Guibas, CVPR 2017; arXiv:1612.00603 (PSGN)",
    tags={"representation": "points"},
)
class PSGN(Decoder):
    """The vector's points first, then those of the map, row by row; the number follows from the map.

    The map rises by one step with a skip per width from the coarsest of the encoder's maps, whose sizes must
    halve from one to the next.

    Source: fanhqme/PointSetGeneration, depthestimate/train_nn.py; the same in both of its networks.
    """

    representation = "points"
    latent_fields = frozenset({"features"})

    def __init__(
        self, config: PSGNDecoderConfig, *, latent_dim: int, feature_shapes: Sequence[Shape]
    ) -> None:
        super().__init__(config, latent_dim=latent_dim)
        used = feature_shapes[-len(config.widths) - 1 :]
        if len(used) <= len(config.widths):
            raise ContractError(
                f"decoder 'psgn' with {len(config.widths)} widths needs {len(config.widths) + 1} maps, the "
                f"encoder gives {len(used)}; give decoder.widths fewer numbers"
            )
        check_halving(used)
        self.vector = nn.Sequential(
            nn.Linear(latent_dim, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, 3 * config.vector_points),
        )
        channels, steps = used[-1][0], []
        for (skip, _, _), width in zip(reversed(used[:-1]), config.widths, strict=True):
            steps.append(Step(channels, skip, width, up=True))
            channels = width
        self.steps = nn.ModuleList(steps)
        self.mix = conv(channels, channels)
        self.pixels = conv(channels, 3 * config.pixel_points)
        self.points = config.vector_points + config.pixel_points * used[0][1] * used[0][2]
        self.apply(psgn_init)
        scale_weight(self.vector[-1], SIZE / 2**0.5)
        scale_weight(self.pixels, SIZE / 2**0.5)

    def forward(self, latent: Latent) -> Points:
        *skips, x = latent.features
        for step, skip in zip(self.steps, reversed(skips), strict=False):
            x = step(x, skip)
        x = self.pixels(F.relu(self.mix(x))).movedim(1, 3).reshape(len(x), -1, 3)
        return Points(torch.cat([self.vector(latent.mean).unflatten(1, (-1, 3)), x], 1))
