"""Encoders: image to latent. One file per entry; see `Encoder` for the contract."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.registry import EntryConfig, Registry
from zoo.types import Latent


class Encoder(nn.Module, ABC):
    """Reads one image and says what it sees.

    An encoder never samples, never looks at other items of its batch in evaluation, and takes the width
    of its latent from its own config; a decoder is built to that width.

    Attributes:
        latent_dim: D of `Latent.mean`.
        provides: fields of `Latent` that it fills besides `mean`: 'log_var', 'features', 'tokens'; an encoder
            may fill fewer than its class by its config, never more.
        feature_shapes: (C, H, W) of each of `Latent.features`, finest first.

    >>> import torch, zoo
    >>> entry = zoo.ENCODERS.get("cnn")
    >>> encoder = entry.cls(entry.config(latent_dim=8), in_channels=3, image_size=(64, 64))
    >>> encoder(torch.rand(2, 3, 64, 64)).mean.shape
    torch.Size([2, 8])
    """

    provides: frozenset[str] = frozenset()
    latent_dim: int
    feature_shapes: tuple[tuple[int, int, int], ...] = ()

    def __init__(self, config: EntryConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        """Args: channels and (height, width) of the images, both from the model's preprocessing."""
        super().__init__()
        self.config = config
        self.in_channels = in_channels
        self.image_size = image_size

    @abstractmethod
    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        """Encode images in the value range of the model's preprocessing."""

    def check_size(self, image: Float[Tensor, "batch channels height width"]) -> None:
        """Raise `ValueError` for images of another size than the encoder is built for."""
        if tuple(image.shape[-2:]) != self.image_size:
            raise ValueError(f"encoder built for images of {self.image_size}, got {tuple(image.shape[-2:])}")

    def prior(self, like: Float[Tensor, "*batch d"]) -> Latent:
        """What latents of the shape of `like` are drawn from where there is no picture: standard normal."""
        return Latent(torch.zeros_like(like), torch.zeros_like(like))


ENCODERS: Registry[Encoder] = Registry(
    "encoder", Encoder, "zoo.encoders", "zoo.encoders", renamed={"gives": "provides"}
)
