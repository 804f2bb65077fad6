"""The contract of a sketcher."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.registry import Entry
from zoo.testing.asserts import Check, expect_shape, plain_checks, seeded
from zoo.testing.smoke import SIZES


def sketcher_checks(entry: Entry[Any]) -> list[Check]:
    """Maps of the picture's size, gradients, save and load."""

    def build(size: tuple[int, int] = SIZES[0], channels: int = 3) -> nn.Module:
        return entry.cls(entry.smoke_config(), in_channels=channels, image_size=size)

    def maps(module: Any, size: tuple[int, int] = SIZES[0]) -> Tensor:
        sketches = module(torch.rand(2, module.in_channels, *size, generator=seeded()))
        return torch.cat([sketches.image(), sketches.silhouette[:, None]], 1)

    def shapes() -> None:
        for size in SIZES:
            for channels in (1, 3):
                expect_shape(maps(build(size, channels).eval(), size), (2, 5, *size), "sketches")

    return [Check("shapes", shapes), *plain_checks(build, maps)]
