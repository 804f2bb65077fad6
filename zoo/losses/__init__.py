"""Loss terms: one file per entry; each declares what it reads."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from zoo.discriminators import Discriminator
from zoo.registry import EntryConfig, Registry
from zoo.types import Batch, Prediction


class LossConfig(EntryConfig):
    """What every loss term has."""

    weight: float = Field(1.0, ge=0)
    """Factor of the term in the sum; 0 switches it off."""
    warmup: float = Field(0.0, ge=0, le=1)
    """Share of the training steps over which the weight rises linearly from 0."""


class Loss(nn.Module, ABC):
    """One term of the objective of encoder and decoder, unweighted.

    Attributes:
        needs: fields of `Batch` that it reads; checked against the data set before training.
        reads: the representation that it reads from the decoder; None for any.
        latent: parts of `Latent` that it reads besides `mean`; checked against the encoder.
        adversarial: True when it needs a discriminator, and trains it through `discriminator_loss`.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    reads: ClassVar[str | None] = None
    latent: ClassVar[frozenset[str]] = frozenset()
    adversarial: ClassVar[bool] = False

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        """A scalar: the mean over the batch."""


LOSSES: Registry[Loss] = Registry("loss", Loss, "zoo.losses", "zoo.losses")
