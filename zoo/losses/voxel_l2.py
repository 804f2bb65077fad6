"""Euclidean distance between predicted and true occupancy."""

import torch
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._voxels import logits_and_target
from zoo.types import Batch, Prediction


class VoxelL2Config(LossConfig):
    """Voxel reconstruction term."""

    squared: bool = False
    """The square of the distance instead: the sum of squared differences over the voxels."""


@LOSSES.register(
    "voxel_l2",
    config=VoxelL2Config,
    cite="arXiv:1610.07584 (3D-VAE-GAN)",
    tags={"representation": "voxels"},
)
class VoxelL2(Loss):
    """|G(E(y)) - x|, the norm over the voxels of one sample, not squared; mean over the batch.

    It never exceeds the square root of the number of voxels, 512 at 64^3, and the length of its gradient with
    respect to the probabilities is 1 however far off they are.
    """

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, VoxelL2Config)
        logits, target = logits_and_target("voxel_l2", prediction, batch)
        difference = (torch.sigmoid(logits) - target).flatten(1)
        if self.config.squared:
            return difference.square().sum(1).mean()
        return torch.linalg.vector_norm(difference, dim=1).mean()
