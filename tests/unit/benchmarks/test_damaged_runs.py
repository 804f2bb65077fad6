"""Run folders that something has happened to: the checkpoint before counts, and it is said."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from tests.unit.zoo.training.test_trainer import HARD, final_of, fit, log_of, stop_at
from zoo.device import PeakMemory
from zoo.errors import UserError
from zoo.files import WriteError
from zoo.model import build_discriminator, build_model
from zoo.training import checkpoint
from zoo.training.checkpoint import (
    CheckpointError,
    TrainState,
    checkpoints,
    load_config_of,
    load_discriminator,
    load_optimizers,
    load_pretrained,
    load_state,
    newest_run,
    save_checkpoint,
)
from zoo.training.integrity import DamagedCheckpoint
from zoo.training.interrupt import Interrupted
from zoo.training.log import read_log

SUMS = "sha256.json"


def flip(path: Path, place: float = 0.6) -> None:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 4
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


DAMAGES = [flip, cut, empty, gone, folder, foreign]
FILES = ["config.json", "state.json", "model.safetensors", "discriminator.safetensors", "optimizers.pt", SUMS]


@pytest.fixture
def save(tiny_config):
    """``save(run_dir, step, ...)``: a checkpoint of a model whose weights hang on the step."""

    def write(run_dir: Path, step: int, *overrides: str) -> Path:
        config = tiny_config(*overrides)
        model = build_model(config, seed=step)
        critic = build_discriminator(config, model.decoder, seed=step)
        optimizer = torch.optim.AdamW(model.parameters())
        model.encoder.head.mean.bias.grad = torch.ones_like(model.encoder.head.mean.bias)
        optimizer.step()
        return save_checkpoint(run_dir, config, TrainState(step=step), model, critic, {"g": optimizer})

    return write


def weight(model) -> float:
    return model.encoder.head.mean.weight.sum().item()


# --- the one before it


@pytest.mark.parametrize(("name", "damage"), list(zip(FILES * 2, DAMAGES[::-1] + DAMAGES, strict=True)))
def test_a_run_goes_on_from_the_checkpoint_before(tiny_config, tiny_source, tmp_path, name, damage):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(3))
    before, newest = checkpoints(tmp_path)
    assert (before.name, newest.name) == ("step-0000002", "step-0000003")
    damage(newest / name)
    with pytest.warns(UserWarning, match=rf"step-0000003/\S*: .*; {before} is used in its place"):
        report = fit(tiny_config(), tiny_source, tmp_path)
    assert report.checkpoint.name == "step-0000006"
    assert [path.name for path in checkpoints(tmp_path)] == ["step-0000004", "step-0000006"]
    assert [row["step"] for row in log_of(tmp_path)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", FILES)
def test_damage_leaves_no_trace_in_the_weights(tiny_config, tiny_source, tmp_path, name):
    """Not even where the checkpoint before lies on the border of two stages: nothing of the other is kept."""
    config, whole, run = tiny_config(*HARD, "train.checkpoint_every=1"), tmp_path / "whole", tmp_path / "run"
    fit(config, tiny_source, whole)
    with pytest.raises(Interrupted):
        fit(config, tiny_source, run, on_step=stop_at(4))
    flip(run / "step-0000004" / name)
    with pytest.warns(UserWarning, match="step-0000003 is used in its place"):
        fit(config, tiny_source, run)
    assert final_of(run) == final_of(whole)


def test_the_last_checkpoint_of_a_finished_run_is_made_again(tiny_config, tiny_source, tmp_path):
    first = fit(tiny_config(), tiny_source, tmp_path)
    before = final_of(tmp_path)
    flip(first.checkpoint / "model.safetensors")
    with pytest.warns(UserWarning, match="step-0000004 is used in its place"):
        again = fit(tiny_config(), tiny_source, tmp_path)
    assert again.checkpoint == first.checkpoint
    assert final_of(tmp_path) == before


def test_another_config_is_no_damage(tiny_config, tiny_source, tmp_path):
    """It must not be trained over by falling back for ever."""
    fit(tiny_config(), tiny_source, tmp_path)
    with pytest.raises(CheckpointError, match="step-0000006 was trained with another config"):
        fit(tiny_config("train.optimizer.lr=0.5"), tiny_source, tmp_path)
    assert len(checkpoints(tmp_path)) == 2


def test_where_all_are_damaged_the_newest_is_named(save, tmp_path):
    for step in (2, 4):
        flip(save(tmp_path, step) / "model.safetensors")
    with pytest.raises(
        DamagedCheckpoint, match=r"4/model.safetensors: cannot .*; delete the folder .*04 and"
    ):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", SUMS])
def test_a_run_folder_gives_its_newest_whole_one(save, tmp_path, name, damage):
    if damage is gone and name == SUMS:
        pytest.skip("a checkpoint of before there were sums")
    old, new = save(tmp_path, 2), save(tmp_path, 4)
    assert weight(load_pretrained(tmp_path)) == weight(load_pretrained(new)) != weight(load_pretrained(old))
    damage(new / name)
    with pytest.warns(UserWarning, match=rf"{new}/.*; {old} is used in its place"):
        assert weight(load_pretrained(tmp_path)) == weight(load_pretrained(old))
    with pytest.raises(DamagedCheckpoint):
        load_pretrained(new)


def test_the_discriminator_and_the_config_come_from_the_one_before_too(save, tmp_path):
    save(tmp_path, 2)
    flip(save(tmp_path, 4) / "discriminator.safetensors")
    with pytest.warns(UserWarning, match="step-0000002 is used in its place"):
        load_discriminator(tmp_path)
    flip(tmp_path / "step-0000004" / "config.json")
    with pytest.warns(UserWarning, match="step-0000002 is used in its place"):
        assert load_config_of(tmp_path).name == "tiny"


def test_a_damaged_run_is_not_the_newest_and_hides_no_other(save, tmp_path):
    save(tmp_path / "tiny-aa", 6)
    save(tmp_path / "tiny-bb", 4)
    path = save(tmp_path / "tiny-bb", 6)
    os.utime(path, (2e9, 2e9))
    flip(path / "model.safetensors")  # noticed by whoever loads it
    assert newest_run(tmp_path, "tiny") == tmp_path / "tiny-bb"
    flip(path / "config.json")
    with pytest.warns(UserWarning, match="step-0000004 is used in its place"):
        assert newest_run(tmp_path, "tiny") == tmp_path / "tiny-bb"
    flip(tmp_path / "tiny-bb" / "step-0000004" / "config.json")
    with pytest.warns(UserWarning, match="left out .*tiny-bb: .*step-0000006/config.json"):
        assert newest_run(tmp_path, "tiny") == tmp_path / "tiny-aa"


# --- entries that are no checkpoints


@pytest.mark.parametrize(
    "name", ["step-abc", "step-", "step-7", "step-00000007", "step-0000009.old", "step-½"]
)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_foreign_entries_are_left_alone(tiny_config, tiny_source, save, tmp_path, name, kind):
    other = tmp_path / name
    other.mkdir() if kind == "folder" else other.write_text("mine", encoding="utf-8")
    report = fit(tiny_config("train.steps=4"), tiny_source, tmp_path)
    assert report.checkpoint == checkpoints(tmp_path)[-1] == tmp_path / "step-0000004"
    assert other.exists()
    load_pretrained(tmp_path)


@pytest.mark.parametrize("step", [1, 3, 5, 9_999_999])
def test_an_empty_folder_is_a_damaged_checkpoint_and_goes(tiny_config, tiny_source, tmp_path, step):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(2))
    rest = tmp_path / f"step-{step:07d}"
    rest.mkdir()
    if step > 2:
        with pytest.warns(UserWarning, match=rf"{rest}/state.json: cannot be read: .*; \S+02 is used"):
            report = fit(tiny_config(), tiny_source, tmp_path)
    else:
        report = fit(tiny_config(), tiny_source, tmp_path)
    assert report.checkpoint.name == "step-0000006"
    assert [path.name for path in checkpoints(tmp_path)] == ["step-0000004", "step-0000006"]


def test_a_file_in_the_place_of_a_checkpoint_gives_way(tiny_config, tiny_source, tmp_path):
    (tmp_path / "step-0000006").write_text("what is this", encoding="utf-8")
    (tmp_path / ".step-0000002.x.part").write_text("and this", encoding="utf-8")
    assert fit(tiny_config(), tiny_source, tmp_path).checkpoint.is_dir()
    assert not list(tmp_path.glob("*.part"))


def test_a_checkpoint_under_another_step_is_noticed(save, tmp_path):
    save(tmp_path, 4).rename(tmp_path / "step-0000008")
    with pytest.raises(DamagedCheckpoint, match=r"step-0000008/state.json: says step 4"):
        load_state(tmp_path / "step-0000008")


# --- checkpoints of before there were sums


STATES = [
    ({"step": -1}, "step"), ({"step": "7"}, "step"), ({"step": 7.5}, "step"), ({"step": True}, "step"),
    ({"step": [7]}, "step"), ({"step": 10**400}, "says step 1000"), ({"step": None}, "step"),
    ({"seed": "x"}, "seed"), ({"data": 3}, "data"), ({"seconds": -1.0}, "seconds"),
    ({"seconds": float("nan")}, "seconds"), ({"seconds": 1e999}, "seconds"),
    ({"peak_memory_mib": {}}, "peak_memory_mib"), ({"versions": ["1"]}, "versions"),
    ({"versions": {"zoo": 1}}, "versions.zoo"), ({"stepp": 1}, "stepp"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), STATES)
def test_a_state_with_wrong_values(save, tmp_path, change, named):
    path = save(tmp_path, 7)
    (path / SUMS).unlink()
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    (path / "state.json").write_text(json.dumps(state | change), encoding="utf-8")
    with pytest.raises(DamagedCheckpoint, match=rf"{path}/state.json: {named}.*; delete the folder {path}"):
        load_state(path)


CONFIGS = [
    ("decoder", "width", -768), ("decoder", "width", 0), ("decoder", "width", 10**6),
    ("decoder", "width", 10**12), ("decoder", "width", 10**40), ("decoder", "width", 1e300),
    ("decoder", "width", float("nan")), ("decoder", "width", None), ("decoder", "width", [8]),
    ("decoder", "width", {}), ("decoder", "width", "8x"),
    ("decoder", "resolution", 2**40), ("decoder", "resolution", -32), ("decoder", "name", "voxel_deconvv"),
    ("encoder", "widths", []), ("encoder", "widths", [4, -8]), ("encoder", "widths", [4] * 10**5),
    ("encoder", "pools", [2, 0]), ("encoder", "hidden", [10**9]), ("encoder", "latent_dim", 0),
    ("encoder", "latent_dim", 2**31), ("preprocess", "size", [16, -16]),
    ("preprocess", "size", [10**9, 10**9]),
    ("train", "steps", -3), ("losses", "kl", 3), ("encoder", None, None), ("losses", None, []),
]  # fmt: skip


@pytest.mark.parametrize(("part", "key", "value"), CONFIGS)
@pytest.mark.parametrize("load", [load_pretrained, load_discriminator])
def test_a_config_with_wrong_values_builds_nothing(save, tmp_path, part, key, value, load):
    path = save(tmp_path, 7)
    (path / SUMS).unlink()
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if key is None:
        config[part] = value
    else:
        config[part][key] = value
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    memory = PeakMemory(torch.device("cpu"))
    before = memory.mib()
    if (part, load) == ("preprocess", load_discriminator) and value[0] < 0:
        pytest.skip("no tensor of a discriminator hangs on the picture's size")
    with pytest.raises(UserError, match=rf"{path}/"):
        load(path)
    assert before is None or memory.mib() - before < 300, "MiB taken for nothing"


def test_json_nested_without_end(save, tmp_path):
    path = save(tmp_path, 7)
    (path / "config.json").write_text('{"a":' * 200_000, encoding="utf-8")
    with pytest.raises(DamagedCheckpoint, match=r"config.json: cannot be read: nested too deeply"):
        load_config_of(path)


def test_old_checkpoints_are_read_without_sums(save, tmp_path):
    path = save(tmp_path, 7)
    (path / SUMS).unlink()
    assert weight(load_pretrained(path)) == weight(load_pretrained(tmp_path))
    assert load_state(path).step == 7


OPTIMIZERS = [
    b"", [], {"g": 3}, {"g": {}}, {"g": {"state": {}, "param_groups": []}},
    {"g": {"state": [], "param_groups": 1}}, {"x": {}}, {1: 2, "g": 3}, "torn",
]  # fmt: skip


@pytest.mark.parametrize("content", OPTIMIZERS, ids=repr)
def test_an_optimiser_of_another_make(save, tmp_path, tiny_config, content):
    path = save(tmp_path, 7)
    (path / SUMS).unlink()
    optimizer = torch.optim.AdamW(build_model(tiny_config(), seed=0).parameters())
    load_optimizers(path, {"g": optimizer})
    file = path / "optimizers.pt"
    if content == "torn":
        cut(file)
    elif content == b"":
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(DamagedCheckpoint, match=r"optimizers\.pt"):
        load_optimizers(path, {"g": optimizer})


def test_moments_of_another_shape(save, tmp_path, tiny_config):
    path = save(tmp_path, 7)
    (path / SUMS).unlink()
    states = torch.load(path / "optimizers.pt", weights_only=True)
    next(iter(states["g"]["state"].values()))["exp_avg"] = torch.zeros(3)
    torch.save(states, path / "optimizers.pt")
    optimizer = torch.optim.AdamW(build_model(tiny_config(), seed=0).parameters())
    with pytest.raises(DamagedCheckpoint, match=r"'g': exp_avg is \(3,\), its parameter is not"):
        load_optimizers(path, {"g": optimizer})


def test_a_part_that_computes_while_it_is_built_is_loaded(save, tmp_path, monkeypatch):
    """Such a part has no outline; somebody else's may be one."""
    path = save(tmp_path, 7)
    whole = weight(load_pretrained(path))
    real = torch.nn.Linear.__init__

    def computing(self, *args, **kwargs):
        torch.ones(2).sum().item()
        real(self, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Linear, "__init__", computing)
    assert weight(load_pretrained(path)) == whole


def test_the_error_travels_between_processes(tmp_path):
    error = DamagedCheckpoint("a.json: torn", tmp_path)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# --- the log


GOOD = {"step": 2, "stage": "main", "loss": 1.5, "rate": 3.0}
LINES = [
    "", "{", "null", "3", "[]", '"step"', "{}", '{"step": 2}', "\x00\x00", "[" * 100_000, "�",
    *(json.dumps(GOOD | change) for change in (
        {"step": "2"}, {"step": 2.5}, {"step": -2}, {"step": True}, {"step": None}, {"step": 10**400},
        {"stage": 3}, {"stage": None}, {"loss": "low"}, {"loss": None}, {"loss": [1]},
        {"loss": float("nan")}, {"loss": 1e999}, {"loss": 10**400}, {"loss": True},
    )),
    '{"step": ' + "9" * 5000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:40])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_foreign_line_costs_itself_alone(tmp_path, line, place):
    log = tmp_path / "metrics.jsonl"
    lines = [json.dumps(GOOD | {"step": step}) for step in (1, 2, 3)]
    log.write_text("".join(f"{text}\n" for text in [*lines[:place], line, *lines[place:]]), encoding="utf-8")
    with pytest.warns(UserWarning, match=rf"{log}: 1 of 4 lines is of no training; left out"):
        assert [row["step"] for row in read_log(log)] == [1, 2, 3]


def test_a_run_goes_on_whatever_has_become_of_its_log(tiny_config, tiny_source, tmp_path):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(3))
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(b"\xff\xfe\n" + log.read_bytes() + log.read_bytes() + b'[1]\n{"step": 4, "lo')
    with pytest.warns(UserWarning, match="2 of 8 lines are of no training"):
        fit(tiny_config(), tiny_source, tmp_path)
    assert [row["step"] for row in log_of(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_a_log_that_is_a_folder_is_named(tiny_config, tiny_source, tmp_path):
    log = tmp_path / "metrics.jsonl"
    log.mkdir()
    with pytest.warns(UserWarning, match="metrics.jsonl: cannot be read: Is a directory; left out"):
        assert read_log(log) == []
    with (
        pytest.warns(UserWarning, match="cannot be read"),
        pytest.raises(WriteError, match=rf"cannot write to {log}: Is a directory; what was saved"),
    ):
        fit(tiny_config(), tiny_source, tmp_path)


# --- errors of the system


FULL = """
import resource, sys, torch
from pathlib import Path
from zoo.config import parse_model
from zoo.errors import UserError
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import train
import json

torch.set_num_threads(1)
limit = int(sys.argv[3])
config = parse_model(json.loads(sys.argv[1]))
source = SmokeSource(count=4, resolution=32, size=(16, 16))

def on_step(done, steps, figures):
    if done == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

try:
    train(config, source, Path(sys.argv[2]), seed=0, device=torch.device("cpu"), on_step=on_step)
except UserError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [0, 100, 3000, 60_000])
def test_a_checkpoint_that_cannot_be_written(tiny_config, tiny_source, tmp_path, limit):
    """Whichever file it is that does not fit: one line, nothing half-written, and the run goes on later."""
    pytest.importorskip("resource")
    config = tiny_config(*HARD, "train.checkpoint_every=1")
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(FULL),
        json.dumps(config.resolved()),
        str(run),
        str(limit),
    ]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert (
        last.startswith(f"cannot write to {run}/") and "File too large; what was saved before is kept" in last
    )
    assert "Traceback" not in done.stderr
    left = {path.name for path in run.iterdir()}
    assert (
        left <= {"metrics.jsonl", "step-0000001", "step-0000002", "step-0000003"} and "step-0000002" in left
    )
    fit(config, tiny_source, run)
    fit(config, tiny_source, tmp_path / "whole")
    assert final_of(run) == final_of(tmp_path / "whole")
    assert [row["step"] for row in log_of(run)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("place", ["save_file", "torch", "json", "rotation", "log"])
def test_a_full_disk_is_named(tiny_config, tiny_source, tmp_path, monkeypatch, place):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def rust(*args, **kwargs):
        raise checkpoint.SafetensorError("I/O error: No space left on device (os error 28)")

    def torchs(*args, **kwargs):
        try:
            full()
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    if place == "save_file":
        monkeypatch.setattr(checkpoint, "save_file", rust)
    elif place == "torch":
        monkeypatch.setattr(checkpoint.torch, "save", torchs)
    elif place == "json":
        monkeypatch.setattr(checkpoint, "write_sums", full)
    elif place == "rotation":
        monkeypatch.setattr(checkpoint, "remove", full)
    else:
        monkeypatch.setattr("zoo.training.trainer.append_log", full)
    with pytest.raises(WriteError, match=rf"^no space left in {tmp_path}; what was saved before is kept"):
        fit(tiny_config(), tiny_source, tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_an_error_of_torch_itself_stays_one(save, tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(checkpoint.torch, "save", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        save(tmp_path, 3)
    assert not list(tmp_path.iterdir())


def test_weights_that_were_copied_from_another_run_are_noticed(save, tmp_path):
    one, two = save(tmp_path / "a", 4), save(tmp_path / "b", 6)
    shutil.copy(two / "model.safetensors", one / "model.safetensors")
    with pytest.raises(DamagedCheckpoint, match=r"model.safetensors: cannot be read: its SHA-256 is not"):
        load_pretrained(one)
