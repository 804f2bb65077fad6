"""Overlap of predicted and true occupancy, of which an IoU is made."""

import torch
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._voxels import logits_and_target
from zoo.types import Batch, Prediction


@LOSSES.register(
    "soft_iou",
    config=LossConfig,
    cite="arXiv:2004.12989 (CoReNet); Rahman and Wang, ISVC 2016",
    tags={"representation": "voxels"},
)
class SoftIoU(Loss):
    """1 - sum p t / sum (p + t - p t) of probabilities p and truth t, per sample; mean over the batch.

    For a truth of 0 and 1 it is CoReNet's 1 - sum min(p, t) / sum max(p, t). An empty truth gives 1 for any
    prediction but an empty one.
    """

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        logits, target = logits_and_target("soft_iou", prediction, batch)
        p, t = torch.sigmoid(logits.float()).flatten(1), target.flatten(1)
        both = (p * t).sum(1)
        either = p.sum(1) + t.sum(1) - both
        return (1 - both / either.clamp(min=1e-6)).mean()
