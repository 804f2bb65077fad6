"""A moving average of a model's weights."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

from torch import nn

from zoo.model.reconstructor import Reconstructor


@runtime_checkable
class MovingAverage(Protocol):
    """A copy of a model whose weights follow the model's."""

    module: nn.Module

    def update(self, model: nn.Module, step: int | None = None) -> None:
        """Follow the model after a step (from 1)."""
        ...


def moving_average(model: Reconstructor, decay: float) -> MovingAverage:
    """A copy of a model, as its `module`, whose weights and buffers follow the model's at every `update`.

    Args:
        decay: that the decay per step rises to, from a copy at the first step: min(decay, 1 - t^(-2/3)).
    """
    from timm.utils.model_ema import ModelEmaV3  # loads torchvision

    return cast(MovingAverage, ModelEmaV3(model, decay=decay, use_warmup=True))
