"""A stored result, run again from its record: equal on the same machine, refused where it cannot be."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import repro
from benchmarks.driver import repetition
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.records.schema import ResultError
from benchmarks.records.storage import load, save
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
    assert main([*TINY, "--out", str(folder / "out"), "--data-root", str(folder / "data")]) == 0
    found = {}
    for path in (folder / "out" / "cells").iterdir():
        record, _ = load(path)
        found[record.name, record.seed] = path
    return found


def call(cells, result, *more):
    """Run a result again on the data of the first run."""
    data = next(iter(cells.values())).parents[2] / "data"
    return repro.main([str(result), "--workers", "0", "--data-root", str(data), *more])


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """A terminal in which no cell of a table is broken."""
    monkeypatch.setenv("COLUMNS", "200")


def test_the_second_seed_gives_the_same_digits(cells, capsys):
    assert call(cells, cells["vae_gan_baseline", 1]) == 0
    said = capsys.readouterr().out
    assert "vae_gan_baseline, seed 1" in said
    for metric in ("iou@val", "cd", "emd"):
        line = next(line for line in said.splitlines() if f" {metric} " in line)
        assert "equal" in line


def test_the_record_holds_what_makes_this_cell_alone(cells):
    record, _ = load(cells["vae_gan_baseline", 1])
    asked = repetition.request_of(record)
    assert (asked.models, asked.seeds, asked.views) == (("vae_gan_baseline",), (1,), (1,))
    assert asked.settings[0] == "data.categories=chair,table" and "train.steps=2" in asked.settings
    assert record.command.startswith("python -m benchmarks.run --models vae_gan_baseline --data-root ")
    assert "--seeds 2" in record.command and "--executor inline" in record.command
    control, _ = load(cells["floor", None])
    assert control.request is not None and control.request["seeds"] == [0, 1]


def test_a_limited_result_is_run_again_on_the_same_instances(cells, capsys):
    out = cells["vae_gan_baseline", 0].parents[1]
    words = [*TINY, "--out", str(out), "--data-root", str(out.parent / "data"), "--limit", "2"]
    assert main([*words, "--format", "json"]) == 0
    (limited,) = (
        path
        for path in (out / "cells").iterdir()
        if (load(path)[0].n, load(path)[0].name, load(path)[0].seed) == (2, "vae_gan_baseline", 0)
    )
    assert call(cells, limited) == 0
    said = capsys.readouterr().out
    assert "equal" in said and "within" not in said


def test_other_numbers_are_seen(cells, tmp_path, capsys):
    """A record whose rows were made up: better by more than the interval, and better by a hair."""
    record, rows = load(cells["vae_gan_baseline", 0])
    for row in rows:
        row["cd"] /= 2
        row["emd"] *= 1 + 1e-9
    save(record, rows, tmp_path)
    assert call(cells, tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "does not hold" in next(line for line in lines if " cd " in line)
    assert "within the interval" in next(line for line in lines if " emd " in line)


def test_what_cannot_be_run_again(cells, tmp_path, capsys):
    assert repro.main([str(cells["mean_shape", None])]) == 2
    assert "'mean_shape' was not trained by benchmarks.run" in capsys.readouterr().err
    assert repro.main([str(tmp_path / "nowhere")]) == 2
    assert "is missing" in capsys.readouterr().err
    record, rows = load(cells["vae_gan_baseline", 0])
    other = record.dataset.model_copy(update={"fingerprint": "0" * 64})
    save(record.model_copy(update={"dataset": other}), rows, tmp_path)
    assert call(cells, tmp_path) == 2
    assert "the data are not those of the record: fingerprint" in capsys.readouterr().err


def test_rows_are_compared_by_instance():
    protocol = R3DV1(R3DV1Config())
    rng = np.random.default_rng(0)
    rows = [
        {"id": str(k), "view": 0, "category": "c", "failed": False, "reason": None}
        | {column.name: float(rng.random()) for column in protocol.columns}
        for k in range(9)
    ]
    shuffled = [row | {"cd": rows[8 - k]["cd"]} for k, row in enumerate(rows)]
    held = {one.metric: one for one in repetition.compare_rows(rows, shuffled, protocol)}
    assert held["emd"].equal and held["emd"].holds
    assert not held["cd"].equal and held["cd"].holds  # the same mean, of other instances
    assert held["cd"].again == pytest.approx(held["cd"].before)
    without = [row | {"iou@val": None} for row in rows]
    assert "iou@val" not in {one.metric for one in repetition.compare_rows(rows, without, protocol)}
    with pytest.raises(ResultError, match="the instances are not those of the record"):
        repetition.compare_rows(rows, rows[:-1], protocol)


# --- a record that somebody else made


@pytest.fixture
def foreign(cells, tmp_path, monkeypatch):
    """``foreign({...}, **config)``: a record with another request and config, and whether it ran.

    Its module lies in the working folder, and leaves a file behind when it is imported.
    """
    (tmp_path / "downloaded.py").write_text(
        "from pathlib import Path\nPath('ran').touch()\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    record, rows = load(cells["vae_gan_baseline", 0])
    protocol, started = R3DV1(R3DV1Config()), []

    def again(record, args, own, console):
        repetition.load_plugins([*own.plugin, *repetition.foreign_modules(record, args)])
        started.append(args)
        return rows, protocol

    monkeypatch.setattr(repetition, "again", again)

    def make(asked=None, **config):
        changes = {
            "request": {**(record.request or {}), **asked} if isinstance(asked, dict) else asked,
            "config": record.config | config,
        }
        save(record.model_copy(update=changes), rows, tmp_path / "result")
        return tmp_path / "result", started

    yield make
    sys.modules.pop("downloaded", None)


THING = "downloaded:Thing"
ASKS = {
    "plugin": ({"plugins": ["downloaded"]}, {}, "import the module downloaded and run its code"),
    "data set": ({"dataset": THING}, {}, "import the module downloaded and run its code"),
    "protocol": ({"protocol": THING}, {}, "import the module downloaded and run its code"),
    "executor": ({"executor": THING}, {}, "import the module downloaded and run its code"),
    "encoder": ({}, {"encoder": {"name": THING}}, "import the module downloaded"),
    "loss": ({}, {"losses": {"kl": {"name": THING}}}, "import the module downloaded"),
    "files": (
        {"dataset": "r2n2", "data_root": "/their/data"},
        {},
        "read the data set 'r2n2' from /their/data",
    ),
    "list": ({"overrides": ["data.split=/etc/passwd"]}, {}, "read what data.split=/etc/passwd names"),
    "network": (
        {},
        {"encoder": {"name": "vit", "pretrained": True}},
        "download pretrained weights for the enc",
    ),
}


@pytest.mark.parametrize("kind", ASKS)
@pytest.mark.parametrize("answer", ["nobody is there", "n", "", "y", "--trust"])
def test_what_a_record_asks_for_is_said_and_asked(foreign, kind, answer, monkeypatch, capsys):
    asked, config, wish = ASKS[kind]
    result, started = foreign(asked, **config)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: answer in ("n", "", "y"))
    agreed = answer in ("y", "--trust")
    status = repro.main([str(result), *(["--trust"] if answer == "--trust" else [])])
    said = capsys.readouterr()
    assert wish in said.out and (status, len(started)) == ((0, 1) if agreed else (2, 0))
    assert agreed or "error: nothing was done. If you trust the record, say --trust" in said.err
    assert Path("ran").exists() == (agreed and "import" in wish)


def test_what_users_name_themselves_is_not_asked(foreign, capsys):
    asked = {"plugins": ["downloaded"], "dataset": "r2n2", "data_root": "/their/data"}
    result, started = foreign(asked)
    assert repro.main([str(result), "--plugin", "downloaded", "--data-root", "mine"]) == 0
    assert len(started) == 1 and "To run it again is to" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (None, "does not say what made it; run its command again: python -m benchmarks.run"),
        ({"no_such_option": 1}, "request.no_such_option: unknown key"),
        ({"sedes": 3}, "request.sedes: unknown key. Did you mean 'seeds' or 'overrides'?"),
        ({"seeds": "many"}, "--seeds takes how many, like 3, or which"),
        ({"seeds": []}, "--seeds takes how many"),
        ({"views": [0]}, "--views takes numbers from 1 on"),
        ({"limit": -1}, "--limit must be at least 1, got -1"),
        ({"out": 3}, "request.out: Input is not a valid path"),
        ({"dataset": ["\x1b[2J"]}, "request.dataset: Input should be a valid string"),
        ({"\x1b[2J": 1}, "request.\\x1b[2J: unknown key"),
    ],
)
def test_a_request_that_is_none(foreign, capsys, asked, message):
    result, started = foreign(asked)
    assert repro.main([str(result), "--trust"]) == 2
    said = capsys.readouterr()
    assert message in said.err and "\x1b" not in said.err and not said.out and not started


def test_nothing_is_written_where_a_record_says(cells, tmp_path, monkeypatch, capsys):
    """Data that are made anew lie in the user's own cache."""
    record, rows = load(cells["vae_gan_baseline", 0])
    theirs, own = tmp_path / "theirs", tmp_path / "own"
    asked = {**(record.request or {}), "data_root": str(theirs), "out": str(theirs)}
    save(record.model_copy(update={"request": asked}), rows, tmp_path / "result")
    monkeypatch.setenv("R3D_CACHE", str(own))
    assert repro.main([str(tmp_path / "result"), "--workers", "0"]) == 0
    assert "equal" in capsys.readouterr().out
    assert not theirs.exists() and any((own / "stores").iterdir())
