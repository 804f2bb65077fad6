"""R3D's encoder: three conv blocks, self-attention after the first two."""

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.encoders import ENCODERS
from zoo.encoders.cnn import CNN, CNNConfig
from zoo.layers.attention import SelfAttention2d


class AttentionCNNConfig(CNNConfig):
    """R3D's encoder; the defaults are the repaired reading, the switches lead back to the listing."""

    heads: tuple[int, ...] = (4, 8)
    """Heads of the attention after each of the first blocks; blocks beyond the list have none."""
    head_dim: int = 8
    """Channels of one head."""
    causal: bool = False
    """The listing's mask: a position sees only those before it in raster order."""
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the attention weights (the listing has 0.1). On a CPU it costs about six times the time."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout on the output of the attention, before the residual addition."""
    pre_norm: bool = False
    """Layer norm before the attention; neither in the listing nor excluded by the text."""
    mlp_ratio: float = Field(0.0, ge=0)
    """Width of an MLP after the attention in multiples of the channels; 0 for none, as the listing."""
    position: Literal["none", "sincos"] = "none"
    """Position signal added before the attention."""

    @model_validator(mode="after")
    def _attention_fits_blocks(self) -> "AttentionCNNConfig":
        if len(self.heads) > len(self.widths):
            raise ValueError(f"heads for {len(self.heads)} blocks, but there are only {len(self.widths)}")
        for width in self.widths[: len(self.heads)] if self.position == "sincos" else ():
            if width % 4:
                raise ValueError(f"position sincos needs attended widths divisible by 4, got {width}")
        return self


@ENCODERS.register(
    "attention_cnn",
    config=AttentionCNNConfig,
    smoke={
        "latent_dim": 8,
        "widths": (4, 8),
        "pools": (2, 2),
        "hidden": (16,),
        "heads": (2,),
        "head_dim": 4,
        "pre_norm": True,
        "mlp_ratio": 2.0,
        "position": "sincos",
    },
    cite="R3D report, appendix; systems described in its section on the encoder",
    tags={"latent": "gaussian"},
)
class AttentionCNN(CNN):
    """R3D's encoder: conv blocks with multi-head self-attention over all positions after the first two.

    7,588,480 parameters for gray images of 192x256, as in the listing of the R3D report.

    Departs from the listing (each is a switch): attention is bidirectional, since a causal mask over
    image positions lets the top-left pixel see only itself; no dropout on the attention weights, which no
    fused CPU kernel supports. Always: log sigma is clamped to [-10, 10], the batch axis is kept, the
    encoder returns the posterior and never samples.
    """

    def __init__(self, config: AttentionCNNConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.attention = nn.ModuleList(
            SelfAttention2d(
                channels,
                heads,
                config.head_dim,
                causal=config.causal,
                attention_dropout=config.attention_dropout,
                dropout=config.dropout,
                pre_norm=config.pre_norm,
                mlp_ratio=config.mlp_ratio,
                position=config.position,
            )
            for channels, heads in zip(config.widths, config.heads, strict=False)
        )

    def mix(self, index: int, features: Tensor) -> Tensor:
        return self.attention[index](features) if index < len(self.attention) else features
