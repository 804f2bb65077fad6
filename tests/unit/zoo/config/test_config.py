"""Configs: layers and their order, what comes back, and every error on its text."""

import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.config import (
    ConfigError,
    config_dir,
    list_models,
    list_presets,
    load_config,
    load_preset,
    merge,
    parse_model,
    parse_overrides,
    read_yaml,
)
from zoo.registry import RegistryError
from zoo.transforms.preprocess import PreprocessConfig

PARTS = """
parts:
  encoder.cnn: {pools: [2, 4]}
  discriminator.voxel_conv: {width: 3}
"""


@pytest.fixture
def configs(tmp_path, monkeypatch, tiny_data):
    """A folder with one model and one preset; returns a function that writes more of either."""
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    (tmp_path / "presets").mkdir()

    def write(name, data):
        (tmp_path / f"{name}.yaml").write_text(
            data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8"
        )
        return tmp_path / f"{name}.yaml"

    del tiny_data["name"]
    write("tiny", tiny_data)
    write("presets/quick", "summary: fast\nmodel: {train: {steps: 3}}")
    return write


def error_of(call, kind=ConfigError):
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


# --- finding


def test_models_are_the_yamls_of_the_folder(configs, tmp_path):
    configs("big_one", "")
    assert config_dir() == tmp_path
    assert list_models() == ["big_one", "tiny"]
    assert list_models("t*") == ["tiny"]
    assert list_presets() == ["quick"]


def test_the_name_is_the_file_stem(configs):
    assert load_config("tiny").name == "tiny"


def test_a_path_is_as_good_as_a_name(configs, tmp_path, monkeypatch):
    path = str(tmp_path / "tiny.yaml")
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path / "elsewhere"))
    assert load_config(path).encoder.config.latent_dim == 8


def test_unknown_model(configs, tmp_path):
    text = error_of(lambda: load_config("tinny"), RegistryError)
    assert text == f"unknown model 'tinny' (no {tmp_path}/tinny.yaml). Did you mean 'tiny'? Known: tiny"


def test_unknown_preset(configs):
    text = error_of(lambda: load_config("tiny", "quik"), RegistryError)
    assert text == "unknown preset 'quik'. Did you mean 'quick'? Known: quick"


# --- layers


def test_layers_win_in_their_order(configs, tiny_data):
    layers = {
        "yaml": {"train": {"steps": 1, "batch_size": 1, "views": [1, 1], "log_every": 1, "clip": 1}},
        "general": {"train": {"steps": 2, "batch_size": 2, "views": [1, 2], "log_every": 2}},
        "data set": {"train": {"steps": 3, "batch_size": 3, "views": [1, 3]}},
        "own": {"train": {"steps": 4, "batch_size": 4}},
    }
    data = merge(tiny_data, layers["yaml"]) | {"presets": {"quick": layers["own"]}}
    configs("model", data)
    preset = {"model": layers["general"], "datasets": {"r2n2": {"model": layers["data set"]}}}
    configs("presets/quick", preset)

    def train(*args, **kwargs):
        found = load_config("model", *args, **kwargs).train
        return found.steps, found.batch_size, found.views[1], found.log_every, found.clip

    assert train() == (1, 1, 1, 1, 1)
    assert train("quick") == (4, 4, 2, 2, 1)
    assert train("quick", dataset="procedural") == (4, 4, 2, 2, 1)
    assert train("quick", dataset="r2n2") == (4, 4, 3, 2, 1)
    assert train("quick", ["train.steps=5"], dataset="r2n2") == (5, 4, 3, 2, 1)


def test_part_sections_go_by_the_parts_that_are_used(configs):
    configs("presets/quick", PARTS)
    assert load_config("tiny").encoder.config.pools == (2, 2)
    config = load_config("tiny", "quick")
    assert config.encoder.config.pools == (2, 4)
    assert config.discriminator.config.width == 3
    other = load_config("tiny", "quick", ["encoder.name=residual_cnn"])
    assert other.encoder.name == "residual_cnn"
    assert other.discriminator.config.width == 3


def test_set_wins_over_part_sections(configs):
    configs("presets/quick", PARTS)
    assert load_config("tiny", "quick", ["encoder.pools=[4, 2]"]).encoder.config.pools == (4, 2)


def test_empty_sections_change_nothing(configs, tiny_data):
    empty = "summary: none\nmodel:\nparts:\n  encoder.cnn:\ndatasets:\n  r2n2:\n"
    configs("presets/quick", empty)
    tiny_data["presets"] = {"quick": None}
    configs("tiny", tiny_data)
    assert load_config("tiny", "quick", dataset="r2n2") == load_config("tiny")


def test_a_model_without_a_discriminator(configs):
    configs("presets/quick", PARTS)
    over = ["discriminator=null", "losses.adversarial.weight=0"]
    assert load_config("tiny", "quick", over).discriminator is None


def test_another_part_replaces_the_whole_part():
    base = {"encoder": {"name": "cnn", "latent_dim": 8}, "losses": {"kl": {"name": "kl", "form": "appendix"}}}
    over = {"encoder": {"name": "vit", "patch": 8}, "losses": {"kl": {"name": "voxel_bce"}}}
    assert merge(base, over) == over
    assert merge(base, {"encoder": {"latent_dim": 9}})["encoder"] == {"name": "cnn", "latent_dim": 9}
    assert merge(base, {"encoder": {"name": "cnn"}}) == base
    assert base["encoder"] == {"name": "cnn", "latent_dim": 8}, "merge must not change its arguments"


def test_an_optimiser_keeps_its_settings_when_its_name_changes(configs):
    over = ["train.optimizer.lr=0.5", "train.optimizer.name=adam"]
    assert load_config("tiny", overrides=over).train.optimizer.lr == 0.5
    configs("presets/quick", "model: {train: {optimizer: {lr: 0.25, schedule: cosine}}}")
    optimizer = load_config("tiny", "quick", ["train.optimizer.name=adam"]).train.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.schedule) == ("adam", 0.25, "cosine")


def test_merge_of_nothing():
    assert merge({"a": 1}, None) == {"a": 1}
    assert merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}
    assert merge({"a": 2}, {"a": {"b": 1}}) == {"a": {"b": 1}}


# --- --set


def test_overrides_are_read_as_yaml():
    texts = ["a.b=1", "a.c=1.0e-3", "d=[1, 2]", "e=null", "f=x=y", "g=true", "h=", "a.b=2"]
    assert parse_overrides(texts) == {
        "a": {"b": 2, "c": 0.001}, "d": [1, 2], "e": None, "f": "x=y", "g": True, "h": None,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["train.steps", "=3", ""])
def test_override_without_key_or_value(text):
    assert error_of(lambda: parse_overrides([text])) == (
        f"--set {text}: expected key.path=value, as --set train.steps=500"
    )


def test_override_that_is_no_yaml():
    text = error_of(lambda: parse_overrides(["a=[1, 2"]))
    assert text.startswith("--set a=[1, 2: '[1, 2' is not a YAML value: ")


# --- what comes out


def test_resolved_round_trip(tiny_config):
    config = tiny_config("train.stages=[{name: a, trains: [encoder], losses: [kl]}, {share: 2}]")
    data = json.loads(json.dumps(config.resolved()))
    again = parse_model(data, source="again")
    assert again == config
    assert again.resolved() == config.resolved()
    assert data["encoder"]["name"] == "cnn"
    general = {"weight": 1.0, "warmup": 0.5, "reaches": None}
    assert data["losses"]["kl"] == {"name": "kl", **general, "form": "standard"}
    assert data["preprocess"]["size"] == [16, 16]
    assert isinstance(again.preprocess, PreprocessConfig)


@settings(max_examples=30, deadline=None)
@given(
    steps=st.integers(1, 10**7),
    lr=st.floats(1e-9, 10),
    views=st.tuples(st.integers(1, 24), st.integers(0, 24)),
    background=st.none() | st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)),
    gate=st.none() | st.floats(0.01, 1),
    names=st.lists(st.text(max_size=8), max_size=3),
)
def test_resolved_round_trip_of_any_values(steps, lr, views, background, gate, names):
    data = {
        "name": "any", "title": "t", "summary": "s", "citation": "c", "follows": "f", "departs": names,
        "preprocess": {"background_train": background},
        "encoder": {"name": "cnn"}, "decoder": {"name": "voxel_deconv"}, "losses": {"voxel_bce": None},
        "train": {"steps": steps, "views": (views[0], sum(views)), "gate": gate, "optimizer": {"lr": lr}},
    }  # fmt: skip
    config = parse_model(data)
    saved = yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(config.resolved()))))
    assert parse_model(saved) == config


def test_a_loss_goes_by_its_key_or_its_name(tiny_data):
    tiny_data["losses"] = {"kl": None, "coarse": {"name": "voxel_bce", "weight": 2}}
    del tiny_data["discriminator"]
    config = parse_model(tiny_data)
    assert [(k, p.name) for k, p in config.losses.items()] == [("kl", "kl"), ("coarse", "voxel_bce")]


def test_stage_losses_that_exist(tiny_config):
    config = tiny_config("train.stages=[{losses: [kl]}, {losses: null}]")
    assert config.train.stages[0].losses == ("kl",)
    assert config.train.stages[1].losses is None


# --- errors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.latent_dimm=4", "encoder.latent_dimm: unknown key. Did you mean 'latent_dim'? Known: l"),
        ("encoder.Latent-Dim=4", "encoder.Latent-Dim: unknown key. Did you mean 'latent_dim'? Known: l"),
        ("decoder.zzz=4", "decoder.zzz: unknown key. Known: resolution, width, stem, up, norm, bias"),
        ("train.optimiser.lr=1", "train.optimiser: unknown key. Did you mean 'optimizer'"),
        ("train.optimizer.learning=1", "train.optimizer.learning: unknown key. Known: name, lr, betas"),
        ("train.stages=[{trian: [encoder]}]", "train.stages.0.trian: unknown key. Did you mean 'trains'"),
        ("losses.kl.wieght=1", "losses.kl.wieght: unknown key. Did you mean 'weight'? Known: weight, "),
        ("preprocess.sizes=[3, 4]", "preprocess.sizes: unknown key. Did you mean 'size'"),
        ("encodr.latent_dim=4", "encodr: unknown key. Did you mean 'encoder'"),
        ("title=null", "title: Input should be a valid string, got None"),
        ("train.steps=many", "train.steps: Input should be a valid integer"),
        ("train.steps=0", "train.steps: Input should be greater than or equal to 1, got 0"),
        ("train.views=[3, 1]", "train: views must be least <= most, from 1 on, got (3, 1)"),
        ("train.views=[0, 1]", "train: views must be least <= most, from 1 on, got (0, 1)"),
        ("train.stages=[]", "train: give at least one stage"),
        ("decoder.resolution=48", "decoder.resolution: Input should be 32, 64 or 128, got 48"),
        (
            "train.precision=bf-16",
            "train.precision: Input should be 'auto', 'fp32', 'bf16' or 'fp16', got 'bf-16'. "
            "Did you mean 'bf16' or 'fp16'?",
        ),
        (
            "train.optimizer.schedule=cosin",
            "train.optimizer.schedule: Input should be 'constant', 'cosine' or 'steps', got 'cosin'. "
            "Did you mean 'cosine'",
        ),
        ("losses.kl.weight=-1", "losses.kl.weight: Input should be greater than or equal to 0, got -1"),
        ("losses.kl=0.5", "losses.kl: expected keys and values, as losses.kl.weight=..., got 0.5"),
        ("losses=null", "losses: give at least one loss, as 'voxel_bce: {}'"),
        ("losses=3", "losses: give at least one loss, as 'voxel_bce: {}'"),
        ("encoder=vit", "encoder: expected keys and values, as encoder.name=..., got 'vit'"),
        ("encoder.pools=[2]", "encoder: 2 widths but 1 pools; give one pool per block"),
        ("encoder.pools=[0, 2]", "encoder: give at least one block, and sizes of at least 1"),
        ("encoder.latent_dim=0", "encoder: give at least one block, and sizes of at least 1"),
        ("encoder={name: cnn, widths: [], pools: []}", "encoder: give at least one block"),
        ("encoder={name: attention_cnn, heads: [1, 1, 1, 1]}", "encoder: heads for 4 blocks, but there are"),
        (
            "encoder={name: attention_cnn, position: sincos, widths: [6, 8, 8]}",
            "encoder: position sincos needs attended widths divisible by 4, got 6",
        ),
        ("preprocess.mean=[0.5, 0.5]", "preprocess: mean has 2 values for 1 channels"),
        ("preprocess.std=[0]", "preprocess: std must be positive, got (0.0,)"),
        ("preprocess.background_train=[0.9, 0.1]", "preprocess: background_train must be low <= high"),
        ("preprocess.channels=2", "preprocess.channels: Input should be 1 or 3, got 2"),
        ("preprocess=3", "preprocess: Input should be a valid dictionary"),
        ("train.stages=[{losses: [kll]}]", "train.stages.0.losses: the model has no loss 'kll'. Did you"),
        ("train.stages=[{}, {losses: []}]", "train.stages.1: encoder and decoder would learn from nothing"),
        (
            "train.stages=[{trains: [encoder], losses: []}]",
            "train.stages.0: encoder would learn from nothing: no loss of the stage has a weight above 0",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("preset", [None, "quick"])
def test_errors_name_file_key_and_mend(configs, tmp_path, preset, override, message):
    text = error_of(lambda: load_config("tiny", preset, [override]))
    assert text.startswith(f"{tmp_path}/tiny.yaml: {message}")


def test_all_mistakes_at_once(configs, tmp_path):
    text = error_of(lambda: load_config("tiny", overrides=["train.steps=0", "train.clip=-1"]))
    assert [line.split(": ")[:2] for line in text.splitlines()] == [
        [f"{tmp_path}/tiny.yaml", "train.steps"],
        [f"{tmp_path}/tiny.yaml", "train.clip"],
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.name=cnnn", "encoder: unknown encoder 'cnnn'. Did you mean 'cnn'"),
        ("encoder.name=Attention-CNN", "encoder: unknown encoder 'Attention-CNN'. Did you mean 'attention_"),
        ("discriminator.name=voxelconv", "discriminator: unknown discriminator 'voxelconv'. Did you mean"),
        ("losses.voxel-bce={}", "losses.voxel-bce: unknown loss 'voxel-bce'. Did you mean 'voxel_bce'"),
        ("decoder.name=no.where:X", "decoder: decoder 'no.where:X': its module is not imported. Code is "),
    ],
)  # fmt: skip
def test_unknown_parts_name_the_file_too(configs, tmp_path, override, message):
    text = error_of(lambda: load_config("tiny", "quick", [override]), RegistryError)
    assert text.startswith(f"{tmp_path}/tiny.yaml: {message}")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_part_without_a_name(tiny_data, part):
    del tiny_data[part]["name"]
    assert error_of(lambda: parse_model(tiny_data, "file")).startswith(f"file: {part}: needs a name; known: ")


@pytest.mark.parametrize("key", ["title", "encoder", "citation"])
def test_missing_keys(tiny_data, key):
    del tiny_data[key]
    assert error_of(lambda: parse_model(tiny_data, "file")) == f"file: {key}: missing"


def test_unknown_preset_in_a_model(configs, tiny_data):
    path = configs("model", tiny_data | {"presets": {"quik": {}}})
    assert error_of(lambda: load_config("model")) == (
        f"{path}: presets.quik: no such preset. Did you mean 'quick'? Known: quick"
    )


def test_unknown_section_and_part_in_a_preset(configs):
    path = configs("presets/quick", "modl: {}")
    text = error_of(lambda: load_preset("quick"))
    assert text.startswith(f"{path}: modl: unknown key. Did you mean 'model'? Known: summary, data, ")
    configs("presets/quick", "parts: {encoder.cnnn: {}}")
    text = error_of(lambda: load_preset("quick"))
    assert text.startswith(f"{path}: parts: unknown part 'encoder.cnnn'. Did you mean 'encoder.cnn'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not valid YAML: "),
        (b"- 1\n- 2\n", "expected keys and values, got list"),
        (b"", "expected keys and values, got NoneType"),
        (b"a: \xff\xfe", "cannot be read: 'utf-8' codec"),
    ],
)
def test_bad_yaml_files(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert error_of(lambda: read_yaml(path)).startswith(f"{path}: {message}")
    if b"[" in content:
        assert "line 1" in error_of(lambda: read_yaml(path))


def test_the_message_has_no_empty_places(configs):
    for override in ("train.views=[3, 1]", "encoder.pools=[2]"):
        text = error_of(lambda over=override: load_config("tiny", overrides=[over]))
        assert not re.search(r": :|\.\.|: $", text)


def test_a_preset_sets_what_the_models_own_parts_have(configs, tiny_data):
    """A resolution speaks to decoders of voxels; for those of points it is no unknown key."""
    points = {**tiny_data, "decoder": {"name": "point_set"}, "losses": {"chamfer": {}}}
    del points["discriminator"]
    configs("points", points)
    configs("presets/quick", "model: {decoder: {resolution: 64}, encoder: {latent_dim: 3}}")
    assert load_config("tiny", "quick").decoder.config.resolution == 64
    found = load_config("points", "quick")
    assert not hasattr(found.decoder.config, "resolution")
    assert found.encoder.config.latent_dim == 3
    configs("presets/quick", "datasets: {r2n2: {model: {decoder: {resolution: 64}}}}")
    assert load_config("points", "quick", dataset="r2n2") == load_config("points")


def test_an_override_must_fit_the_part(configs, tiny_data):
    """What a user asks for by name is never dropped, nor what no part of the kind knows."""
    points = {**tiny_data, "decoder": {"name": "point_set"}, "losses": {"chamfer": {}}}
    del points["discriminator"]
    path = configs("points", points)
    configs("presets/quick", "model: {decoder: {resolution: 64}}")
    text = error_of(lambda: load_config("points", "quick", ["decoder.resolution=32"]))
    assert text.startswith(f"{path}: decoder.resolution: unknown key")
    configs("presets/quick", "model: {decoder: {resolutoin: 64}}")
    text = error_of(lambda: load_config("points", "quick"))
    assert text.startswith(f"{path}: decoder.resolutoin: unknown key")
