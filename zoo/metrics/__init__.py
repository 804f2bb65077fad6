"""Metrics between a predicted and a true shape: one file each, numpy in and numbers out.

Every file holds a pure function (formula, unit and source in its docstring) and a small class around it,
registered in `METRICS`, which says what its columns are called, which way is better and what the worst
value is. To add one, write such a file; `zoo list metrics` and the protocols' `extra_metrics` find it.

Nothing here imports torch at module level: processes that only score start in a moment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.registry import EntryConfig, Registry

if TYPE_CHECKING:
    from zoo.metrics.inputs import Measured


Need = Literal["threshold", "true grid", "true mesh"]
"""What a number may need: an occupancy threshold of the prediction, cells or a mesh of the truth."""


@dataclass(frozen=True)
class Column:
    """One number that a metric gives for a pair of shapes.

    Attributes:
        name: key in the per-instance rows; carries the convention (`cd_sq` is not `cd`).
        label: heading in a table.
        better: which way is better.
        worst: value of an empty or failed prediction; such instances are counted, never dropped.
        digits: decimals in a table, after `display` was applied.
        unit: in words.
        display: factor between the stored value and the printed one (1000 for squared distances).
        defined_for: what there must be for the number to be defined; without it the value is None, also where
            a prediction failed.
        curve: a curve of which the number is a point, and where on it: ("F-score", 1.0) at 1 %.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    worst: float
    digits: int = 3
    unit: str = ""
    display: float = 1.0
    defined_for: tuple[Need, ...] = ()
    curve: tuple[str, float] | None = None


class Metric(ABC):
    """A measure of how far a predicted shape is from the true one.

    >>> import zoo
    >>> entry = zoo.METRICS.get("chamfer")
    >>> [column.name for column in entry.cls(entry.config()).columns]
    ['cd', 'acc', 'comp', 'cd_sq']
    """

    def __init__(self, config: EntryConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """What `__call__` returns, in order."""

    @abstractmethod
    def __call__(self, prediction: Measured, truth: Measured) -> dict[str, float | None]:
        """One value per column; None where it is not defined for this kind of shape.

        Both sides lie in the same frame, scaled so that the truth's longest edge is 1. An empty prediction
        gets the worst values; an empty truth raises.
        """


METRICS: Registry[Metric] = Registry("metric", Metric, "zoo.metrics", "zoo.metrics")
