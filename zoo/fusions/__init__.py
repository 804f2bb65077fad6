"""Fusions: latents of several views of one object to one latent. One file per entry; see `Fusion`."""

from abc import ABC, abstractmethod

from torch import nn

from zoo.registry import EntryConfig, Registry
from zoo.types import Latent


class Fusion(nn.Module, ABC):
    """Makes one latent of those of any number of views.

    Attributes:
        latent_fields: fields of `Latent` that it reads besides `mean`; may depend on the config.

    >>> import torch, zoo
    >>> entry = zoo.FUSIONS.get("pool")
    >>> fusion = entry.cls(entry.config(), latent_dim=8)
    >>> fusion(zoo.Latent(torch.rand(2, 5, 8))).mean.shape
    torch.Size([2, 8])
    """

    latent_fields: frozenset[str] = frozenset()

    def __init__(self, config: EntryConfig, *, latent_dim: int) -> None:
        """Args: latent_dim is D of every view's latent, and of the one that is made."""
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim

    @abstractmethod
    def forward(self, latent: Latent) -> Latent:
        """From mean and, where there is one, log-variance (B, V, D) to (B, D); the rest is not looked at."""


FUSIONS: Registry[Fusion] = Registry(
    "fusion", Fusion, "zoo.fusions", "zoo.fusions", renamed={"needs": "latent_fields"}
)
