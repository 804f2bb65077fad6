"""The GAN term, both sides of it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.types import Batch, ContractError, Prediction, Voxels


class AdversarialConfig(LossConfig):
    """GAN term; its weight is lambda_adv on the generator's side. The discriminator's loss has weight 1."""


@LOSSES.register(
    "adversarial",
    config=AdversarialConfig,
    cite="arXiv:1406.2661; R3D report (discriminator loss)",
    tags={"representation": "voxels"},
)
class Adversarial(Loss):
    """Non-saturating GAN: the generator minimises -log D(G(z)), the discriminator tells real from fake.

    Labels are those of the R3D report's prose: real is 1, generated is 0. Its formula has them swapped,
    and its author's script stepped the generator on the discriminator's loss, which trains it to help.
    """

    needs = frozenset({"voxels"})
    reads = "voxels"
    adversarial = True

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        if discriminator is None:
            raise ContractError("the adversarial loss needs a discriminator; add one to the model's config")
        assert isinstance(prediction.shapes, Voxels)
        scores = discriminator(torch.sigmoid(prediction.shapes.logits))
        return F.softplus(-scores.float()).mean()

    @staticmethod
    def discriminator_loss(discriminator: Discriminator, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """-log D(real) - log(1 - D(fake)), and the accuracy over both halves.

        Real and generated shapes pass separately, so that batch norm never mixes their statistics.
        """
        real_scores, fake_scores = discriminator(real).float(), discriminator(fake).float()
        loss = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
        accuracy = 0.5 * ((real_scores > 0).float().mean() + (fake_scores <= 0).float().mean())
        return loss, accuracy.detach()
