"""In which precision a training computes, and how its weights lie in memory."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from zoo.config import ConfigError


def autocast_type(name: str, device: torch.device) -> torch.dtype | None:
    """The type that 'auto', 'fp32', 'bf16' or 'fp16' computes in on a device; None for float32.

    Raises:
        ConfigError: fp16 on a CPU, which has no fast arithmetic for it.
    """
    if name == "auto":
        if device.type != "cuda":
            return None
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("train.precision: fp16 needs a GPU; use bf16 or fp32 on a CPU")
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[name]


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def grad_scaler(dtype: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """Scales gradients under float16; does nothing under other types."""
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)


def to_fast_memory_format(module: nn.Module) -> None:
    """Channels-last weights on CUDA, where convolutions then run on tensor cores without transposes."""
    for parameter in module.parameters():
        if parameter.is_cuda and parameter.dim() in (4, 5):
            layout = torch.channels_last if parameter.dim() == 4 else torch.channels_last_3d
            parameter.data = parameter.data.contiguous(memory_format=layout)
