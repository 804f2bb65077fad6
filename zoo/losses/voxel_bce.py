"""Binary cross-entropy between predicted and true occupancy."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._voxels import logits_and_target, per_voxel
from zoo.types import Batch, Prediction


class VoxelBCEConfig(LossConfig):
    """Voxel reconstruction term."""

    reduction: Literal["sum", "mean"] = "sum"
    """Over the voxels of one sample. The KL term weighs R^3 times more against 'mean' than against
    'sum': 262,144 times at 64^3, at which the posterior collapses."""


@LOSSES.register(
    "voxel_bce",
    config=VoxelBCEConfig,
    cite="R3D report (reconstruction loss); arXiv:1604.00449 (3D-R2N2)",
    tags={"representation": "voxels"},
)
class VoxelBCE(Loss):
    """Cross-entropy per voxel from logits, reduced over voxels as stated, mean over the batch.

    For a two-class output it equals the two-class softmax cross-entropy of 3D-R2N2, because `Voxels.logits`
    is the difference of the two logits. Fractional targets are allowed (their floor is not 0).
    """

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, VoxelBCEConfig)
        logits, target = logits_and_target("voxel_bce", prediction, batch)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return per_voxel(entropy, self.config.reduction)
