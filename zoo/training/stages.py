"""Stages: which stretch of the run a step lies in, and which parts learn there."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from zoo.config import StageConfig


@dataclass(frozen=True)
class Stage:
    """A stage with its place in the run: steps first...last-1."""

    config: StageConfig
    first: int
    last: int


def lay_out(stages: Sequence[StageConfig], steps: int) -> list[Stage]:
    """Divide the steps by the stages' shares; the last stage ends with the last step.

    Raises:
        ValueError: fewer steps than stages.
    """
    if steps < len(stages):
        raise ValueError(f"{steps} steps cannot hold {len(stages)} stages; raise train.steps")
    total = sum(s.share for s in stages)
    placed, first, passed = [], 0, 0.0
    for i, config in enumerate(stages):
        passed += config.share
        after = len(stages) - 1 - i  # every stage gets at least one step, however small its share
        last = min(steps - after, max(first + 1, round(steps * passed / total)))
        placed.append(Stage(config, first, last))
        first = last
    return placed


def freeze(part: nn.Module, learns: bool) -> None:
    """Let a part learn, or hold it: no gradients, its normalisation statistics stay and nothing is dropped.

    The part itself stays in the mode that it is in: a frozen decoder still draws points as in training.
    """
    part.requires_grad_(learns)
    for module in part.children():
        module.train(learns)
