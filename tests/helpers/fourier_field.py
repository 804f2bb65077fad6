"""A representation that the zoo does not have: an implicit field, asked at points, and its decoder."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes
from zoo.registry import EntryConfig
from zoo.shapes import Shape
from zoo.types import Latent, Shapes

WAVES = torch.cartesian_prod(*[torch.arange(4.0)] * 3) * torch.pi
MESHED = 24
"""Resolution of the grid that a surface is taken from."""


def waves(points: Tensor) -> Tensor:
    """Products of cosines (..., K) at points (..., 3)."""
    return torch.cos((points[..., None, :] + 0.5) * WAVES.to(points)).prod(-1)


def centres(resolution: int) -> Tensor:
    """Centres of cells (R^3, 3)."""
    line = (torch.arange(resolution) + 0.5) / resolution - 0.5
    return torch.cartesian_prod(line, line, line)


@dataclass(frozen=True)
class FourierShape(Shape):
    """One field: weights (K,) of the waves, and where its frame lies in the canonical one."""

    weights: np.ndarray
    place: np.ndarray
    level: float = 0.5
    has_field = True

    def voxels(self, resolution: int) -> np.ndarray:
        inside = centres(resolution) @ torch.from_numpy(self.place).T
        values = torch.sigmoid(waves(inside) @ torch.from_numpy(self.weights))
        return values.numpy().reshape([resolution] * 3)

    def mesh(self, level=None):
        mesh = marching_cubes(self.voxels(MESHED), self.level if level is None else level)
        return mesh if len(mesh.faces) else None

    def points(self, n, rng, level=None):
        mesh = self.mesh(level)
        return np.zeros((0, 3)) if mesh is None else sample_surface(mesh, n, rng)

    def equals(self, other):
        return isinstance(other, FourierShape) and np.array_equal(self.weights, other.weights)


@dataclass(frozen=True)
class FourierFields(Shapes):
    """Fields with gradients.

    Attributes:
        weights: (B, K). place: (B, 3, 3), canonical points to those of the field.
    """

    weights: Float[Tensor, "batch k"]
    place: Float[Tensor, "batch 3 3"]
    level: float = 0.5
    representation = "fourier"

    def query(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "batch n"]:
        """Logits of each field at points."""
        return torch.einsum("bnk,bk->bn", waves(points @ self.place.mT), self.weights)

    def split(self):
        arrays = self.weights.detach().cpu().numpy(), self.place.cpu().numpy()
        return [FourierShape(*pair, self.level) for pair in zip(*arrays, strict=True)]

    def tensors(self):
        return {"weights": self.weights}

    def moved(self, turn, scale):
        return replace(self, place=self.place @ turn.to(self.place).mT / scale)

    def at_level(self, level):
        return replace(self, level=level)

    def __len__(self):
        return len(self.weights)


class FourierConfig(EntryConfig):
    """Nothing to choose."""


@DECODERS.register("fourier_field", config=FourierConfig, cite="none")
class FourierDecoder(Decoder):
    """One linear layer to the weights of waves."""

    representation = "fourier"

    def __init__(self, config, *, latent_dim):
        super().__init__(config, latent_dim=latent_dim)
        self.out = nn.Linear(latent_dim, len(WAVES))

    def forward(self, latent: Latent) -> Shapes:
        weights = self.out(latent.mean)
        return FourierFields(weights, torch.eye(3).to(weights).expand(len(weights), 3, 3))
