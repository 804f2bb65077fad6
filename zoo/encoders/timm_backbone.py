"""Any image backbone of timm as an encoder."""

import math
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import AfterValidator, Field
from torch import Tensor

from zoo.encoders import ENCODERS, Encoder
from zoo.layers.gaussian import GaussianHead
from zoo.layers.timm_models import (
    BackboneName,
    create_backbone,
    pad_image,
    padded,
    plain_options,
    require_backbone,
)
from zoo.registry import EntryConfig
from zoo.types import ContractError, Latent

_MULTIPLES = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64)
"""Sizes of patches, windows and strides in timm, tried in this order on a size that is refused."""


class TimmConfig(EntryConfig):
    """A timm backbone by name."""

    backbone: BackboneName = "resnet18"
    """Any name of timm.list_models(), with or without a weights tag ('resnet18.a1_in1k')."""
    pretrained: bool = False
    """Start from timm's weights (a download). They want RGB normalised with the backbone's own mean and
    std: set preprocess.channels, .mean and .std."""
    options: Annotated[
        dict[str, int | float | bool | str | tuple[int, ...]], AfterValidator(plain_options)
    ] = Field(default_factory=dict)
    """Further arguments of timm.create_model, {drop_path_rate: 0.1} for instance; none that choose
    weights."""
    variational: bool = True
    """Gaussian posterior; false for the mean alone."""
    latent_dim: int = Field(1024, ge=1)
    """Size D of the latent vector."""


@ENCODERS.register(
    "timm",
    config=TimmConfig,
    smoke={"backbone": "test_vit", "latent_dim": 8},
    cite="Wightman, PyTorch Image Models, doi:10.5281/zenodo.4414861",
    tags={"latent": "gaussian"},
)
class TimmBackbone(Encoder):
    """Any timm backbone by name: pooled features, then Gaussian heads.

    Convolutional networks, transformers and hybrids, gray or RGB, any image size. A backbone that is built
    to a size (most transformers) is built to the image's; where it refuses that size, or its patches would
    cut off a border, the image is padded by repeating its edge to the next size that it takes.

    Attributes:
        padded_size: (height, width) that the backbone sees.
    """

    provides = frozenset({"log_var"})

    def __init__(self, config: TimmConfig, *, in_channels: int, image_size: tuple[int, int]) -> None:
        """Raises RegistryError for an unknown backbone, ContractError for one that takes no such image."""
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        if not config.variational:
            self.provides = self.provides - {"log_var"}
        require_backbone(config.backbone, pretrained=config.pretrained)
        options: dict[str, Any] = {**config.options, "in_chans": in_channels}
        self.padded_size, sized, features = accepted_size(config.backbone, options, image_size)
        if sized:
            options["img_size"] = self.padded_size
        self.backbone = create_backbone(config.backbone, pretrained=config.pretrained, **options)
        self.head = GaussianHead(features, config.latent_dim, variational=config.variational)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Latent:
        self.check_size(image)
        mean, log_var = self.head(self.backbone(pad_image(image, self.padded_size)))
        return Latent(mean, log_var)


def accepted_size(
    name: str, options: dict[str, Any], image_size: tuple[int, int]
) -> tuple[tuple[int, int], bool, int]:
    """The least padding with which the backbone takes the image, found on copies without memory.

    Returns:
        (height, width), whether the backbone is built to its size, and the width of its features.

    Raises:
        ContractError: it takes none of the sizes; with its own words about the unpadded one.
    """
    sizes = sorted({padded(image_size, m) for m in _MULTIPLES}, key=math.prod)
    refusals = []
    for size in sizes:
        try:
            sized, features = _probe(name, options, size)
        except ContractError:
            raise
        except (AssertionError, RuntimeError, ValueError) as error:  # each backbone refuses in its own way
            refusals.append(f"{type(error).__name__}: {error}".strip(": ").splitlines()[0])
        else:
            return size, sized, features
    import timm

    tried = ", ".join(f"{h}x{w}" for h, w in sizes[1:])
    own = timm.get_pretrained_cfg(name)
    made_for = "x".join(str(n) for n in own.input_size) if own else "an unstated size"
    raise ContractError(
        f"timm backbone '{name}' refuses images of {options['in_chans']}x{image_size[0]}x{image_size[1]} "
        f"({refusals[0]}), also padded (tried {tried}); it was made for {made_for}: set preprocess.channels "
        "and preprocess.size accordingly"
    )


def _probe(name: str, options: dict[str, Any], size: tuple[int, int]) -> tuple[bool, int]:
    """Whether the backbone is built to an image size, and its features; raises what timm raises."""
    height, width = size
    with torch.device("meta"):
        model, sized = _build_without_memory(name, options, size)
        patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
        if sized and patch is not None:
            rows, columns = (patch, patch) if isinstance(patch, int) else patch
            if height % rows or width % columns:
                raise ValueError(f"patches of {rows}x{columns} do not divide {height}x{width}")
        pooled = model.eval()(torch.empty(1, options["in_chans"], height, width))
    if pooled.ndim != 2:
        raise ValueError(f"it gives features of shape {tuple(pooled.shape)}, not one vector per image")
    return sized, int(pooled.shape[1])


def _build_without_memory(
    name: str, options: dict[str, Any], size: tuple[int, int]
) -> tuple[torch.nn.Module, bool]:
    """The backbone, and whether it took `img_size`; timm tells that only by a TypeError."""
    try:
        return create_backbone(name, pretrained=False, **options, img_size=size), True
    except TypeError as error:
        if "img_size" not in str(error):
            raise ContractError(f"timm backbone '{name}' does not take {options}: {error}") from error
    try:
        return create_backbone(name, pretrained=False, **options), False
    except TypeError as error:
        raise ContractError(f"timm backbone '{name}' does not take {options}: {error}") from error
