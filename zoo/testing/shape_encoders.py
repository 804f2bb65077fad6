"""The contract of a shape encoder."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.registry import Entry
from zoo.testing.asserts import Check, expect_shape, plain_checks
from zoo.testing.smoke import SmokeSource


def shape_encoder_checks(entry: Entry[Any]) -> list[Check]:
    """A latent per shape, gradients, save and load."""
    batch = SmokeSource().fetch([0, 1], [[0], [1]])

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def code(module: nn.Module) -> Tensor:
        latent = module(batch)
        return latent.mean if latent.log_var is None else torch.cat([latent.mean, latent.log_var], 1)

    def shapes() -> None:
        expect_shape(build().eval()(batch).mean, (2, 16), "mean")

    return [Check("shapes", shapes), *plain_checks(build, code)]
