"""3D-VAE-GAN's image encoder: strided convolutions from the picture to mean and log-variance."""

from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.gaussian import LOG_SIGMA_RANGE
from zoo.registry import EntryConfig
from zoo.types import Latent

LOG_VAR_RANGE = tuple(2 * bound for bound in LOG_SIGMA_RANGE)


class StridedCNNConfig(EntryConfig):
    """The defaults are 3D-VAE-GAN's encoder for pictures of 256x256."""

    latent_dim: int = Field(200, ge=1)
    """Size D of the latent vector; the last convolution has 2 D channels."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of each convolution but the last."""
    kernels: tuple[int, ...] = (11, 5, 5, 5)
    """Their kernels, odd, with a padding of half the kernel."""
    strides: tuple[int, ...] = (4, 2, 2, 2)
    """Their strides."""
    norm_out: bool = True
    """Batch norm on the 2 D outputs too, as the published number of parameters has it; without, a bias."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "StridedCNNConfig":
        if not len(self.widths) == len(self.kernels) == len(self.strides) > 0:
            raise ValueError(
                f"{len(self.widths)} widths, {len(self.kernels)} kernels and {len(self.strides)} strides; "
                "give one of each per convolution, and at least one"
            )
        if min(*self.widths, *self.kernels, *self.strides, 1) < 1:
            raise ValueError("widths, kernels and strides must be at least 1")
        if even := [k for k in self.kernels if k % 2 == 0]:
            raise ValueError(f"kernels must be odd, got {even[0]}")
        return self


@ENCODERS.register(
    "strided_cnn",
    config=StridedCNNConfig,
    smoke={"latent_dim": 8, "widths": (4, 8), "kernels": (11, 5), "strides": (4, 4)},
    cite="arXiv:1610.07584 (3D-VAE-GAN)",
    tags={"latent": "gaussian"},
)
class StridedCNN(Encoder):
    """Strided convolutions with batch norm and ReLU; the last one covers the map that remains.

    At 3x256x256 the sides are 64, 32, 16, 8 and 1 and there are 17,433,952 parameters, none of them a bias.
    At other sizes the last kernel is that of the remaining map. The last convolution's channels are the means
    and the log-variances, which are clamped to the range of every Gaussian head of the zoo.
    """

    provides = frozenset({"log_var"})

    def __init__(self, config: StridedCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        layers: list[nn.Module] = []
        channels, (height, width) = in_channels, image_size
        for out_channels, kernel, stride in zip(config.widths, config.kernels, config.strides, strict=True):
            conv = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, bias=False)
            layers += [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]
            channels, height, width = out_channels, -(-height // stride), -(-width // stride)
        outputs = 2 * config.latent_dim
        layers.append(nn.Conv2d(channels, outputs, (height, width), bias=not config.norm_out))
        if config.norm_out:
            layers.append(nn.BatchNorm2d(outputs))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        mean, log_var = self.layers(image).flatten(1).chunk(2, 1)
        return Latent(mean, log_var.clamp(*LOG_VAR_RANGE))
