"""AtlasNet's decoder: patches of a square or a sphere, each bent into place by a network of its own."""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.geometry.templates import sphere, square
from zoo.layers.patch_mlp import PatchLinear, PatchNorm
from zoo.registry import EntryConfig
from zoo.types import Latent, Patches

LEAST = 12
"""Vertices of the coarsest template, the icosahedron."""


class AtlasConfig(EntryConfig):
    """The defaults are the 25 patches of the paper's code."""

    architecture: Literal["v1", "v2"] = "v1"
    """The paper's code (v1.0): place and latent enter together, tanh at the end. Or the rewrite of 2019: the
    latent is added to the first layer's output, no tanh."""
    patches: int = Field(25, ge=1)
    """Patches, each with weights of its own."""
    template: Literal["square", "sphere"] = "square"
    """What a patch is bent from."""
    points: int = Field(2500, ge=1)
    """Points of all patches together in training, drawn anew in every step."""
    vertices: int = Field(30_000, ge=LEAST)
    """Vertices of all patches together in evaluation, at most: what the template's grid takes of them."""
    widths: tuple[int, ...] | None = None
    """Hidden layers after the first; None for a half and a quarter of the first (v1), three of 512 (v2)."""

    @model_validator(mode="after")
    def _every_patch_has_some(self) -> "AtlasConfig":
        if self.points < self.patches:
            raise ValueError(f"points {self.points} must be at least the number of patches, {self.patches}")
        if self.vertices < LEAST * self.patches:
            raise ValueError(
                f"vertices {self.vertices} must be at least {LEAST} for each of the {self.patches} patches"
            )
        if self.widths is not None and min(self.widths, default=0) < 1:
            raise ValueError(f"widths must hold at least one layer, of at least 1, got {self.widths}")
        return self


@DECODERS.register(
    "atlas",
    config=AtlasConfig,
    smoke={"patches": 2, "points": 128, "vertices": 50},
    cite="Groueix et al., AtlasNet, CVPR 2018; arXiv:1802.05384",
    tags={"representation": "mesh"},
)
class Atlas(Decoder):
    """AtlasNet: each patch is an MLP from a place on its template, and the latent, to a point.

    With 1024 latents a square patch has 1,716,498 parameters (v1) or 1,059,843 (v2). All patches are computed
    together; the latent's share of the first layer is computed once per sample, which is the same sum.

    Training draws places at random (uniform on the square, or on the sphere); evaluation bends a regular
    triangulation, always the same. The patches are open, overlap and cut each other: no volume is claimed.

    v1 ends in tanh and is not rescaled: it reaches [-1, 1]^3, and the canonical cube is the inner eighth of
    that. So it is with the published data, whose shapes have a diagonal of 1.

    Source: ThibaultGROUEIX/AtlasNet, auxiliary/model.py of tag v1.0 and model/ of the default branch.
    """

    representation = "mesh"

    def __init__(self, config: AtlasConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        count, sides = config.patches, 2 if config.template == "square" else 3
        self.patches, self.points = count, config.points // config.patches
        self.template = config.template
        together = config.architecture == "v1"
        fan_in = sides + latent_dim if together else sides
        first = fan_in if together else latent_dim
        default = (first // 2, first // 4) if together else (512, 512, 512)
        widths = (first, *(default if config.widths is None else config.widths))
        self.place = PatchLinear(count, sides, first, fan_in=fan_in)
        self.code = PatchLinear(count, latent_dim, first, bias=False, fan_in=fan_in) if together else None
        layers: list[nn.Module] = [PatchNorm(count, first), nn.ReLU()]
        for inputs, outputs in pairwise(widths):
            layers += [PatchLinear(count, inputs, outputs), PatchNorm(count, outputs), nn.ReLU()]
        layers += [PatchLinear(count, widths[-1], 3), *([nn.Tanh()] if together else [])]
        self.layers = nn.Sequential(*layers)
        grid, faces = (square if sides == 2 else sphere)(config.vertices // count)
        self._keep("grid", torch.tensor(grid.T, dtype=torch.float32))
        offsets = len(grid) * torch.arange(count)
        self._keep("faces", (torch.tensor(faces) + offsets[:, None, None]).flatten(0, 1))
        self._keep("face_patch", torch.arange(count).repeat_interleave(len(faces)))

    grid: Tensor
    faces: Tensor
    face_patch: Tensor

    def _keep(self, name: str, tensor: Tensor) -> None:
        """A constant that moves with the module and is not saved with it."""
        self.register_buffer(name, tensor, persistent=False)

    def forward(self, latent: Latent) -> Patches:
        """Points of every patch in turn, drawn in training mode; in evaluation mode vertices with faces."""
        z = latent.mean
        if self.training:
            places = self._draw(len(z)).to(z)
            return Patches(self._bend(places, z))
        # a sample at a time: thousands of vertices times a thousand channels is enough to hold at once
        places = self.grid[None, :, None].to(z)
        vertices = torch.cat([self._bend(places, code) for code in z.split(1)])
        return Patches(vertices, self.faces, self.face_patch)

    def _draw(self, batch: int) -> Float[Tensor, "patches sides batch n"]:
        """Random places on the template, from torch's generator of the CPU: the same on every device."""
        shape = (self.patches, self.grid.shape[0], batch, self.points)
        draws = torch.rand if self.template == "square" else torch.randn
        places = draws(shape, device="cpu")
        return places if self.template == "square" else F.normalize(places, dim=1)

    def _bend(
        self, places: Float[Tensor, "#patches sides batch n"], z: Float[Tensor, "batch d"]
    ) -> Float[Tensor, "batch points 3"]:
        batch, n = places.shape[2:]
        x = self.place(places.flatten(2)).unflatten(2, (batch, n))
        code = z.T[None]
        x = x + (code if self.code is None else self.code(code))[..., None]
        x = self.layers(x.flatten(2)).unflatten(2, (batch, n))
        return x.permute(2, 0, 3, 1).flatten(1, 2)
