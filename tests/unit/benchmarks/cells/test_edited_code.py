"""A part whose code is edited between two commands: no old number as a new one, nothing trained in vain."""

from __future__ import annotations

import importlib
import json
import shutil
import sys

import pytest
import torch

from benchmarks.cells.session import Session
from benchmarks.records.identity import cell_hash
from benchmarks.records.making import describe_protocol
from benchmarks.records.storage import load
from benchmarks.request.settings import settings
from benchmarks.run import main
from datasets.prepare import open_dataset, request
from zoo.config import load_config
from zoo.encoders import ENCODERS
from zoo.losses import LOSSES
from zoo.system.source import digests, parts_of
from zoo.training import trainer
from zoo.training.checkpoint import checkpoints, load_state

PLUGIN = '''"""An encoder of somebody's."""

from my_edited_helper import SCALE
from zoo.encoders import ENCODERS
from zoo.encoders.cnn import CNN, CNNConfig


@ENCODERS.register("my_edited", config=CNNConfig, smoke={})
class Edited(CNN):
    """The plain CNN, scaled."""

    def forward(self, image):
        return super().forward(SCALE * image)
'''
SMALL = """
title: small
summary: A model that is quickly trained.
citation: none
follows: nothing
preprocess: {size: [48, 48], channels: 1}
encoder: {name: my_edited, latent_dim: 8, widths: [4, 8, 8], hidden: [16]}
decoder: {name: voxel_deconv, width: 8}
losses: {voxel_bce: {}, kl: {}}
"""
OPTIONS = [
    *("--workers", "0", "--executor", "inline", "--device", "cpu", "--categories", "chair,table"),
    *("--set", "data.train=2", "--set", "data.val=1", "--set", "data.test=1", "--set", "prepare.views=1"),
    *("--set", "prepare.points=1024", "--set", "protocol.points=1024", "--format", "json,md"),
    *("--set", "train.steps=1", "--set", "train.batch_size=2"),
]
DATA = ["data.train=2", "data.val=1", "data.test=1", "data.categories=chair,table"]
PREPARE = ["prepare.views=1", "prepare.points=1024"]


class Somebody:
    """Their files, and the command that they run."""

    def __init__(self, folder):
        self.folder, self.code = folder, folder / "code"
        self.code.mkdir()
        self.write("my_edited_plugin.py", PLUGIN)
        self.write("my_edited_helper.py", "SCALE = 1\n")
        (folder / "small.yaml").write_text(SMALL, encoding="utf-8")

    def write(self, file, text):
        (self.code / file).write_text(text, encoding="utf-8")

    def run(self, *extra, model=None):
        forget()
        model = str(self.folder / "small.yaml") if model is None else model
        words = [
            "--models",
            model,
            "--out",
            str(self.folder / "out"),
            "--data-root",
            str(self.folder / "data"),
        ]
        assert main([*words, *OPTIONS, "--plugin", "my_edited_plugin", *extra]) == 0
        return json.loads((self.folder / "out/results.json").read_text(encoding="utf-8"))["values"]

    def trainings(self):
        return sorted((self.folder / "out/runs").glob("small-*"))

    def notes(self):
        return (self.folder / "out/table.md").read_text(encoding="utf-8")


def forget():
    for name in ("my_edited_plugin", "my_edited_helper", "my_edited_copy"):
        sys.modules.pop(name, None)
    ENCODERS._entries.pop("my_edited", None)
    importlib.invalidate_caches()


@pytest.fixture
def somebody(tmp_path, monkeypatch):
    """One who has run their model once."""
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Somebody(tmp_path)
    made.first = made.run()
    yield made
    forget()


def test_an_edited_encoder_is_trained_and_measured_anew(somebody, capsys):
    assert somebody.run() == somebody.first and "measured already" in capsys.readouterr().out
    before = somebody.trainings()
    somebody.write("my_edited_plugin.py", PLUGIN.replace("SCALE * image", "image / 7"))
    second = somebody.run()
    assert "measured already" not in capsys.readouterr().out
    assert second["small"] != somebody.first["small"] and second["oracle"] == somebody.first["oracle"]
    assert len(before) == 1 and len(somebody.trainings()) == 2
    somebody.write("my_edited_plugin.py", PLUGIN)  # what was, is there again
    assert somebody.run() == somebody.first and len(somebody.trainings()) == 2


def test_a_comment_and_a_moved_file_train_nothing_and_an_edited_helper_does(somebody, monkeypatch, capsys):
    somebody.write("my_edited_plugin.py", PLUGIN.replace("    def", "    # scaled first\n    def"))
    assert somebody.run() == somebody.first
    somebody.write("my_edited_copy.py", PLUGIN)
    somebody.write("my_edited_plugin.py", "import my_edited_copy\n")
    assert somebody.run() == somebody.first and len(somebody.trainings()) == 1
    somebody.write("my_edited_helper.py", "SCALE = 3\n")
    assert somebody.run()["small"] != somebody.first["small"] and len(somebody.trainings()) == 2


def test_ours_that_was_edited_since_is_named_under_the_table(somebody, capsys):
    """An encoder in zoo/encoders, as `CONTRIBUTING.md` says to add one: its records tell."""
    model = "vae_gan_baseline"
    somebody.run(model=model)
    (cell,) = (p for p in (somebody.folder / "out/cells").iterdir() if load(p)[0].name == model)
    record = json.loads((cell / "record.json").read_text(encoding="utf-8"))
    config = load_config(model, "quick", ["train.steps=1", "train.batch_size=2"])
    assert record["code"] == digests(parts_of(config))
    assert "has changed since" not in somebody.notes()
    record["code"]["encoder cnn"] = "0" * 16
    (cell / "record.json").write_text(json.dumps(record), encoding="utf-8")
    somebody.run(model=model)
    note = r"The code of encoder cnn (zoo/encoders/cnn.py) has changed since vae\_gan\_baseline was trained; "
    assert note + "--force trains it again." in somebody.notes()
    del record["code"]  # a record of before: nobody knows
    (cell / "record.json").write_text(json.dumps(record), encoding="utf-8")
    somebody.run(model=model)
    assert "has changed since" not in somebody.notes()


@pytest.mark.parametrize(("kept", "goes"), [(2, "it is measured"), (1, "it goes on from step 1")])
def test_weights_of_other_code_are_never_measured_or_trained_on_in_silence(
    somebody, kept, goes, monkeypatch, capsys
):
    model, old = "vae_gan_baseline", "0" * 16
    options = ("--set", "train.steps=2", "--set", "train.checkpoint_every=1")
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "digests", lambda parts: digests(parts) | {"loss kl": old})
        somebody.run(*options, model=model)
    (run,) = (somebody.folder / "out/runs").glob(f"{model}-*")
    shutil.rmtree(somebody.folder / "out/cells")
    for later in checkpoints(run)[kept:]:
        shutil.rmtree(later)
    capsys.readouterr()
    somebody.run(*options, model=model)
    said = " ".join(capsys.readouterr().out.split())
    assert f"of loss kl (zoo/losses/kl.py) has changed since {model} (seed 0) was trained; {goes} by" in said
    assert "The code of loss kl (zoo/losses/kl.py) has changed since" in somebody.notes()
    new = digests({"loss kl": LOSSES.get("kl").cls})["loss kl"]
    found = load_state(checkpoints(run)[-1]).code["loss kl"]
    assert found == (old if kept == 2 else f"{old} then {new}")


TRAININGS = {
    "r3d": "9f99ba4b6769",
    "vae_gan_baseline": "1d3b6f789fcc",
    "r2n2": "a47984b4b7ad",
    "psgn": "9ffdd7e0393d",
    "r3d_multiview": "8c0a8d58c10d",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    chosen = settings("quick", "procedural", [*DATA, *PREPARE])
    store = open_dataset(
        "procedural", data_root=folder, config_overrides=chosen.data_config, options=chosen.options, workers=0
    )
    return Session(chosen, store, chosen.protocol("r3d-v1"), torch.device("cpu"), folder)


@pytest.mark.parametrize("model", TRAININGS)
def test_cells_and_trainings_of_shipped_models_are_called_as_before(session, model):
    """Names as commit 4f2799c gave them; code of this project is no part of them."""
    config = session.settings.model(model)
    cell = session.cell(config, 0)
    assert cell.run_dir.name == f"{model}-{TRAININGS[model]}"
    assert cell.code == digests(parts_of(config))
    assert cell.hash == cell_hash(
        kind="model",
        name=model,
        config=config.identity(),
        dataset=session.dataset_info,
        protocol=describe_protocol(session.protocol),
        preset="quick",
        seed=0,
    )


def test_the_code_of_a_data_set_that_is_not_ours_names_its_store():
    from tests.helpers.fake_dataset import FakeConfig, FakeSource

    assert FakeSource(FakeConfig(), None).identity().keys() - FakeConfig.model_fields.keys() == {"code"}
    source = request("procedural").source
    assert source.identity() == source.config.model_dump(mode="json")


def test_a_metric_and_a_protocol_that_are_not_ours_name_their_cells(session, monkeypatch):
    from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config

    class Theirs(R3DV1):
        """A protocol of somebody's."""

    found = {}
    for cls in (R3DV1, Theirs):
        protocol = cls(R3DV1Config(points=1024))
        own = Session(session.settings, session.store, protocol, torch.device("cpu"), session.out)
        found[cls] = own._hash("control", "floor", {}, None)
    assert len(set(found.values())) == 2
