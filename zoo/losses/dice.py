"""Dice loss on occupancy."""

import torch
from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._voxels import logits_and_target
from zoo.types import Batch, Prediction


class DiceConfig(LossConfig):
    """The defaults are V-Net's loss; `factor: 1, smooth: 1` is that of 3D-RETR's program."""

    factor: float = Field(2.0, gt=0)
    """Factor of the overlap: 2 makes a perfect prediction's loss 0; without it 3D-RETR's is one half."""
    smooth: float = Field(0.0, ge=0)
    """Added to numerator and denominator."""


@LOSSES.register(
    "dice",
    config=DiceConfig,
    smoke={"smooth": 1.0},
    cite="arXiv:1606.04797 (V-Net); arXiv:2110.08861 (3D-RETR)",
    tags={"representation": "voxels"},
)
class Dice(Loss):
    """1 - (f sum p t + s) / (sum p^2 + sum t^2 + s) of probabilities p and truth t, per sample, averaged."""

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, DiceConfig)
        logits, target = logits_and_target("dice", prediction, batch)
        p, t = torch.sigmoid(logits.float()).flatten(1), target.flatten(1)
        squares = p.square().sum(1) + t.square().sum(1) + self.config.smooth
        overlap = self.config.factor * (p * t).sum(1) + self.config.smooth
        return (1 - overlap / squares.clamp(min=1e-6)).mean()
