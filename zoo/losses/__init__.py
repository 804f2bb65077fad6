"""Loss terms: one file per entry; each declares what it reads."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from zoo.config import LossConfig as LossConfig
from zoo.discriminators import Discriminator
from zoo.parts import PartName
from zoo.registry import Registry
from zoo.types import Batch, Prediction


class Loss(nn.Module, ABC):
    """One term of the objective of the model, unweighted.

    Attributes:
        needs: fields of `Batch` that it reads; checked against the data set before training.
        of: the last thing of a prediction that it reads; a stage goes no further than its losses read.
        reads: the representations that it can read from the decoder; empty for any.
        parts: optional parts that the model must have.
        latent: parts of `Latent` that it reads besides `mean`; checked against the encoder.
        adversarial: True when it needs a discriminator, and trains it through `discriminator_loss`.
        prior: True when it reads `Prediction.prior`; may depend on the config.

    What is random in a term is drawn from torch's own generator, which the trainer seeds for every step.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    of: ClassVar[Literal["sketches", "latent", "shapes"]] = "shapes"
    reads: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[frozenset[PartName]] = frozenset()
    latent: ClassVar[frozenset[str]] = frozenset()
    adversarial: ClassVar[bool] = False
    prior: bool = False

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        """A scalar: the mean over the batch."""

    def discriminator_loss(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator
    ) -> tuple[Tensor, Tensor]:
        """What the discriminator learns from, and its accuracy; of adversarial losses only."""
        raise NotImplementedError(f"{type(self).__name__} trains no discriminator")


LOSSES: Registry[Loss] = Registry("loss", Loss, "zoo.losses", "zoo.losses")
