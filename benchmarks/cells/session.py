"""What the cells of one command share: data, protocol, device, folders, and how a cell gets its name.

A cell is one (model config, data set and split, preset, seed, protocol). Its record and rows lie in
``<out>/cells/<hash>``, its training in ``<out>/runs/<model>-<hash>``: the training does not depend on the
protocol, nor on how a picture refines the weights before it is predicted from, so that a second protocol, or
another `refine`, measures the same weights.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch

from benchmarks.cells.blocks import VIEW, Trained
from benchmarks.cells.cell import Cell, ControlCell, ModelCell
from benchmarks.cells.decisions import keep_decision
from benchmarks.cells.predictions import Predictions, StoredPictures, Truths
from benchmarks.cells.predictor import Predictor, PredictorHere
from benchmarks.controls import Control
from benchmarks.controls.lookup import Training
from benchmarks.protocols import Protocol
from benchmarks.records import environment
from benchmarks.records.identity import canonical_json, cell_hash
from benchmarks.records.making import describe_protocol
from benchmarks.records.schema import DatasetInfo
from benchmarks.records.storage import ResultStore
from benchmarks.request.run_request import RunRequest
from benchmarks.request.settings import Settings, code_of
from datasets.store import Store, StoreSplit
from zoo.config import ConfigError, ModelConfig
from zoo.device import describe_device
from zoo.model import build_discriminator, build_losses, build_model, inputs, supervision, takes_views
from zoo.model.refine import refine_fields
from zoo.system.processes import alive
from zoo.system.source import digests, foreign, parts_of
from zoo.training.start import start_sum
from zoo.training.validation import validation_fields
from zoo.types import ContractError

_TRAINING: dict[tuple[Path, str, int], Training] = {}
"""What `Session.training` gave last in this process, by store, split and resolution."""

SCRATCH = ".vectors"


def scratch_folder(out: Path) -> Path:
    """Where this command keeps what its own cells alone need of each other."""
    return out / f"{SCRATCH}-{socket.gethostname()}-{os.getpid()}"


def sweep_scratch(out: Path) -> None:
    """Delete this command's folder, and those of commands that were killed on this machine."""
    rmtree(scratch_folder(out), ignore_errors=True)
    for folder in out.glob(f"{SCRATCH}-{socket.gethostname()}-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdecimal() and not alive(int(number)):
            rmtree(folder, ignore_errors=True)


class Session:
    """What the cells of one command share: data, protocol, device, output folder.

    Args:
        out: folder of cells and runs.
        views: predictions are made from the first so many pictures of each shape. Sessions that differ in
            this alone share their trainings.
        limit: at most so many test instances, always the same; None for all. Their results have cells of
            their own, their trainings are those of the whole split.
        predictor: where trained models predict for pictures; None for this process.
        request: what the command was asked for, which the records keep.

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
        request: RunRequest | None = None,
    ) -> None:
        self.settings, self.store, self.protocol, self.device = settings, store, protocol, device
        self.out, self.views, self.limit = out, views, limit
        self.predictor, self.request = predictor or PredictorHere(device), request
        self._measured_by = code_of(protocol)
        self.scratch = scratch_folder(out)
        self.results = ResultStore(out / "cells")
        self.resolution = max(store.resolutions)
        self.test, self.val = (self._split(name) for name in ("test", "val"))
        self.has_points = "points" in self.test.provides
        if VIEW + views > self.test.num_views:
            raise ConfigError(
                f"--views asks for {views} pictures of each shape, the prepared '{store.dataset}' holds "
                f"{self.test.num_views}; ask for fewer, or store more with --set prepare.views={views}"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process, where there is another predictor."""
        return {**self.__dict__, "predictor": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, predictor=PredictorHere(state["device"]))

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
        trained_as, identity = (self._by_content(d) for d in (config.trained_as(), config.identity()))
        training = [trained_as, self.training_split(config).fingerprint, self.settings.preset, seed]
        if (validation := self.validation_split(config)) is not None:
            training.append(validation.fingerprint)
        theirs = foreign(parts)
        if theirs:  # not of this project, where versions would tell
            training.append(theirs)
        name = hashlib.sha256(canonical_json(training).encode()).hexdigest()[:12]
        return ModelCell(
            config,
            seed,
            self._hash("model", config.name, identity, seed, theirs),
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
        build_losses(config, model, self.training_split(config).provides)
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

    def decide(self, cell: ModelCell) -> None:
        """Note the result of a cell, where there is one, in its checkpoint; see `keep_decision`."""
        found = self.results.find(cell.hash)
        if found is not None:
            keep_decision(cell, *found, self.protocol, self.views)

    def truths(self, split: str) -> Truths:
        """What is true about the instances of 'val' or 'test'."""
        return Truths(self.test if split == "test" else self.val, self.resolution, self.has_points)

    def recipe(self, cell: ModelCell, checkpoint: Path) -> Trained:
        """How to set a cell's weights to work on whole splits."""
        whole = {name: self.store.split(name, self.resolution) for name in ("val", "test")}
        return Trained(checkpoint, cell.config.refine, whole, self.views, cell.code)

    def predictions(
        self, cell: ModelCell, recipe: Trained, split: str, predictor: Predictor | None = None
    ) -> Predictions:
        """A cell's predictions of 'val' or 'test', in the blocks of the whole of it."""
        ids = (self.test if split == "test" else self.val).ids
        return Predictions(predictor or self.predictor, recipe, split, ids, cell.label)

    def control_cell(self, control: Control) -> ControlCell:
        """The cell of a control."""
        config = {"resolution": self.resolution, "train": self._split("train").fingerprint}
        return ControlCell(control, self._hash("control", control.name, config | control.identity, None))

    def facts(self, cell: Cell | None = None) -> dict[str, Any]:
        """What a record says of the command, narrowed to what makes one cell."""
        asked = self.request
        if asked is not None and isinstance(cell, ModelCell):
            asked = asked.narrowed(cell.config.name, cell.seed, self.views)
        return {
            "protocol": describe_protocol(self.protocol),
            "dataset": self.dataset_info,
            "preset": self.settings.preset,
            "device": describe_device(self.device),
            "request": None if asked is None else asked.model_dump(mode="json"),
            "command": environment.command() if self.request is None else self.request.command(),
        }

    def training(self) -> Training:
        """The training split, as controls read it; the last one is kept, for the next control."""
        split = self._split("train")
        key = self.store.path, split.fingerprint, self.resolution
        if key not in _TRAINING:
            _TRAINING.clear()
            voxels = split.voxels(list(range(len(split))), self.resolution)
            _TRAINING[key] = Training(voxels, StoredPictures(split), split.categories)
        return _TRAINING[key]

    def pictures(self, split: str) -> np.ndarray:
        """The picture that each prediction of 'val' or 'test' is made from, (N, H, W, 4) uint8."""
        own = self.test if split == "test" else self.val
        return own.images(list(range(len(own))), [[VIEW]] * len(own))[:, 0].transpose(0, 2, 3, 1)

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
            protocol=describe_protocol(self.protocol),
            preset=self.settings.preset,
            seed=seed,
        )

    def _split(self, name: str, fields: Sequence[str] | None = None) -> StoreSplit:
        return self.store.split(name, self.resolution, fields, self.limit if name == "test" else None)

    def training_split(self, config: ModelConfig) -> StoreSplit:
        """The training split with only the fields that the model and its losses read."""
        whole = self.store.split("train")
        needs = supervision(config)
        resolution = getattr(config.decoder.config, "resolution", None)
        stored = resolution if resolution in self.store.resolutions else None
        return self.store.split("train", resolution=stored, fields=sorted(needs & whole.provides))

    def validation_split(self, config: ModelConfig) -> StoreSplit | None:
        """What a model is validated on while it trains; None where it is not."""
        if not config.train.validations:
            return None
        whole = self.store.split("val")
        reads = (inputs(config) | refine_fields(config) | validation_fields(config)) - {"image"}
        resolution = getattr(config.decoder.config, "resolution", None)
        stored = resolution if resolution in self.store.resolutions else None
        return self.store.split("val", resolution=stored, fields=sorted(reads & whole.provides))

    @staticmethod
    def _by_content(identity: dict[str, Any]) -> dict[str, Any]:
        """An identity that names the weights which a training starts from by what they are, not by where."""
        start = identity["train"].get("init_from")
        if start is None:
            return identity
        return {**identity, "train": {**identity["train"], "init_from": start_sum(start)}}

    def _absent(self, kind: str) -> dict[str, int]:
        """How many items of the data set are not in the store, by reason."""
        return dict(Counter(_kind_of(e["reason"]) for e in self.store.skipped if e["kind"] == kind))


def _kind_of(reason: str) -> str:
    """A reason without its paths, ids and numbers, so that equal ones are counted together."""
    said = [part for part in reason.split(": ") if not set("/\\") & set(part)] or [reason]
    return said[-1].partition(" as ")[0][:80]
