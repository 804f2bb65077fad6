"""What comes with data chooses no code and reaches for nothing: configs, checkpoints, presets, records.

A downloaded folder lies in the working folder, where Python finds modules, and brings one of its own. It
leaves a file behind when it runs, and registers nothing: asked for by name, it would only be imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import timm
import yaml

from benchmarks import run as main_command
from benchmarks.evaluate import main as evaluate
from benchmarks.protocols.__main__ import main as protocols
from benchmarks.request.settings import settings
from benchmarks.studies import planted
from benchmarks.studies.classify import __main__ as classify
from benchmarks.studies.classify import measure as classify_measure
from benchmarks.studies.overfit import __main__ as overfit
from benchmarks.studies.pose import __main__ as pose
from benchmarks.studies.pose import measure as pose_measure
from datasets.__main__ import main as datasets
from zoo.__main__ import main as zoo
from zoo.config import load_config, parse_model
from zoo.errors import UserError
from zoo.model import build_discriminator, build_model
from zoo.training.checkpoint import (
    TrainState,
    load_config_of,
    load_discriminator,
    load_pretrained,
    newest_run,
    save_checkpoint,
)

MEND = "if you trust it, add --plugin downloaded.code"
STEP = 6
"""Steps of the tiny model: its run is finished."""


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """The folder, in the working folder; `ran` is what its module leaves behind."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "code.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as python -m does
    yield folder
    for name in ("downloaded", "downloaded.code"):
        sys.modules.pop(name, None)


@pytest.fixture
def checkpoint(downloaded, tiny_config):
    """``checkpoint(change)``: that of the tiny model, in a run, with its config.json changed."""

    def make(change, config=None):
        config = config or tiny_config()
        model = build_model(config, seed=0)
        critic = build_discriminator(config, model.decoder, seed=0)
        run = downloaded / "runs" / "tiny-0123456789ab"
        path = save_checkpoint(run, config, TrainState(step=STEP), model, critic, {}) / "config.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        change(data)
        path.write_text(json.dumps(data), encoding="utf-8")
        path.with_name("sha256.json").unlink(missing_ok=True)  # who changes a config changes its sum, too
        return run

    return make


def named(part):
    def change(data):
        data[part] = {"name": "downloaded.code:Thing"}

    return change


def loss(data):
    data["losses"]["kl"] = {"name": "downloaded.code:Thing"}


CHANGES = {
    part: named(part)
    for part in ("encoder", "decoder", "discriminator", "sketcher", "shape_encoder", "fusion", "head")
} | {"losses": loss}


@pytest.mark.parametrize("where", CHANGES)
def test_a_checkpoint_imports_nothing(downloaded, checkpoint, where):
    run = checkpoint(CHANGES[where])
    for load in (load_pretrained, load_discriminator, load_config_of):
        with pytest.raises(UserError, match=MEND):
            load(run)
    assert not (downloaded / "ran").exists()


def test_no_command_that_opens_a_checkpoint_imports_anything(downloaded, checkpoint, monkeypatch, capsys):
    run = checkpoint(CHANGES["encoder"])
    for command in (pose_measure, classify_measure):
        monkeypatch.setattr(command, "open_store", lambda *words, **more: (None, None))
    for command in (
        lambda: zoo(["sample", "tiny", "--weights", str(run), "--out", "drawn"]),
        lambda: pose.main([str(run)]),
        lambda: classify.main(["--weights", str(run)]),
    ):
        assert command() == 2
        assert MEND in capsys.readouterr().err
    with pytest.warns(match=MEND):
        assert newest_run(downloaded / "runs", "tiny") is None
    assert not (downloaded / "ran").exists()


@pytest.mark.parametrize("where", CHANGES)
def test_a_yaml_imports_nothing(downloaded, tiny_data, where):
    CHANGES[where](tiny_data)
    (downloaded / "model.yaml").write_text(yaml.safe_dump(tiny_data), encoding="utf-8")
    with pytest.raises(UserError, match=MEND):
        load_config(str(downloaded / "model.yaml"))
    with pytest.raises(UserError, match=MEND):
        parse_model(tiny_data)
    assert not (downloaded / "ran").exists()


@pytest.mark.parametrize(
    "section",
    [
        "protocols: {'downloaded.code:Thing': {}}",
        "model: {encoder: {name: 'downloaded.code:Thing'}}",
        "protocols: {r3d-v1: {extra_metrics: ['downloaded.code:Thing']}}",
        "datasets: {procedural: {model: {decoder: {name: 'downloaded.code:Thing'}}}}",
    ],
)
def test_a_preset_imports_nothing(downloaded, tiny_data, monkeypatch, section):
    folder = downloaded / "configs" / "presets"
    folder.mkdir(parents=True)
    (folder / "quick.yaml").write_text(section, encoding="utf-8")
    (folder.parent / "tiny.yaml").write_text(yaml.safe_dump(tiny_data), encoding="utf-8")
    monkeypatch.setenv("R3D_CONFIGS", str(folder.parent))

    def use():
        chosen = settings("quick", "procedural", [])
        chosen.protocol("r3d-v1")
        chosen.model("tiny")

    with pytest.raises(UserError, match=MEND):
        use()
    assert not (downloaded / "ran").exists()


def test_a_setting_imports_nothing_either(downloaded):
    with pytest.raises(UserError, match=MEND):
        load_config("r3d", overrides=["encoder.name=downloaded.code:Thing"])
    assert not (downloaded / "ran").exists()


COMMANDS = {
    "zoo list": lambda more: zoo(["list", "encoders", *more]),
    "zoo show": lambda more: zoo(["show", "downloaded/model.yaml", *more]),
    "zoo check": lambda more: zoo(["check", "downloaded/model.yaml", *more]),
    "zoo sample": lambda more: zoo(["sample", "tiny", "--out", "drawn", *more]),
    "run": lambda more: main_command.main(["--models", "downloaded/model.yaml", *more]),
    "evaluate": lambda more: evaluate(["--pred", "a", "--gt", "b", *more]),
    "pose": lambda more: pose.main(["nowhere", "--dataset", "none", *more]),
    "overfit": lambda more: overfit.main(["--models", "none", *more]),
    "classify": lambda more: classify.main(["--dataset", "none", *more]),
    "planted": lambda more: planted.main(["--dataset", "none", *more]),
    "protocols": lambda more: protocols(["list", *more]),
    "datasets list": lambda more: datasets(["list", *more]),
    "datasets info": lambda more: datasets(["info", "none", *more]),
    "datasets prepare": lambda more: datasets(["prepare", "none", *more]),
    "datasets verify": lambda more: datasets(["verify", "none", *more]),
    "datasets show": lambda more: datasets(["show", "none", "--out", "sheet.png", *more]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_mend_works_in_every_command(downloaded, command):
    """``--plugin`` is how users name code themselves; the module runs, whatever comes of the command then."""
    (downloaded / "model.yaml").write_text("encoder: {name: 'downloaded.code:Thing'}\n", encoding="utf-8")
    COMMANDS[command](["--plugin", "downloaded.code"])
    assert (downloaded / "ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        lambda name: zoo(["show", name]),
        lambda name: zoo(["check", name]),
        lambda name: datasets(["info", name]),
        lambda name: protocols(["show", name]),
        lambda name: main_command.main(["--dataset", name, "--models", "nothing"]),
        lambda name: main_command.main(["--protocol", name, "--models", "nothing"]),
    ],
)
def test_a_class_that_users_name_on_their_own_command_line_is_imported(downloaded, command):
    assert command("downloaded.code:Thing") == 2  # it registers nothing
    assert (downloaded / "ran").exists()


# --- timm


OPTIONS = {
    "checkpoint_path": "weights.pth",
    "pretrained": True,
    "pretrained_cfg": "a1_in1k",
    "pretrained_cfg_overlay": "file",
    "pretrained_strict": False,
    "cache_dir": "there",
    "file": "weights.pth",
    "url": "https://example.org/weights.pth",
    "hf_hub_id": "somebody/weights",
    "hf_hub_filename": "weights.bin",
    "state_dict": "weights.pth",
    "custom_load": True,
    "global_pool": "/etc/passwd",
    "act_layer": "hf-hub:somebody/weights",
    "norm_layer": "..\\weights",
}


@pytest.mark.parametrize("key", OPTIONS)
def test_options_of_timm_reach_for_nothing(downloaded, checkpoint, tiny_data, key):
    encoder = {"name": "timm", "backbone": "test_vit", "latent_dim": 8, "options": {key: OPTIONS[key]}}
    with pytest.raises(UserError, match=rf"file: encoder\.options: {key}: .* would let timm read a file"):
        parse_model(tiny_data | {"encoder": encoder}, "file")
    run = checkpoint(lambda data: data.update(encoder=encoder))
    with pytest.raises(UserError, match="would let timm read a file or an address"):
        load_pretrained(run)


@pytest.mark.parametrize("key", ["drop_path_rate", "drop_rate", "qkv_bias", "weight_init", "global_pool"])
def test_other_options_of_timm_are_taken(tiny_data, key):
    value = {"qkv_bias": False, "weight_init": "jax", "global_pool": "avg"}.get(key, 0.1)
    encoder = {"name": "timm", "backbone": "test_vit", "latent_dim": 8, "options": {key: value}}
    assert parse_model(tiny_data | {"encoder": encoder}).encoder.config.options == {key: value}


@pytest.mark.parametrize(
    "backbone",
    [
        "hf-hub:timm/resnet18.a1_in1k",
        "hf_hub:timm/resnet18.a1_in1k",
        "local-dir:/home/somebody/resnet18",
        "local-dir:resnet18",
        "timm/resnet18.a1_in1k",
        "../resnet18",
        "C:\\resnet18",
        "https://example.org/resnet18",
        "resnet18@main",
        "resnet18\n",
        "",
    ],
)
@pytest.mark.parametrize(("name", "key"), [("timm", "backbone"), ("vit", "arch")])
def test_a_backbone_goes_by_its_name_in_timms_list(tiny_data, name, key, backbone):
    with pytest.raises(UserError, match=rf"file: encoder\.{key}: .* is no name of timm\.list_models\(\)"):
        parse_model(tiny_data | {"encoder": {"name": name, key: backbone}}, "file")


@pytest.mark.parametrize(
    "encoder",
    [
        {"name": "timm", "backbone": "test_vit", "latent_dim": 8},
        {"name": "timm", "backbone": "test_resnet.r160_in1k", "latent_dim": 8},
        {"name": "vit", "arch": "test_vit", "latent_dim": 8},
    ],
)
def test_weights_of_a_checkpoint_are_its_own(checkpoint, tiny_data, monkeypatch, encoder):
    """`pretrained: true` says how its training began; to load it, nothing is fetched."""
    asked, create = [], timm.create_model

    def noted(name, pretrained=False, **more):
        asked.append(pretrained)
        return create(name, pretrained=pretrained, **more)

    monkeypatch.setattr(timm, "create_model", noted)
    config = parse_model(tiny_data | {"encoder": encoder})
    run = checkpoint(lambda data: data["encoder"].update(pretrained=True), config)
    asked.clear()
    model = load_pretrained(run)
    load_discriminator(run)
    assert asked and not any(asked)
    assert model.config.encoder.config.pretrained
    begun = build_model(config, seed=0).state_dict()
    assert all((begun[key] == value).all() for key, value in model.state_dict().items())


def test_no_file_of_ours_is_read_in_a_way_that_runs_code():
    """Readers that can run what they read, and where they may stand."""
    root = Path(__file__).resolve().parents[3]
    known = {
        "yaml.load(": set(),
        "allow_pickle=True": set(),
        "weights_only=False": set(),
        "joblib": set(),
        "__import__(": set(),
        " eval(": set(),
        " exec(": set(),
        "pickle.load": {
            "zoo/testing/asserts.py",
            "benchmarks/cells/child.py",
        },  # of what our own processes have made
        "torch.load(": {"zoo/training/checkpoint.py"},  # weights_only
        "import_module(": {
            *("zoo/__init__.py", "zoo/registry.py", "zoo/parts.py", "zoo/metrics/neighbours.py"),
            *("zoo/testing/checks.py", "benchmarks/__init__.py"),  # of names in tables of ours
            "zoo/training/trackers.py",  # that a user names on the command line
            "benchmarks/speed/layouts.py",
        },
    }
    for word, allowed in known.items():
        found = {
            str(path.relative_to(root))
            for folder in ("zoo", "datasets", "benchmarks")
            for path in (root / folder).rglob("*.py")
            if word in path.read_text(encoding="utf-8")
        }
        assert found <= allowed, word
