"""Whether a system can learn eight shapes by heart."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.cells.predictions import Truths
from benchmarks.protocols import Truth
from benchmarks.request.common_options import open_store
from benchmarks.request.models import resolve_models
from benchmarks.request.settings import Settings
from datasets.store import Store
from zoo.cli.plugins import load_plugins
from zoo.device import describe_device, pick_device
from zoo.metrics.chamfer import chamfer
from zoo.metrics.iou import iou
from zoo.model import supervision
from zoo.shapes import PointShape, Shape
from zoo.training.checkpoint import load_pretrained
from zoo.training.trainer import train
from zoo.transforms.frames import Frame, to_canonical, to_frame
from zoo.types import Batch, Shapes, Voxels

IOU, RATIO = 0.9, 1.5
"""The bar: IoU at least the one, or Chamfer distance at most the other times the floor."""
POINTS = 10_000


@dataclass(frozen=True)
class Fit:
    """How well a model knows the shapes that it was trained on: means over them.

    Attributes:
        iou: at one half; None without voxels.
        cd, floor: Chamfer distance of the prediction, and of the truth in the prediction's form.
    """

    model: str
    shapes: int
    steps: int
    seconds: float
    loss: float
    iou: float | None
    cd: float
    floor: float

    @property
    def ratio(self) -> float:
        """Chamfer distance in floors."""
        return self.cd / self.floor

    @property
    def passed(self) -> bool:
        """Whether it reached the bar."""
        return self.ratio <= RATIO or (self.iou is not None and self.iou >= IOU)


def overfit(name: str, chosen: Settings, store: Store, device: torch.device, folder: Path) -> Fit:
    """Train one model on the few shapes of a data set and measure it on them.

    Args:
        chosen: the settings that the data set was opened with.
        folder: of the run.
    """
    config = chosen.model(name)
    resolution = max(store.resolutions)
    source = store.split("train", resolution, sorted(supervision(config)))
    started, last = perf_counter(), dict[str, float]()
    report = train(
        config, source, folder, seed=0, device=device, on_step=lambda done, steps, found: last.update(found)
    )
    seconds = perf_counter() - started
    model = load_pretrained(report.checkpoint).to(device)
    split = store.split("train", resolution, sorted({"voxels", *model.batch_fields} - {"image"}))
    views = config.train.views[1]
    batch = split.fetch(range(len(split)), [list(range(views))] * len(split)).decode()
    shapes = model.predict(batch).shapes
    assert shapes is not None
    count = getattr(config.decoder.config, "points", POINTS)
    known = zip(
        shapes.split(),
        there_and_back(batch, config.frame),
        Truths(store.split("train"), resolution, True),
        strict=True,
    )
    measured = [_measure(shape, own, truth, count, k) for k, (shape, own, truth) in enumerate(known)]
    ious, cds, floors = zip(*measured, strict=True)
    return Fit(
        model=config.name,
        shapes=len(split),
        steps=report.steps,
        seconds=seconds,
        loss=last.get("loss", float("nan")),
        iou=None if None in ious else float(np.mean(ious)),
        cd=float(np.mean(cds)),
        floor=float(np.mean(floors)),
    )


def there_and_back(batch: Batch, frame: Frame) -> list[Shape]:
    """The best that a model of voxels in a frame can predict: the truth on its grid there, and turned back.

    Args:
        batch: decoded; its voxels are taken, with its cameras where there are any.
    """
    inside = to_frame(batch, frame)
    assert inside.voxels is not None
    shapes: Shapes = Voxels(torch.logit(inside.voxels, eps=1e-6))
    if batch.camera is not None:
        shapes = to_canonical(shapes, batch.camera[:, 0], frame)
    return shapes.split()


def _measure(
    shape: Shape, form: Shape, truth: Truth, count: int, key: int
) -> tuple[float | None, float, float]:
    """IoU, Chamfer distance and floor of one prediction.

    Voxels are held against the surface of the true grid, which is what they can show; points and meshes
    against points of the true surface itself, with as many points as they have: half of those that are
    stored are the target, of the other half the floor is drawn.

    Args:
        form: the truth as the model's grid and frame have it.
        count: points that a mesh is said by; a cloud has its own number.
    """
    rng = np.random.default_rng(key)
    true = truth.grid
    assert true is not None
    grid = shape.voxels(len(true))
    if grid is not None:
        target, own = truth.shape.points(POINTS, rng), form.points(POINTS, rng)
        points = shape.points(POINTS, rng)
        overlap = iou(grid >= 0.5, true)
    else:
        assert truth.surface is not None
        target, other = np.array_split(rng.permutation(truth.surface), 2)
        count = count if shape.own_points is None else len(shape.own_points)
        own, points, overlap = PointShape(other).points(count, rng), shape.points(count, rng), None
    found = chamfer(points, target).cd if len(points) else float("inf")
    return overlap, found, chamfer(own, target).cd


def run(args: argparse.Namespace, console: Console) -> int:
    """Train every model and print the table."""
    load_plugins(args.plugin, args.dataset)
    device = pick_device(args.device)
    chosen, store = open_store(args)
    table = Table(title=f"learnt by heart, {describe_device(device)}", title_justify="left")
    for column in ("model", "steps", "seconds", "IoU@.5", "CD", "floor", "CD / floor", "bar"):
        left = column == "model"
        table.add_column(column, justify="left" if left else "right", no_wrap=left)
    missed = 0
    for name in resolve_models(args.models):
        with tempfile.TemporaryDirectory() as folder, console.status(f"training {escape(name)}"):
            fit = overfit(name, chosen, store, device, Path(folder))
        missed += not fit.passed
        table.add_row(
            fit.model,
            str(fit.steps),
            f"{fit.seconds:.0f}",
            "n/a" if fit.iou is None else f"{fit.iou:.3f}",
            f"{fit.cd:.4f}",
            f"{fit.floor:.4f}",
            f"{fit.ratio:.2f}",
            "reached" if fit.passed else "missed",
        )
        console.print(
            f"{fit.model}: IoU {fit.iou} CD {fit.ratio:.2f} floors, {fit.seconds:.0f} s", highlight=False
        )
    console.print(table)
    return 1 if missed else 0
