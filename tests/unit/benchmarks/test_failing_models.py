"""Models that fail late, beside one that does not: the command goes on to its table, and says why."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest
import yaml

from benchmarks.cells.executors.inline import Inline
from benchmarks.cells.predictor import PredictorProcess
from benchmarks.run import main
from zoo.system.processes import time_limit

PLUGIN = "tests.helpers.failing_plugin"
SMALL = {
    "summary": "A model that is quickly trained.",
    "citation": "none",
    "follows": "nothing",
    "preprocess": {"size": [48, 48], "channels": 1},
    "encoder": {"name": "cnn", "latent_dim": 8, "widths": [4, 8, 8], "hidden": [16]},
    "losses": {"voxel_bce": {}, "kl": {}},
}
FAULTS = {
    "raise": "ZeroDivisionError while raise (seed 0) predicted",
    "exit": "its process ended with status 3 while exit (seed 0) predicted",
    "segfault": "its process ended with status -11 (SIGSEGV) while segfault (seed 0) predicted",
    "points": "declares voxels, but gave points",
    "coarse": "declares voxels (32, 32, 32), but gave (16, 16, 16)",
    "few": "gave 7 shapes for 8 pictures",
    "nan": "by nan (seed 0): 32,768 values are NaN or infinite",
    "inf": "by inf (seed 0): 32,768 values are NaN or infinite",
}
"""Each model is called by its fault."""
OPTIONS = [
    *("--workers", "0", "--executor", "inline", "--device", "cpu", "--categories", "chair,table"),
    *("--set", "data.train=2", "--set", "data.val=1", "--set", "data.test=2", "--set", "prepare.views=1"),
    *("--set", "prepare.points=1024", "--set", "protocol.points=1024", "--format", "rich,json,md"),
    *("--set", "train.steps=1", "--set", "train.batch_size=2", "--plugin", PLUGIN),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("failing")


@pytest.fixture(autouse=True)
def own_process(monkeypatch):
    """Trained here, which is quicker, and predicted in a process of its own, as a user's command does."""
    made = partial(PredictorProcess, threads=1, plugins=(PLUGIN,), patience=60.0)
    monkeypatch.setattr(Inline, "predictor", lambda self: made(self.place.device))
    monkeypatch.setenv("COLUMNS", "300")


def write(folder, name, fault="", after=1):
    decoder = {"name": "failing", "resolution": 32, "width": 8, "fault": fault, "after": after}
    decoder["folder"] = str(folder)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(SMALL | {"title": name, "decoder": decoder}), encoding="utf-8")
    return str(path)


def run(folder, models, *extra):
    words = ["--models", ",".join(models), "--out", str(folder / "out"), "--data-root", str(folder / "data")]
    return main([*words, *OPTIONS, *extra])


def test_every_fault_costs_its_own_row_and_names_its_cause(folder, capsys):
    """They predict the validation split well; the test split is where they fail."""
    models = [write(folder, "good"), *(write(folder, fault, fault) for fault in FAULTS)]
    models.append(write(folder, "last"))
    assert run(folder, models) == 1
    said = capsys.readouterr().out
    failures = {line.split()[1]: line for line in said.splitlines() if line.startswith("failed ")}
    assert failures.keys() == FAULTS.keys()
    for fault, why in FAULTS.items():
        assert why in failures[fault], failures[fault]
        assert "chair" in failures[fault] or "table" in failures[fault]
    results = json.loads((folder / "out/results.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in results["rows"]}
    assert {"good", "last", "floor", "empty"} <= rows.keys() and not FAULTS.keys() & rows.keys()
    assert set(results["absent"]) == FAULTS.keys()
    good, last = (results["values"][name] for name in ("good", "last"))
    assert good == last  # the same config and seed, one before all failures, one after
    assert (folder / "out/gallery.png").is_file()


def test_one_that_fails_on_the_validation_split_costs_its_own_row(folder, capsys):
    assert run(folder, [write(folder, "good"), write(folder, "early", "kill", after=0)]) == 1
    said = capsys.readouterr().out
    assert "its process ended with status -9 (SIGKILL) while early (seed 0) predicted" in said
    assert "good (seed 0): measured already" in said


def test_one_that_hangs_costs_its_own_row(folder, capsys):
    models = [write(folder, "good"), write(folder, "stuck", "hang", after=0)]
    assert run(folder, models) == 1
    said = capsys.readouterr().out
    assert "no answer for 1 minutes (--time-limit) while stuck (seed 0) predicted" in said


def test_one_that_hangs_or_breaks_while_it_is_built_costs_its_own_row(folder, monkeypatch, capsys):
    from tests.helpers.failing_plugin import Failing

    build = Failing.__init__

    def broken(self, config, **given):
        if config.fault == "hang":
            time.sleep(3600)
        if config.fault == "leave":
            raise SystemExit(4)
        if config.fault == "raise":
            raise ZeroDivisionError("no [width]")
        build(self, config, **given)

    def limited(seconds, what):
        return time_limit(0.2 if what == "building model 'hang'" else None, what)

    monkeypatch.setattr(Failing, "__init__", broken)
    monkeypatch.setattr("benchmarks.driver.plan.time_limit", limited)
    faulty = [write(folder, name, name) for name in ("hang", "leave", "raise")]
    assert run(folder, [write(folder, "good"), *faulty]) == 1
    said = capsys.readouterr().out
    assert "failed hang: " in said and "building model 'hang' did not end within 0.0033" in said
    assert "failed leave: " in said and "SystemExit while it was built: 4" in said
    assert "failed raise: " in said and "ZeroDivisionError while it was built: no [width]" in said
    assert set(json.loads((folder / "out/results.json").read_text(encoding="utf-8"))["absent"]) == {
        "hang",
        "leave",
        "raise",
    }
    assert run(folder, faulty[2:]) == 2
    assert (
        "no model of --models can be trained: raise: ZeroDivisionError while it was"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "body",
    [
        "import time\ntime.sleep(3600)",
        "while True:\n    pass",
        "import time\nwhile True:\n    try:\n        time.sleep(3600)\n    except Exception:\n        pass",
    ],
)
def test_a_plugin_whose_import_hangs_is_named(body, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_slow_plugin.py").write_text(body, encoding="utf-8")
    assert main(["--list", "--plugin", "my_slow_plugin", "--time-limit", "0.01"]) == 2
    said = capsys.readouterr().err
    assert "importing plugin 'my_slow_plugin' did not end within 0.01 minutes (--time-limit)" in said
