"""How good a model is while it trains: its own metric on a fixed sample of the validation split.

Models of voxels are measured by the mean IoU at the best of a few thresholds, all others by the Chamfer
distance of as many points as the data set's clouds are cut to. Both rank the weights of one model, no more:
what a table prints is measured anew by a protocol.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zoo.config import ModelConfig
from zoo.decoders import DECODERS
from zoo.metrics.chamfer import chamfer
from zoo.model import Reconstructor
from zoo.seeding import rng
from zoo.types import Batch, ContractError, Source, Voxels

THRESHOLDS = tuple(np.linspace(0.05, 0.95, 19).round(2).tolist())
POINTS = 1024
BATCH = 32


@dataclass(frozen=True)
class Validated:
    """One validation.

    Attributes:
        metric: 'iou' or 'cd'.
        value: mean over the sample.
        better: the value, or its negative where less is better.
        threshold: at which the IoU is best; None without one.
    """

    metric: str
    value: float
    better: float
    threshold: float | None = None

    def figures(self) -> dict[str, float]:
        """Figures as a training's log has them."""
        found = {f"val_{self.metric}": self.value}
        return found if self.threshold is None else {**found, "val_threshold": self.threshold}


def validation_fields(config: ModelConfig) -> frozenset[str]:
    """The true shapes that a model's validation reads: fields of `Batch`."""
    voxels = DECODERS.get(config.decoder.name).cls.representation == "voxels"
    return frozenset({"voxels" if voxels else "points"})


class Validation:
    """A fixed sample of a split, one picture of each of its shapes."""

    def __init__(self, config: ModelConfig, source: Source, seed: int) -> None:
        """Draw the sample.

        Raises:
            ContractError: the split is empty, or lacks what validation reads.
        """
        if missing := validation_fields(config) - source.provides:
            raise ContractError(
                f"model '{config.name}': train.validations needs {', '.join(sorted(missing))} from the data "
                f"set, which provides {', '.join(sorted(source.provides))}; set train.validations=0"
            )
        if not len(source):
            raise ContractError("the validation split is empty; set train.validations=0")
        drawn = rng(seed, "validation").permutation(len(source))[: config.train.validation_shapes]
        self.source, self.indices = source, sorted(drawn.tolist())
        views = rng(seed, "validation views").integers(0, source.num_views, len(self.indices))
        self.views = [[int(view)] for view in views]

    def __call__(self, model: Reconstructor) -> Validated:
        """Measure a model, which comes back in the mode that it was in."""
        with unchanged_modes(model):
            voxels = model.decoder.representation == "voxels"
            return self._iou(model) if voxels else self._chamfer(model)

    def _batches(self) -> Iterator[Batch]:
        for k in range(0, len(self.indices), BATCH):
            yield self.source.fetch(self.indices[k : k + BATCH], self.views[k : k + BATCH])

    def _iou(self, model: Reconstructor) -> Validated:
        total, device = torch.zeros(len(THRESHOLDS), dtype=torch.float64), next(model.parameters()).device
        for batch in self._batches():
            shapes = model.predict(batch).shapes
            assert isinstance(shapes, Voxels)
            true = batch.to(device).voxels
            assert true is not None
            total += overlaps(shapes.logits.sigmoid(), true >= 0.5).sum(0)
        mean = total / len(self.indices)
        best = int(mean.argmax())
        value = float(mean[best])
        return Validated("iou", value, value, THRESHOLDS[best])

    def _chamfer(self, model: Reconstructor) -> Validated:
        found = []
        for batch in self._batches():
            shapes = model.predict(batch).shapes
            assert shapes is not None and batch.points is not None
            for shape, true in zip(shapes.split(), batch.points.cpu().numpy(), strict=True):
                points = shape.points(POINTS, np.random.default_rng(0))
                found.append(chamfer(points, true[:POINTS]).cd)
        value = float(np.mean(found))
        return Validated("cd", value, -value)


def overlaps(probabilities: Tensor, true: Tensor) -> Tensor:
    """IoU (B, T) float64 at each of `THRESHOLDS`, of probabilities and true bits (B, R, R, R)."""
    found = []
    for threshold in THRESHOLDS:
        own = probabilities >= threshold
        both, either = ((x).flatten(1).sum(1).double() for x in (own & true, own | true))
        found.append(torch.where(either > 0, both / either.clamp(min=1), 1.0))
    return torch.stack(found, 1).cpu()


@contextmanager
def unchanged_modes(model: nn.Module) -> Iterator[None]:
    """Give every module of a model back its own mode: a frozen part is in another than the model."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
