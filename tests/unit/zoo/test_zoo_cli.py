"""``python -m zoo``: what it prints, and one clear line with status 2 for bad input."""

import json
import subprocess
import sys

import pytest
import yaml

import zoo.cli.doctor
from zoo.__main__ import main
from zoo.cli.doctor import Line, diagnose
from zoo.config import list_models
from zoo.encoders import ENCODERS
from zoo.parts import KINDS

PLUGIN = '''
"""A plugin."""
import torch
from zoo.encoders import ENCODERS, Encoder
from zoo.decoders import DECODERS, Decoder
from zoo.registry import EntryConfig
from zoo.types import Latent, Voxels


class MeanColourConfig(EntryConfig):
    """Settings."""

    latent_dim: int = 4
    """Size of the latent."""


@ENCODERS.register("mean_colour", config=MeanColourConfig, cite="none, a test")
class MeanColour(Encoder):
    """Mean of each channel, mapped to the latent."""

    def __init__(self, config, *, in_channels, image_size):
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.latent_dim = config.latent_dim
        self.linear = torch.nn.Linear(in_channels, config.latent_dim)

    def forward(self, image):
        return Latent(self.linear(image.mean((2, 3))))


@DECODERS.register("blob", config=MeanColourConfig, cite="none, a test")
class Blob(Decoder):
    """One logit for the whole grid."""

    representation = "voxels"
    resolution = 32

    def __init__(self, config, *, latent_dim):
        super().__init__(config, latent_dim=latent_dim)
        self.linear = torch.nn.Linear(latent_dim, 1)
        self.idle = torch.nn.Linear(2, 2)

    def forward(self, latent):
        return Voxels(self.linear(latent.mean)[:, :, None, None].expand(-1, 32, 32, 32))
'''


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line; returns status, output, errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*argv):
        status = main(argv)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Name of an importable module that registers an encoder and a decoder; forgotten afterwards."""
    from zoo.decoders import DECODERS

    (tmp_path / "cli_plugin.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for registry in (ENCODERS, DECODERS):
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    yield "cli_plugin"
    sys.modules.pop("cli_plugin", None)


@pytest.fixture
def configs(tmp_path, monkeypatch, tiny_data):
    """A folder of configs with the tiny model; returns a function that writes more."""
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("R3D_CONFIGS", str(folder))

    def write(name, **changes):
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump({**tiny_data, "name": name, **changes}), encoding="utf-8"
        )
        return folder / f"{name}.yaml"

    write("tiny")
    return write


# --- list


def test_list_has_every_kind(run):
    status, out, _ = run("list")
    assert status == 0
    for word in (
        "models",
        *(kind.plural for kind in KINDS),
        *list_models(),
    ):
        assert word in out
    assert "11.96 M" in out, "parameters of r3d"


def test_list_json_of_one_kind(run):
    status, out, _ = run("list", "encoders", "--json")
    data = json.loads(out)
    assert status == 0
    assert list(data) == ["encoders"]
    assert [row["name"] for row in data["encoders"]] == ENCODERS.names()
    assert all(row["summary"] and row["citation"] for row in data["encoders"])


def test_list_models_json(run):
    rows = {row["name"]: row for row in json.loads(run("list", "models", "--json")[1])["models"]}
    assert list(rows) == list_models()
    assert (rows["r3d"]["encoder"], rows["r3d"]["decoder"]) == ("attention_cnn", "voxel_deconv")


def test_list_without_any_model(run, configs, tmp_path, monkeypatch):
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path / "nowhere"))
    status, out, _ = run("list")
    assert status == 0
    assert "attention_cnn" in out


def test_list_with_a_plugin(run, plugin):
    names = [
        row["name"]
        for row in json.loads(run("list", "encoders", "--json", "--plugin", plugin)[1])["encoders"]
    ]
    assert "mean_colour" in names


# --- show


def test_show_a_model(run):
    status, out, _ = run("show", "r3d")
    assert status == 0
    for text in (
        "R3D",
        "11,959,593",
        "departs",
        "bidirectional",
        "attention_cnn",
        "voxel_deconv",
        "lr: 0.001",
    ):
        assert text in out


def test_show_json_is_the_resolved_config(run):
    from zoo.config import load_config, parse_model

    status, out, _ = run("show", "r3d", "--preset", "quick", "--json")
    assert status == 0
    assert parse_model(json.loads(out)) == load_config("r3d", "quick")


def test_show_a_part(run):
    status, out, _ = run("show", "attention_cnn")
    assert status == 0
    for text in ("encoder attention_cnn", "7,588,480", "head_dim", "Channels of one head,", "(32, 64, 128)"):
        assert text in out
    assert "zoo/encoders/attention_cnn.py:" in out


def test_show_a_part_as_json(run):
    card = json.loads(run("show", "voxel_deconv", "--json")[1])
    assert (card["kind"], card["name"]) == ("decoder", "voxel_deconv")
    assert card["config"]["up"]["default"] == "deconv"
    assert "doubles" in card["config"]["up"]["help"]
    assert "Literal['deconv', 'interp']" in card["config"]["up"]["type"]


@pytest.mark.parametrize("name", ["MeanColour", "Blob"])
def test_show_module_and_class_of_any_kind(run, plugin, name):
    status, out, _ = run("show", f"{plugin}:{name}")
    assert status == 0
    assert {"MeanColour": "encoder mean_colour", "Blob": "decoder blob"}[name] in out


def test_show_a_yaml_by_path(run, configs, tmp_path):
    path = configs("other", title="Quite another")
    status, out, _ = run("show", str(path))
    assert status == 0
    assert "Quite another" in out


# --- check


def test_check_a_part(run):
    status, out, _ = run("check", "cnn")
    assert status == 0
    assert out.count("ok ") == len(out.strip().splitlines()) == 9
    assert "one training step" in out


def test_check_a_model(run, configs):
    status, out, _ = run("check", "tiny")
    assert status == 0
    assert out.count("ok ") == 2


def test_check_names_what_fails_and_goes_on(run, plugin):
    status, out, _ = run("check", "blob", "--plugin", plugin)
    assert status == 1
    assert "FAILED gradients: CheckFailed: no gradient reaches idle.weight" in out
    assert "ok    shapes" in out
    assert "ok    one training step" in out


def test_check_of_a_plugin_that_is_right(run, plugin):
    status, out, _ = run("check", "mean_colour", "--plugin", plugin)
    assert status == 0, out


# --- doctor


def test_doctor(run):
    status, out, _ = run("doctor")
    assert status == 0
    for text in ("zoo", "python", "torch", "device", "cpu", "nearest neighbours", "pytorch3d"):
        assert text in out


def test_doctor_names_what_is_missing(run, monkeypatch):
    monkeypatch.setattr(zoo.cli.doctor, "REQUIRED", ("torch", "no-such-package"))
    status, out, _ = run("doctor")
    assert status == 1
    assert "not installed; pip install no-such-package" in out


def test_doctor_reports_broken_plugins(monkeypatch):
    monkeypatch.setitem(ENCODERS._broken, "their_encoder", OSError("libx.so is missing"))
    assert Line("plugin their_encoder", "bad", "OSError: libx.so is missing") in diagnose()


# --- bad input


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show", "r3dd"], "error: unknown model or part 'r3dd'. Did you mean 'r3d'"),
        (
            ["show", "Voxel-Deconv"],
            "error: unknown model or part 'Voxel-Deconv'. Did you mean 'voxel_deconv'",
        ),
        (
            ["check", "atention_cnn"],
            "error: unknown model or part 'atention_cnn'. Did you mean 'attention_cnn'",
        ),
        (["show", "r3d", "--preset", "quik"], "error: unknown preset 'quik'. Did you mean 'quick'"),
        (["show", "no.where:X"], "error: plugin 'no.where' failed to import: ModuleNotFoundError"),
        (
            ["show", "zoo.encoders.cnn:Nope"],
            "error: 'zoo.encoders.cnn:Nope': zoo.encoders.cnn registers no part",
        ),
        (["show", "missing.yaml"], "error: unknown model 'missing.yaml'"),
        (
            ["list", "--plugin", "no_such_plugin"],
            "error: plugin 'no_such_plugin' failed to import: ModuleNotFound",
        ),
        (["check", "fscore"], "error: 'fscore' is a metric; metrics are checked by their protocol's tests"),
    ],
)
def test_bad_names_give_one_line_and_status_2(run, argv, message):
    status, out, err = run(*argv)
    assert status == 2
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert out == ""


def test_bad_yaml_gives_one_line_and_status_2(run, configs):
    path = configs("bad", title=None)
    status, _, err = run("show", "bad")
    assert status == 2
    assert err == f"error: {path}: title: Input should be a valid string, got None\n"


def test_parts_that_do_not_fit_give_one_line_and_status_2(run, configs, monkeypatch):
    from zoo.decoders import DECODERS

    monkeypatch.setattr(DECODERS.get("voxel_deconv").cls, "latent_fields", frozenset({"tokens"}))
    status, _, err = run("show", "tiny")
    assert status == 2
    assert err.startswith("error: decoder 'voxel_deconv' needs tokens of the latent")
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["lst"], ["list", "encoder"], ["show"], ["list", "--no-such-flag"]])
def test_bad_usage_has_status_2(capsys, argv):
    with pytest.raises(SystemExit) as error:
        main(argv)
    assert error.value.code == 2
    assert "usage: python -m zoo" in capsys.readouterr().err


def test_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "show", "r3dd"], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown model or part 'r3dd'. Did you mean 'r3d'")


def test_help_and_import_load_no_torch():
    code = """
import sys, zoo
from zoo.__main__ import main
try:
    main(["--help"])
except SystemExit as done:
    assert done.code == 0
zoo.list_models(); zoo.load_config
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
