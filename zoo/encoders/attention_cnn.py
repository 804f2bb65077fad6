"""R3D's encoder: three conv blocks, self-attention after the first two."""

from abc import abstractmethod
from typing import Any, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS
from zoo.encoders.cnn import CNN, CNNConfig
from zoo.layers.attention import Attention2d, SelfAttention2d


class MixingCNNConfig(CNNConfig):
    """R3D's encoder, whatever attention it has."""

    heads: tuple[int, ...] = (4, 8)
    """Heads of the attention after each of the first blocks; blocks beyond the list have none."""
    head_dim: int | tuple[int, ...] = 8
    """Channels of one head, or one number for each attended block. One head with as many channels as the
    block (heads [1, 1], head_dim [32, 64]) has the parameters of R3D's four and eight heads of 8."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout on the output of the attention, before the residual addition."""
    pre_norm: bool = False
    """Layer norm before the attention; neither in the listing nor excluded by the text."""
    mlp_ratio: float = Field(0.0, ge=0)
    """Width of an MLP after the attention in multiples of the channels; 0 for none, as the listing."""
    position: Literal["none", "sincos"] = "none"
    """Position signal added before the attention."""

    @property
    def head_dims(self) -> tuple[int, ...]:
        """Channels of one head, for each attended block."""
        return (self.head_dim,) * len(self.heads) if isinstance(self.head_dim, int) else self.head_dim

    @model_validator(mode="after")
    def _attention_fits_blocks(self) -> "MixingCNNConfig":
        if len(self.heads) > len(self.widths):
            raise ValueError(f"heads for {len(self.heads)} blocks, but there are only {len(self.widths)}")
        if len(self.head_dims) != len(self.heads):
            raise ValueError(f"{len(self.head_dims)} head_dims for {len(self.heads)} attended blocks")
        if min(1, *self.heads, *self.head_dims) < 1:
            raise ValueError(f"give at least one head of one channel, got {self.heads} of {self.head_dim}")
        for width in self.widths[: len(self.heads)] if self.position == "sincos" else ():
            if width % 4:
                raise ValueError(f"position sincos needs attended widths divisible by 4, got {width}")
        return self


class MixingCNN(CNN):
    """R3D's encoder with the attention of a subclass after its first blocks.

    The attentions differ in what a position sees and in nothing else: with the same seed, subclasses start
    from the same weights throughout.
    """

    config: MixingCNNConfig

    def __init__(self, config: MixingCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        blocks = zip(config.widths, config.heads, config.head_dims, strict=False)
        self.attention = nn.ModuleList(
            self.block(
                index,
                channels,
                heads,
                head_dim,
                dropout=config.dropout,
                pre_norm=config.pre_norm,
                mlp_ratio=config.mlp_ratio,
                position=config.position,
            )
            for index, (channels, heads, head_dim) in enumerate(blocks)
        )

    @abstractmethod
    def block(self, index: int, channels: int, heads: int, head_dim: int, **others: Any) -> Attention2d:
        """The attention after block `index`; `others` go to `Attention2d`."""

    def mix(self, index: int, features: Tensor) -> Tensor:
        return self.attention[index](features) if index < len(self.attention) else features


SMALLEST: dict[str, Any] = {
    "latent_dim": 8,
    "widths": (4, 8),
    "pools": (2, 2),
    "hidden": (16,),
    "heads": (2, 2),
    "head_dim": 4,
}
"""What the smoke configs of the family share."""


class AttentionCNNConfig(MixingCNNConfig):
    """R3D's encoder; the defaults are the repaired reading, the switches lead back to the listing."""

    causal: bool = False
    """The listing's mask: a position sees only those before it in raster order."""
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the attention weights (the listing has 0.1). On a CPU it costs about six times the time."""


@ENCODERS.register(
    "attention_cnn",
    config=AttentionCNNConfig,
    smoke={
        **SMALLEST,
        "heads": (2,),
        "pre_norm": True,
        "mlp_ratio": 2.0,
        "position": "sincos",
    },
    cite="R3D report, appendix; systems described in its section on the encoder",
    tags={"latent": "gaussian"},
)
class AttentionCNN(MixingCNN):
    """R3D's encoder: conv blocks with multi-head self-attention over all positions after the first two.

    7,588,480 parameters for gray images of 192x256, as in the listing of the R3D report.

    Departs from the listing (each is a switch): attention is bidirectional, since a causal mask over
    image positions lets the top-left pixel see only itself; no dropout on the attention weights, which no
    fused CPU kernel supports. Always: log sigma is clamped to [-10, 10], the batch axis is kept, the
    encoder returns the posterior and never samples.
    """

    config: AttentionCNNConfig

    def block(self, index: int, channels: int, heads: int, head_dim: int, **others: Any) -> Attention2d:
        causal, dropout = self.config.causal, self.config.attention_dropout
        return SelfAttention2d(channels, heads, head_dim, causal=causal, attention_dropout=dropout, **others)
