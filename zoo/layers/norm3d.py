"""Normalisation of 3D feature maps, by name."""

import math
from typing import Literal

from torch import nn

Norm = Literal["batch", "group", "instance", "none"]


def norm3d(kind: Norm, channels: int) -> nn.Module:
    """'batch' as published; 'group' (up to 8 groups) and 'instance' do not depend on the batch."""
    if kind == "batch":
        return nn.BatchNorm3d(channels)
    if kind == "group":
        return nn.GroupNorm(math.gcd(8, channels), channels)
    if kind == "instance":
        return nn.InstanceNorm3d(channels, affine=True)
    return nn.Identity()
