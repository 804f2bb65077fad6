"""Sketchers: a picture to the 2.5D maps of what it shows. One file per entry; see `Sketcher`."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from zoo.registry import EntryConfig, Registry
from zoo.types import Sketches


class Sketcher(nn.Module, ABC):
    """Estimates depth, normals and silhouette of the object in a picture.

    >>> import torch, zoo
    >>> entry = zoo.SKETCHERS.get("resnet_unet")
    >>> sketcher = entry.cls(entry.smoke_config(), in_channels=3, image_size=(64, 64))
    >>> sketcher(torch.rand(1, 3, 64, 64)).depth.shape
    torch.Size([1, 64, 64])
    """

    def __init__(self, config: EntryConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        """Args: channels and (height, width) of the pictures, both from the model's preprocessing."""
        super().__init__()
        self.config = config
        self.in_channels = in_channels
        self.image_size = image_size

    @abstractmethod
    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Sketches:
        """2.5D maps at the size of the picture; nothing is cut out yet, see `Sketches`."""


SKETCHERS: Registry[Sketcher] = Registry("sketcher", Sketcher, "zoo.sketchers", "zoo.sketchers")
