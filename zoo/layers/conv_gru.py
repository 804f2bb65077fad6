"""The convolutional 3D recurrent unit of 3D-R2N2."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.mean_fan_init import BIAS, mean_fan_init


class ConvGRU3d(nn.Module):
    """A GRU whose state is a grid of cells and whose input is one feature vector per step.

    Each of update, reset and candidate sums a 3x3x3 convolution of the state, a linear map of the
    feature to every cell, and a bias per channel:

        update    = sigmoid(conv_u(state) + linear_u(x) + b_u)
        reset     = sigmoid(conv_r(state) + linear_r(x) + b_r)
        candidate = tanh(conv_c(reset * state) + linear_c(x) + b_c)
        state     = update * state + (1 - update) * candidate

    An update close to 1 keeps the old state. The state starts at zero, so after one view it depends
    neither on the reset gate nor on the convolutions.

    Source: chrischoy/3D-R2N2, models/res_gru_net.py and lib/layers.py (FCConv3DLayer).

    Args:
        features: D of the input.
        channels: channels of the state.
        size: cells per side of the state.
    """

    def __init__(self, features: int, channels: int, size: int) -> None:
        super().__init__()
        self.channels = channels
        self.size = size
        self.update = self._gate(features)
        self.reset = self._gate(features)
        self.candidate = self._gate(features)
        self.bias = nn.Parameter(torch.full((3, channels), BIAS))
        self.apply(mean_fan_init)

    def _gate(self, features: int) -> nn.ModuleDict:
        conv = nn.Conv3d(self.channels, self.channels, 3, padding=1, bias=False)
        linear = nn.Linear(features, self.channels * self.size**3, bias=False)
        return nn.ModuleDict({"state": conv, "input": linear})

    def forward(self, x: Float[Tensor, "batch views d"]) -> Float[Tensor, "batch c s s s"]:
        """State after all views, read in order.

        Raises:
            ValueError: there is no view.
        """
        batch, views, _ = x.shape
        if views == 0:
            raise ValueError("ConvGRU3d needs at least one view, got (B, 0, D)")
        # the linear maps do not depend on the state: all views at once
        from_x = [
            self._to_cells(gate["input"](x)) + bias[:, None, None, None]
            for gate, bias in zip((self.update, self.reset, self.candidate), self.bias, strict=True)
        ]
        # of the parameters' type, which is wider than that of the products under autocast
        state = self.bias.new_zeros(batch, self.channels, self.size, self.size, self.size)
        for view in range(views):
            update_x, reset_x, candidate_x = (term[:, view] for term in from_x)
            update = torch.sigmoid(self.update["state"](state) + update_x)
            reset = torch.sigmoid(self.reset["state"](state) + reset_x)
            candidate = torch.tanh(self.candidate["state"](reset * state) + candidate_x)
            state = update * state + (1 - update) * candidate
        return state

    def _to_cells(self, flat: Tensor) -> Tensor:
        """(B, V, S*C*S*S) to (B, V, C, S, S, S); depth before channel, as in the published weights."""
        s = self.size
        return flat.unflatten(-1, (s, self.channels, s, s)).transpose(-4, -3)
