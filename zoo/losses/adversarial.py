"""The GAN term, both sides of it."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.types import Batch, ContractError, Prediction, Voxels


class AdversarialConfig(LossConfig):
    """GAN term; its weight is lambda_adv on the generator's side. The discriminator's loss has weight 1."""

    fakes: Literal["posterior", "prior", "both"] = "posterior"
    """Generated shapes that it is about: decoded from what the encoder inferred (R3D), from draws of the
    encoder's prior (3D-VAE-GAN), or both."""
    form: Literal["saturating", "non-saturating"] = "non-saturating"
    """What the generator minimises: log(1 - D(G(z))), whose gradient vanishes where the discriminator is sure
    (the formula of 3D-GAN), or -log D(G(z)), which has the same fixed point and a gradient everywhere."""


@LOSSES.register(
    "adversarial",
    config=AdversarialConfig,
    cite="arXiv:1406.2661; R3D report (discriminator loss)",
    tags={"representation": "voxels"},
)
class Adversarial(Loss):
    """GAN: the generator wants its shapes to be called real, the discriminator tells real from fake.

    Labels are those of the R3D report's prose: real is 1, generated is 0. Its formula has them swapped,
    and its author's script stepped the generator on the discriminator's loss, which trains it to help.
    """

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)
    adversarial = True

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__(config)
        self.fakes = config.fakes
        self.saturating = config.form == "saturating"
        self.reads_prior = config.fakes != "posterior"

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        if discriminator is None:
            raise ContractError("the adversarial loss needs a discriminator; add one to the model's config")
        scores = torch.cat([discriminator(fake) for fake in self._fakes(prediction)]).float()
        return (-F.softplus(scores) if self.saturating else F.softplus(-scores)).mean()

    def discriminator_loss(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator
    ) -> tuple[Tensor, Tensor]:
        """-log D(real) - log(1 - D(fake)), and the accuracy over both halves."""
        assert batch.voxels is not None
        fakes = [fake.detach() for fake in self._fakes(prediction)]
        return tell_apart(discriminator, batch.voxels, *fakes)

    def _fakes(self, prediction: Prediction) -> list[Tensor]:
        """Generated probabilities (B, R, R, R) of each kind that the config names."""
        kinds = {"posterior": prediction.shapes, "prior": prediction.prior}
        chosen = [shapes for name, shapes in kinds.items() if self.fakes in (name, "both")]
        found = []
        for shapes in chosen:
            assert isinstance(shapes, Voxels)
            found.append(torch.sigmoid(shapes.logits.float()))
        return found


def tell_apart(discriminator: Discriminator, real: Tensor, *fakes: Tensor) -> tuple[Tensor, Tensor]:
    """The discriminator's loss and its accuracy over real and generated shapes (B, R, R, R).

    Every kind passes separately, so that batch norm never mixes their statistics.
    """
    real_scores = discriminator(real).float()
    fake_scores = torch.cat([discriminator(fake) for fake in fakes]).float()
    loss = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
    accuracy = 0.5 * ((real_scores > 0).float().mean() + (fake_scores <= 0).float().mean())
    return loss, accuracy.detach()
