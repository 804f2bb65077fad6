"""How well a linear classifier tells categories by what a discriminator answers, and three controls."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.cells.session import Session
from benchmarks.cells.work import train_cell
from benchmarks.records import environment
from benchmarks.request.common_options import open_store
from benchmarks.request.settings import Settings
from benchmarks.studies.classify.descriptors import discriminator_features, pooled_voxels
from benchmarks.studies.classify.linear import fit_chosen, require_sklearn
from datasets.store import Store
from zoo.cli.plugins import load_plugins
from zoo.config import ModelConfig
from zoo.device import describe_device, pick_device
from zoo.discriminators import Discriminator
from zoo.files import write_atomic
from zoo.model import build_discriminator, build_model
from zoo.seeding import derive
from zoo.training.checkpoint import load_config_of, load_discriminator
from zoo.types import ContractError

SEED = 0
"""Seed of the training, and so of the untrained control."""


@dataclass(frozen=True)
class Row:
    """One descriptor and how well a linear classifier tells the test shapes apart by it.

    Attributes:
        numbers: length of the descriptor; 0 where nothing is read.
        penalty: of the weights, chosen on the validation split; None without a classifier.
        accuracy: share of the test shapes; low, high: its 95 % Wilson interval.
    """

    name: str
    title: str
    numbers: int
    penalty: float | None
    validation: float | None
    accuracy: float
    low: float
    high: float


def score_row(
    name: str,
    title: str,
    correct: np.ndarray,
    *,
    numbers: int = 0,
    penalty: float | None = None,
    validation: float | None = None,
) -> Row:
    """A row from what was right (N,) bool on the test split."""
    found = binomtest(int(correct.sum()), len(correct)).proportion_ci(method="wilson")
    right = float(correct.mean())
    return Row(name, title, numbers, penalty, validation, right, float(found.low), float(found.high))


def classify(store: Store, trained: Discriminator, untrained: Discriminator) -> list[Row]:
    """Every row of the experiment on a prepared data set, the trained discriminator first.

    Raises:
        DataError: a split is empty.
        ContractError: the discriminator has no responses to read.
    """
    splits = [store.split(name, trained.resolution) for name in ("train", "val", "test")]
    names = sorted({category for split in splits for category in split.categories})
    labels = [np.array([names.index(category) for category in split.categories]) for split in splits]
    grids = [split.voxels(range(len(split)), trained.resolution).astype(np.float32) for split in splits]
    rows = []
    for name, title, describe in (
        ("discriminator", "discriminator, trained", lambda g: discriminator_features(trained, g)),
        ("untrained", "the same, untrained", lambda g: discriminator_features(untrained, g)),
        ("voxels", "voxels, max-pooled", pooled_voxels),
    ):
        train, val, test = (describe(grid) for grid in grids)
        model, penalty, validation = fit_chosen((train, labels[0]), (val, labels[1]))
        correct = model.predict(test) == labels[2]
        numbers = train.shape[1]
        row = score_row(name, title, correct, numbers=numbers, penalty=penalty, validation=validation)
        rows.append(row)
    commonest = np.bincount(labels[0]).argmax()
    rows.append(score_row("majority", "commonest category of training", labels[2] == commonest))
    return rows


def find_discriminators(
    args: argparse.Namespace, chosen: Settings, store: Store, console: Console
) -> tuple[ModelConfig, Path, Discriminator, Discriminator]:
    """Config, weights, and the discriminator as it was trained and as it began.

    Trains the model as `benchmarks.run` would, unless that is done already or weights are given.

    Raises:
        ContractError: the model has no discriminator, or of another grid than the data set's.
        CheckpointError: weights that cannot be read.
    """
    if args.weights is not None:
        config, weights = load_config_of(args.weights), args.weights
        model = build_model(config.without_downloads(), seed=SEED)
    else:
        config = chosen.model(args.model)
        model = build_model(config, seed=SEED)
    untrained = build_discriminator(config, model.decoder, seed=derive(SEED, "critic"))
    if untrained is None:
        raise ContractError(f"model '{config.name}' has no discriminator to read; 'gan_3d' has one")
    if untrained.resolution not in store.resolutions:
        raise ContractError(
            f"the discriminator of '{config.name}' reads {untrained.resolution}^3 voxels, the prepared "
            f"'{store.dataset}' holds {store.resolutions}; "
            f"use --set prepare.resolutions=[{untrained.resolution}]"
        )
    if args.weights is None:
        device = pick_device(args.device)
        protocol = chosen.protocol("r3d-v1")
        session = Session(chosen, store, protocol, device, args.out)
        session.check(config)
        cell = session.cell(config, SEED)
        shown = f"training {escape(cell.label)}"
        with console.status(shown) as status:
            trained = train_cell(
                session, cell, device, lambda event: status.update(f"{shown}: step {event.done}")
            )
        weights = trained.checkpoint
    return config, weights, load_discriminator(weights), untrained.eval()


def run(args: argparse.Namespace, console: Console) -> int:
    """Prepare, train what is missing, measure, print and write."""
    require_sklearn()
    load_plugins(args.plugin, args.dataset)
    chosen, store = open_store(args)
    config, weights, trained, untrained = find_discriminators(args, chosen, store, console)
    rows = classify(store, trained, untrained)
    test = store.split("test")
    table = Table(
        title=f"categories by a linear classifier: {config.title} on {args.dataset}, {len(test)} test shapes",
        title_justify="left",
    )
    for column in ("descriptor", "numbers", "penalty", "validation", "accuracy", "95 % (Wilson)"):
        table.add_column(column, justify="left" if column == "descriptor" else "right")
    for row in rows:
        table.add_row(
            row.title,
            f"{row.numbers:,}" if row.numbers else "",
            "" if row.penalty is None else f"{row.penalty:g}",
            "" if row.validation is None else f"{row.validation:.3f}",
            f"{row.accuracy:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
        )
    console.print(table)
    record = {
        "model": config.name,
        "config": config.resolved(),
        "weights": str(weights),
        "dataset": {"name": store.dataset, "fingerprint": store.fingerprint, "n": len(test)},
        "preset": args.preset,
        "rows": [asdict(row) for row in rows],
        "versions": environment.versions(),
        "git": environment.git().model_dump(),
        "device": describe_device(torch.device("cpu")),
        "date": datetime.now(UTC).replace(microsecond=0).isoformat(),
    }
    path = args.out / f"classify-{config.name}.json"
    write_atomic(path, json.dumps(record, indent=1) + "\n")
    console.print(f"written: {path}", highlight=False)
    return 0
