"""A small, fast image encoder: strided convolutions with a depthwise one after each."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.registry import EntryConfig
from zoo.types import Latent


class SeparableCNNConfig(EntryConfig):
    """Config of the separable CNN."""

    latent_dim: int = Field(128, ge=1)
    """Size D of the code."""
    widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=1)
    """Channels of each stage; every stage halves height and width."""
    depth: int = Field(1, ge=0)
    """Depthwise convolutions after each strided one; from the second on each with a 1x1 one and a skip."""
    hidden: int = Field(256, ge=1)
    """Units of the layer between the last map and the code."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of those units."""


class _Separable(nn.Module):
    """Depthwise 3x3, pointwise 1x1, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(x + self.layers(x))


def _stage(inside: int, outside: int, depth: int) -> list[nn.Module]:
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    ]
    if depth:
        layers += [
            nn.Conv2d(outside, outside, 3, padding=1, groups=outside, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
        ]
    return [*layers, *(_Separable(outside) for _ in range(depth - 1))]


@ENCODERS.register(
    "separable_cnn",
    config=SeparableCNNConfig,
    smoke={"latent_dim": 8, "widths": (4, 8), "depth": 2, "hidden": 8, "dropout": 0.1},
    cite="this project; depthwise convolutions: arXiv:1704.04861 (MobileNets)",
    tags={"latent": "deterministic"},
)
class SeparableCNN(Encoder):
    """Strided and depthwise convolutions with batch norm, two linear layers; deterministic.

    At 4x48x48 with the defaults 1.0 M parameters and 10 M multiply-accumulates.
    """

    def __init__(self, config: SeparableCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        layers: list[nn.Module] = []
        height, width = image_size
        for channels in config.widths:
            layers += _stage(in_channels, channels, config.depth)
            in_channels, height, width = channels, -(-height // 2), -(-width // 2)
        self.stages = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_channels * height * width, config.hidden, bias=False),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.latent_dim),
        )

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        return Latent(self.head(self.stages(image)))
