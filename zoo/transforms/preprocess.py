"""From stored RGBA pictures to what a network reads; the model owns it, in its config and checkpoint."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from zoo.config import PreprocessConfig as PreprocessConfig
from zoo.images.rgba import check_rgba
from zoo.types import ContractError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


class Preprocess:
    """Crop, resize and pad, change colours, composite on the background, gray, normalise: in this order.

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
        depth: Float[Tensor, "batch views height width"] | None = None,
    ) -> Float[Tensor, "batch views c h w"]:
        """The input of a network.

        Args:
            generator: draws crop, colours, background and flip (on the CPU) in training.
            depth: of the pictures, infinity on the background; read where the config asks for it.

        Raises:
            ContractError: these are no such pictures; the config asks for depth and none is given, or one
                that does not lie on the pictures.
        """
        check_rgba(rgba)
        config = self.config
        batch, views = rgba.shape[:2]
        x = rgba.flatten(0, 1).float() / 255
        x = torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)
        if config.depth:
            x = torch.cat([x, nearness(_on(rgba, depth).flatten(0, 1))[:, None]], 1)
        if config.crop < 1:
            x = self._crop(x, generator if training else None, training)
        x = fit(x, config.size)
        x, near = x[:, :4], x[:, 4:]
        if training and any(config.jitter):
            x = self._jitter(x, generator)
        fill = torch.full((len(x), 3, 1, 1), config.background)
        if training and config.background_train:
            low, high = config.background_train
            fill = low + (high - low) * torch.rand(len(x), 3, 1, 1, generator=generator)
        alpha = x[:, 3:]
        x = x[:, :3] + (1 - alpha) * fill.to(x, non_blocking=True)
        if config.channels == 1:
            x = _luma(x)
        if config.mean:
            x = x - _per_channel(config.mean, x)
        if config.std:
            x = x / _per_channel(config.std, x)
        if config.mask != "none":
            x = torch.cat([x, alpha if config.mask == "object" else 1 - alpha], 1)
        x = torch.cat([x, near], 1)
        if training and config.flip:
            mirrored = torch.rand(len(x), generator=generator) < 0.5
            mirrored = mirrored.to(x.device, non_blocking=True)
            x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
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

    def _jitter(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Brightness, contrast about the object's mean gray, saturation, on colours premultiplied by alpha.

        A premultiplied colour lies in [0, alpha], so that the mean gray of pixels that are partly covered
        counts by what is covered, and nothing appears where nothing was.
        """
        most = torch.tensor(self.config.jitter)
        factors = 1 + most * (2 * torch.rand(len(x), 3, generator=generator) - 1)
        brightness, contrast, saturation = factors.to(x, non_blocking=True)[..., None, None, None].unbind(1)
        colour, alpha = x[:, :3], x[:, 3:]
        colour = (colour * brightness).minimum(alpha)
        covered = alpha.sum((2, 3), keepdim=True).clamp(min=1e-6)
        gray = alpha * _luma(colour).sum((2, 3), keepdim=True) / covered
        colour = (gray + contrast * (colour - gray)).clamp(min=0).minimum(alpha)
        gray = _luma(colour)
        colour = (gray + saturation * (colour - gray)).clamp(min=0).minimum(alpha)
        return torch.cat([colour, alpha], 1)


def _on(
    rgba: UInt8[Tensor, "batch views 4 height width"], depth: Tensor | None
) -> Float[Tensor, "batch views height width"]:
    """The depth, once it is known to be there and to lie on the pictures."""
    if depth is None:
        raise ContractError("preprocess.depth is on, but the pictures come without depth")
    if tuple(depth.shape) != (on := (*rgba.shape[:2], *rgba.shape[3:])):
        raise ContractError(f"depth must lie on the pictures, {on}, got {tuple(depth.shape)}")
    return depth


def fit(
    x: Float[Tensor, "batch c h w"], size: tuple[int, int], *, clamp: bool = True
) -> Float[Tensor, "batch c h2 w2"]:
    """Maps resized with antialiasing and padded with 0 to (height, width), never stretched.

    Args:
        clamp: to [0, 1], for colours.
    """
    height, width = x.shape[-2:]
    inner, (top, left) = placed((height, width), size)
    if inner != (height, width):
        x = F.interpolate(x, inner, mode="bilinear", antialias=True, align_corners=False)
        x = x.clamp(0, 1) if clamp else x
    pads = (left, size[1] - inner[1] - left, top, size[0] - inner[0] - top)
    return F.pad(x, pads) if any(pads) else x


def placed(size: tuple[int, int], into: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """How `fit` places a picture: its (height, width) in the input, and the (row, column) of its corner."""
    scale = min(into[0] / size[0], into[1] / size[1])
    inner = (_within(size[0] * scale, into[0]), _within(size[1] * scale, into[1]))
    return inner, ((into[0] - inner[0]) // 2, (into[1] - inner[1]) // 2)


def nearness(depth: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """Depth of each picture from 1 at its nearest to 0 at its farthest point, and 0 on the background."""
    there = torch.isfinite(depth)
    flat = depth.flatten(1)
    near = flat.amin(1)[:, None, None]
    far = torch.where(there, depth, -torch.inf).flatten(1).amax(1)[:, None, None]
    share = (far - depth) / (far - near).clamp(min=1e-6)
    return torch.where(there, share, torch.zeros_like(depth))


def _luma(colour: Tensor) -> Tensor:
    """Gray (B, 1, H, W) of colours (B, 3, H, W)."""
    return (colour * _per_channel(LUMA, colour)).sum(1, keepdim=True)


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    """One value per channel (C, 1, 1), without making the device wait."""
    return torch.tensor(values).to(like, non_blocking=True)[:, None, None]


def _within(side: float, most: int) -> int:
    return max(1, min(most, round(side)))
