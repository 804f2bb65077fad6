"""PointNet without its alignment networks, as AtlasNet reads true surfaces with it."""

from itertools import pairwise

from pydantic import Field
from torch import nn

from zoo.losses.chamfer import draw
from zoo.registry import EntryConfig
from zoo.shape_encoders import SHAPE_ENCODERS, ShapeEncoder
from zoo.types import Batch, Latent


class PointNetConfig(EntryConfig):
    """The defaults are those of AtlasNet's paper code."""

    widths: tuple[int, ...] = Field((64, 128, 1024), min_length=1)
    """Channels of the layers that every point passes by itself."""
    linears: int = Field(1, ge=1)
    """Layers after the maximum, as wide as the latent: 1 in the paper's code, 2 in the rewrite of 2019."""
    truth_points: int | None = Field(2500, ge=1)
    """At most so many of the true points, drawn for each step, the first ones in evaluation; None for all."""


@SHAPE_ENCODERS.register(
    "point_net",
    config=PointNetConfig,
    smoke={"widths": (8, 16), "linears": 2, "truth_points": 64},
    cite="arXiv:1612.00593 (PointNet); arXiv:1802.05384 (AtlasNet)",
)
class PointNet(ShapeEncoder):
    """PointNet: layers shared by all points, the maximum over them, linear layers; batch norm throughout.

    ReLU follows every layer but the last before the maximum. The latent is therefore never negative.

    Source: ThibaultGROUEIX/AtlasNet, auxiliary/model.py of tag v1.0.
    """

    batch_fields = frozenset({"points"})

    def __init__(self, config: PointNetConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.count = config.truth_points
        shared: list[nn.Module] = []
        for inputs, outputs in pairwise((3, *config.widths)):
            shared += [nn.Conv1d(inputs, outputs, 1), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.shared = nn.Sequential(*shared[:-1])
        linears: list[nn.Module] = []
        for inputs in (config.widths[-1], *[latent_dim] * (config.linears - 1)):
            linears += [nn.Linear(inputs, latent_dim), nn.BatchNorm1d(latent_dim), nn.ReLU()]
        self.linears = nn.Sequential(*linears)

    def forward(self, batch: Batch) -> Latent:
        points = draw(batch.points, self.count if self.training else None, "point_net")
        if not self.training:
            points = points[:, : self.count]
        return Latent(self.linears(self.shared(points.mT).amax(2)))
