"""Cells of one command: train what is missing, measure what is missing, keep every result.

A cell is one (model config, data set and split, preset, seed, protocol). Its record and rows lie in
``<out>/cells/<hash>``, its training in ``<out>/runs/<model>-<hash>``: the training does not depend on the
protocol, nor on how a picture refines the weights before it is predicted from, so that a second protocol, or
another `refine`, measures the same weights.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells.blocks import VIEW, Trained
from benchmarks.cells.cell import ModelCell
from benchmarks.cells.executor import CellDied, Job
from benchmarks.cells.predictions import Predictions, StoredPictures, Truths
from benchmarks.cells.predictor import Predictor, PredictorHere
from benchmarks.controls import Control
from benchmarks.controls.lookup import Training
from benchmarks.protocols import Protocol, ThresholdChoice
from benchmarks.records import environment
from benchmarks.records.identity import canonical_json, cell_hash
from benchmarks.records.schema import (
    DatasetInfo,
    InferenceCost,
    ProtocolInfo,
    Record,
    Rows,
    Threshold,
    TrainCost,
)
from benchmarks.records.storage import ResultStore, save
from benchmarks.request.settings import Settings, code_of
from benchmarks.scoring.journal import JOURNAL
from benchmarks.scoring.score import score
from datasets.store import Store, StoreSplit
from zoo.config import ConfigError, ModelConfig
from zoo.device import describe_device
from zoo.files import sweep
from zoo.metrics.neighbours import active_backend
from zoo.model import build_discriminator, build_losses, build_model, supervision, takes_views
from zoo.shapes import Shape
from zoo.system.source import digests, followed, foreign, parts_of
from zoo.training.checkpoint import load_state
from zoo.training.integrity import weights_sum
from zoo.training.trainer import TrainReport
from zoo.types import ContractError


@dataclass(frozen=True)
class _Row:
    """A row to be scored: its predictions, its frozen threshold, and how its record is completed.

    Attributes:
        weights: SHA-256 of the weights that predict; None where nothing was trained.
    """

    key: str
    label: str
    predictions: Sequence[Shape | None]
    threshold: ThresholdChoice | None
    level: float | None
    complete: Callable[[Rows, tuple[tuple[float, float], ...]], Record]
    weights: str | None = None


class Session:
    """What the cells of one command share: data, protocol, device, output folder.

    Args:
        out: folder of cells and runs.
        views: predictions are made from the first so many pictures of each shape. Sessions that differ in
            this alone share their trainings.
        limit: at most so many test instances, always the same; None for all. Their results have cells of
            their own, their trainings are those of the whole split.
        predictor: where trained models predict; None for this process.

    Raises:
        ConfigError: more views than the store holds.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        protocol: Protocol,
        device: torch.device,
        out: Path,
        views: int = 1,
        limit: int | None = None,
        predictor: Predictor | None = None,
    ) -> None:
        self.settings, self.store, self.protocol, self.device = settings, store, protocol, device
        self.out, self.views, self.limit = out, views, limit
        self.predictor = predictor or PredictorHere(device)
        self._measured_by = code_of(protocol)
        self.results = ResultStore(out / "cells")
        self.resolution = max(store.resolutions)
        self.test, self.val = (self._split(name) for name in ("test", "val"))
        self.has_points = "points" in self.test.provides
        if VIEW + views > self.test.num_views:
            raise ConfigError(
                f"--views asks for {views} pictures of each shape, the prepared '{store.dataset}' holds "
                f"{self.test.num_views}; ask for fewer, or store more with --set prepare.views={views}"
            )

    @property
    def protocol_info(self) -> ProtocolInfo:
        """The protocol as records name it."""
        return ProtocolInfo(
            id=self.protocol.id, version=self.protocol.version, settings=self.protocol.settings
        )

    @property
    def dataset_info(self) -> DatasetInfo:
        """The test instances as records name them."""
        return DatasetInfo(
            name=self.store.dataset,
            version=str(self.store.manifest["version"]),
            fingerprint=self.test.fingerprint,
            split="test",
            views=f"picture {VIEW:02d} of each shape"
            if self.views == 1
            else f"pictures {VIEW:02d} to {VIEW + self.views - 1:02d} of each shape",
            n=len(self.test),
            whole=None if len(self.test) == self.test.whole else self.test.whole,
            skipped=self._absent("missing"),
            left_out=self._absent("left out"),
            leaks=len(set(self.test.ids) & {entry["id"] for entry in self.store.leaks}),
        )

    def cell(self, config: ModelConfig, seed: int) -> ModelCell:
        """The cell of a model and a seed."""
        parts = parts_of(config)
        training = [config.trained_as(), self._training_split(config).fingerprint, self.settings.preset, seed]
        theirs = foreign(parts)
        if theirs:  # not of this project, where versions would tell
            training.append(theirs)
        name = hashlib.sha256(canonical_json(training).encode()).hexdigest()[:12]
        return ModelCell(
            config,
            seed,
            self._hash("model", config.name, config.resolved(), seed, theirs),
            self.out / "runs" / f"{config.name}-{name}",
            digests(parts),
        )

    def check(self, config: ModelConfig) -> None:
        """Build everything of a model once, so that what does not fit is said before anything is trained.

        Raises:
            ContractError: parts, losses, data set and views do not fit; names both sides and what would.
        """
        if self.views > 1 and not takes_views(config):
            raise ContractError(
                f"model '{config.name}' reads one picture of a shape, but the fewest of --views are "
                f"{self.views}; add 1"
            )
        model = build_model(config, seed=0)
        build_losses(config, model, self._training_split(config).provides)
        build_discriminator(config, model.decoder, seed=0)
        wanted, stored = max(config.train.views[1], config.train.extra_views), self.test.num_views
        if wanted > stored:
            raise ContractError(
                f"model '{config.name}' trains with {wanted} views of a shape, the prepared "
                f"'{self.store.dataset}' holds {stored}; use --set prepare.views={wanted}"
            )
        resolution = model.decoder.resolution
        if resolution is not None and resolution not in self.store.resolutions:
            raise ContractError(
                f"model '{config.name}' makes {resolution}^3 voxels, the prepared '{self.store.dataset}' "
                f"holds {self.store.resolutions}; use --set decoder.resolution={self.resolution} or "
                f"--set prepare.resolutions=[{resolution}]"
            )

    def job(self, cell: ModelCell) -> Job:
        """The training of a cell."""
        source = self._training_split(cell.config)
        return Job(cell.label, cell.config, source, cell.run_dir, cell.seed, cell.code)

    def measure(
        self,
        trained: dict[ModelCell, TrainReport],
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
        controls: Sequence[Control] = (),
        limit: float | None = None,
    ) -> dict[str, Exception]:
        """Score every trained cell and every control that has no result yet, together, and save them.

        For one command at a time (`zoo.system.locks.hold` of `results.root`): what is under way lies in the
        cells.

        Args:
            limit: seconds that measuring one prediction may take; None for no limit.

        Returns:
            What went wrong, by label; the others are saved.
        """
        failed: dict[str, Exception] = {}
        rows: list[_Row] = []
        for cell, report in trained.items():
            try:
                rows.append(self._model_row(cell, report))
            except Exception as error:  # one model that cannot predict must not cost the others
                failed[cell.label] = error
        rows += self._control_rows(controls, failed)
        if not rows:
            return failed
        scores = score(
            {row.key: row.predictions for row in rows},
            self.truths("test"),
            self.protocol,
            {row.key: row.level for row in rows},
            workers=workers,
            progress=progress,
            journals={row.key: self._journal(row) for row in rows},
            limit=limit,
            weights={row.key: row.weights for row in rows if row.weights is not None},
        )
        for row in rows:
            if row.key in scores.died:
                failed[row.label] = CellDied(scores.died[row.key])
                continue
            try:
                record = row.complete(scores.rows[row.key], scores.iou_curve[row.key])
                record = record.model_copy(update={"hints": scores.hints[row.key]})
                save(record, scores.rows[row.key], self.results.folder(record.cell))
                self._journal(row).unlink(missing_ok=True)
                sweep(self.results.folder(record.cell))
            except Exception as error:  # the others are as complete as they were
                failed[row.label] = error
        return failed

    def _journal(self, row: _Row) -> Path:
        """What was measured of a row before it is complete: a command that is killed goes on from it."""
        return self.results.folder(row.key) / JOURNAL

    def truths(self, split: str) -> Truths:
        """What is true about the instances of 'val' or 'test'."""
        return Truths(self.test if split == "test" else self.val, self.resolution, self.has_points)

    def predictions(self, cell: ModelCell, checkpoint: Path, split: StoreSplit) -> Predictions:
        """A cell's predictions of a split, in the blocks of the whole of it."""
        whole = self.store.split(split.name, self.resolution)
        recipe = Trained(checkpoint, cell.config.refine, whole, self.views, cell.code)
        return Predictions(self.predictor, recipe, split.ids, cell.label)

    def control_cell(self, control: Control) -> str:
        """Hash of a control's cell."""
        config = {"resolution": self.resolution, "train": self._split("train").fingerprint}
        return self._hash("control", control.name, config | control.identity, None)

    def _model_row(self, cell: ModelCell, report: TrainReport) -> _Row:
        validation = self.predictions(cell, report.checkpoint, self.val)
        choice = self.protocol.choose_threshold(validation, self.truths("val"))
        predictions = self.predictions(cell, report.checkpoint, self.test)

        def complete(rows: Rows, curve: tuple[tuple[float, float], ...]) -> Record:
            return self._record(
                kind="model",
                name=cell.config.name,
                title=cell.config.title,
                cell=cell.hash,
                seed=cell.seed,
                config=cell.config.resolved(),
                rows=rows,
                curve=curve,
                threshold=choice,
                code=followed(load_state(report.checkpoint).code, cell.code),
                parameters=report.parameters,
                train=TrainCost(
                    steps=report.steps,
                    seconds=report.seconds,
                    images_per_second=report.images_per_second,
                    peak_memory_mb=None
                    if report.peak_memory_mib is None
                    else report.peak_memory_mib * 2**20 / 1e6,
                ),
                inference=InferenceCost(images_per_second=predictions.images_per_second),
            )

        level = None if choice is None else choice.value
        weights = weights_sum(report.checkpoint)
        return _Row(cell.hash, cell.label, predictions, choice, level, complete, weights)

    def _control_rows(self, wanted: Sequence[Control], failed: dict[str, Exception]) -> list[_Row]:
        """Those of the controls that have no result yet; what goes wrong is noted in `failed`."""
        hashes = {control: self.control_cell(control) for control in wanted}
        missing = [control for control, cell in hashes.items() if self.results.find(cell) is None]
        training = self.training() if missing else None
        rows = []
        for control in missing:
            assert training is not None
            try:
                rows.append(self._control_row(control, hashes[control], training))
            except Exception as error:  # a network that cannot be loaded must not cost the others
                failed[control.name] = error
        return rows

    def _control_row(self, control: Control, cell: str, training: Training) -> _Row:
        held_out = self.truths("val"), self._images(self.val)
        predict, choice = control.fit(training, *held_out), None
        if control.probabilistic:
            choice = self.protocol.choose_threshold(predict(*held_out), held_out[0])
        predictions = predict(self.truths("test"), self._images(self.test))

        def complete(rows: Rows, curve: tuple[tuple[float, float], ...]) -> Record:
            return self._record(
                kind="control",
                name=control.name,
                title=control.title,
                cell=cell,
                seed=None,
                config={
                    "explanation": control.explanation,
                    "resolution": self.resolution,
                    **control.identity,
                },
                rows=rows,
                curve=curve,
                threshold=choice,
            )

        return _Row(
            cell, control.name, predictions, choice, 0.5 if choice is None else choice.value, complete
        )

    def _record(
        self,
        *,
        rows: Rows,
        curve: tuple[tuple[float, float], ...],
        threshold: ThresholdChoice | None,
        **fields: Any,
    ) -> Record:
        return Record(
            protocol=self.protocol_info,
            dataset=self.dataset_info,
            preset=self.settings.preset,
            threshold=threshold and Threshold(value=threshold.value, chosen=threshold.rule),
            n=len(rows),
            n_failed=sum(row["failed"] for row in rows),
            iou_curve=curve,
            versions=environment.versions(),
            device=describe_device(self.device),
            git=environment.git(),
            neighbours=active_backend().name,
            command=environment.command(),
            date=datetime.now(UTC).replace(microsecond=0),
            **fields,
        )

    def _hash(
        self,
        kind: Any,
        name: str,
        config: dict[str, Any],
        seed: int | None,
        code: Mapping[str, str] | None = None,
    ) -> str:
        theirs = {**self._measured_by, **(code or {})}
        return cell_hash(
            kind=kind,
            name=name,
            config=config | ({"code": theirs} if theirs else {}),
            dataset=self.dataset_info,
            protocol=self.protocol_info,
            preset=self.settings.preset,
            seed=seed,
        )

    def _split(self, name: str, fields: Sequence[str] | None = None) -> StoreSplit:
        return self.store.split(name, self.resolution, fields, self.limit if name == "test" else None)

    def _training_split(self, config: ModelConfig) -> StoreSplit:
        """The training split with only the fields that the model and its losses read."""
        whole = self.store.split("train")
        needs = supervision(config)
        resolution = getattr(config.decoder.config, "resolution", None)
        stored = resolution if resolution in self.store.resolutions else None
        return self.store.split("train", resolution=stored, fields=sorted(needs & whole.provides))

    def training(self) -> Training:
        """What the controls know: shapes, pictures and categories of the training split."""
        split = self._split("train")
        return Training(
            voxels=split.voxels(list(range(len(split))), self.resolution),
            images=StoredPictures(split),
            categories=split.categories,
        )

    def _absent(self, kind: str) -> dict[str, int]:
        """How many items of the data set are not in the store, by reason."""
        return dict(Counter(_kind_of(e["reason"]) for e in self.store.skipped if e["kind"] == kind))

    def _images(self, split: StoreSplit) -> Any:
        pictures = split.images(list(range(len(split))), [[VIEW]] * len(split))
        return pictures[:, 0].transpose(0, 2, 3, 1)


def _kind_of(reason: str) -> str:
    """A reason without its paths, ids and numbers, so that equal ones are counted together."""
    said = [part for part in reason.split(": ") if not set("/\\") & set(part)] or [reason]
    return said[-1].partition(" as ")[0][:80]
