"""What the two timm encoders share: resolving a name, and padding an image to a size a backbone takes.

A config may come with somebody's checkpoint, so that nothing in it may name a file or an address: a backbone
goes by its name in timm's own list, and options that choose weights are refused.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import AfterValidator
from torch import Tensor, nn

from zoo.registry import RegistryError, did_you_mean

REACHING = {
    *("pretrained", "checkpoint", "weights", "state", "cache", "dir", "file", "filename"),
    *("url", "uri", "hf", "hub", "repo", "source", "custom", "overlay"),
}
"""Words in the names of options with which timm fetches or reads something."""


def plain_backbone(name: str) -> str:
    """The name, if it is one as timm lists them.

    Raises:
        ValueError: it is an address of a hub, or a path.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        own = re.split(r"[/\\:]", name.strip())[-1].partition("@")[0]
        raise ValueError(
            f"{name!r} is no name of timm.list_models(): a config names neither files nor addresses of a hub"
            + (f"; give the name alone, as {own}" if own else "")
        )
    return name


def plain_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of timm.create_model, if none of them chooses weights or names a file.

    Raises:
        ValueError: one does; says which.
    """
    for key, value in options.items():
        texts = [value] if isinstance(value, str) else []
        if REACHING & set(key.lower().split("_")) or any(set("/\\:") & set(text) for text in texts):
            raise ValueError(
                f"{key}: {value!r} would let timm read a file or an address; a config may only say "
                "pretrained: true, beside the options, for timm's own weights"
            )
    return options


BackboneName = Annotated[str, AfterValidator(plain_backbone)]


def require_backbone(name: str, *, pretrained: bool) -> None:
    """Check that timm knows `name` ('resnet18' or 'resnet18.a1_in1k').

    Raises:
        RegistryError: unknown architecture or weights tag (with the nearest names), or weights asked for
            that do not exist.
    """
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise RegistryError(
            f"unknown timm backbone '{architecture}'.{did_you_mean(architecture, timm.list_models())} "
            f"timm {timm.__version__} knows {len(timm.list_models())}: python -c "
            "\"import timm; print(timm.list_models('*resnet*'))\""
        )
    known = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in known:
        raise RegistryError(
            f"timm backbone '{architecture}' has no weights '{tag}'.{did_you_mean(tag, known)} "
            f"Known: {', '.join(known) or 'none'}"
        )
    if pretrained and not timm.is_model_pretrained(name):
        raise RegistryError(f"timm backbone '{name}' has no pretrained weights; set pretrained: false")


def create_backbone(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """timm's model without a classifier.

    Raises:
        RuntimeError: the pretrained weights cannot be loaded; says how to do without them.
    """
    import timm

    if not pretrained:
        return timm.create_model(name, pretrained=False, num_classes=0, **options)
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **options)
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            f"cannot load the pretrained weights of timm backbone '{name}' "
            f"({type(error).__name__}: {error}); set pretrained: false to start from random ones"
        ) from error


def padded(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The smallest (height, width) that holds `size` and divides by `multiple`."""
    height, width = (-(-side // multiple) * multiple for side in size)
    return height, width


def pad_image(
    image: Float[Tensor, "batch channels height width"], size: tuple[int, int]
) -> Float[Tensor, "batch channels height2 width2"]:
    """Pad to (height, width) on all sides by repeating the edge: a flat background goes on as it is."""
    bottom, right = size[0] - image.shape[-2], size[1] - image.shape[-1]
    if not bottom and not right:
        return image
    top, left = bottom // 2, right // 2
    return F.pad(image, (left, right - left, top, bottom - top), mode="replicate")
