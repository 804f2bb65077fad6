"""A request: filled by a command line, a file and Python alike, kept as JSON, said as a command again."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.request.evaluate_options import parser as evaluate_parser
from benchmarks.request.evaluate_request import EvaluateRequest
from benchmarks.request.filling import fill
from benchmarks.request.numbers import parse_seeds, parse_views
from benchmarks.request.run_request import RunRequest
from benchmarks.run import main, parser
from zoo.config import ConfigError

FULL = [
    *("--models", "r3d,my model.yaml", "--dataset", "r2n2", "--data-root", "/data/Shape Net"),
    *("--categories", "chair,table", "--allow-missing", "--allow-leaks", "--preset", "standard"),
    *("--protocol", "r2n2", "--seeds", "3,4", "--views", "1-3", "--reference", "r3d"),
    *("--retrieval-backbone", "resnet18", "--out", "out", "--format", "md,csv", "--device", "cuda:1"),
    *("--executor", "inline", "--workers", "0", "--time-limit", "2.5", "--limit", "7"),
    *("--set", "train.steps=5", "--set", "losses.kl.weight=[1, 2]", "--plugin", "a.b", "--force"),
    *("--columns", "iou,cd", "--verbose", "--tracker", "tensorboard", "--init-from", "runs/runs/r3d-1"),
]


def asked(*words):
    return fill(RunRequest, parser().parse_args(list(words)))


def test_a_command_line_fills_every_field():
    request = asked(*FULL)
    assert request == RunRequest(
        models=["r3d", "my model.yaml"],
        dataset="r2n2",
        data_root="/data/Shape Net",
        categories=["chair", "table"],
        allow_missing=True,
        allow_leaks=True,
        preset="standard",
        protocol="r2n2",
        seeds=[3, 4],
        views="1-3",
        reference="r3d",
        retrieval_backbone="resnet18",
        out="out",
        formats="md,csv",
        device="cuda:1",
        executor="inline",
        workers=0,
        time_limit=2.5,
        limit=7,
        overrides=["train.steps=5", "losses.kl.weight=[1, 2]"],
        plugins=["a.b"],
        force=True,
        columns="iou,cd",
        verbose=True,
        tracker="tensorboard",
        init_from="runs/runs/r3d-1",
    )
    left = {"jobs", "only_cache"}
    assert request.model_fields_set == set(RunRequest.model_fields) - left


def test_every_option_is_a_field_and_every_field_an_option():
    fields = {action.dest for action in parser()._actions} - {"help", "config", "list"}
    assert fields == set(RunRequest.model_fields)
    fields = {action.dest for action in evaluate_parser("")._actions} - {"help", "config"}
    assert fields == set(EvaluateRequest.model_fields)


@pytest.mark.parametrize(
    "words", [[], FULL, ["--seeds", "2"], ["--seeds", "7,"], ["--jobs", "3", "--only-cache"]]
)
def test_the_command_of_a_request_asks_for_the_same(words):
    request = asked(*words)
    said = shlex.split(request.command())
    assert said[:3] == ["python", "-m", "benchmarks.run"]
    assert asked(*said[3:]) == request
    assert RunRequest.model_validate(json.loads(json.dumps(request.model_dump(mode="json")))) == request


def test_a_file_says_the_same_and_the_command_line_goes_before_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "models: [r3d, psgn]\nseeds: 3\nviews: 1-2\nout: there\n"
        "overrides: {train.steps: 800, losses: {kl: {weight: 0.5}}, data: {categories: [chair]}}\n",
        encoding="utf-8",
    )
    request = asked("--config", str(file))
    assert request.models == ("r3d", "psgn") and request.seeds == (0, 1, 2) and request.views == (1, 2)
    assert request.settings == [
        "train.steps=800",
        "losses.kl.weight=0.5",
        'data.categories=["chair"]',
    ]
    request = asked("--config", str(file), "--seeds", "4,", "--set", "train.steps=9")
    assert request.seeds == (4,) and request.models == ("r3d", "psgn")
    assert request.overrides[-1] == "train.steps=9" and len(request.overrides) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles: r3d", "run.yaml: modles: unknown key. Did you mean 'models'?"),
        ("seed: 3", "run.yaml: seed: unknown key. Did you mean 'seeds'?"),
        ("- r3d", "run.yaml: expected keys and values"),
        ("seeds: many", "run.yaml: seeds: --seeds takes how many, like 3, or which"),
        ("force: perhaps", "run.yaml: force: Input should be a valid boolean"),
        ("models: {r3d: 1}", "run.yaml: models: Input should be a valid tuple"),
        ("limit: 0", "--limit must be at least 1, got 0"),
        ("time_limit: -1", "--time-limit must be 0 (no limit) to 100,000 minutes, got -1"),
        ("a: [", "run.yaml: "),
    ],
)
def test_a_file_that_cannot_be_meant_is_one_line_and_status_2(tmp_path, capsys, text, message):
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    assert main(["--config", str(tmp_path / "run.yaml")]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err


def test_python_refuses_what_it_does_not_know():
    with pytest.raises(ValidationError, match="sedes"):
        RunRequest(sedes=3)
    with pytest.raises(ValidationError, match="frozen"):
        RunRequest().seeds = (1,)


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (1, (0,)),
        ("1", (0,)),
        (" 3 ", (0, 1, 2)),
        ("3,4", (3, 4)),
        ("4,3,4", (4, 3)),
        ("7,", (7,)),
        ("0,", (0,)),
        ("2-4,9", (2, 3, 4, 9)),
        ([5], (5,)),
        ((1, 0), (1, 0)),
    ],
)
def test_seeds(given, seeds):
    assert parse_seeds(given) == seeds


@pytest.mark.parametrize("given", [0, -1, "0", "-3", 10_001])
def test_too_few_seeds(given):
    with pytest.raises(ConfigError, match=rf"--seeds must be at least 1, got {given}"):
        parse_seeds(given)


@pytest.mark.parametrize(
    "given", ["", ",", "a", "3-1", "1;2", "1.5", 1.5, None, [], [-1], ["3"], [True], "0-99999", True]
)
def test_what_is_no_seeds(given):
    with pytest.raises(ConfigError, match=r"--seeds (takes how many, like 3, or which|must be)"):
        parse_seeds(given)


@pytest.mark.parametrize(("given", "views"), [(1, (1,)), ("1-3,2", (1, 2, 3)), ([5, 1], (1, 5))])
def test_views(given, views):
    assert parse_views(given) == views


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9, unique=True))
def test_any_seeds_survive_a_command_and_a_record(seeds):
    request = RunRequest(seeds=seeds)
    assert asked(*shlex.split(request.command())[3:]).seeds == tuple(seeds)
    assert RunRequest.model_validate(request.model_dump(mode="json")).seeds == tuple(seeds)


def test_a_cell_keeps_what_makes_it_alone():
    narrow = asked(*FULL).narrowed("r3d", 4, 2)
    assert (narrow.models, narrow.seeds, narrow.views) == (("r3d",), (4,), (2,))
    assert not narrow.force and narrow.reference is None and narrow.overrides == asked(*FULL).overrides


def test_settings_of_the_executor_stand_apart():
    request = RunRequest(overrides={"executor": {"partition": "gpu", "nodes": 2}, "train.steps": 3}, jobs=4)
    assert request.settings == ["train.steps=3"]
    assert request.executor_settings == {"jobs": 4, "partition": "gpu", "nodes": 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pred": "a"}, "gt"),
        ({"pred": [], "gt": "b"}, "pred"),
        ({"pred": "a", "gt": "b", "threshold": 0}, r"--threshold must lie in \(0, 1\], got 0"),
        ({"pred": "a", "gt": "b", "workers": -2}, "--workers must be 0"),
        ({"pred": "a", "gt": "b", "pret": 1}, "pret"),
    ],
)
def test_an_evaluation_that_cannot_be_meant(fields, message):
    with pytest.raises(ValidationError, match=message):
        EvaluateRequest(**fields)
