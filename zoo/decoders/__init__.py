"""Decoders: latent to shapes. One file per entry; see `Decoder` for the contract."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from zoo.registry import EntryConfig, Registry
from zoo.types import Latent, Shapes, Source


class Decoder(nn.Module, ABC):
    """Turns a latent into a batch of shapes in the canonical frame.

    Attributes:
        representation: what comes out: that of the `Shapes` it gives, as 'voxels', 'points' or 'mesh'.
        latent_fields: fields of `Latent` that it reads besides `mean`. One that reads 'features' is
            built with ``feature_shapes`` as well, those of the encoder.
        reads_views: True when it takes (B, V, D), any V; False when it takes one vector (B, D).
        resolution: side of the voxel grid; None for other representations.

    >>> import torch, zoo
    >>> entry = zoo.DECODERS.get("voxel_deconv")
    >>> decoder = entry.cls(entry.smoke_config(), latent_dim=8)
    >>> shapes = decoder(zoo.Latent(torch.zeros(2, 8)))
    >>> shapes.representation, len(shapes)
    ('voxels', 2)
    """

    representation: ClassVar[str]
    latent_fields: ClassVar[frozenset[str]] = frozenset()
    reads_views: ClassVar[bool] = False
    resolution: int | None = None

    def __init__(self, config: EntryConfig, *, latent_dim: int) -> None:
        """Args: latent_dim is D of the encoder's mean."""
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim

    def fit(self, source: Source) -> None:
        """Take from the training split what is known in closed form; called once, before the first step.

        What it finds lies in buffers, so that a checkpoint holds it.

        Raises:
            ContractError: the split lacks what it reads.
        """
        return None

    @abstractmethod
    def forward(self, latent: Latent) -> Shapes:
        """Decode `latent.mean`: the sampled code in training, the posterior mean in evaluation."""


DECODERS: Registry[Decoder] = Registry(
    "decoder", Decoder, "zoo.decoders", "zoo.decoders", renamed={"needs": "latent_fields"}
)
