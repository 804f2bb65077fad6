"""One update of every part of a model that learns, and of the discriminator.

What a system does differently stands in its stages: which parts learn, from which losses, from what input,
with which optimisers. Every random choice of a step is a function of the run's seed and the step's number.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from zoo.config import ModelConfig, OptimizerConfig
from zoo.losses import Loss
from zoo.model import build_discriminator, build_losses, build_model
from zoo.model.optim import build_optimizer, set_lr
from zoo.parts import MODEL_PARTS, PartName
from zoo.seeding import derive
from zoo.training.precision import autocast, autocast_type, grad_scaler, to_fast_memory_format
from zoo.training.stages import Stage, freeze
from zoo.transforms.augment import random_mirror
from zoo.transforms.frames import to_frame
from zoo.types import Batch, ContractError, Prediction, Source

ORDER = ("sketches", "latent", "shapes")
"""How far a pass may go; see `zoo.losses.Loss.until`."""

LEARNERS: tuple[PartName, ...] = MODEL_PARTS[:-1]
"""Parts of the model, in the order of their parameters in an optimiser; the discriminator is none."""

Figures = dict[str, Tensor | float]


class Updates:
    """Model, losses, discriminator and optimisers of one run.

    Attributes:
        done: steps done.
        steps: steps in all, for losses that warm up.
        pending: losses whose finiteness is not checked yet, each with its step.
    """

    def __init__(self, config: ModelConfig, source: Source, *, seed: int, device: torch.device) -> None:
        """Raises ContractError where parts, losses and data do not fit."""
        self.config, self.seed, self.device = config, seed, device
        self.model = build_model(config, seed=derive(seed, "weights"))
        self.losses = build_losses(config, self.model, source.provides)
        self.discriminator = build_discriminator(config, self.model.decoder, seed=derive(seed, "critic"))
        self.parameters = sum(p.numel() for p in self.model.parameters())
        for module in self.modules():
            to_fast_memory_format(module.to(device))
        compiled = config.train.compile and device.type == "cuda"
        self.forward = torch.compile(self.model) if compiled else self.model
        self.dtype = autocast_type(config.train.precision, device)
        self.scaler = grad_scaler(self.dtype, device)
        self.done, self.steps = 0, config.train.steps
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.learners: dict[str, tuple[OptimizerConfig, list[nn.Parameter]]] = {}
        self.pending: list[tuple[int, Tensor]] = []

    def modules(self) -> Iterator[nn.Module]:
        """Model, and discriminator where there is one."""
        yield self.model
        if self.discriminator is not None:
            yield self.discriminator

    def step(self, batch: Batch, stage: Stage) -> Figures:
        """One update of every part that learns; returns figures, tensors not yet fetched."""
        step, config = self.done, self.config.train
        torch.manual_seed(derive(self.seed, "dropout", step))
        generator = torch.Generator().manual_seed(derive(self.seed, "noise", step))
        place = (step - stage.first, stage.last - stage.first)
        if config.mirror:
            batch = random_mirror(batch, generator)
        batch = to_frame(batch, self.config.frame)
        active = self._active(stage, step)
        for name in self.learners:
            self.optimizers[name].zero_grad(set_to_none=True)
        critic = _Critic(self, active)
        figures: Figures = {}
        for part in batch.divide(config.accumulate):
            share = len(part) / len(batch)
            prediction, terms, total = self._forward(part, stage, active, generator, figures, share)
            if self.learners:
                self._backward(terms, share)
            critic.read(prediction, part, share)
            figures["loss"] = figures.get("loss", 0.0) + share * total.detach()
        self.pending.append((step, torch.as_tensor(figures["loss"])))
        loss = figures.pop("loss")
        if self.learners:
            figures |= self._update(place)
        figures |= critic.update(place)
        if self.scaler.is_enabled():
            self.scaler.update()
        return {**figures, "loss": loss}

    def _forward(
        self,
        batch: Batch,
        stage: Stage,
        active: Mapping[str, Loss],
        generator: torch.Generator,
        figures: Figures,
        share: float,
    ) -> tuple[Prediction, dict[str, Tensor], Tensor]:
        """A pass: what came out, the weighted terms and their sum; their values add up in the figures."""
        views = batch.inputs or batch.image.shape[1]
        depth = None if batch.depth is None else batch.depth[:, :views]
        image = self.model.preprocess(batch.image[:, :views], training=True, generator=generator, depth=depth)
        with autocast(self.dtype, self.device):
            prediction = self.forward(
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
                terms[key] = self._weight(key, self.done) * value
                figures[key] = figures.get(key, 0.0) + share * value.detach()
        return prediction, terms, torch.stack(list(terms.values())).sum()

    def _update(self, place: tuple[int, int]) -> Figures:
        """Step the optimisers of the model."""
        figures: Figures = {}
        clip = self.config.train.clip
        if clip is not None:
            for name in self.learners:
                self.scaler.unscale_(self.optimizers[name])
            parameters = [p for p in self.model.parameters() if p.grad is not None]
            figures["grad_norm"] = nn.utils.clip_grad_norm_(parameters, clip).detach()
        for name, (settings, _) in self.learners.items():
            lr = set_lr(self.optimizers[name], settings, *place)
            figures["lr" if name == "generator" else f"lr_{name}"] = lr
            self.scaler.step(self.optimizers[name])
        return figures

    def _backward(self, terms: dict[str, Tensor], share: float) -> None:
        """Gradients of the weighted terms, each in the parts that it reaches."""
        groups: dict[tuple[str, ...] | None, list[Tensor]] = {}
        for key, term in terms.items():
            if term.requires_grad:
                groups.setdefault(self.losses[key].config.reaches, []).append(term)
        for i, (reaches, group) in enumerate(groups.items()):
            parts = self.model if reaches is None else nn.ModuleList(self._part(name) for name in reaches)
            reached = [p for p in parts.parameters() if p.requires_grad]
            if reached:
                last = i == len(groups) - 1
                total = torch.stack(group).sum()
                self.scaler.scale(total if share == 1 else share * total).backward(
                    inputs=reached, retain_graph=not last
                )

    def _part(self, name: str) -> nn.Module:
        """A part of the model; an empty module for one that it does not have."""
        return getattr(self.model, name, None) or nn.Module()

    def _active(self, stage: Stage, step: int) -> dict[str, Loss]:
        """The losses that count at a step of a stage."""
        wanted = stage.config.losses
        asked = step % self.config.train.discriminator_every == 0
        return {
            key: loss
            for key, loss in self.losses.items()
            if (wanted is None or key in wanted)
            and self.config.losses[key].config.weight > 0
            and (asked or not loss.adversarial)
        }

    def _weight(self, key: str, step: int) -> float:
        loss = self.losses[key].config
        ramp = loss.warmup * self.steps
        return loss.weight * (min(1.0, (step + 1) / ramp) if ramp > 0 else 1.0)

    def enter(self, stage: Stage) -> None:
        """Freeze and thaw as the stage says, and start its optimisers.

        Raises:
            ContractError: at most steps no loss is left, for all of them are adversarial.
        """
        config, trains = self.config.train, stage.config.trains
        if not self._active(stage, 1):
            raise ContractError(
                f"model '{self.config.name}': train.discriminator_every={config.discriminator_every} leaves "
                f"steps without a loss in stage '{stage.config.name}'; set it to 1"
            )
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
            adversarial = any(loss.adversarial for loss in self._active(stage, 0).values())
            learns = "discriminator" in trains and adversarial
            freeze(self.discriminator, learns)
            if learns:
                self.optimizers["discriminator"] = build_optimizer(
                    config.discriminator_optimizer, self.discriminator.parameters()
                )


class _Critic:
    """One update of the discriminator, where it learns at this step."""

    def __init__(self, updates: Updates, active: Mapping[str, Loss]) -> None:
        self.updates = updates
        self.optimizer = updates.optimizers.get("discriminator")
        self.loss = next((loss for loss in active.values() if loss.adversarial), None)
        self.learns = self.optimizer is not None and self.loss is not None
        self.value: Tensor | float = 0.0
        self.accuracy: Tensor | float = 0.0
        if self.learns:
            assert self.optimizer is not None
            self.optimizer.zero_grad(set_to_none=True)

    def read(self, prediction: Prediction, batch: Batch, share: float) -> None:
        """Add the gradients of a part of the batch; none where one part is all and the gate is shut."""
        if not self.learns:
            return
        updates, discriminator = self.updates, self.updates.discriminator
        assert discriminator is not None and self.loss is not None
        discriminator.requires_grad_(True)
        with autocast(updates.dtype, updates.device):
            loss, accuracy = self.loss.discriminator_loss(prediction, batch, discriminator)
        self.value, self.accuracy = self.value + share * loss.detach(), self.accuracy + share * accuracy
        if share < 1 or not self._shut():
            updates.scaler.scale(loss if share == 1 else share * loss).backward()

    def _shut(self) -> bool:
        """Whether the discriminator is too strong to learn (3D-GAN)."""
        gate = self.updates.config.train.gate
        return gate is not None and float(self.accuracy) > gate

    def update(self, place: tuple[int, int]) -> Figures:
        """Step the optimiser, unless the discriminator is too strong already."""
        if not self.learns:
            return {}
        assert self.optimizer is not None
        if not self._shut():
            set_lr(self.optimizer, self.updates.config.train.discriminator_optimizer, *place)
            self.updates.scaler.step(self.optimizer)
        return {"d_loss": self.value, "d_accuracy": self.accuracy}
