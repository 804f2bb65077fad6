"""The contract of a fusion."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.registry import Entry
from zoo.testing.asserts import Check, CheckFailed, expect_shape, plain_checks, seeded
from zoo.types import Latent


def fusion_checks(entry: Entry[Any]) -> list[Check]:
    """One latent of any number of views, gradients where there are weights, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def fused(module: nn.Module, views: int = 3) -> Tensor:
        drawn = torch.randn(2, 2, views, 16, generator=seeded()).requires_grad_()
        latent = module(Latent(drawn[0], drawn[1]))
        if latent.log_var is None:
            raise CheckFailed("drops the log-variance")
        return torch.cat([latent.mean, latent.log_var], 1)

    def shapes() -> None:
        for views in (1, 2, 5):
            expect_shape(fused(build().eval(), views), (2, 32), "mean and log_var")
        if build()(Latent(torch.randn(2, 3, 16))).log_var is not None:
            raise CheckFailed("makes up a log-variance where there is none")

    return [Check("shapes", shapes), *plain_checks(build, fused)]
