"""Which weights of a training predict: the last, their average, or the best that were validated."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from torch import Tensor, nn

from zoo.config import TrainConfig
from zoo.errors import UserError
from zoo.model import Reconstructor
from zoo.model.averaging import MovingAverage, moving_average
from zoo.training.checkpoint import AVERAGE, LEARNING, MODEL, TrainState, load_weights, read_weights
from zoo.training.stages import Stage
from zoo.training.validation import Validated, Validation

Weights = dict[str, Tensor]


class NonFiniteValidation(UserError, RuntimeError):
    """A model that predicts what cannot be measured while it trains."""


class Selection:
    """The weights of a run that are kept to predict.

    Attributes:
        average: averages the weights in its `module`; None without ``train.ema``.
        best: the best weights so far, on the CPU; None before the first validation.
    """

    def __init__(self, config: TrainConfig, validation: Validation | None) -> None:
        self.config, self.validation = config, validation
        self.average: MovingAverage | None = None
        self.best: Weights | None = None

    def begin(self, model: Reconstructor) -> None:
        """Start the average, where one is kept, from a model's weights."""
        if self.config.ema is not None:
            self.average = moving_average(model, self.config.ema)

    def follow(self, model: Reconstructor, step: int) -> None:
        """Let the average follow the model after a step (from 1)."""
        if self.average is not None:
            self.average.update(model, step=step)

    def is_due(self, step: int, stage: Stage) -> bool:
        """Whether it is time to validate after a step of the last stage."""
        if self.validation is None:
            return False
        count, length = self.config.validations, stage.last - stage.first
        return step in {stage.first + max(1, round(length * k / count)) for k in range(1, count + 1)}

    def validate(self, model: Reconstructor, state: TrainState) -> Validated:
        """Measure the weights that would predict now; keep them where they are the best so far.

        Raises:
            NonFiniteValidation: the figure is NaN or infinite.
        """
        assert self.validation is not None
        current = self._current(model)
        found = self.validation(current)
        if not abs(found.value) < float("inf"):
            raise NonFiniteValidation(
                f"model '{model.config.name}': val_{found.metric} is {found.value} at step {state.step}; "
                "lower train.optimizer.lr or set train.clip"
            )
        if state.best is None or found.better > state.best:
            state.best, state.best_step, state.worse = found.better, state.step, 0
            self.best = {k: v.detach().cpu().clone() for k, v in current.state_dict().items()}
        else:
            state.worse += 1
            if self.config.patience is not None and state.worse >= self.config.patience:
                state.stopped = f"no better validation in {state.worse}"
        return found

    def predicts(self, model: Reconstructor) -> Weights:
        """The weights that are kept to predict."""
        return self.best if self.best is not None else self._current(model).state_dict()

    def others(self, model: Reconstructor) -> dict[str, nn.Module]:
        """What a checkpoint needs besides to go on, by the name of its file."""
        found: dict[str, nn.Module] = {}
        if self.average is not None or self.best is not None:
            found[LEARNING] = model
        if self.average is not None and self.best is not None:
            found[AVERAGE] = self._current(model)
        return found

    def restore(self, folder: Path, model: Reconstructor, state: TrainState) -> None:
        """Take over what a checkpoint holds: the weights that learn, those averaged, and the best.

        Raises:
            CheckpointError: weights that are missing, damaged or of another shape.
        """
        validated = state.best is not None
        load_weights(model, folder / (LEARNING if validated or self.average is not None else MODEL))
        if self.average is not None:
            load_weights(self._averaged, folder / (AVERAGE if validated else MODEL))
        self.best = read_weights(folder / MODEL) if validated else None

    def _current(self, model: Reconstructor) -> Reconstructor:
        return model if self.average is None else self._averaged

    @property
    def _averaged(self) -> Reconstructor:
        assert self.average is not None
        return cast(Reconstructor, self.average.module)
