"""The main command under signals: whatever it is doing, it stops cleanly, says so, and goes on later."""

import json
import os
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from benchmarks.records.storage import load
from benchmarks.run import main
from tests.unit.benchmarks.test_benchmark_run import TINY
from zoo.system.locks import hold

ROOT = Path(__file__).resolve().parents[3]
NAME = "vae_gan_baseline"
SMALL = [
    word
    for setting in (
        *("encoder.widths=[4,4,4]", "encoder.hidden=[16]", "encoder.latent_dim=8"),
        *("decoder.width=8", "discriminator.width=4"),
    )
    for word in ("--set", setting)
]
"""Checkpoints of 120 MB take longer to write than what is tried here."""
PHASES = {
    "data": "benchmarks.driver.plan.open_dataset",
    "training": "zoo.training.trainer.Trainer.step",
    "measuring": "benchmarks.cells.work.score",
    "tables": "benchmarks.driver.output.write_outputs",
    "pictures": "benchmarks.report.pages.gather_cases",
    "report": "benchmarks.report.pages.write_report",
}
"""Phase to what is called in it."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Words of a command, and the rows that it ends with."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        words = ["--models", NAME, "--data-root", str(folder / "data"), *TINY, *SMALL]
        assert main([*words, "--out", str(folder / "out")]) == 0
        yield words, rows_of(folder / "out")


def rows_of(out):
    return {load(path)[0].name: (path / "rows.csv").read_bytes() for path in (out / "cells").iterdir()}


@pytest.mark.parametrize(
    ("number", "phase"),
    [
        *((signal.SIGTERM, phase) for phase in PHASES),
        *((number, "training") for number in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_signal_in_any_phase_stops_cleanly_and_the_same_command_goes_on(
    undisturbed, tmp_path, monkeypatch, phase, number, capsys
):
    words, rows = undisturbed
    with monkeypatch.context() as patch:
        whole = pkgutil.resolve_name(PHASES[phase])

        def hit(*args, **kwargs):
            os.kill(os.getpid(), number)
            return whole(*args, **kwargs)

        patch.setattr(PHASES[phase], hit)
        assert main([*words, "--out", str(tmp_path)]) == 128 + number
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.part"))
    cells = (tmp_path / ".locks" / path.name for path in (tmp_path / "cells").iterdir())
    for held in (*cells, *(tmp_path / "runs").glob(f"{NAME}-*")):
        with hold(held, on_wait=lambda path: pytest.fail(f"{path} is still held")):
            pass
    assert main([*words, "--out", str(tmp_path), "--format", "json"]) == 0
    assert rows_of(tmp_path) == rows


# Two at once


def start(out: Path, words, *more, executor="inline") -> subprocess.Popen[str]:
    asked = [word if word != "inline" else executor for word in words]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.run", *asked, "--out", str(out), *more],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "1000", "HF_HUB_CACHE": str(out / "none")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",  # the command speaks the terminal's encoding, whatever that is
        cwd=ROOT,
    )


@pytest.mark.parametrize(("more", "executor"), [([], "local"), (["--force"], "inline")])
def test_two_equal_commands_at_once_train_and_measure_once(undisturbed, tmp_path, more, executor):
    words, _ = undisturbed
    words = [
        *words,
        "--set",
        "train.steps=8",
        "--set",
        "train.checkpoint_every=1",
        "--set",
        "train.log_every=1",
    ]
    commands = [start(tmp_path, words, *more, executor=executor) for _ in range(2)]
    said = [command.communicate(timeout=300) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    (run,) = (tmp_path / "runs").glob(f"{NAME}-*")
    steps = [
        json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert steps == list(range(1, 9))
    rows = rows_of(tmp_path)
    assert {NAME, "floor", "oracle"} <= rows.keys()
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("measured.jsonl"))
    assert all("controls, not ranked" in out for out, _ in said)
    assert all("failed vae" not in out and "Traceback" not in err for out, err in said)


def test_a_command_says_once_what_it_waits_for(undisturbed, tmp_path):
    words, rows = undisturbed
    assert main([*words, "--out", str(tmp_path / "first"), "--format", "json"]) == 0
    (cell,) = (path for path in (tmp_path / "first/cells").iterdir() if load(path)[0].name == NAME)
    with hold(tmp_path / ".locks" / cell.name):
        command = start(tmp_path, words, "--format", "json")
        assert command.stdout is not None
        line = next(line for line in command.stdout if "waiting" in line)
        said = (
            f"{NAME} (seed 0): waiting for {tmp_path / 'cells' / cell.name}, which process {os.getpid()} on"
        )
        assert line.startswith(said) and line.rstrip().endswith(" is working in")
    out, err = command.communicate(timeout=300)
    assert command.returncode == 0, err
    assert "waiting" not in out
    assert rows_of(tmp_path).keys() == rows.keys()


def test_what_is_trained_by_another_command_is_waited_for_by_name(undisturbed, tmp_path):
    words, _ = undisturbed
    assert main([*words, "--out", str(tmp_path), "--format", "json"]) == 0
    (run,) = (tmp_path / "runs").glob(f"{NAME}-*")
    with hold(run):
        command = start(tmp_path, words, "--force", "--format", "json")
        assert command.stdout is not None
        line = next(line for line in command.stdout if "waiting" in line)
        assert line.startswith(f"waiting for {run}, which process {os.getpid()} on ")
        assert list(run.glob("step-*"))  # nothing is deleted under another command's hands
    assert command.communicate(timeout=300)[1].count("Traceback") == 0 and command.returncode == 0
