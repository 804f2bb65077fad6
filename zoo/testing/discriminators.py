"""The contract of a discriminator."""

from typing import Any

import torch
from torch import nn

from zoo.registry import Entry
from zoo.testing.asserts import Check, CheckFailed, expect_gradients, expect_shape, module_checks, seeded


def discriminator_checks(entry: Entry[Any]) -> list[Check]:
    """One score per sample, gradients to parameters and input, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), resolution=32)

    def shapes() -> None:
        for batch in (1, 2):
            expect_shape(build().eval()(torch.rand(batch, 32, 32, 32)), (batch,), "scores")

    def gradients() -> None:
        module, voxels = build().train(), torch.rand(2, 32, 32, 32, requires_grad=True)
        (module(voxels) * torch.tensor([1.0, -0.5])).sum().backward()
        expect_gradients(module)
        if voxels.grad is None or not voxels.grad.abs().sum() > 0:
            raise CheckFailed("passes no gradient on to the generator")

    return [
        Check("shapes", shapes),
        Check("gradients", gradients),
        *module_checks(build, lambda m: m(torch.rand(2, 32, 32, 32, generator=seeded()))),
    ]
