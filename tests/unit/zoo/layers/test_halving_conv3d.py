"""The fast one-channel convolution is the plain one: values, gradients and parameters."""

import pytest
import torch
from torch import nn

from zoo.layers.halving_conv3d import HalvingConv3d


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_plain_convolution(channels, bias):
    torch.manual_seed(0)
    fast = HalvingConv3d(channels, 5, bias=bias).double()
    plain = nn.Conv3d(channels, 5, 4, stride=2, padding=1, bias=bias).double()
    plain.load_state_dict(fast.state_dict(), strict=True)
    results = []
    for module in (fast, plain):
        x = torch.rand(2, channels, 8, 12, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        out = module(x)
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape)).sum().backward()
        results.append([out, x.grad, *(p.grad for p in module.parameters())])
    assert results[0][0].shape == (2, 5, 4, 6, 3)
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
