"""A row that is ready to be scored: its predictions, its frozen threshold, and what its record will say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells.cell import ControlCell, ModelCell
from benchmarks.cells.predictor import Predictor
from benchmarks.cells.session import Session
from benchmarks.controls.features import Feature
from benchmarks.protocols import ThresholdChoice
from benchmarks.records.identity import canonical_json
from benchmarks.records.schema import InferenceCost, TrainCost
from zoo.shapes import Shape
from zoo.system.source import followed
from zoo.training.checkpoint import load_state
from zoo.training.integrity import weights_sum
from zoo.training.report import TrainReport


@dataclass(frozen=True)
class Row:
    """What `benchmarks.cells.work.measure` scores.

    Attributes:
        level: occupancy from which on a cell is inside; None for shapes without voxels.
        facts: what the record says beside the numbers; asked for once they are there, for what predicting
            cost is known only then.
        weights: SHA-256 of the weights that predict; None where nothing was trained.
    """

    predictions: Sequence[Shape | None]
    threshold: ThresholdChoice | None
    level: float | None
    facts: Callable[[], dict[str, Any]]
    weights: str | None = None


def model_row(session: Session, cell: ModelCell, report: TrainReport, predictor: Predictor) -> Row:
    """The row of a trained model; its weights are loaded once, for both splits.

    Raises:
        PredictionFailed: it does not predict the validation split.
    """
    recipe = session.recipe(cell, report.checkpoint)
    validation = session.predictions(cell, recipe, "val", predictor)
    choice = session.protocol.choose_threshold(validation, session.truths("val"))
    predictions = session.predictions(cell, recipe, "test", predictor)
    peak = report.peak_memory_mib

    def facts() -> dict[str, Any]:
        return {
            "kind": "model",
            "name": cell.config.name,
            "title": cell.config.title,
            "seed": cell.seed,
            "config": cell.config.resolved(),
            "code": followed(load_state(report.checkpoint).code, cell.code),
            "parameters": report.parameters,
            "train": TrainCost(
                steps=report.steps,
                seconds=report.seconds,
                images_per_second=report.images_per_second,
                peak_memory_mb=None if peak is None else peak * 2**20 / 1e6,
                selected_step=report.selected_step if report.validation_seconds else None,
                validation_seconds=report.validation_seconds or None,
                stopped=report.stopped or None,
            ),
            "inference": InferenceCost(images_per_second=predictions.images_per_second),
        }

    level = None if choice is None else choice.value
    return Row(predictions, choice, level, facts, weights_sum(report.checkpoint))


def control_row(session: Session, cell: ControlCell) -> Row:
    """The row of a control: made from the training split, its threshold chosen as a model's is."""
    control, choice = cell.control, None
    held_out = session.truths("val"), session.pictures("val")
    training = session.training()
    if control.feature is not None:
        vectors = read_vectors(session, control.feature)
        if vectors is not None and len(vectors) == len(training.voxels):
            training.remember(control.feature.describe, vectors)
    predict = control.fit(training, *held_out)
    if control.probabilistic:
        choice = session.protocol.choose_threshold(predict(*held_out), held_out[0])
    predictions = predict(session.truths("test"), session.pictures("test"))

    def facts() -> dict[str, Any]:
        return {
            "kind": "control",
            "name": control.name,
            "title": control.title,
            "seed": None,
            "config": {
                "explanation": control.explanation,
                "resolution": session.resolution,
                **control.identity,
            },
        }

    return Row(predictions, choice, 0.5 if choice is None else choice.value, facts)


def vectors_file(session: Session, feature: Feature, part: int, parts: int) -> Path:
    """Where one part of the training pictures lies as vectors, for as long as a command runs."""
    return vectors_folder(session, feature) / f"{part}-of-{parts}.npy"


def vectors_folder(session: Session, feature: Feature) -> Path:
    """Where all of them lie; another one for other pictures and other weights."""
    facts = canonical_json([feature.identity, session.store.fingerprint, session.resolution])
    return session.scratch / hashlib.sha256(facts.encode()).hexdigest()[:16]


def read_vectors(session: Session, feature: Feature) -> np.ndarray | None:
    """Every training picture as a vector (N, V, D), where each of its parts has been described."""
    files = sorted(vectors_folder(session, feature).glob("*-of-*.npy"), key=_part)
    if not files or [_part(file) for file in files] != list(range(int(files[0].stem.split("-of-")[1]))):
        return None
    return np.concatenate([part for part in map(np.load, files) if len(part)])


def _part(file: Path) -> int:
    return int(file.stem.split("-of-")[0])
