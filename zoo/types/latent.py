"""What an encoder, or a sketcher before it, says about an image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Latent:
    """What an encoder says about an image.

    >>> import torch
    >>> latent = Latent(mean=torch.zeros(2, 8), log_var=torch.zeros(2, 8))
    >>> latent.sample(torch.Generator().manual_seed(0)).shape
    torch.Size([2, 8])
    >>> Latent(mean=torch.ones(1, 2)).sample()  # of a deterministic encoder
    tensor([[1., 1.]])

    Attributes:
        mean: (B, D); a model with several views passes (B, V, D) to a decoder that reads them.
        log_var: log(sigma^2) of the Gaussian posterior, same shape; None for a deterministic encoder.
        features: spatial maps (B, C_i, H_i, W_i), finest first.
        tokens: sequence of vectors (B, T, C).
        aux: further named predictions, as the model's head makes them.
        family: the distribution that mean and log-variance describe.
    """

    mean: Float[Tensor, "*batch d"]
    log_var: Float[Tensor, "*batch d"] | None = None
    features: tuple[Tensor, ...] = ()
    tokens: Float[Tensor, "batch t c"] | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)
    family: Literal["normal", "uniform"] = "normal"

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = mean + sigma * eps, eps of mean 0 and variance 1 from the latent's family.

        The mean itself when the posterior is deterministic.
        """
        if self.log_var is None:
            return self.mean
        # eps is drawn on the CPU, so that a seed gives the same z on every device
        draw = torch.randn if self.family == "normal" else _centred_uniform
        eps = draw(self.mean.shape, generator=generator, dtype=torch.float32)
        sigma = torch.exp(0.5 * self.log_var.float())
        return self.mean + (sigma * eps.to(self.mean.device)).to(self.mean.dtype)


def _centred_uniform(shape: Sequence[int], generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    """Uniform noise of mean 0 and variance 1."""
    return (2 * torch.rand(tuple(shape), generator=generator, dtype=dtype) - 1) * 3**0.5


@dataclass(frozen=True)
class Sketches:
    """2.5D maps of what is seen, in the pixels of the model's input (MarrNet, arXiv:1711.03129).

    Attributes:
        depth: (B, H, W) nearness: 0.5 where the surface lies as far along the optical axis as the object's
            centre, growing by 1 / sqrt(3) per cube edge towards the camera, so that it stays in [0, 1] for
            every shape and pose; 0 on the background.
        normals: (B, 3, H, W) unit normals in the camera frame, 0 on the background.
        silhouette: (B, H, W) share of the object in the pixel; 1 is object.

    >>> import torch, zoo
    >>> maps = zoo.Sketches(torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8), torch.ones(2, 8, 8))
    >>> maps.CHANNELS  # as an encoder reads them
    4
    """

    depth: Float[Tensor, "batch height width"]
    normals: Float[Tensor, "batch 3 height width"]
    silhouette: Float[Tensor, "batch height width"]

    CHANNELS: ClassVar[int] = 4

    def image(self) -> Float[Tensor, "batch 4 height width"]:
        """Depth and normals as the input of an encoder, in this order."""
        return torch.cat([self.depth[:, None], self.normals], 1)

    def item(self, index: int) -> "Sketches":
        """The maps of one picture."""
        one = slice(index, index + 1)
        return Sketches(self.depth[one], self.normals[one], self.silhouette[one])
