"""Convolutions that PSGN's two networks share: the stack that halves a picture, and steps with a skip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.types import ContractError

Size = tuple[int, int]
Shape = tuple[int, int, int]


def halved(size: Size, times: int = 1) -> Size:
    """Height and width after convolutions of stride 2, which round up."""
    for _ in range(times):
        size = (-(-size[0] // 2), -(-size[1] // 2))
    return size


def conv(channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, or halves it."""
    return nn.Conv2d(channels, out_channels, kernel, stride, padding=kernel // 2)


class Pyramid(nn.Module):
    """Stages of two, then three, at last four convolutions 3x3; all but the first begin with a strided one.

    One more strided convolution stands last.

    Args:
        widths: channels of each stage; the last convolution keeps the last width.
        kernels: of the strided convolutions, as many as stages.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], kernels: Sequence[int]) -> None:
        super().__init__()
        counts = (2, *[3] * (len(widths) - 2), 4)
        stages: list[nn.Module] = []
        for (channels, width), kernel, count in zip(
            pairwise((in_channels, *widths)), (3, *kernels[:-1]), counts, strict=True
        ):
            layers: list[nn.Module] = [conv(channels, width, kernel, stride=2 if stages else 1), nn.ReLU()]
            for _ in range(count - 1):
                layers += [conv(width, width), nn.ReLU()]
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.last = conv(widths[-1], widths[-1], kernels[-1], stride=2)

    def forward(self, x: Float[Tensor, "batch c h w"]) -> list[Tensor]:
        """The map of every stage, finest first, and the last one."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [*maps, F.relu(self.last(x))]


class Step(nn.Module):
    """Halves or doubles a map, adds a 3x3 convolution of another map of the new size, ReLU, 3x3, ReLU.

    Args:
        channels, skip_channels: of the map and of the one that is added.
        up: a transposed 5x5 convolution to the size of the skip; otherwise a strided one of `kernel`.
    """

    def __init__(
        self, channels: int, skip_channels: int, width: int, *, up: bool = False, kernel: int = 5
    ) -> None:
        super().__init__()
        self.resize: nn.Module = (
            nn.ConvTranspose2d(channels, width, 5, stride=2, padding=2)
            if up
            else conv(channels, width, kernel, stride=2)
        )
        self.skip = conv(skip_channels, width)
        self.out = conv(width, width)

    def forward(
        self, x: Float[Tensor, "batch c h w"], skip: Float[Tensor, "batch d h2 w2"]
    ) -> Float[Tensor, "batch e h2 w2"]:
        up = isinstance(self.resize, nn.ConvTranspose2d)
        resized = self.resize(x, output_size=skip.shape[-2:]) if up else self.resize(x)
        return F.relu(self.out(F.relu(resized + self.skip(skip))))


def check_halving(shapes: Sequence[Shape]) -> None:
    """Raises ContractError unless each map (C, H, W) is the one before it halved, rounded up."""
    for finer, coarser in pairwise(shapes):
        if halved(finer[1:]) != coarser[1:]:
            raise ContractError(
                f"decoder 'psgn' needs maps of which each halves the one before, got sizes "
                f"{[shape[1:] for shape in shapes]}"
            )


def psgn_init(module: nn.Module) -> None:
    """Weights that keep a signal's size through ReLU (He et al., arXiv:1502.01852), biases 0.

    For `nn.Module.apply`. A transposed convolution of stride 2 hears a quarter of its kernel at each pixel;
    the two maps that a `Step` adds get half of the size each.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        hears = float(math.prod(module.weight.shape[1:]))
        if isinstance(module, nn.ConvTranspose2d):
            hears = module.in_channels * math.prod(module.kernel_size) / math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(2 / hears))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, Step):
        scale_weight(module.resize, 0.5**0.5)
        scale_weight(module.skip, 0.5**0.5)


@torch.no_grad()
def scale_weight(layer: nn.Module, factor: float) -> None:
    """Multiply the weight of a layer in place."""
    cast(Tensor, layer.weight).mul_(factor)
