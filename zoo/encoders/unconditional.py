"""The prior in place of an encoder: what a generator without a picture, such as 3D-GAN's, draws from."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from zoo.encoders import ENCODERS, Encoder
from zoo.registry import EntryConfig
from zoo.types import Latent

UNIFORM_LOG_VAR = math.log(1 / 12)
"""log(sigma^2) of the uniform distribution on [0, 1]."""


class UnconditionalConfig(EntryConfig):
    """The defaults are 3D-GAN's."""

    latent_dim: int = Field(200, ge=1)
    """Size D of the latent vector."""
    distribution: Literal["uniform", "normal"] = "uniform"
    """Distribution of every dimension: uniform on [0, 1] (3D-GAN), or standard normal."""


@ENCODERS.register(
    "unconditional",
    config=UnconditionalConfig,
    smoke={"latent_dim": 8},
    cite="arXiv:1610.07584 (3D-GAN); zck119/3dgan-release, main.lua",
    tags={"latent": "prior"},
)
class Unconditional(Encoder):
    """Says the same of every picture: the distribution that shapes are drawn from.

    It has no parameters and reads nothing of the picture but how many there are. In training every sample is
    a draw, in evaluation it is the mean: the same shape for each.
    """

    provides = frozenset({"log_var"})

    def __init__(self, config: UnconditionalConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        self.distribution = config.distribution

    def prior(self, like: Tensor) -> Latent:
        if self.distribution == "normal":
            return super().prior(like)
        return Latent(torch.full_like(like, 0.5), torch.full_like(like, UNIFORM_LOG_VAR), family="uniform")

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        return self.prior(image.new_empty(len(image), self.latent_dim))
