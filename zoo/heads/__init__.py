"""Heads: further predictions from the latent, beside the shape. One file per entry; see `Head`."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from zoo.registry import EntryConfig, Registry


class Head(nn.Module, ABC):
    """Predicts something besides the shape; what it gives is put into `Latent.aux`.

    >>> import torch, zoo
    >>> entry = zoo.HEADS.get("pose_bins")
    >>> head = entry.cls(entry.config(), latent_dim=8)
    >>> {name: tuple(logits.shape) for name, logits in head(torch.rand(2, 8)).items()}
    {'azimuth': (2, 24), 'elevation': (2, 12)}
    """

    def __init__(self, config: EntryConfig, *, latent_dim: int) -> None:
        """Args: latent_dim is D of the latent."""
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim

    @abstractmethod
    def forward(self, code: Float[Tensor, "batch d"]) -> dict[str, Tensor]:
        """Named predictions, batch first."""


HEADS: Registry[Head] = Registry("head", Head, "zoo.heads", "zoo.heads")
