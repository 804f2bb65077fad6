"""What a viewpoint head learns from: the bins of the true camera."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.pose import ANGLES
from zoo.types import Batch, ContractError, Prediction


@LOSSES.register("pose", config=LossConfig, cite="arXiv:1804.04610 (Pix3D), section 5")
class Pose(Loss):
    """Cross-entropy of the true bin, summed over the angles that the head predicts, of the first view.

    The angles are those of the model's frame: only in the canonical one is there something to learn.
    """

    batch_fields = frozenset({"camera"})
    until = "latent"
    requires_parts = frozenset({"head"})

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert prediction.latent is not None and batch.camera is not None
        scores = {name: s.float() for name, s in prediction.latent.aux.items() if name in ANGLES}
        if not scores:
            raise ContractError(
                f"loss 'pose' needs a head that predicts {' or '.join(ANGLES)}, as head: {{name: pose_bins}}"
            )
        terms = []
        for name, logits in scores.items():
            angle = ANGLES[name]
            terms.append(F.cross_entropy(logits, angle.bins(angle.of(batch.camera[:, 0]), logits.shape[1])))
        return torch.stack(terms).sum()
