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
        batch_fields: fields of `Batch` that it reads; checked against the data set before training.
        latent_fields: fields of `Latent` that it reads besides `mean`; checked against the encoder.
        representations: the representations that it can read from the decoder; empty for any.
        decoders: names of those that it works with, where it reads more than shapes; empty for any.
        until: the last output of the forward pass that it reads. A training stage computes nothing past the
            furthest of its losses.
        requires_parts: optional parts that the model must have.
        adversarial: True when it needs a discriminator, and trains it through `discriminator_loss`.
        reads_prior: True when it reads `Prediction.prior`; may depend on the config.

    What is random in a term is drawn from torch's own generator, which the trainer seeds for every step.

    >>> import torch, zoo
    >>> from zoo.testing.smoke import SmokeSource
    >>> entry = zoo.LOSSES.get("kl")
    >>> loss = entry.cls(entry.config())
    >>> latent = zoo.Latent(torch.zeros(2, 8), torch.zeros(2, 8))  # the prior itself
    >>> loss(zoo.Prediction(latent=latent), SmokeSource().fetch([0, 1], [[0], [0]])).item()
    0.0
    """

    batch_fields: ClassVar[frozenset[str]] = frozenset()
    latent_fields: ClassVar[frozenset[str]] = frozenset()
    representations: ClassVar[tuple[str, ...]] = ()
    decoders: ClassVar[tuple[str, ...]] = ()
    until: ClassVar[Literal["sketches", "latent", "shapes"]] = "shapes"
    requires_parts: ClassVar[frozenset[PartName]] = frozenset()
    adversarial: ClassVar[bool] = False
    reads_prior: bool = False

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config

    def bind(self, model: nn.Module) -> None:
        """Take what of the model the loss reads besides its predictions; called once, before the first step.

        Raises:
            ContractError: the model does not have it.
        """
        return None

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


LOSSES: Registry[Loss] = Registry(
    "loss",
    Loss,
    "zoo.losses",
    "zoo.losses",
    renamed={
        "needs": "batch_fields",
        "latent": "latent_fields",
        "reads": "representations",
        "of": "until",
        "parts": "requires_parts",
        "prior": "reads_prior",
    },
)
