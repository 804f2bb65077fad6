"""The shared VAE-GAN trainer.

One step updates the parts of the model that learn on the weighted sum of the stage's losses, each of which
may be kept to named parts; then the discriminator, where there is one, on real shapes and detached
predictions, unless it is too strong already: see `zoo.training.updates`.

Every random choice of a step (samples, views, mirrors, crops, colours, noise, dropout) is a function of the
run's seed and the step's number, so a run that was stopped goes on exactly as it would have without the stop.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from zoo.config import ModelConfig, identity_of
from zoo.device import PeakMemory, flushed_denormals, pick_device
from zoo.errors import UserError
from zoo.files import write_atomic, writing_to
from zoo.seeding import derive
from zoo.system.locks import OnWait, hold
from zoo.system.source import digests, followed, parts_of
from zoo.training.checkpoint import (
    DISCRIMINATOR,
    GOES_ON,
    CheckpointError,
    TrainState,
    load_optimizers,
    load_state,
    load_weights,
    read_config,
    save_checkpoint,
    versions,
)
from zoo.training.interrupt import Interrupted, graceful_stop
from zoo.training.log import LOG, append_log, cut_log
from zoo.training.plan import plan_steps, stages_of
from zoo.training.report import TrainReport
from zoo.training.run_folder import checkpoints, from_newest
from zoo.training.sampler import batch_indices, batches
from zoo.training.selection import Selection
from zoo.training.stages import Stage, lay_out
from zoo.training.start import start_from
from zoo.training.trackers import Tracker
from zoo.training.updates import Figures, Updates
from zoo.training.validation import Validation
from zoo.types import ContractError, Source

OnStep = Callable[[int, int, dict[str, float]], None]
"""Called after every step with steps done, steps in all and the latest logged figures."""


class NonFiniteLoss(UserError, RuntimeError):
    """A loss became NaN or infinite; the ids of its batch lie in ``nonfinite.json`` of the run folder."""


def train(
    config: ModelConfig,
    source: Source,
    run_dir: str | Path,
    *,
    seed: int,
    device: str | torch.device = "auto",
    validation: Source | None = None,
    trackers: Sequence[Tracker] = (),
    on_step: OnStep | None = None,
    on_wait: OnWait | None = None,
) -> TrainReport:
    """Train a model, or go on where its run folder stopped, or return at once when it is done.

    One command at a time trains in a run folder; another one waits, and finds it done.

    Args:
        device: a name is one that `zoo.device.pick_device` knows.
        validation: the validation split, which ``train.validations`` needs.
        trackers: called with every row of the log; see `zoo.training.trackers`.
        on_wait: called with the run folder where another command holds it.

    Raises:
        ContractError: parts, losses and data do not fit; checked before the first step.
        CheckpointError: the run folder belongs to another config, seed or data set, or is damaged.
        NonFiniteLoss, LoadError: see there. Interrupted: a signal to stop came; the state is saved.
        OSError: the run folder cannot be written.

    >>> import zoo
    >>> from zoo.testing.smoke import SmokeSource
    >>> config = zoo.load_config("vae_gan_baseline", "quick", ["train.steps=2", "train.batch_size=2"])
    >>> report = zoo.train(config, SmokeSource(), "runs/vae_gan_baseline", seed=0, device="cpu")
    >>> report.steps, type(zoo.load_pretrained("runs/vae_gan_baseline")).__name__
    (2, 'Reconstructor')
    """
    folder = Path(run_dir)
    device = pick_device(device) if isinstance(device, str) else device
    with hold(folder, on_wait), flushed_denormals():
        trainer = Trainer(config, source, folder, seed=seed, device=device, validation=validation)
        return trainer.run(on_step, trackers)


class Trainer(Updates):
    """One run of one model; see `train`."""

    def __init__(
        self,
        config: ModelConfig,
        source: Source,
        run_dir: Path,
        *,
        seed: int,
        device: torch.device,
        validation: Source | None = None,
    ) -> None:
        if len(source) == 0:
            raise ContractError("the training split is empty")
        if config.train.validations and validation is None:
            raise ContractError(
                f"model '{config.name}' validates while it trains, and no validation split is given; "
                "give one, or set train.validations=0"
            )
        super().__init__(config, source, seed=seed, device=device)
        self.source, self.run_dir = source, run_dir
        self.memory = PeakMemory(device)
        self.code = digests(parts_of(config))
        self.state = TrainState(seed=seed, data=source.fingerprint, versions=versions(), code=self.code)
        validates = Validation(config, validation, seed) if config.train.validations and validation else None
        self.selection = Selection(config.train, validates)
        self.stages = [] if config.train.minutes else lay_out(config.train.stages, config.train.steps)
        self.entered: Stage | None = None
        self.saved = run_dir

    @property
    def state(self) -> TrainState:
        """What is saved beside the weights."""
        return self._state

    @state.setter
    def state(self, state: TrainState) -> None:
        self._state, self.done = state, state.step

    def run(self, on_step: OnStep | None = None, trackers: Sequence[Tracker] = ()) -> TrainReport:
        """Train to the end; see `train`."""
        if checkpoints(self.run_dir):
            self.selection.begin(self.model)
            from_newest(self.run_dir, self._restore)
        else:
            self._start()
        self._lay_out()
        with self._writing():
            cut_log(self.run_dir / LOG, self.done)
        with graceful_stop() as stop:
            for stage in self.stages:
                if self.done < stage.last and not self.state.stopped:
                    self._run_stage(stage, stop, on_step, trackers)
        return self._report()

    def _start(self) -> None:
        """Take what is known before the first step: a fitted space, given weights."""
        self.model.decoder.fit(self.source)
        if self.config.train.init_from is not None:
            start_from(self.model, self.config.train.init_from)
        self.selection.begin(self.model)

    def _report(self) -> TrainReport:
        state, seconds = self.state, max(self.state.seconds, 1e-9)
        return TrainReport(
            checkpoint=self.saved,
            steps=self.done,
            seconds=state.seconds,
            images_per_second=self.done * self.config.train.batch_size / seconds,
            peak_memory_mib=state.peak_memory_mib,
            parameters=self.parameters,
            selected_step=state.best_step or self.done,
            validation_seconds=state.validation_seconds,
            stopped=state.stopped,
        )

    def _lay_out(self) -> None:
        """The stages of a budget of time, counted once."""
        train = self.config.train
        if train.minutes is not None:
            if not self.state.plan:
                validation = self.selection.validation
                self.state.plan = plan_steps(
                    self.config, self.source, validation, seed=self.seed, device=self.device
                )
            self.stages = stages_of(train.stages, self.state.plan)
        self.steps = self.stages[-1].last

    def _run_stage(
        self, stage: Stage, stop: Callable[[], int], on_step: OnStep | None, trackers: Sequence[Tracker]
    ) -> None:
        train = self.config.train
        if self.entered is not stage:
            self.enter(stage)
            self.entered = stage
        logged: dict[str, float] = {}
        started, since = perf_counter(), self.done
        stream = batches(
            self.source,
            batch_size=train.batch_size,
            views=train.views,
            first=self.done,
            last=stage.last,
            seed=derive(self.seed, "data"),
            device=self.device,
            extra_views=train.extra_views,
        )
        for batch in stream:
            figures = self.step(batch, stage)
            self.done = self.state.step = self.done + 1
            self.selection.follow(self.model, self.done)
            last = self.done == stage.last
            log = self.done % train.log_every == 0 or last
            if log or self.device.type == "cpu":
                self._check_finite()
            validated = self._validate(stage)
            if log or validated:
                rate = (self.done - since) * train.batch_size / (perf_counter() - started)
                logged = self._log(stage, figures, {**validated, "rate": rate}, trackers)
            if on_step:
                on_step(self.done, self.steps, logged)
            interrupted = stop()
            if self.done % train.checkpoint_every == 0 or last or interrupted or self.state.stopped:
                self._check_finite()
                self.state.seconds += perf_counter() - started
                self._save()
                started, since = perf_counter(), self.done
            if self.state.stopped:
                stream.close()
                return
            if interrupted and self.done < self.steps:
                raise Interrupted(self.run_dir, self.done, self.steps, interrupted)

    def _log(
        self, stage: Stage, figures: Figures, more: dict[str, float], trackers: Sequence[Tracker]
    ) -> dict[str, float]:
        """Write a row of the log; gives its figures."""
        own = {k: v.item() if isinstance(v, Tensor) else v for k, v in figures.items()}
        row: dict[str, Any] = {"step": self.done, "stage": stage.config.name, **own, **more}
        with self._writing():
            append_log(self.run_dir / LOG, row)
        for tracker in trackers:
            tracker(row)
        return own | {k: v for k, v in more.items() if k != "rate"}

    def _validate(self, stage: Stage) -> dict[str, float]:
        """Validate where it is time to, and end the training where it has not helped for long."""
        if stage is not self.stages[-1] or not self.selection.is_due(self.done, stage):
            return {}
        started = perf_counter()
        validated = self.selection.validate(self.model, self.state)
        self.state.validation_seconds += perf_counter() - started
        return validated.figures()

    def _check_finite(self) -> None:
        for step, total in self.pending:
            if not torch.isfinite(total):
                seed = derive(self.seed, "data")
                indices = batch_indices(len(self.source), self.config.train.batch_size, step, seed)
                ids = [self.source.ids[i] for i in indices]
                path = self.run_dir / "nonfinite.json"
                content = {"step": step, "loss": str(total.item()), "ids": ids}
                with self._writing():
                    write_atomic(path, json.dumps(content, indent=1))
                raise NonFiniteLoss(
                    f"model '{self.config.name}': the loss is {total.item()} at step {step}; the ids of the "
                    f"batch are in {path}. Lower train.optimizer.lr or set train.clip"
                )
        self.pending.clear()

    def _save(self) -> None:
        if (peak := self.memory.mib()) is not None:
            self.state.peak_memory_mib = max(self.state.peak_memory_mib or 0.0, peak)
        self.state.scaler = self.scaler.state_dict()
        self.saved = save_checkpoint(
            self.run_dir,
            self.config,
            self.state,
            self.selection.predicts(self.model),
            self.discriminator,
            self.optimizers,
            self.selection.others(self.model),
        )

    def _writing(self) -> AbstractContextManager[None]:
        return writing_to(self.run_dir, GOES_ON)

    def _restore(self, path: Path) -> None:
        """Take over a checkpoint as it was saved, with the optimisers of a stage that it lies within."""
        state = load_state(path)
        saved = {k: v for k, v in identity_of(read_config(path)).items() if k != "refine"}
        if saved != json.loads(json.dumps(self.config.trained_as())):
            raise CheckpointError(f"{path} was trained with another config; choose another run folder")
        if (state.seed, state.data) != (self.seed, self.source.fingerprint):
            raise CheckpointError(
                f"{path} was trained with seed {state.seed} on data {state.data[:12]}, now asked for seed "
                f"{self.seed} on {self.source.fingerprint[:12]}; choose another run folder"
            )
        self.entered = None
        self.selection.restore(path, self.model, state)
        if self.discriminator is not None:
            load_weights(self.discriminator, path / DISCRIMINATOR)
        if state.plan:
            self.stages = stages_of(self.config.train.stages, state.plan)
        for stage in self.stages:
            if stage.first < state.step < stage.last:
                self.enter(stage)
                load_optimizers(path, self.optimizers)
                self.entered = stage
        if state.scaler:
            self.scaler.load_state_dict(state.scaler)
        self.state, self.saved = state, path
        self.state.versions = versions()
        self.state.code = followed(state.code, self.code)


def report_dict(report: TrainReport) -> dict[str, object]:
    """Plain data of a report, for a record."""
    return {**asdict(report), "checkpoint": report.checkpoint.name}
