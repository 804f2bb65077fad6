"""How the loss went down, and what validation found, from the logs of trainings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.training.log import LOG, read_log

POINTS = 200
"""Points of a curve at most; longer logs are shown as means of equally many steps."""


@dataclass(frozen=True)
class Curve:
    """One run.

    Attributes:
        steps, losses: where it was logged, and the total loss there.
        stages: first logged step of every stage.
        metric: that the model was validated by while it trained, 'iou' or 'cd'; empty for none.
        validated: steps, and its value there.
    """

    model: str
    seed: int
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    stages: tuple[int, ...]
    metric: str = ""
    validated: tuple[tuple[int, float], ...] = ()


def read_curves(runs: Iterable[tuple[str, int, Path]]) -> list[Curve]:
    """Curves of the runs (model, seed, folder) that have a log; the others are left out."""
    curves = []
    for model, seed, folder in runs:
        if rows := read_log(folder / LOG):
            curves.append(_curve(model, seed, rows))
    return curves


def _curve(model: str, seed: int, rows: Sequence[Mapping[str, Any]]) -> Curve:
    logged: list[tuple[int, str, float]] = [(row["step"], row["stage"], row["loss"]) for row in rows]
    stages: dict[str, int] = {}
    for step, stage, _ in logged:
        stages.setdefault(stage, step)
    size = -(-len(logged) // POINTS)
    blocks = [logged[k : k + size] for k in range(0, len(logged), size)]
    steps = tuple(sum(step for step, *_ in block) / len(block) for block in blocks)
    losses = tuple(sum(loss for *_, loss in block) / len(block) for block in blocks)
    metric = next((name for name in ("iou", "cd") if any(f"val_{name}" in row for row in rows)), "")
    values = [(row["step"], row.get(f"val_{metric}")) for row in rows]
    validated = tuple((step, float(v)) for step, v in values if isinstance(v, int | float))
    return Curve(model, seed, steps, losses, tuple(stages.values()), metric, validated)
