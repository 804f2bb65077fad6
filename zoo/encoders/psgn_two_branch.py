"""PSGN's encoder of the two-branch network ("v1"): one stack of convolutions."""

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.psgn import Pyramid, halved, psgn_init
from zoo.registry import EntryConfig
from zoo.types import Latent


class PSGNConfig(EntryConfig):
    """Stages that halve the map from one to the next, and one more halving; the defaults are PSGN's."""

    latent_dim: int = 2048
    """Size D of the vector that the branch of linear layers starts from."""
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    """Channels of each stage, three stages at least; small pictures want fewer."""

    @model_validator(mode="after")
    def _sizes(self) -> "PSGNConfig":
        if len(self.widths) < 3 or min(self.latent_dim, *self.widths) < 1:
            raise ValueError(f"give at least three widths, and sizes of at least 1, got {self.widths}")
        return self


@ENCODERS.register(
    "psgn_two_branch",
    config=PSGNConfig,
    smoke={"latent_dim": 16, "widths": (4, 4, 8, 8)},
    cite="Fan, Su, Guibas, CVPR 2017; arXiv:1612.00603 (PSGN)",
    tags={"latent": "deterministic"},
)
class PSGNTwoBranch(Encoder):
    """Convolutions 3x3, the last 5x5, one strided per stage; the vector is a linear map of what comes out.

    With the `psgn` decoder at 4x192x256 the model has 38,910,019 parameters, as the released network.

    Source: fanhqme/PointSetGeneration, depthestimate/train_nn.py (whose strided convolutions pad below and
    to the right alone, as TensorFlow does; here both sides alike, which moves the maps by half a pixel).
    """

    provides = frozenset({"features"})

    def __init__(self, config: PSGNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        widths = config.widths
        self.down = Pyramid(in_channels, widths, (*[3] * (len(widths) - 1), 5))
        sizes = [halved(image_size, i + 1) for i in range(len(widths))]
        channels = (*widths[1:], widths[-1])
        self.feature_shapes = tuple((c, *s) for c, s in zip(channels, sizes, strict=True))
        height, width = sizes[-1]
        self.linear = nn.Linear(widths[-1] * height * width, config.latent_dim)
        self.apply(psgn_init)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        maps = self.down(image)[1:]
        return Latent(F.relu(self.linear(maps[-1].flatten(1))), features=tuple(maps))
