"""R3D's encoder with linear attention in place of softmax attention."""

from typing import Any

from zoo.encoders import ENCODERS
from zoo.encoders.attention_cnn import SMALLEST, MixingCNN, MixingCNNConfig
from zoo.layers.attention import Attention2d
from zoo.layers.linear_attention import LinearAttention2d


class LinearAttentionCNNConfig(MixingCNNConfig):
    """R3D's encoder with linear attention."""


@ENCODERS.register(
    "linear_attention_cnn",
    config=LinearAttentionCNNConfig,
    smoke={
        **SMALLEST,
    },
    cite="arXiv:2006.16236, section 3.2; R3D report, appendix",
    tags={"latent": "gaussian"},
)
class LinearAttentionCNN(MixingCNN):
    """R3D's encoder with linear attention over all positions; as many parameters as `attention_cnn`.

    Every position still sees every other, but through a kernel in place of the softmax, so that the cost
    grows with the number of positions.
    """

    config: LinearAttentionCNNConfig

    def block(self, index: int, channels: int, heads: int, head_dim: int, **others: Any) -> Attention2d:
        return LinearAttention2d(channels, heads, head_dim, **others)
