"""Vision transformer encoder."""

from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.gaussian import GaussianHead
from zoo.layers.timm_models import BackboneName, create_backbone, pad_image, padded, require_backbone
from zoo.registry import EntryConfig
from zoo.types import ContractError, Latent

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


class ViTConfig(EntryConfig):
    """A timm vision transformer: an architecture by name, and what to change in it."""

    arch: BackboneName = "vit_tiny_patch16_224"
    """A VisionTransformer of timm, 'vit_small_patch16_224' for instance; its 224 binds nothing."""
    width: int | None = Field(None, ge=1)
    """Channels of a token; None for the architecture's own."""
    depth: int | None = Field(None, ge=1)
    """Number of blocks; None for the architecture's own."""
    heads: int | None = Field(None, ge=1)
    """Attention heads, a divisor of the width; None for the architecture's own."""
    patch: int | None = Field(None, ge=1)
    """Side of a patch in pixels; None for the architecture's own. Half of it is four times the tokens."""
    pool: Literal["avg", "token"] = "avg"
    """What the heads read: the mean of the patch tokens, or the class token."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """On embeddings and on the outputs of attention and MLP; never on the attention weights."""
    drop_path: float = Field(0.0, ge=0, lt=1)
    """Stochastic depth, rising linearly to this rate in the last block."""
    pretrained: bool = False
    """Start from timm's weights (a download). They want RGB normalised with ImageNet's mean and std:
    set preprocess.channels, .mean and .std."""
    variational: bool = True
    """Gaussian posterior; false for the mean alone."""
    latent_dim: int = Field(1024, ge=1)
    """Size D of the latent vector."""

    @model_validator(mode="after")
    def _pretrained_sizes_are_fixed(self) -> "ViTConfig":
        changed = [key for key in ("width", "depth", "heads") if getattr(self, key) is not None]
        if self.pretrained and changed:
            raise ValueError(
                f"pretrained weights exist only for the architecture as it is; drop {', '.join(changed)} "
                "or set pretrained: false"
            )
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    def options(self) -> dict[str, Any]:
        """Arguments of timm's VisionTransformer besides image size and channels."""
        sizes = {
            "embed_dim": self.width,
            "depth": self.depth,
            "num_heads": self.heads,
            "patch_size": self.patch,
        }
        return {key: value for key, value in sizes.items() if value is not None} | {
            "global_pool": self.pool,
            "fc_norm": False,  # norm before the pooling, so that the tokens are normalised as well
            "pos_drop_rate": self.dropout,
            "proj_drop_rate": self.dropout,
            "drop_path_rate": self.drop_path,
        }


@ENCODERS.register(
    "vit",
    config=ViTConfig,
    smoke={"width": 16, "depth": 1, "heads": 2, "patch": 8, "latent_dim": 8},
    cite="Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021; arXiv:2010.11929; timm",
    tags={"latent": "gaussian"},
)
class ViT(Encoder):
    """Vision transformer of timm with Gaussian heads; gives its patch tokens.

    Takes images of any size: one that the patch does not divide is padded on all sides by repeating its
    edge, so that no pixel is lost. `Latent.tokens` are the patches in raster order (`grid` rows and
    columns), without class or register tokens. Attention is torch's fused kernel.

    Attributes:
        padded_size: (height, width) after the padding.
        grid: rows and columns of patches.
    """

    provides = frozenset({"log_var", "tokens"})

    def __init__(self, config: ViTConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        """Raises RegistryError for an unknown architecture, ContractError for one that is no plain ViT."""
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        if not config.variational:
            self.provides = self.provides - {"log_var"}
        require_backbone(config.arch, pretrained=config.pretrained)
        own_patch = _own_patch(config.arch)
        patch = config.patch or own_patch
        self.padded_size = padded(image_size, patch)
        self.grid = (self.padded_size[0] // patch, self.padded_size[1] // patch)
        try:
            transformer = create_backbone(
                config.arch,
                pretrained=config.pretrained,
                in_chans=in_channels,
                img_size=self.padded_size,
                **config.options(),
            )
        except AssertionError as error:
            raise ContractError(
                f"timm's '{config.arch}' cannot be built with {config.options()}: {error}"
            ) from error
        self.transformer = cast("VisionTransformer", transformer)
        self.head = GaussianHead(
            self.transformer.embed_dim, config.latent_dim, variational=config.variational
        )

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        tokens = self.transformer.forward_features(pad_image(image, self.padded_size))
        mean, log_var = self.head(self.transformer.forward_head(tokens, pre_logits=True))
        return Latent(mean, log_var, tokens=tokens[:, self.transformer.num_prefix_tokens :])


def _own_patch(arch: str) -> int:
    """Side of the architecture's own patches, from a copy of it without memory.

    Raises:
        ContractError: it is no VisionTransformer over plain square patches.
    """
    from timm.layers.patch_embed import PatchEmbed
    from timm.models.vision_transformer import VisionTransformer

    with torch.device("meta"):
        model = create_backbone(arch, pretrained=False)
    embed = getattr(model, "patch_embed", None)
    if not isinstance(model, VisionTransformer) or not isinstance(embed, PatchEmbed):
        raise ContractError(
            f"timm's '{arch}' is a {type(model).__name__}, no plain vision transformer; "
            f"use encoder: {{name: timm, backbone: {arch}}}"
        )
    height, width = embed.patch_size
    if height != width:
        raise ContractError(f"timm's '{arch}' has patches of {height}x{width}; vit wants square ones")
    return int(height)
