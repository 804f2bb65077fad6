"""Discriminators: is this shape a real one? One file per entry."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from zoo.registry import EntryConfig, Registry


class Discriminator(nn.Module, ABC):
    """Scores shapes of one representation.

    Attributes:
        representation: what it reads; must be the decoder's.

    >>> import torch, zoo
    >>> entry = zoo.DISCRIMINATORS.get("voxel_conv")
    >>> critic = entry.cls(entry.smoke_config(), resolution=32)
    >>> critic(torch.rand(2, 32, 32, 32)).shape
    torch.Size([2])
    """

    representation: ClassVar[str]

    def __init__(self, config: EntryConfig, *, resolution: int) -> None:
        """Args: resolution of the voxel grids that it will read, from the decoder."""
        super().__init__()
        self.config = config
        self.resolution = resolution

    @abstractmethod
    def forward(self, shapes: Float[Tensor, "batch r r r"]) -> Float[Tensor, " batch"]:
        """Logits of 'real', one per sample; voxels come as probabilities in [0, 1]."""

    def responses(self, shapes: Float[Tensor, "batch r r r"]) -> tuple[Tensor, ...]:
        """What each convolution answers, after its activation, first to last; for descriptors of shapes.

        Empty for a discriminator that has none to give.
        """
        return ()


DISCRIMINATORS: Registry[Discriminator] = Registry(
    "discriminator", Discriminator, "zoo.discriminators", "zoo.discriminators"
)
