"""What the protocols of other people share: samples with normals, distances both ways, worst values.

The numbers of this file are part of every protocol that uses it: a change here is a new version of each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks.protocols import Measurement, Protocol, ThresholdChoice, Truth
from zoo.geometry.sample import sample_with_normals
from zoo.metrics.neighbours import Index
from zoo.registry import EntryConfig
from zoo.seeding import rng
from zoo.shapes import Shape


@dataclass(frozen=True)
class Sampled:
    """Points (N, 3) on a surface, and its unit normals there; None where a shape is nothing but points."""

    points: np.ndarray
    normals: np.ndarray | None = None

    @cached_property
    def index(self) -> Index:
        """Nearest-neighbour structure, built at the first question."""
        return Index(self.points)

    def moved(self, centre: np.ndarray, scale: float) -> Sampled:
        """Move a surface: each point p to (p - centre) * scale."""
        return Sampled((self.points - centre) * scale, self.normals)


def sample(shape: Shape, n: int, generator: np.random.Generator, level: float) -> Sampled:
    """`n` points, uniform by area on the surface of `shape` at `level`; none where it is empty."""
    mesh = shape.mesh(level)
    if mesh is None:
        return Sampled(shape.points(n, generator, level))
    return Sampled(*sample_with_normals(mesh, n, generator))


class Gaps(NamedTuple):
    """Two surfaces, point by nearest point.

    Attributes:
        to_truth: distance of each predicted point (N,) to the nearest true one.
        to_prediction: distance of each true point (M,) to the nearest predicted one.
        cosines: of the normals at these pairs, (N,) and (M,), signed; None where a side has no normals.
    """

    to_truth: np.ndarray
    to_prediction: np.ndarray
    cosines: tuple[np.ndarray, np.ndarray] | None


def gaps(prediction: Sampled, truth: Sampled) -> Gaps:
    """Nearest neighbours both ways, chosen by position alone."""
    to_truth, near_true = truth.index.search(prediction.points)
    to_prediction, near_predicted = prediction.index.search(truth.points)
    if prediction.normals is None or truth.normals is None:
        return Gaps(to_truth, to_prediction, None)
    there = np.einsum("ij,ij->i", prediction.normals, truth.normals[near_true])
    back = np.einsum("ij,ij->i", truth.normals, prediction.normals[near_predicted])
    return Gaps(to_truth, to_prediction, (there, back))


def normal_consistency(found: Gaps, absolute: bool) -> float | None:
    """Mean of the two directed mean cosines, or of their absolute values; None without normals."""
    if found.cosines is None:
        return None
    there, back = (np.abs(c) if absolute else c for c in found.cosines)
    return float(there.mean() + back.mean()) / 2


def best_of_the_list(measured: Sequence[Measurement], column: str) -> list[Measurement]:
    """Fill `column` with each IoU at the threshold of the curve whose mean over the list is highest.

    Of equal means the first threshold counts. Instances without voxels keep None.
    """
    curves = [m.iou_curve for m in measured if m.iou_curve is not None]
    if not curves:
        return list(measured)
    best = int(np.argmax(np.mean(curves, axis=0)))
    return [
        m if m.iou_curve is None else replace(m, values={**m.values, column: float(m.iou_curve[best])})
        for m in measured
    ]


class Published(Protocol):
    """A protocol of other people, as they ran it, with what had to be decided said in its description.

    Attributes:
        text: what `describe` prints; `{id}` and the settings are filled in.
        constants: what a number depends on besides the config.
        of_voxels, of_normals: columns that are undefined without voxels, and for a truth without normals.
    """

    version = 1
    text: ClassVar[str]
    constants: ClassVar[Mapping[str, Any]] = {}
    of_voxels: ClassVar[frozenset[str]] = frozenset()
    of_normals: ClassVar[frozenset[str]] = frozenset()

    @property
    def id(self) -> str:
        changed = self.config.model_dump(exclude_defaults=True)
        notes = [f"{value:,} {name}" for name, value in changed.items()]
        return f"{self.name} v{self.version}" + (f" ({'; '.join(notes)})" if notes else "")

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, **self.constants, "level": self.level, "average": self.average}

    def describe(self) -> str:
        settings = {name: f"{value:,}" for name, value in self.config.model_dump().items()}
        return self.text.format(id=self.id, **settings)

    def failure(self, threshold: float | None, truth: Truth, reason: str) -> Measurement:
        solid = threshold is not None and truth.grid is not None
        undefined = frozenset() if solid else self.of_voxels
        if truth.shape.own_points is not None:
            undefined |= self.of_normals
        values = {c.name: None if c.name in undefined else c.worst for c in self.columns}
        curve = np.zeros(len(self.curve)) if solid and self.of_voxels else None
        return Measurement(values, curve, True, reason)

    def choose_threshold(
        self, predictions: Sequence[Shape | None], truths: Sequence[Truth]
    ) -> ThresholdChoice | None:
        """As `Protocol`, except that a protocol which fixes the level records that one as chosen."""
        choice = super().choose_threshold(predictions, truths)
        return (
            choice if choice is None or self.level is None else replace(choice, value=self.level, fixed=True)
        )


@dataclass(frozen=True)
class Placed:
    """A true surface, sampled, and the frame that it sets: p is measured at (p - centre) * scale."""

    surface: Sampled
    centre: np.ndarray
    scale: float


class PointsConfig(EntryConfig):
    """The number of points, which is all that may be chosen; each protocol has its own default."""

    points: int
    """Points per side."""


class PublishedSurface(Published):
    """A published protocol that samples points on both sides and looks at the gaps between them."""

    config: PointsConfig

    @property
    def points(self) -> int:
        """Points per side."""
        return self.config.points

    @abstractmethod
    def frame(self, truth: Truth, surface: Sampled) -> tuple[np.ndarray, float]:
        """Centre and scale that truth and prediction are measured in, from the truth alone."""

    @abstractmethod
    def surface_values(self, found: Gaps) -> dict[str, float | None]:
        """The columns that depend on the gaps between the surfaces."""

    def prepare(self, truth: Truth) -> Any:
        """`Placed`: the surface at level .5, seeded by the shape alone: its views share the points."""
        self.check(truth)
        surface = sample(truth.shape, self.points, rng(0, self.name, truth.id, "truth"), 0.5)
        centre, scale = self.frame(truth, surface)
        return Placed(surface.moved(centre, scale), centre, scale)

    def measure(self, prediction: Shape, threshold: float | None, truth: Truth, prepared: Any) -> Measurement:
        """The columns of the surface, against a `Placed`; every column, at its worst, when it is empty."""
        level = surface_level(prediction, threshold)
        found = sample(prediction, self.points, rng(0, self.name, *truth.key, "prediction"), level)
        if not len(found.points):
            reason = "empty" if threshold is None else f"empty at its threshold of {threshold:g}"
            return self.failure(threshold, truth, reason)
        found = found.moved(prepared.centre, prepared.scale)
        return Measurement(self.bounded(self.surface_values(gaps(found, prepared.surface))))


def surface_level(prediction: Shape, threshold: float | None) -> float:
    """Level of a prediction's surface: its frozen threshold; one half for shapes without a field.

    Raises:
        ValueError: voxels without a threshold.
    """
    if threshold is None and prediction.has_field:
        raise ValueError("the prediction has voxels, but its threshold is None")
    return 0.5 if threshold is None else threshold
