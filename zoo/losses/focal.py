"""Focal loss on occupancy."""

from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._voxels import logits_and_target, per_voxel
from zoo.types import Batch, Prediction


class FocalConfig(LossConfig):
    """Config of the focal loss."""

    gamma: float = Field(2.0, ge=0)
    """How much less a cell counts that is right already; 0 is cross-entropy."""
    alpha: float | None = Field(None, gt=0, lt=1)
    """Weight of occupied cells, 1 less it of the others; None for equal ones."""
    reduction: Literal["sum", "mean"] = "mean"
    """Over the voxels of one sample."""


@LOSSES.register(
    "focal",
    config=FocalConfig,
    cite="arXiv:1708.02002 (RetinaNet)",
    tags={"representation": "voxels"},
)
class Focal(Loss):
    """-(1 - q)^gamma log q of the probability q of what is true, reduced over voxels, mean over the batch."""

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, FocalConfig)
        logits, target = logits_and_target("focal", prediction, batch)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        p = logits.sigmoid()
        wrong = (p + target - 2 * p * target).clamp(min=0)  # 1 - q
        value = wrong.pow(self.config.gamma) * entropy
        if self.config.alpha is not None:
            value = value * (self.config.alpha * target + (1 - self.config.alpha) * (1 - target))
        return per_voxel(value, self.config.reduction)
