"""Point sets from a vector: PSGN's branch of linear layers alone, for every encoder."""

from typing import cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.registry import EntryConfig
from zoo.types import Latent, Points

SPREAD = 0.25
"""Standard deviation of the first points about the centre, in cube edges."""


class PointSetConfig(EntryConfig):
    """Linear layers with ReLU between them."""

    points: int = Field(1024, ge=1)
    """Points of a shape."""
    hidden: tuple[int, ...] = (1024,)
    """Widths of the layers between the latent and the points."""

    @model_validator(mode="after")
    def _sizes(self) -> "PointSetConfig":
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"widths must be at least 1, got {self.hidden}")
        return self


@DECODERS.register(
    "point_set",
    config=PointSetConfig,
    smoke={"points": 32, "hidden": (16,)},
    cite="Fan, Su, Guibas, CVPR 2017; arXiv:1612.00603 (PSGN), the fully connected branch",
    tags={"representation": "points"},
)
class PointSet(Decoder):
    """A perceptron from the latent to N points in the model's frame.

    The last biases start as a random cloud about the centre: points that all start at one place have the
    same nearest neighbours, and few of them would learn.
    """

    representation = "points"

    def __init__(self, config: PointSetConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        layers: list[nn.Module] = []
        width = latent_dim
        for hidden in config.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, 3 * config.points))
        nn.init.normal_(cast(Tensor, self.layers[-1].bias), std=SPREAD)

    def forward(self, latent: Latent) -> Points:
        return Points(self.layers(latent.mean).unflatten(-1, (-1, 3)))
