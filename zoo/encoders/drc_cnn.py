"""DRC's image encoder: five halvings, then two layers for the whole picture."""

from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.normal_init import normal_init
from zoo.registry import EntryConfig
from zoo.types import ContractError, Latent

SLOPE = 0.2
"""Slope of the leaky ReLU for negative inputs."""


class DRCCNNConfig(EntryConfig):
    """The defaults are the published network."""

    latent_dim: int = 100
    """Size D of the latent vector, and of the layer before it."""
    widths: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Output channels of each block; each halves the picture."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "DRCCNNConfig":
        if not self.widths or min(*self.widths, self.latent_dim) < 1:
            raise ValueError("give at least one block, and sizes of at least 1")
        return self


@ENCODERS.register(
    "drc_cnn",
    config=DRCCNNConfig,
    smoke={"latent_dim": 8, "widths": (4, 8)},
    cite="Tulsiani et al., DRC, CVPR 2017; arXiv:1704.06254",
    tags={"latent": "deterministic"},
)
class DRCCNN(Encoder):
    """Blocks of conv 3x3, batch norm, leaky ReLU, max-pooling; two linear layers, normed too; deterministic.

    At 3x64x64 it has 160,680 parameters, as published.

    Source: shubhtuls/drc, nnutils/netBlocks.lua and experiments/synthetic/shapenet.lua.
    """

    def __init__(self, config: DRCCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        height, width = image_size
        layers: list[nn.Module] = []
        channels = in_channels
        for out_channels in config.widths:
            layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels)]
            layers += [nn.LeakyReLU(SLOPE), nn.MaxPool2d(2)]
            channels, height, width = out_channels, height // 2, width // 2
        if height == 0 or width == 0:
            raise ContractError(
                f"images of {image_size[0]}x{image_size[1]} vanish when halved {len(config.widths)} times; "
                "give larger images or fewer widths"
            )
        layers.append(nn.Flatten())
        features = channels * height * width
        for _ in range(2):
            layers += [nn.Linear(features, config.latent_dim), nn.BatchNorm1d(config.latent_dim)]
            layers.append(nn.LeakyReLU(SLOPE))
            features = config.latent_dim
        self.layers = nn.Sequential(*layers)
        self.apply(normal_init)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        return Latent(self.layers(image))
