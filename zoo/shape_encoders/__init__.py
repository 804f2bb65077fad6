"""Shape encoders: a true shape to a latent, for stages that learn to decode before they learn to see."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from zoo.registry import EntryConfig, Registry
from zoo.types import Batch, Latent


class ShapeEncoder(nn.Module, ABC):
    """Reads the true shape of each sample.

    Attributes:
        batch_fields: fields of `Batch` that it reads.

    >>> import torch, zoo
    >>> entry = zoo.SHAPE_ENCODERS.get("point_net")
    >>> encoder = entry.cls(entry.smoke_config(), latent_dim=8)
    >>> sorted(encoder.batch_fields)
    ['points']
    """

    batch_fields: ClassVar[frozenset[str]]

    def __init__(self, config: EntryConfig, *, latent_dim: int) -> None:
        """Args: latent_dim is D of the latent, the same as the image encoder's."""
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim

    @abstractmethod
    def forward(self, batch: Batch) -> Latent:
        """Latents (B, D) of the true shapes."""


SHAPE_ENCODERS: Registry[ShapeEncoder] = Registry(
    "shape_encoder",
    ShapeEncoder,
    "zoo.shape_encoders",
    "zoo.shape_encoders",
    renamed={"reads": "batch_fields"},
)
