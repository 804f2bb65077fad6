"""Kullback-Leibler divergence of the posterior from the standard normal."""

from typing import Literal

import torch
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.types import Batch, Prediction


class KLConfig(LossConfig):
    """KL term."""

    form: Literal["standard", "appendix"] = "standard"
    """'standard' is the divergence; 'appendix' the expression of the R3D listing, which lacks a factor."""


@LOSSES.register("kl", config=KLConfig, cite="arXiv:1312.6114, appendix B")
class KL(Loss):
    """KL(N(mean, sigma^2) || N(0, 1)), summed over latent dimensions, mean over the batch.

    standard: sum of (sigma^2 + mean^2 - 1) / 2 - log sigma. The formula printed in the R3D report is the
    negative of this; minimising that would drive sigma to infinity.
    appendix: sum of sigma^2 + mean^2 - log sigma - 1/2, the listing. It is the divergence from
    N(0, 1/2) plus (ln 2) / 2 per dimension; its minimum, at sigma = 1/sqrt(2), is not 0.
    """

    until = "latent"
    latent_fields = frozenset({"log_var"})

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, KLConfig) and prediction.latent is not None
        mean, log_var = prediction.latent.mean.float(), prediction.latent.log_var
        if log_var is None:
            raise ValueError("KL needs an encoder with a Gaussian posterior (log_var)")
        log_var = log_var.float()
        variance = torch.exp(log_var)
        if self.config.form == "standard":
            terms = 0.5 * (variance + mean**2 - 1 - log_var)
        else:
            terms = variance + mean**2 - 0.5 * log_var - 0.5
        return terms.flatten(1).sum(1).mean()
