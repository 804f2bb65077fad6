"""R3D's convolutional encoder without its attention: the baseline that isolates attention."""

from typing import Literal, cast

from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.gaussian import GaussianHead
from zoo.registry import EntryConfig
from zoo.types import ContractError, Latent


class CNNConfig(EntryConfig):
    """Three conv blocks, three linear layers, two heads."""

    latent_dim: int = 1024
    """Size D of the latent vector."""
    widths: tuple[int, ...] = (32, 64, 128)
    """Output channels of each conv block."""
    pools: tuple[int, ...] = (2, 4, 4)
    """Max-pooling factor of each conv block."""
    hidden: tuple[int, ...] = (1024, 512, 256)
    """Widths of the linear layers between the flattened map and the two heads."""
    init: Literal["torch", "he"] = "torch"
    """Initial weights: torch's default, as the listing leaves it, under which the means of different images
    hardly differ at first; or He's for the ReLU layers, means of unit variance and sigma near exp(-2)."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "CNNConfig":
        if not self.widths or min(*self.widths, *self.pools, *self.hidden, self.latent_dim, 1) < 1:
            raise ValueError("give at least one block, and sizes of at least 1")
        if len(self.widths) != len(self.pools):
            raise ValueError(
                f"{len(self.widths)} widths but {len(self.pools)} pools; give one pool per block"
            )
        return self


@ENCODERS.register(
    "cnn",
    config=CNNConfig,
    smoke={"latent_dim": 8, "widths": (4, 8), "pools": (2, 2), "hidden": (16,)},
    cite="R3D report, appendix (encoder without its attention blocks)",
    tags={"latent": "gaussian"},
)
class CNN(Encoder):
    """Plain CNN: conv 3x3, max-pool, ReLU blocks; three linear layers; Gaussian heads.

    Layer for layer R3D's encoder (`attention_cnn`) with the two attention blocks left out, so that a
    comparison of the two measures attention and nothing else; with the same seed even the initial weights
    of the shared layers are the same.
    """

    provides = frozenset({"log_var"})

    def __init__(self, config: CNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        height, width = image_size
        blocks, channels = [], in_channels
        for out_channels, pool in zip(config.widths, config.pools, strict=True):
            conv = nn.Conv2d(channels, out_channels, kernel_size=3, padding=1)
            blocks.append(nn.Sequential(conv, nn.MaxPool2d(pool), nn.ReLU()))
            channels, height, width = out_channels, height // pool, width // pool
        if height == 0 or width == 0:
            raise ContractError(
                f"images of {image_size[0]}x{image_size[1]} vanish under pools {config.pools}; "
                "give larger images or smaller pools"
            )
        self.blocks = nn.ModuleList(blocks)
        self.map_sizes = (channels, height, width)
        linears, features = [], channels * height * width
        for hidden in config.hidden:
            linears += [nn.Linear(features, hidden), nn.ReLU()]
            features = hidden
        self.linears = nn.Sequential(*linears)
        self.head = GaussianHead(features, config.latent_dim)
        if config.init == "he":
            self._init_he()

    def _init_he(self) -> None:
        """Keep the variance of a signal through ReLU layers (He et al., arXiv:1502.01852, eq. 10)."""
        for module in (*self.blocks.modules(), *self.linears.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.constant_(cast(Tensor, module.bias), 0.0)
        nn.init.normal_(self.head.mean.weight, std=self.head.mean.in_features**-0.5)
        assert self.head.log_sigma is not None
        nn.init.constant_(self.head.log_sigma.bias, -2.0)

    def mix(self, index: int, features: Tensor) -> Tensor:
        """What happens to the map after block `index`; nothing here, attention in `attention_cnn`."""
        return features

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        x = image
        for index, block in enumerate(self.blocks):
            x = self.mix(index, block(x))
        mean, log_var = self.head(self.linears(x.flatten(1)))
        return Latent(mean, log_var)
