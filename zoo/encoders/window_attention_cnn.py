"""R3D's encoder with attention within windows in place of attention over the whole map."""

from typing import Any

from pydantic import Field

from zoo.encoders import ENCODERS
from zoo.encoders.attention_cnn import SMALLEST, MixingCNN, MixingCNNConfig
from zoo.layers.attention import Attention2d
from zoo.layers.window_attention import WindowAttention2d


class WindowAttentionCNNConfig(MixingCNNConfig):
    """R3D's encoder with attention within windows."""

    window: int = Field(8, ge=1)
    """Side of a window, in positions of the map that is attended."""
    shift: bool = True
    """Move the windows of every second attended block by half their side, as Swin does."""


@ENCODERS.register(
    "window_attention_cnn",
    config=WindowAttentionCNNConfig,
    smoke={
        **SMALLEST,
        "window": 5,
    },
    cite="arXiv:2103.14030, section 3.2; R3D report, appendix",
    tags={"latent": "gaussian"},
)
class WindowAttentionCNN(MixingCNN):
    """R3D's encoder whose positions see their own window only; as many parameters as `attention_cnn`.

    The cost grows with the number of positions: at 192x256 the first block has 12,288 of them, each of
    which sees 64 in place of all. Departs from Swin: no relative position bias, and no norm and no MLP
    unless asked for, so that the window is the one difference from R3D's encoder.
    """

    config: WindowAttentionCNNConfig

    def block(self, index: int, channels: int, heads: int, head_dim: int, **others: Any) -> Attention2d:
        window = self.config.window
        shift = window // 2 if self.config.shift and index % 2 else 0
        return WindowAttention2d(channels, heads, head_dim, window=window, shift=shift, **others)
