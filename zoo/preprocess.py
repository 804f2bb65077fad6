"""From stored RGBA pictures to what a network reads; the model owns it, in its config and checkpoint."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from pydantic import Field, model_validator
from torch import Tensor

from zoo.registry import EntryConfig

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


class PreprocessConfig(EntryConfig):
    """How a picture becomes an input."""

    size: tuple[int, int] = (192, 256)
    """Height and width of the input. Pictures of another aspect are padded, never stretched."""
    channels: Literal[1, 3] = 3
    """1 for gray (true luma), 3 for RGB."""
    background: float = Field(1.0, ge=0, le=1)
    """Gray value behind transparent pixels; 1 is white."""
    background_train: tuple[float, float] | None = None
    """In training, a value drawn per image and channel from this range instead."""
    crop: float = Field(1.0, gt=0, le=1)
    """Side of the crop relative to the picture: from the centre, in training from a random place."""
    flip: bool = False
    """In training, mirror the image with probability one half and NOT the shape, as 3D-R2N2 does."""
    mean: tuple[float, ...] = ()
    """Subtracted per channel after scaling to [0, 1]; empty for none."""
    std: tuple[float, ...] = ()
    """Divided by per channel; empty for none."""

    @model_validator(mode="after")
    def _check(self) -> "PreprocessConfig":
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if any(s <= 0 for s in self.std):
            raise ValueError(f"std must be positive, got {self.std}")
        if self.background_train and not 0 <= self.background_train[0] <= self.background_train[1] <= 1:
            raise ValueError(
                f"background_train must be low <= high within [0, 1], got {self.background_train}"
            )
        return self


class Preprocess:
    """Crop, resize and pad, composite on the background, gray, normalise: in this order.

    Training, evaluation and reconstruction of photos share this one object. Colours are resized
    premultiplied by alpha, so that what hides under transparent pixels never bleeds in.
    """

    def __init__(self, config: PreprocessConfig) -> None:
        self.config = config

    def __call__(
        self,
        rgba: UInt8[Tensor, "batch views 4 height width"],
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch views c h w"]:
        """Args: generator draws crop, background and flip (on the CPU) in training."""
        config = self.config
        batch, views = rgba.shape[:2]
        x = rgba.flatten(0, 1).float() / 255
        x = torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)
        if config.crop < 1:
            x = self._crop(x, generator if training else None, training)
        x = self._fit(x)
        fill = torch.full((len(x), 3, 1, 1), config.background)
        if training and config.background_train:
            low, high = config.background_train
            fill = low + (high - low) * torch.rand(len(x), 3, 1, 1, generator=generator)
        x = x[:, :3] + (1 - x[:, 3:]) * fill.to(x)
        if config.channels == 1:
            x = (x * torch.tensor(LUMA).to(x)[:, None, None]).sum(1, keepdim=True)
        if training and config.flip:
            mirrored = torch.rand(len(x), generator=generator) < 0.5
            x = torch.where(mirrored.to(x.device)[:, None, None, None], x.flip(-1), x)
        if config.mean:
            x = x - torch.tensor(config.mean).to(x)[:, None, None]
        if config.std:
            x = x / torch.tensor(config.std).to(x)[:, None, None]
        return x.unflatten(0, (batch, views))

    def _crop(self, x: Tensor, generator: torch.Generator | None, training: bool) -> Tensor:
        height, width = x.shape[-2:]
        h, w = max(1, round(height * self.config.crop)), max(1, round(width * self.config.crop))
        if not training:
            top, left = (height - h) // 2, (width - w) // 2
            return x[..., top : top + h, left : left + w]
        tops = torch.randint(height - h + 1, (len(x),), generator=generator)
        lefts = torch.randint(width - w + 1, (len(x),), generator=generator)
        rows = (tops[:, None] + torch.arange(h)).to(x.device)
        columns = (lefts[:, None] + torch.arange(w)).to(x.device)
        index = torch.arange(len(x), device=x.device)[:, None, None]
        return x.movedim(1, -1)[index, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)

    def _fit(self, x: Tensor) -> Tensor:
        (height, width), (to_height, to_width) = x.shape[-2:], self.config.size
        scale = min(to_height / height, to_width / width)
        inner = (_within(height * scale, to_height), _within(width * scale, to_width))
        if inner != (height, width):
            x = F.interpolate(x, inner, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
        top, left = (to_height - inner[0]) // 2, (to_width - inner[1]) // 2
        pads = (left, to_width - inner[1] - left, top, to_height - inner[0] - top)
        return F.pad(x, pads) if any(pads) else x


def _within(side: float, most: int) -> int:
    return max(1, min(most, round(side)))
