"""The initial weights of 3D-R2N2, shared by its encoder, recurrent unit and decoder."""

from __future__ import annotations

import math

from torch import nn

BIAS = 0.1


def mean_fan_init(module: nn.Module) -> None:
    """Normal weights with std sqrt(2 / mean(fan_in, fan_out)), biases 0.1; for `nn.Module.apply`.

    Touches convolutions and linear maps. A bias kept outside of them sets itself to `BIAS`.

    Source: chrischoy/3D-R2N2, lib/layers.py.
    """
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
        receptive_field = math.prod(module.weight.shape[2:])  # 1 for a linear map
        fan_out, fan_in = (n * receptive_field for n in module.weight.shape[:2])
        nn.init.normal_(module.weight, std=math.sqrt(2 / ((fan_in + fan_out) / 2)))
        if module.bias is not None:
            nn.init.constant_(module.bias, BIAS)
