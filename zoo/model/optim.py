"""Optimisers and learning-rate schedules from their config."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from zoo.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam or AdamW, fused where torch has it. The learning rate is set per step by `set_lr`."""
    trained = [p for p in parameters if p.requires_grad]
    cls = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    return cls(
        trained,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=fused,
    )


def lr_factor(config: OptimizerConfig, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step (0-based) of a stage of `steps`."""
    ramp = min(1.0, (step + 1) / (config.warmup * steps)) if config.warmup > 0 else 1.0
    progress = step / steps
    if config.schedule == "cosine":
        return ramp * 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "steps":
        return ramp * config.factor ** sum(progress >= m for m in config.milestones)
    return ramp


def set_lr(optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, steps: int) -> float:
    """Set and return the learning rate of a step."""
    lr = config.lr * lr_factor(config, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr
