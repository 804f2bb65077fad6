"""The contract of a head."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.registry import Entry
from zoo.testing.asserts import Check, CheckFailed, plain_checks, seeded


def head_checks(entry: Entry[Any]) -> list[Check]:
    """Named predictions, batch first, gradients, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def found(module: nn.Module) -> Tensor:
        made = module(torch.randn(2, 16, generator=seeded()))
        return torch.cat([value.reshape(2, -1) for value in made.values()], 1)

    def shapes() -> None:
        made = build().eval()(torch.randn(2, 16))
        for name, value in made.items():
            if len(value) != 2:
                raise CheckFailed(f"'{name}' must have the batch first, is {tuple(value.shape)}")

    return [Check("shapes", shapes), *plain_checks(build, found)]
