"""The initial weights of DCGAN, with which many networks of 2015 to 2018 start."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

STD = 0.02


def normal_init(module: nn.Module) -> None:
    """N(0, 0.02) weights, N(1, 0.02) scales of batch norm, biases 0; for `nn.Module.apply`.

    Touches convolutions, transposed or not, linear maps and batch norm.

    Source: arXiv:1511.06434, section 4; shubhtuls/drc, nnutils/netInit.lua.
    """
    if isinstance(module, _ConvNd | nn.Linear | _BatchNorm):
        nn.init.normal_(module.weight, 1.0 if isinstance(module, _BatchNorm) else 0.0, STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
