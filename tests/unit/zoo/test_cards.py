"""Cards of models and parts, listings that filter, and the cache of what takes a built model to know."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import zoo
from zoo import cards
from zoo.config import ConfigError, config_dir, load_config
from zoo.registry import RegistryError
from zoo.system.fact_cache import FactCache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder of caches."""
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "facts"


def test_a_models_card_has_every_part():
    card = zoo.describe("marrnet")
    assert isinstance(card, zoo.ModelCard)
    assert card.parts.keys() >= {"sketcher", "encoder", "decoder"}
    assert sum(card.parts.values()) == card.parameters
    model = zoo.create_model("marrnet")
    assert card.parameters == sum(p.numel() for p in model.parameters())
    assert card.config == load_config("marrnet") and card.supervision == (
        "camera",
        "depth",
        "normals",
        "voxels",
    )


def test_a_card_of_a_preset():
    assert zoo.describe("r3d", preset="quick").parameters < zoo.describe("r3d").parameters


def test_a_parts_card_says_what_its_config_holds():
    card = zoo.describe("attention_cnn")
    assert isinstance(card, zoo.PartCard)
    assert (card.kind, card.name, card.tags["latent"]) == ("encoder", "attention_cnn", "gaussian")
    assert card.description.startswith(card.summary) and card.fields["head_dim"].help


def test_models_are_found_by_what_they_are():
    every = set(zoo.list_models())
    meshes = zoo.list_models(representation="mesh")
    assert "atlasnet" in meshes and "r3d" not in meshes
    kinds = {zoo.describe(name).representation for name in every}
    assert set().union(*(zoo.list_models(representation=kind) for kind in kinds)) == every
    assert zoo.list_models(encoder="vit") == zoo.list_models("vit_*", exclude=["*_no_such"])
    assert set(zoo.list_models(exclude="*")) == set()


def test_models_that_can_learn_from_what_there_is():
    with_voxels = zoo.list_models(supervision={"voxels"})
    assert "r3d" in with_voxels and not {"marrnet", "psgn"} & set(with_voxels)
    assert set(with_voxels) < set(zoo.list_models(supervision={"voxels", "points"}))


def test_facts_come_from_the_cache_and_are_the_same(cache, monkeypatch):
    fresh = cards.model_facts(["r3d", "psgn"])
    monkeypatch.setattr(cards, "load_config", lambda name: pytest.fail(f"{name} was built again"))
    assert cards.model_facts(["psgn", "r3d"]) == fresh[::-1]
    (file,) = cache.iterdir()
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2


def test_an_edited_yaml_is_read_again(cache, tmp_path, monkeypatch):
    text = (config_dir() / "r3d.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("R3D_CONFIGS", str(folder))
    for title in ("one", "two"):
        (folder / "mine.yaml").write_text(text.replace("title: R3D", f"title: {title}"), encoding="utf-8")
        (facts,) = cards.model_facts(["mine"])
        assert (facts.name, facts.title) == ("mine", title)


def test_edited_code_and_other_libraries_make_another_cache(cache, monkeypatch):
    before = cards.model_facts(["r3d"])
    monkeypatch.setattr("zoo.system.fact_cache.code_digest", lambda: "f" * 64)
    assert cards.model_facts(["r3d"]) == before
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_cache_is_none(cache, text):
    FactCache("models").put(b"x", {})
    before = cards.model_facts(["r3d"])
    (file,) = cache.iterdir()
    file.write_text(text, encoding="utf-8")
    assert cards.model_facts(["r3d"]) == before


def test_a_cache_that_cannot_be_written_is_none(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "file"))
    assert cards.model_facts(["r3d"])[0].parameters == 11_959_593


def test_old_caches_go(cache):
    cache.mkdir(parents=True)
    for i in range(6):
        (cache / f"models-{i}.json").write_text("{}", encoding="utf-8")
    cards.model_facts(["r3d"])
    assert len(list(cache.iterdir())) == 4


def test_a_second_listing_needs_no_torch(cache):
    cards.model_facts(zoo.list_models("vae*"))
    code = (
        "import sys, zoo.__main__ as m; m.main(['list', 'models', 'vae*']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0 and "vae_gan_baseline" in done.stdout, done.stderr


# --- overrides in Python


def test_overrides_as_strings_mappings_and_keywords_are_one():
    wanted = load_config("r3d", overrides=["encoder.latent_dim=512", "train.steps=7"])
    assert load_config("r3d", overrides={"encoder.latent_dim": 512, "train": {"steps": 7}}) == wanted
    assert load_config("r3d", encoder={"latent_dim": 512}, train={"steps": 7}) == wanted
    assert (
        load_config("r3d", overrides=["train.steps=9"], **{"encoder.latent_dim": 512, "train.steps": 7})
        == wanted
    )


def test_a_model_takes_keywords():
    assert (
        zoo.create_model("vae_gan_baseline", preset="quick", encoder={"latent_dim": 32}).encoder.latent_dim
        == 32
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoder": {"latent_dims": 3}}, r"encoder\.latent_dims: unknown key\. Did you mean 'latent_dim'\?"),
        ({"encodr": {}}, r"encodr: unknown key\. Did you mean 'encoder'"),
        ({"encoder..x": 1}, r"overrides: expected key paths as train\.steps, got 'encoder\.\.x'"),
        (
            {"overrides": "train.steps=3"},
            "overrides: expected a list of strings or a mapping, got the string",
        ),
    ],
)
def test_overrides_that_are_none(given, message):
    with pytest.raises(ConfigError, match=message):
        load_config("r3d", **given)


# --- what `zoo` exports


def test_every_registry_and_its_base_class_is_exported():
    from zoo.parts import registries

    for kind, registry in registries():
        assert getattr(zoo, kind.constant) is registry and kind.constant in zoo.__all__
        assert getattr(zoo, registry.base.__name__) is registry.base
        assert registry.kind == kind.name


def test_type_checkers_see_what_is_exported():
    import ast

    from tests.unit.test_structure import ROOT, tree

    imported = {
        alias.name
        for node in ast.walk(tree(ROOT / "zoo/__init__.py"))
        if isinstance(node, ast.If)
        for line in ast.walk(node)
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert imported == set(zoo.__all__)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(RegistryError, match=r"unknown model or part 'r3dd'\. Did you mean 'r3d'"):
        zoo.describe("r3dd")
