"""How well models with a viewpoint head know the camera."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.cells.blocks import VIEW
from benchmarks.request.common_options import open_store
from datasets.store import StoreSplit
from zoo.cli.plugins import load_plugins
from zoo.config import ConfigError
from zoo.device import pick_device
from zoo.model import Reconstructor
from zoo.pose import ANGLES, Angle, decode
from zoo.training.checkpoint import checkpoints, load_pretrained

NEAR = 30.0
"""Degrees within which an answer counts as right (as for PASCAL 3D+)."""


@dataclass(frozen=True)
class Accuracy:
    """Median error of one angle in degrees, share of errors below `NEAR`, and the same by chance."""

    median: float
    share: float
    chance_median: float
    chance_share: float


def accuracy(angle: Angle, found: Tensor, true: Tensor) -> Accuracy:
    """How good the answers (N) to the true angles (N) are, in degrees; needs two pictures at least."""
    errors = angle.error(*torch.broadcast_tensors(found[:, None], true))
    own = errors.diagonal()
    others = errors[~torch.eye(len(true), dtype=torch.bool)]
    return Accuracy(*(f(e) for e in (own, others) for f in (_median, _share)))


def _median(errors: Tensor) -> float:
    return errors.quantile(0.5).item()


def _share(errors: Tensor) -> float:
    return (errors < NEAR).float().mean().item()


def measure(model: Reconstructor, split: StoreSplit, batch_size: int = 32) -> dict[str, Accuracy]:
    """Accuracy of every angle that the model predicts, by its name.

    Args:
        split: provides the cameras and what else the model reads.

    Raises:
        ValueError: the model predicts no angle.
    """
    answers: dict[str, list[Tensor]] = {}
    cameras = []
    for first in range(0, len(split), batch_size):
        indices = range(first, min(first + batch_size, len(split)))
        batch = split.fetch(indices, [[VIEW]] * len(indices))
        latent = model.predict(batch).latent
        assert latent is not None and batch.camera is not None
        for name, degrees in decode(latent.aux).items():
            answers.setdefault(name, []).append(degrees.cpu())
        cameras.append(batch.camera[:, 0])
    if not answers:
        raise ValueError(f"model '{model.config.name}' has no viewpoint head, as head: {{name: pose_bins}}")
    camera = torch.cat(cameras)
    return {
        name: accuracy(ANGLES[name], torch.cat(found), ANGLES[name].of(camera))
        for name, found in answers.items()
    }


def run(args: argparse.Namespace, console: Console) -> None:
    """Measure every run and print the table.

    Raises:
        ConfigError: a folder without weights, or a model without a head.
    """
    load_plugins(args.plugin, args.dataset)
    device = pick_device(args.device)
    _, store = open_store(args)
    table = Table(title="viewpoints, test split", title_justify="left")
    for column in (
        "run",
        "angle",
        "median error",
        f"within {NEAR:.0f}",
        "median by chance",
        "within by chance",
    ):
        table.add_column(column, justify="left" if column in ("run", "angle") else "right")
    for folder in args.runs:
        if not checkpoints(folder):
            raise ConfigError(f"{folder}: no weights there")
        model = load_pretrained(folder).to(device)
        split = store.split(
            "test", max(store.resolutions), sorted(model.batch_fields - {"image"} | {"camera"})
        )
        try:
            found = measure(model, split)
        except ValueError as error:
            raise ConfigError(f"{folder}: {error}") from error
        for name, figures in found.items():
            table.add_row(
                folder.name,
                name,
                f"{figures.median:.1f}",
                f"{figures.share:.1%}",
                f"{figures.chance_median:.1f}",
                f"{figures.chance_share:.1%}",
            )
    console.print(table)
