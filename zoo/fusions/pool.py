"""Views pooled without weights: their mean, their maximum, or the product of their posteriors."""

import math
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.fusions import FUSIONS, Fusion
from zoo.registry import EntryConfig
from zoo.types import Latent


class PoolConfig(EntryConfig):
    """How views are pooled."""

    over: Literal["mean", "max", "product"] = "mean"
    """'mean' of the views' codes; 'max' in each dimension; or the normalised 'product' of the views' Gaussian
    posteriors, in which a view counts by how sure it is."""


@FUSIONS.register(
    "pool",
    config=PoolConfig,
    cite="arXiv:1505.00880 (max over views); DOI 10.1162/089976602760128018 (product)",
)
class Pool(Fusion):
    """Pools the latents of any number of views; their order does not matter, and one view stays as it is.

    Of Gaussian posteriors N(m_v, s_v^2) of the views v:

    - mean: what the views would draw is averaged, all with the same noise, for they show one object: mean
      and sigma are the means of the m_v and of the s_v.
    - max: in each dimension the posterior of the view with the largest m_v.
    - product: experts that are independent of each other (Hinton 2002): the precisions 1 / s_v^2 add up,
      the mean is that of the m_v weighted by them. More views are always surer than one.
    """

    def __init__(self, config: PoolConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.over = config.over
        if config.over == "product":
            self.latent_fields = frozenset({"log_var"})

    def forward(self, latent: Latent) -> Latent:
        mean, log_var = latent.mean, latent.log_var
        if self.over == "mean":
            fused = mean.mean(1), None if log_var is None else mean_sigma(log_var)
        elif self.over == "max":
            largest, view = mean.max(1, keepdim=True)
            fused = largest[:, 0], None if log_var is None else log_var.gather(1, view)[:, 0]
        else:
            if log_var is None:
                raise ValueError("pool over product needs a Gaussian posterior (log_var) of every view")
            fused = _product(mean, log_var)
        return replace(latent, mean=fused[0], log_var=fused[1])


def mean_sigma(log_var: Float[Tensor, "batch views d"]) -> Float[Tensor, "batch d"]:
    """The log-variance of which sigma is the mean of the views' sigmas."""
    return 2 * (torch.logsumexp(log_var / 2, 1) - math.log(log_var.shape[1]))


def _product(mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (B, D) of the product of Gaussians (B, V, D)."""
    weights = torch.softmax(-log_var, 1)  # shares of the summed precision
    return (weights * mean).sum(1), -torch.logsumexp(-log_var, 1)
