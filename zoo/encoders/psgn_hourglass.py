"""PSGN's encoder of the hourglass network ("v2"): down, up, and down again."""

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.encoders.psgn_two_branch import PSGNConfig
from zoo.layers.psgn import Pyramid, Step, conv, halved, psgn_init
from zoo.types import Latent


@ENCODERS.register(
    "psgn_hourglass",
    config=PSGNConfig,
    smoke={"latent_dim": 16, "widths": (4, 4, 8, 8)},
    cite="Fan, Su, Guibas, CVPR 2017; arXiv:1612.00603 (PSGN)",
    tags={"latent": "deterministic"},
)
class PSGNHourglass(Encoder):
    """The stack of convolutions, steps up and steps down again, each with a skip.

    The way up to the points is the `psgn` decoder's. The vector is the sum of linear maps of both ends, after
    a ReLU. With that decoder at 4x192x256 the model has 70,154,419 parameters, as the released network.

    Source: fanhqme/PointSetGeneration, depthestimate/train_nn.py; for the padding see `psgn_two_branch`.
    """

    provides = frozenset({"features"})

    def __init__(self, config: PSGNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        widths = config.widths
        kernels = (*[3] * (len(widths) - 3), 5, 5, 5)
        self.down = Pyramid(in_channels, widths, kernels)
        # upwards the map of stage i comes from that of stage i + 1, downwards from that of stage i - 1
        self.up = nn.ModuleList(
            Step(widths[i + 1], widths[i + 1], widths[i], up=True) for i in range(len(widths) - 2, -1, -1)
        )
        self.again = nn.ModuleList(
            Step(channels, width, width, kernel=kernel)
            for (channels, width), kernel in zip(pairwise(widths[:-1]), kernels[1:-1], strict=True)
        )
        self.last = conv(widths[-2], widths[-1], kernels[-1], stride=2)
        sizes = [halved(image_size, i + 1) for i in range(len(widths))]
        self.feature_shapes = tuple((c, *s) for c, s in zip(widths, sizes, strict=True))
        end = widths[-1] * sizes[-1][0] * sizes[-1][1]
        self.first_end = nn.Linear(end, config.latent_dim)
        self.carry = nn.Linear(config.latent_dim, config.latent_dim)
        self.second_end = nn.Linear(end, config.latent_dim)
        self.apply(psgn_init)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        *stages, x = self.down(image)
        code = F.relu(self.first_end(x.flatten(1)))
        risen: list[Tensor] = []
        for step, skip in zip(self.up, stages[:0:-1], strict=True):
            x = step(x, skip)
            risen.append(x)
        fallen: list[Tensor] = []
        for step, skip in zip(self.again, risen[-2::-1], strict=True):
            x = step(x, skip)
            fallen.append(x)
        x = F.relu(self.last(x))
        code = F.relu(self.carry(code) + self.second_end(x.flatten(1)))
        return Latent(code, features=(risen[-1], *fallen, x))
