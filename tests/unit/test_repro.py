"""A stored result, run again from its record: equal on the same machine, refused where it cannot be."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from benchmarks import environment, repro
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.results import ResultError, load, save
from benchmarks.run import main

TINY = [
    *(
        "--models",
        "vae_gan_baseline",
        "--seeds",
        "2",
        "--workers",
        "0",
        "--executor",
        "inline",
        "--device",
        "cpu",
    ),
    *("--categories", "chair,table", "--set", "data.train=3", "--set", "data.val=1"),
    *("--set", "data.test=2", "--set", "prepare.views=2", "--set", "prepare.points=1024"),
    *("--set", "protocol.points=1024", "--set", "train.steps=2", "--set", "train.batch_size=2"),
]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Folders of one run's cells: two seeds of a model, and a control."""
    folder = tmp_path_factory.mktemp("run")
    words = [*TINY, "--out", str(folder / "out"), "--data-root", str(folder / "data")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "command", lambda: "python -m benchmarks.run " + shlex.join(words))
        assert main(words) == 0
    found = {}
    for path in (folder / "out" / "cells").iterdir():
        record, _ = load(path)
        found[record.name, record.seed] = path
    return found


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """A terminal in which no cell of a table is broken."""
    monkeypatch.setenv("COLUMNS", "200")


def test_the_second_seed_gives_the_same_digits(cells, capsys):
    assert repro.main([str(cells["vae_gan_baseline", 1]), "--workers", "0"]) == 0
    said = capsys.readouterr().out
    assert "vae_gan_baseline, seed 1" in said
    for metric in ("iou@val", "cd", "emd"):
        line = next(line for line in said.splitlines() if f" {metric} " in line)
        assert "equal" in line


def test_the_older_word_for_this_process_is_understood(cells, tmp_path, capsys):
    record, rows = load(cells["vae_gan_baseline", 0])
    older = record.command.replace("--executor inline", "--jobs 0")
    assert older != record.command
    save(record.model_copy(update={"command": older}), rows, tmp_path)
    assert repro.main([str(tmp_path), "--workers", "0"]) == 0
    assert "equal" in capsys.readouterr().out


def test_a_limited_result_is_run_again_on_the_same_instances(cells, monkeypatch, capsys):
    out = cells["vae_gan_baseline", 0].parents[1]
    words = [*TINY, "--out", str(out), "--data-root", str(out.parent / "data"), "--limit", "2"]
    monkeypatch.setattr(environment, "command", lambda: "python -m benchmarks.run " + shlex.join(words))
    assert main([*words, "--format", "json"]) == 0
    (limited,) = (
        path
        for path in (out / "cells").iterdir()
        if (load(path)[0].n, load(path)[0].name, load(path)[0].seed) == (2, "vae_gan_baseline", 0)
    )
    assert repro.main([str(limited), "--workers", "0"]) == 0
    said = capsys.readouterr().out
    assert "equal" in said and "within" not in said


def test_other_numbers_are_seen(cells, tmp_path, capsys):
    """A record whose rows were made up: better by more than the interval, and better by a hair."""
    record, rows = load(cells["vae_gan_baseline", 0])
    for row in rows:
        row["cd"] /= 2
        row["emd"] *= 1 + 1e-9
    save(record, rows, tmp_path)
    assert repro.main([str(tmp_path), "--workers", "0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "does not hold" in next(line for line in lines if " cd " in line)
    assert "within the interval" in next(line for line in lines if " emd " in line)


def test_what_cannot_be_run_again(cells, tmp_path, capsys):
    assert repro.main([str(cells["mean_shape", None])]) == 2
    assert "'mean_shape' was not trained by benchmarks.run" in capsys.readouterr().out
    assert repro.main([str(tmp_path / "nowhere")]) == 2
    assert "is missing" in capsys.readouterr().out
    record, rows = load(cells["vae_gan_baseline", 0])
    other = record.dataset.model_copy(update={"fingerprint": "0" * 64})
    save(record.model_copy(update={"dataset": other}), rows, tmp_path)
    assert repro.main([str(tmp_path), "--workers", "0"]) == 2
    assert "the data are not those of the record: fingerprint" in capsys.readouterr().out


def test_rows_are_compared_by_instance():
    protocol = R3DV1(R3DV1Config())
    rng = np.random.default_rng(0)
    rows = [
        {"id": str(k), "view": 0, "category": "c", "failed": False, "reason": None}
        | {column.name: float(rng.random()) for column in protocol.columns}
        for k in range(9)
    ]
    shuffled = [row | {"cd": rows[8 - k]["cd"]} for k, row in enumerate(rows)]
    held = {one.metric: one for one in repro.compare_rows(rows, shuffled, protocol)}
    assert held["emd"].equal and held["emd"].holds
    assert not held["cd"].equal and held["cd"].holds  # the same mean, of other instances
    assert held["cd"].again == pytest.approx(held["cd"].before)
    without = [row | {"iou@val": None} for row in rows]
    assert "iou@val" not in {one.metric for one in repro.compare_rows(rows, without, protocol)}
    with pytest.raises(ResultError, match="the instances are not those of the record"):
        repro.compare_rows(rows, rows[:-1], protocol)
