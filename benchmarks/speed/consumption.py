"""How many images a second a training can take in at most: what a loader has to beat.

A ceiling, not a forecast: the step's arithmetic at the peak rate of the GPU's units, everything else (memory
traffic, padding, launches, the optimiser) taken to be free. It is counted on torch's 'meta' device, which
has shapes and no numbers.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.config import load_config
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer


@dataclass(frozen=True)
class Peak:
    """What the units of a GPU do per second at most.

    Attributes:
        flops: dense bf16 multiplications and additions of the tensor cores.
        exponentials: of the special function units.
    """

    name: str
    flops: float
    exponentials: float


H100 = Peak("H100 SXM", 989e12, 3.9e12)
"""NVIDIA's data sheet, and arXiv:2407.08608 section 2.2 for the exponentials."""


@dataclass(frozen=True)
class Work:
    """Arithmetic of one training step, per image.

    Attributes:
        flops: multiplications and additions of convolutions and matrix products, forward and backward.
        exponentials: of softmaxes; computed twice, because the backward pass of fused attention keeps none.
    """

    flops: float
    exponentials: float

    def images_per_second(self, peak: Peak) -> float:
        """The most that `peak` allows, matrix products and exponentials running side by side."""
        return 1 / max(self.flops / peak.flops, self.exponentials / peak.exponentials)


def work_of(model: str, preset: str | None = None, overrides: list[str] | None = None) -> Work:
    """Count one step of the trainer, discriminator included, per image."""
    # the gate would fetch a number, of which a meta tensor has none; precision changes no count
    config = load_config(model, preset, [*(overrides or []), "train.gate=null", "train.precision=fp32"])
    resolution = getattr(config.decoder.config, "resolution", 32)
    size: tuple[int, int] = config.preprocess.size
    batch, views, meta = 2, config.train.views[0], torch.device("meta")
    source = SmokeSource(count=1, resolution=resolution, size=size)
    softmaxes = [torch.ops.aten._softmax, torch.ops.aten._safe_softmax]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, source, Path(folder), seed=0, device=meta)
        trainer.enter(trainer.stages[0])
        samples = source.fetch([0] * batch, [range(views)] * batch).to(meta)
        with FlopCounterMode(display=False, custom_mapping=dict.fromkeys(softmaxes, _elements)) as counter:
            trainer.step(samples, trainer.stages[0])
    counts = counter.get_flop_counts()["Global"]
    exponentials = sum(counts.pop(softmax, 0) for softmax in softmaxes)
    images = batch * views
    return Work(flops=sum(counts.values()) / images, exponentials=2 * exponentials / images)


def _elements(*args: Any, out_shape: tuple[int, ...], **kwargs: Any) -> int:
    return math.prod(out_shape)
