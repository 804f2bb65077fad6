"""The benchmark called from Python: the same results as from the command line, and nothing printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

import benchmarks
from benchmarks import RunRequest
from benchmarks.run import main
from datasets.formats.binvox import write_binvox
from tests.unit.benchmarks.test_benchmark_run import TINY
from zoo.config import ConfigError
from zoo.registry import RegistryError
from zoo.shapes import VoxelShape

ROOT = Path(__file__).resolve().parents[3]
NAME = "vae_gan_baseline"
SMALL = {
    "data": {"categories": ["chair", "table"], "train": 3, "val": 1, "test": 2},
    "prepare": {"views": 2, "points": 1024},
    "protocol.points": 1024,
}
ASKED = {
    "models": NAME,
    "workers": 0,
    "executor": "inline",
    "device": "cpu",
    "overrides": {**SMALL, "train": {"steps": 2, "batch_size": 2}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a run from the command line."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        words = ["--models", NAME, "--out", str(folder / "out"), "--data-root", str(folder / "data"), *TINY]
        assert main(words) == 0
        yield folder


def values(comparison):
    return {row.name: [record.cell for record in row.records] for row in comparison.rows}


def test_the_same_table_as_from_the_command_line_and_nothing_printed(finished, tmp_path, capsys):
    said = []
    request = RunRequest(**ASKED, data_root=finished / "data", out=tmp_path)
    comparison = benchmarks.run(request, progress=said.append)
    printed = capsys.readouterr()
    assert not printed.out and not printed.err
    results = json.loads((finished / "out/results.json").read_text(encoding="utf-8"))
    cells = {row["name"]: [record["cell"] for record in row["records"]] for row in results["rows"]}
    assert values(comparison) == cells
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["values"] == results["values"]
    kinds = {event.kind for event in said}
    assert {"note", "data", "training", "measuring"} <= kinds and "failed" not in kinds
    steps = [(event.done, event.total) for event in said if event.kind == "training"]
    assert steps == [(1, 2), (2, 2)] and {e.label for e in said if e.kind == "training"} == {
        f"{NAME} (seed 0)"
    }


def test_keywords_do_as_well_and_what_is_there_is_not_made_again(finished, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("trained or measured again")

    monkeypatch.setattr("benchmarks.cells.work.train", refuse)
    monkeypatch.setattr("benchmarks.cells.work.score", refuse)
    comparison = benchmarks.run(**ASKED, data_root=finished / "data", out=finished / "out", formats="json")
    assert comparison.models[0].name == NAME


def test_errors_are_raised(finished, tmp_path):
    with pytest.raises(RegistryError, match="Did you mean 'r3d'"):
        benchmarks.run(models="r3dd", out=tmp_path)
    with pytest.raises(ConfigError, match="--jobs 2 is for --executor local"):
        benchmarks.run(**ASKED, jobs=2, out=tmp_path)


def test_a_run_without_any_result_names_the_failures(finished, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no [luck]")

    monkeypatch.setattr("benchmarks.cells.work.train", broken)
    with pytest.raises(benchmarks.driver.outcome.NoResult, match=r"vae_gan_baseline \(seed 0\): no \[luck\]"):
        benchmarks.run(**ASKED, data_root=finished / "data", out=tmp_path)


@pytest.mark.parametrize("first", ["import benchmarks.run", "import benchmarks.evaluate", ""])
def test_modules_can_be_called_in_whichever_order_they_are_imported(first):
    code = f"{first}\nimport benchmarks\nassert callable(benchmarks.run) and callable(benchmarks.evaluate)\n"
    code += "assert callable(benchmarks.score)\nfrom benchmarks import run\nrun.main; print('well')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "well", done.stderr


def test_files_are_scored_from_python(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for k in range(3):
        grid = np.zeros((16, 16, 16), bool)
        grid[3:9, 4:12, 5 + k : 13] = True
        for folder, own in (("gt", grid), ("pred", grid & (rng.random(grid.shape) < 0.9))):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_binvox(tmp_path / folder / f"{k}.binvox", own)
    comparison = benchmarks.evaluate(
        pred={"mine": tmp_path / "pred"},
        gt=tmp_path / "gt",
        out=tmp_path / "out",
        overrides="points=1024",
        workers=0,
    )
    assert not capsys.readouterr().out
    assert [row.name for row in comparison.rows] == ["mine", "floor"]
    assert (tmp_path / "out/table.md").is_file()
    with pytest.raises(ConfigError, match="no such folder"):
        benchmarks.evaluate(pred=tmp_path / "nothing", gt=tmp_path / "gt")


def score(finished, predict, **more):
    return benchmarks.score(
        predict, data_root=finished / "data", overrides=SMALL, workers=0, out=finished / "scored", **more
    )


def test_a_function_is_scored_beside_the_controls(finished):
    """One that answers with the mean shape of training scores what that control does."""
    record = next(
        json.loads(path.read_text(encoding="utf-8"))
        for path in (finished / "out/cells").glob("*/record.json")
        if '"mean_shape"' in path.read_text(encoding="utf-8")
    )
    from datasets.store import Store

    (path,) = (finished / "data").glob("procedural-*")
    train = Store.open(path).split("train")
    mean = train.voxels(list(range(len(train))), 32).mean(0, dtype=np.float32)
    asked = []

    def mean_of_training(pictures):
        asked.append(pictures.shape)
        return [mean] * len(pictures)

    comparison = score(finished, mean_of_training)
    rows = {row.name: row for row in comparison.rows}
    assert {"mean_of_training", "mean_shape", "floor", "oracle"} <= rows.keys()
    own, control = rows["mean_of_training"], rows["mean_shape"]
    assert own.records[0].threshold == control.records[0].threshold
    assert own.records[0].threshold.value == record["threshold"]["value"]
    assert own.records[0].iou_curve == control.records[0].iou_curve
    assert set(asked) == {(2, 48, 48, 4), (4, 48, 48, 4)}


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda pictures: [], "the function gave 0 shapes for"),
        (lambda pictures: 3, "the function gave int shapes for"),
        (
            lambda pictures: [np.zeros((4, 4))] * len(pictures),
            r"a prediction is float64 \(4, 4\); allowed are",
        ),
        (lambda pictures: [np.full((8, 8, 8), np.nan)] * len(pictures), "holds NaN or infinity"),
        (
            lambda pictures: [np.full((8, 8, 8), 2.0)] * len(pictures),
            r"occupancy must lie in \[0, 1\], got 2",
        ),
        (lambda pictures: ["chair"] * len(pictures), "a prediction is <U5"),
    ],
)
def test_what_is_no_prediction_is_said(finished, give, message):
    with pytest.raises(ConfigError, match=message):
        score(finished, give, controls=False, name="mine")


def test_shapes_points_and_nothing_are_predictions(finished):
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))
    comparison = score(finished, lambda pictures: [points] * len(pictures), controls=False, name="cloud")
    assert comparison.rows[0].name == "cloud" and comparison.rows[0].records[0].threshold is None
    box = VoxelShape(np.ones((32, 32, 32), bool))
    calls = []

    def half(pictures):
        calls.append(len(pictures))
        return [box if k % 2 else None for k in range(len(pictures))]

    comparison = score(finished, half, controls=False, name="half")
    assert comparison.rows[0].records[0].n_failed == 2
    with pytest.raises(ConfigError, match="the name 'floor' is that of a control"):
        score(finished, half, name="floor")
