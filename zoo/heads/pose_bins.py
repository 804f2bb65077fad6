"""The viewpoint as classes, from the code that the shape is decoded from."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from zoo.heads import HEADS, Head
from zoo.registry import EntryConfig


class PoseBinsConfig(EntryConfig):
    """How many bins; see `zoo.pose` for where they lie."""

    azimuth: int = Field(24, ge=2)
    """Bins round the vertical axis."""
    elevation: int = Field(12, ge=2)
    """Bins from straight below to straight above."""
    in_plane: int = Field(0, ge=0)
    """Bins of the turn about the optical axis; 0 for none, as cameras that stand upright need none."""


@HEADS.register(
    "pose_bins",
    config=PoseBinsConfig,
    smoke={"azimuth": 4, "elevation": 3, "in_plane": 2},
    cite="arXiv:1804.04610 (Pix3D), section 5",
)
class PoseBins(Head):
    """One linear layer per angle of the camera: logits of its bins, under the angle's name."""

    def __init__(self, config: PoseBinsConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        bins = {"azimuth": config.azimuth, "elevation": config.elevation, "in_plane": config.in_plane}
        self.layers = nn.ModuleDict({name: nn.Linear(latent_dim, n) for name, n in bins.items() if n > 0})

    def forward(self, code: Float[Tensor, "batch d"]) -> dict[str, Tensor]:
        return {name: layer(code) for name, layer in self.layers.items()}
