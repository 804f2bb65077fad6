"""Protocols: every choice that turns a prediction into numbers, named, versioned and immutable.

Two protocols never share a column of a table. A published protocol is not edited; a change is a new name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from zoo.errors import UserError
from zoo.metrics import Column
from zoo.registry import EntryConfig, Registry
from zoo.shapes import Shape

CURVE = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""Thresholds of the IoU curve and candidates for the frozen one, unless a protocol says otherwise."""


class TruthError(UserError, ValueError):
    """A true shape that cannot be measured against: an error in the data, never a model's failure."""


class ThresholdError(UserError, ValueError):
    """Validation predictions that no threshold can be chosen on."""


@dataclass(frozen=True)
class Truth:
    """One instance to be reconstructed: what is true about it.

    Attributes:
        id: of the shape; several views of one shape share it, and are one cluster in the statistics.
        category: name of its category.
        view: index of the picture that the prediction was made from.
        shape: occupancy at the data set's native resolution; of other people's files also a mesh or points.
        surface: points (P, 3), area-uniform on the true mesh in the canonical frame; None without a mesh.
    """

    id: str
    category: str
    view: int
    shape: Shape
    surface: np.ndarray | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What names the instance: shape id and view."""
        return self.id, self.view

    @property
    def grid(self) -> np.ndarray | None:
        """Occupied cells (R, R, R) bool at the native resolution; None for a mesh or points."""
        return None if self.shape.grid is None else self.shape.grid >= 0.5

    @property
    def bounds(self) -> np.ndarray:
        """Lower and upper corner (2, 3) of the true surface: of the grid at level .5, the mesh or the points.

        Raises:
            TruthError: there is no surface, or it has no extent.
        """
        corners = self.shape.bounds(0.5)
        if corners is None:
            raise TruthError(f"true shape '{self.id}' has no surface at level .5")
        if not (corners[1] > corners[0]).any():
            raise TruthError(f"true shape '{self.id}' is one point: it has no longest edge to measure by")
        return np.asarray(corners, dtype=np.float64)

    def check(self) -> None:
        """Raise where this cannot be a truth.

        Raises:
            TruthError: no occupied cell, face with an area or point; or the surface points are none, not
                (P, 3) or not finite.
        """
        grid = self.grid
        if grid is not None and not grid.any():
            raise TruthError(f"true shape '{self.id}' has no occupied cell; exclude it from the split")
        if grid is None:
            try:
                found = self.shape.points(1, np.random.default_rng(0))
            except ValueError as error:
                raise TruthError(f"true shape '{self.id}': {error}; exclude it from the split") from error
            if not len(found):
                raise TruthError(f"true shape '{self.id}' has no surface; exclude it from the split")
        if self.surface is None:
            return
        shape = self.surface.shape
        if len(shape) != 2 or shape[1] != 3 or not shape[0]:
            raise TruthError(f"true shape '{self.id}': surface points must be (P, 3), got {shape}")
        if not np.isfinite(self.surface).all():
            raise TruthError(f"true shape '{self.id}': surface points hold NaN or infinity")

    def check_extent(self) -> None:
        """Refuse a truth that is empty, not finite or without a longest edge to measure by.

        Raises:
            TruthError: as `check` and `bounds`.
        """
        self.check()
        if self.grid is None:  # an occupied cell has edges
            _ = self.bounds


@dataclass(frozen=True)
class Measurement:
    """What one prediction scored.

    Attributes:
        values: one number per column of the protocol; None where it is not defined for this kind of shape.
        iou_curve: IoU at the protocol's `curve`, or None without voxels.
        failed: nothing to measure: an empty surface, no prediction, an exception.
        reason: why it failed.
        look: where the prediction lies beside the truth, as `benchmarks.scoring.placement` sees it; mostly
            nothing.
    """

    values: dict[str, float | None]
    iou_curve: np.ndarray | None = None
    failed: bool = False
    reason: str | None = None
    look: tuple[float, ...] = ()


@dataclass(frozen=True)
class ThresholdChoice:
    """The occupancy threshold of one model, to be frozen before the test split is looked at.

    Attributes:
        value: the chosen one.
        curve: (threshold, mean IoU over the validation instances).
        n: validation instances.
        fixed: by the protocol, whatever the curve.
    """

    value: float
    curve: tuple[tuple[float, float], ...]
    n: int
    fixed: bool = False

    @property
    def rule(self) -> str:
        """How it was chosen, in words."""
        if self.fixed:
            return "fixed by the protocol"
        return f"highest mean IoU on {self.n} validation instances"


class Protocol(ABC):
    """How predictions are measured: frame, threshold, surface, points, metrics.

    Attributes:
        stand_ins: of a headline column, the one that the main table shows beside it when some row has no such
            value.
        curve: thresholds of the IoU curve, ascending.
        cases: columns that a gallery prints; it chooses best and worst by the first that is defined.
        average: the mean that a table of this protocol ranks by.
        published: names of the quoted tables (`published.yaml`) that stand under a table of this protocol.
        level: occupancy threshold that the protocol fixes; None where each model's own frozen one is used.
        compares: what its numbers may stand beside, in a few words.
        own_frames: truth and prediction are each brought into a box of its own, so that neither size nor
            place of a prediction matters.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    stand_ins: ClassVar[Mapping[str, str]] = {}
    curve: ClassVar[tuple[float, ...]] = CURVE
    cases: ClassVar[tuple[str, ...]]
    average: ClassVar[Literal["instance", "category"]] = "instance"
    published: ClassVar[tuple[str, ...]] = ()
    level: ClassVar[float | None] = None
    compares: ClassVar[str]
    own_frames: ClassVar[bool] = False

    def __init__(self, config: EntryConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def id(self) -> str:
        """The name shown over a table; with `version`, differs whenever numbers cannot be compared."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Everything that is measured, in the order of the rows."""

    @property
    @abstractmethod
    def headline(self) -> tuple[str, ...]:
        """Names of the columns that the main table shows."""

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that a number depends on, as JSON."""
        return self.config.model_dump(mode="json")

    @abstractmethod
    def describe(self) -> str:
        """Formulas, units, points, normalisation, threshold rule, averages, and what it compares with."""

    def check(self, truth: Truth) -> None:
        """Raise where `prepare` would refuse the truth, without computing what that does.

        Raises:
            TruthError: the truth cannot be measured against.
        """
        truth.check()

    @abstractmethod
    def prepare(self, truth: Truth) -> Any:
        """What is computed once per true shape and used for every row.

        Raises:
            TruthError: the truth cannot be measured against.
        """

    @abstractmethod
    def measure(self, prediction: Shape, threshold: float | None, truth: Truth, prepared: Any) -> Measurement:
        """Measure one prediction. Depends on nothing but the arguments and the config.

        No value may be worse than its column's declared worst one, see `bounded`.

        Args:
            threshold: frozen occupancy threshold; None exactly for shapes without voxels.
            prepared: what `prepare` gave for this truth's shape.
        """

    @abstractmethod
    def failure(self, threshold: float | None, truth: Truth, reason: str) -> Measurement:
        """The declared worst values, for a prediction that is missing or raised."""

    def bounded(self, values: Mapping[str, float | None]) -> dict[str, float | None]:
        """Values of which none is worse than its column's declared worst one.

        What is measured of a prediction has no bound where it may lie anywhere: without this, leaving out the
        worst predictions would improve a mean. To be applied by `measure`.
        """
        bounded = dict(values)
        for column in self.columns:
            value = bounded.get(column.name)
            if value is not None:
                worse = max if column.better == "higher" else min
                bounded[column.name] = worse(value, column.worst)
        return bounded

    def finish(self, measured: Sequence[Measurement]) -> Sequence[Measurement]:
        """What one row scored, once all its instances are measured; here as it is.

        For published protocols that choose something by looking at the whole test list.
        """
        return measured

    def choose_threshold(
        self, predictions: Sequence[Shape | None], truths: Sequence[Truth]
    ) -> ThresholdChoice | None:
        """The threshold of `curve` with the highest mean IoU over validation instances.

        The IoU is taken at each truth's native grid; a missing prediction counts as 0 at every threshold.
        Equal means (a binary prediction has nothing but these) are settled towards .5.

        Returns:
            None for predictions without voxels, which have no threshold.

        Raises:
            ValueError: lengths differ.
            ThresholdError: nothing was predicted, only some predictions have voxels, or a truth has none.
        """
        from zoo.metrics.iou import iou_curve  # compiled: not for a command that only lists protocols

        if len(predictions) != len(truths):
            raise ValueError(f"{len(predictions)} predictions for {len(truths)} validation instances")
        total, voxels, open_surfaces = np.zeros(len(self.curve)), 0, 0
        for prediction, truth in zip(predictions, truths, strict=True):
            if prediction is None:
                continue
            truth.check()
            true = truth.grid
            if true is None:
                raise ThresholdError(f"true shape '{truth.id}' has no voxels to choose a threshold on")
            grid = prediction.voxels(len(true))
            if grid is None:
                open_surfaces += 1
                continue
            voxels += 1
            total += iou_curve(grid, true, self.curve)
        if not voxels + open_surfaces:
            raise ThresholdError("there is no prediction to choose a threshold on")
        if voxels and open_surfaces:
            raise ThresholdError(
                f"{voxels} predictions have voxels, {open_surfaces} have none; all or none must"
            )
        if not voxels:
            return None
        mean = total / len(truths)
        best = max(range(len(mean)), key=lambda k: (mean[k], -abs(self.curve[k] - 0.5)))
        curve = tuple(zip(self.curve, map(float, mean), strict=True))
        return ThresholdChoice(self.curve[best], curve, len(truths))


PROTOCOLS: Registry[Protocol] = Registry("protocol", Protocol, "benchmarks.protocols")
