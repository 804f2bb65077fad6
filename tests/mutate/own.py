"""Readers of what we wrote ourselves: stores, results, logs and checkpoints."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.protocols import Measurement
from benchmarks.records.storage import load, save
from benchmarks.scoring.journal import Journal
from datasets import PrepareOptions
from datasets.store import Store
from datasets.store.rows import layout_of, pack, write_row
from datasets.store.workers import Outcome
from datasets.store.writer import StoreWriter
from tests.helpers.fake_dataset import FakeConfig, FakeSource, make
from tests.mutate.readers import Reader
from zoo.config import parse_model
from zoo.model import build_discriminator, build_model
from zoo.model.decision import Decision
from zoo.training.checkpoint import (
    TrainState,
    load_config_of,
    load_discriminator,
    load_optimizers,
    load_pretrained,
    load_state,
    save_checkpoint,
)
from zoo.training.decisions import DECISIONS, write_decision
from zoo.training.integrity import CheckpointError, weights_sum
from zoo.training.log import read_log

OPTIONS = PrepareOptions(resolutions=(5, 8), image_size=(6, 7), views=3, points=20, maps=True)
SOURCE = FakeSource(FakeConfig(train=4, val=2, test=2), None)
ARRAYS = ("images", "voxels_5", "voxels_8", "cameras", "points", "depth", "normals")
GOLDEN = Path(__file__).parents[1] / "golden" / "results_v1"

TINY: dict[str, Any] = {
    "name": "tiny", "title": "tiny", "summary": "Small.", "citation": "none", "follows": "nothing",
    "preprocess": {"size": [16, 16], "channels": 1},
    "encoder": {"name": "cnn", "latent_dim": 4, "widths": [2, 4], "pools": [2, 2], "hidden": [8]},
    "decoder": {"name": "voxel_deconv", "resolution": 32, "width": 4},
    "discriminator": {"name": "voxel_conv", "width": 2},
    "losses": {"voxel_bce": {}, "kl": {}, "adversarial": {"weight": 5.0}},
}  # fmt: skip


def _finish(writer: StoreWriter, most: int = 99) -> None:
    """Build what is left, or so many items of it."""
    for index, item in list(enumerate(SOURCE.items()))[:most]:
        if index not in writer.done:
            rows = pack(make(item.id, OPTIONS), OPTIONS)
            row = writer.place(layout_of(rows))
            assert isinstance(row, int), row
            writer.record(Outcome(index, row, write_row(writer.folder, row, rows)))


def _store(folder: Path) -> None:
    writer = StoreWriter(folder / "store", SOURCE, SOURCE.items(), OPTIONS)
    _finish(writer)
    writer.finish("fake", "")


def _read_store(folder: Path) -> tuple[int, Any]:
    """Every number of it, as training and measuring read them."""
    store = Store.open(folder / "store")
    facts = [
        store.fingerprint,
        store.skipped,
        store.missing,
        store.leaks,
        store.notes,
        store.manifest["counts"],
    ]
    sums = []
    for name in store.splits:
        split = store.split(name, 8)
        indices, views = list(range(len(split))), [[0, 1, 2]] * len(split)
        batch = split.fetch(indices, views)
        fields = (batch.image, batch.voxels, batch.points, batch.camera, batch.depth, batch.normals)
        sums += [_sum(tensor.numpy()) for tensor in fields if tensor is not None]
        sums += [split.ids, split.categories, _sum(split.voxels(indices, 5))]
    return len(store), (facts, sums)


def _unfinished(folder: Path) -> None:
    writer = StoreWriter(folder / "store", SOURCE, SOURCE.items(), OPTIONS)
    _finish(writer, most=6)
    writer.close()


def _read_unfinished(folder: Path) -> tuple[int, Any]:
    """The store once the same command has gone on."""
    writer = StoreWriter(folder / "store", SOURCE, SOURCE.items(), OPTIONS)
    _finish(writer)
    writer.finish("fake", "")
    return _read_store(folder)


def _result(folder: Path) -> None:
    save(*load(GOLDEN / "model"), folder / "cell")


def _read_result(folder: Path) -> tuple[int, Any]:
    _, rows = load(folder / "cell")
    return len(rows), rows


def _journal(folder: Path) -> None:
    journal = Journal(folder / "measured.jsonl", {"protocol": "r3d-v1"})
    journal.add(((f"chair/{k}", 0), Measurement({"iou": k / 7, "cd": None})) for k in range(7))


def _read_journal(folder: Path) -> tuple[int, Any]:
    """Only of those lines that are there: the others are measured again."""
    found = Journal(folder / "measured.jsonl", {"protocol": "r3d-v1"}).measured
    wrong = [key for key, one in found.items() if one.values != {"iou": int(key[0][-1]) / 7, "cd": None}]
    return 7, wrong


def _log(folder: Path) -> None:
    rows = [{"step": k, "stage": "main", "loss": 9.0 / k, "rate": 3.5, "lr": 1e-3} for k in range(1, 9)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _read_log(folder: Path) -> tuple[int, Any]:
    """A curve can be made of whatever it gives."""
    rows = read_log(folder / "metrics.jsonl")
    return len(rows), sum(row["loss"] / len(rows) + row["step"] for row in rows) * 0


def _checkpoint(run: Path, step: int) -> Path:
    config = parse_model(TINY)
    model = build_model(config, seed=step)
    critic = build_discriminator(config, model.decoder, seed=step)
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    return save_checkpoint(
        run, config, TrainState(step=step, data="x"), model, critic, {"generator": optimizer}
    )


def _read_checkpoint(folder: Path) -> tuple[int, Any]:
    """All of it, as a run that goes on and whoever uses the model read it."""
    path = folder / "step-0000004"
    state, model, critic = load_state(path), load_pretrained(path), load_discriminator(path)
    optimizer = torch.optim.AdamW(model.parameters())
    load_optimizers(path, {"generator": optimizer})
    optimizer.step()
    return 1, (state, load_config_of(path).resolved(), _weights(model), _weights(critic))


def _without_sums(folder: Path) -> None:
    (_checkpoint(folder, 4) / "sha256.json").unlink()


def _decided(folder: Path) -> None:
    path = _checkpoint(folder, 4)
    facts: dict[str, Any] = {
        "weights": weights_sum(path), "model": "tiny", "seed": 0, "preset": "quick", "protocol": "r3d-v1",
        "protocol_version": 2, "dataset": "fake", "dataset_version": "1", "data": "0123", "n": 7,
        "threshold": 0.15, "chosen_by": "validation", "metrics": {"iou@val": 0.25},
        "date": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    for cell in "ab":
        write_decision(path, Decision(cell=cell * 64, **facts))


def _read_decided(folder: Path) -> tuple[int, Any]:
    if not (folder / "step-0000004" / DECISIONS).exists():
        raise CheckpointError("nothing can tell this from weights that were never measured")
    model = load_pretrained(folder / "step-0000004")
    return len(model.decisions), (model.decisions, _weights(model))


def _run(folder: Path) -> None:
    for step in (2, 4):
        _checkpoint(folder, step)


def _read_run(folder: Path) -> tuple[int, Any]:
    """One of the two, whatever has happened to the other."""
    model = load_pretrained(folder)
    load_discriminator(folder)
    return 1, (load_config_of(folder).resolved(), _weights(model) in _saved())


@cache
def _saved() -> set[str]:
    """What the weights of `_run` are, made again."""
    with TemporaryDirectory() as folder:
        return {_weights(load_pretrained(_checkpoint(Path(folder), step))) for step in (2, 4)}


def _weights(model: torch.nn.Module) -> str:
    return _sum(np.concatenate([value.double().numpy().ravel() for value in model.state_dict().values()]))


def _sum(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _within(parent: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{parent}/{name}" for name in names)


_PARTS = ("config.json", "state.json", "model.safetensors", "discriminator.safetensors", "optimizers.pt")
_ROWS = tuple(f"{name}.npy" for name in ARRAYS)

OWN = (
    Reader(
        "store",
        _store,
        _read_store,
        _within("store", *_ROWS, "digests.npy", "view_sums.npy", "items.json", "manifest.json"),
        exact=True,
    ),
    Reader(
        "unfinished",
        _unfinished,
        _read_unfinished,
        _within("store.partial", *_ROWS, *["journal.jsonl"] * len(_ROWS)),
        exact=True,
        refuses=False,
    ),
    Reader("result", _result, _read_result, _within("cell", "record.json", "rows.csv"), exact=True),
    Reader("measured", _journal, _read_journal, ("measured.jsonl",), exact=True, refuses=False),
    Reader("metrics", _log, _read_log, ("metrics.jsonl",), tells=False, refuses=False),
    Reader(
        "checkpoint",
        lambda folder: _checkpoint(folder, 4) and None,
        _read_checkpoint,
        _within("step-0000004", *_PARTS, "sha256.json"),
        exact=True,
    ),
    Reader(
        "decisions",
        _decided,
        _read_decided,
        _within("step-0000004", "decisions.json"),
        exact=True,
    ),
    Reader("old checkpoint", _without_sums, _read_checkpoint, _within("step-0000004", *_PARTS), tells=False),
    Reader(
        "run folder",
        _run,
        _read_run,
        _within("step-0000004", *_PARTS[:4], "sha256.json"),
        exact=True,
        refuses=False,
    ),
)
