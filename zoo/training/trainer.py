"""The shared VAE-GAN trainer.

One step updates the parts of the model that learn on the weighted sum of the stage's losses, each of which
may be kept to named parts; then the discriminator, where there is one, on real shapes and detached
predictions, unless it is too strong already. What a system does differently stands in its stages: which parts
learn, from which losses, from what input, with which optimisers.

Every random choice of a step (samples, views, mirrors, crops, colours, noise, dropout) is a function of the
run's seed and the step's number, so a run that was stopped goes on exactly as it would have without the stop.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from zoo.config import ModelConfig, OptimizerConfig
from zoo.device import PeakMemory, flushed_denormals, pick_device
from zoo.errors import UserError
from zoo.files import write_atomic, writing_to
from zoo.losses import Loss
from zoo.model import build_discriminator, build_losses, build_model
from zoo.model.optim import build_optimizer, set_lr
from zoo.parts import MODEL_PARTS, PartName
from zoo.seeding import derive
from zoo.system.locks import OnWait, hold
from zoo.system.source import digests, followed, parts_of
from zoo.training.checkpoint import (
    DISCRIMINATOR,
    GOES_ON,
    MODEL,
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
from zoo.training.report import TrainReport
from zoo.training.run_folder import checkpoints, from_newest
from zoo.training.sampler import batch_indices, batches
from zoo.training.stages import Stage, freeze, lay_out
from zoo.transforms.augment import random_mirror
from zoo.transforms.frames import to_frame
from zoo.types import Batch, ContractError, Prediction, Source

ORDER = ("sketches", "latent", "shapes")
"""How far a pass may go; see `zoo.losses.Loss.until`."""

LEARNERS: tuple[PartName, ...] = MODEL_PARTS[:-1]
"""Parts of the model, in the order of their parameters in an optimiser; the discriminator is none."""

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
    on_step: OnStep | None = None,
    on_wait: OnWait | None = None,
) -> TrainReport:
    """Train a model, or go on where its run folder stopped, or return at once when it is done.

    One command at a time trains in a run folder; another one waits, and finds it done.

    Args:
        device: a name is one that `zoo.device.pick_device` knows.
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
        return Trainer(config, source, folder, seed=seed, device=device).run(on_step)


class Trainer:
    """One run of one model; see `train`."""

    def __init__(
        self, config: ModelConfig, source: Source, run_dir: Path, *, seed: int, device: torch.device
    ) -> None:
        if len(source) == 0:
            raise ContractError("the training split is empty")
        self.config, self.source, self.run_dir = config, source, run_dir
        self.seed, self.device = seed, device
        self.model = build_model(config, seed=derive(seed, "weights"))
        self.losses = build_losses(config, self.model, source.provides)
        self.discriminator = build_discriminator(config, self.model.decoder, seed=derive(seed, "critic"))
        self.parameters = sum(p.numel() for p in self.model.parameters())
        for module in self.modules():
            to_fast_memory_format(module.to(device))
        self.stages = lay_out(config.train.stages, config.train.steps)
        self.autocast = _precision(config.train.precision, device)
        self.memory = PeakMemory(device)
        self.code = digests(parts_of(config))
        self.state = TrainState(seed=seed, data=source.fingerprint, versions=versions(), code=self.code)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.learners: dict[str, tuple[OptimizerConfig, list[nn.Parameter]]] = {}
        self.pending: list[tuple[int, Tensor]] = []  # losses whose finiteness is not checked yet
        self.entered: Stage | None = None
        self.saved = run_dir

    def modules(self) -> Iterator[nn.Module]:
        """Model, and discriminator where there is one."""
        yield self.model
        if self.discriminator is not None:
            yield self.discriminator

    def run(self, on_step: OnStep | None = None) -> TrainReport:
        """Train to the end; see `train`."""
        train = self.config.train
        if checkpoints(self.run_dir):
            from_newest(self.run_dir, self._restore)
        with self._writing():
            cut_log(self.run_dir / LOG, self.state.step)
        with graceful_stop() as stop:
            for stage in self.stages:
                if self.state.step < stage.last:
                    self._run_stage(stage, stop, on_step)
        seconds = max(self.state.seconds, 1e-9)
        return TrainReport(
            checkpoint=self.saved,
            steps=train.steps,
            seconds=self.state.seconds,
            images_per_second=train.steps * train.batch_size / seconds,
            peak_memory_mib=self.state.peak_memory_mib,
            parameters=self.parameters,
        )

    def _run_stage(self, stage: Stage, stop: Callable[[], int], on_step: OnStep | None) -> None:
        train = self.config.train
        if self.entered is not stage:
            self.enter(stage)
        logged: dict[str, float] = {}
        started, since = perf_counter(), self.state.step
        stream = batches(
            self.source,
            batch_size=train.batch_size,
            views=train.views,
            first=self.state.step,
            last=stage.last,
            seed=derive(self.seed, "data"),
            device=self.device,
            extra_views=train.extra_views,
        )
        for batch in stream:
            figures = self.step(batch, stage)
            self.state.step += 1
            done = self.state.step
            last = done == stage.last
            if done % train.log_every == 0 or last or self.device.type == "cpu":
                self._check_finite()
            if done % train.log_every == 0 or last:
                logged = {k: v.item() if isinstance(v, Tensor) else v for k, v in figures.items()}
                rate = (done - since) * train.batch_size / (perf_counter() - started)
                row = {"step": done, "stage": stage.config.name, **logged, "rate": rate}
                with self._writing():
                    append_log(self.run_dir / LOG, row)
            if on_step:
                on_step(done, train.steps, logged)
            interrupted = stop()
            if done % train.checkpoint_every == 0 or last or interrupted:
                self._check_finite()
                self.state.seconds += perf_counter() - started
                self._save()
                started, since = perf_counter(), done
            if interrupted and done < train.steps:
                raise Interrupted(self.run_dir, done, train.steps, interrupted)

    def step(self, batch: Batch, stage: Stage) -> dict[str, Tensor | float]:
        """One update of every part that learns; returns figures, tensors not yet fetched."""
        step, config = self.state.step, self.config.train
        torch.manual_seed(derive(self.seed, "dropout", step))
        generator = torch.Generator().manual_seed(derive(self.seed, "noise", step))
        place = (step - stage.first, stage.last - stage.first)
        figures: dict[str, Tensor | float] = {}
        if config.mirror:
            batch = random_mirror(batch, generator)
        batch = to_frame(batch, self.config.frame)
        active = self._active(stage)
        views = batch.inputs or batch.image.shape[1]
        depth = None if batch.depth is None else batch.depth[:, :views]
        image = self.model.preprocess(batch.image[:, :views], training=True, generator=generator, depth=depth)
        with self.autocast:
            prediction = self.model(
                image,
                generator,
                batch=batch,
                reads=stage.config.reads,
                until=max((loss.until for loss in active.values()), key=ORDER.index),
                prior=any(loss.reads_prior for loss in active.values()),
            )
            if self.discriminator is not None:
                self.discriminator.requires_grad_(False)  # it only passes gradients on
            terms: dict[str, Tensor] = {}
            for key, loss in active.items():
                value = loss(prediction, batch, self.discriminator)
                terms[key] = self._weight(key, step) * value
                figures[key] = value.detach()
        total = torch.stack(list(terms.values())).sum()
        self.pending.append((step, total.detach()))
        if self.learners:
            self._backward(terms)
            if config.clip is not None:
                parameters = [p for p in self.model.parameters() if p.grad is not None]
                figures["grad_norm"] = nn.utils.clip_grad_norm_(parameters, config.clip).detach()
            for name, (settings, _) in self.learners.items():
                lr = set_lr(self.optimizers[name], settings, *place)
                figures["lr" if name == "generator" else f"lr_{name}"] = lr
                self.optimizers[name].step()
        if "discriminator" in self.optimizers:
            figures |= self._step_discriminator(prediction, batch, active, place)
        figures["loss"] = total.detach()
        return figures

    def _backward(self, terms: dict[str, Tensor]) -> None:
        """Gradients of the weighted terms, each in the parts that it reaches."""
        for name in self.learners:
            self.optimizers[name].zero_grad(set_to_none=True)
        groups: dict[tuple[str, ...] | None, list[Tensor]] = {}
        for key, term in terms.items():
            if term.requires_grad:
                groups.setdefault(self.losses[key].config.reaches, []).append(term)
        for i, (reaches, group) in enumerate(groups.items()):
            parts = self.model if reaches is None else nn.ModuleList(self._part(name) for name in reaches)
            reached = [p for p in parts.parameters() if p.requires_grad]
            if reached:
                last = i == len(groups) - 1
                torch.stack(group).sum().backward(inputs=reached, retain_graph=not last)

    def _part(self, name: str) -> nn.Module:
        """A part of the model; an empty module for one that it does not have."""
        return getattr(self.model, name, None) or nn.Module()

    def _step_discriminator(
        self, prediction: Prediction, batch: Batch, active: Mapping[str, Loss], place: tuple[int, int]
    ) -> dict[str, Tensor | float]:
        assert self.discriminator is not None
        config, optimizer = self.config.train, self.optimizers["discriminator"]
        self.discriminator.requires_grad_(True)
        adversarial = next(loss for loss in active.values() if loss.adversarial)
        with self.autocast:
            loss, accuracy = adversarial.discriminator_loss(prediction, batch, self.discriminator)
        figures: dict[str, Tensor | float] = {"d_loss": loss.detach(), "d_accuracy": accuracy}
        if config.gate is not None and accuracy.item() > config.gate:
            return figures
        set_lr(optimizer, config.discriminator_optimizer, *place)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return figures

    def _active(self, stage: Stage) -> dict[str, Loss]:
        wanted = stage.config.losses
        return {
            key: loss
            for key, loss in self.losses.items()
            if (wanted is None or key in wanted) and self.config.losses[key].config.weight > 0
        }

    def _weight(self, key: str, step: int) -> float:
        loss = self.losses[key].config
        ramp = loss.warmup * self.config.train.steps
        return loss.weight * (min(1.0, (step + 1) / ramp) if ramp > 0 else 1.0)

    def enter(self, stage: Stage) -> None:
        """Freeze and thaw as the stage says, and start its optimisers."""
        config, trains = self.config.train, stage.config.trains
        self.entered = stage
        self.model.train()
        # a part that is frozen from here on must not keep its last gradient and be clipped with
        self.model.zero_grad(set_to_none=True)
        self.optimizers, self.learners = {}, {}
        for name in LEARNERS:
            part = self._part(name)
            freeze(part, name in trains)
            learning = [p for p in part.parameters() if p.requires_grad]
            own = config.optimizers.get(name) if stage.config.optimizer is None else None
            key: str = "generator" if own is None else name
            settings = own or stage.config.optimizer or config.optimizer
            self.learners.setdefault(key, (settings, []))[1].extend(learning)
        self.learners = {key: found for key, found in self.learners.items() if found[1]}
        for key, (settings, parameters) in self.learners.items():
            self.optimizers[key] = build_optimizer(settings, parameters)
        if self.discriminator is not None:
            adversarial = any(loss.adversarial for loss in self._active(stage).values())
            learns = "discriminator" in trains and adversarial
            freeze(self.discriminator, learns)
            if learns:
                self.optimizers["discriminator"] = build_optimizer(
                    config.discriminator_optimizer, self.discriminator.parameters()
                )

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
        self.saved = save_checkpoint(
            self.run_dir, self.config, self.state, self.model, self.discriminator, self.optimizers
        )

    def _writing(self) -> AbstractContextManager[None]:
        return writing_to(self.run_dir, GOES_ON)

    def _restore(self, path: Path) -> None:
        """Take over a checkpoint as it was saved, with the optimisers of a stage that it lies within."""
        state = load_state(path)
        saved = {k: v for k, v in read_config(path).items() if k != "refine"}
        if saved != json.loads(json.dumps(self.config.trained_as())):
            raise CheckpointError(f"{path} was trained with another config; choose another run folder")
        if (state.seed, state.data) != (self.seed, self.source.fingerprint):
            raise CheckpointError(
                f"{path} was trained with seed {state.seed} on data {state.data[:12]}, now asked for seed "
                f"{self.seed} on {self.source.fingerprint[:12]}; choose another run folder"
            )
        self.entered = None
        load_weights(self.model, path / MODEL)
        if self.discriminator is not None:
            load_weights(self.discriminator, path / DISCRIMINATOR)
        for stage in self.stages:
            if stage.first < state.step < stage.last:
                self.enter(stage)
                load_optimizers(path, self.optimizers)
        self.state, self.saved = state, path
        self.state.versions = versions()
        self.state.code = followed(state.code, self.code)


def to_fast_memory_format(module: nn.Module) -> None:
    """Channels-last weights on CUDA, where convolutions then run on tensor cores without transposes."""
    for parameter in module.parameters():
        if parameter.is_cuda and parameter.dim() in (4, 5):
            layout = torch.channels_last if parameter.dim() == 4 else torch.channels_last_3d
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _precision(name: str, device: torch.device) -> torch.autocast | nullcontext[None]:
    bf16 = name == "bf16" or (name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported())
    return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()


def report_dict(report: TrainReport) -> dict[str, object]:
    """Plain data of a report, for a record."""
    return {**asdict(report), "checkpoint": report.checkpoint.name}
