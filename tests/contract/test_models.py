"""Every YAML in configs/ loads, comes back as it was, builds, and trains."""

import json

import pytest
import torch
import yaml

from zoo.config import list_models, list_presets, load_config, load_preset, parse_model
from zoo.model import build_discriminator, build_losses, build_model
from zoo.testing.checks import model_checks
from zoo.testing.smoke import SmokeSource

MODELS, PRESETS = list_models(), list_presets()


def test_the_models_of_the_zoo_are_there():
    assert {
        "r3d", "r3d_appendix", "vae_gan_baseline", "vit_vae_gan",
        "r2n2", "r2n2_shallow", "vit_r2n2", "attention_r2n2",
    } <= set(MODELS)  # fmt: skip
    assert set(PRESETS) == {"overfit", "quick", "standard", "paper"}


@pytest.mark.parametrize("preset", [None, *PRESETS])
@pytest.mark.parametrize("name", MODELS)
def test_loads_and_comes_back(name, preset):
    config = load_config(name, preset)
    assert config.name == name
    text = yaml.safe_dump(json.loads(json.dumps(config.resolved())))
    again = parse_model(yaml.safe_load(text))
    assert again == config
    assert again.resolved() == config.resolved()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", MODELS)
def test_set_wins_in_every_preset(name, preset):
    over = ["train.steps=17", "train.optimizer.lr=0.125"]
    config = load_config(name, preset, over)
    assert (config.train.steps, config.train.optimizer.lr) == (17, 0.125)


@pytest.mark.parametrize("name", MODELS)
def test_card(name):
    config = load_config(name)
    for field in ("title", "summary", "citation", "follows", "licence"):
        assert getattr(config, field).strip(), field
    assert config.summary.endswith(".")
    assert config.departs, "no system here is its source to the letter; say where it is not"


@pytest.mark.parametrize("name", MODELS)
def test_builds_without_memory(name):
    """At the sizes of the YAML itself, on the meta device; every loss finds what it needs."""
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
        critic = build_discriminator(config, model.decoder, seed=0)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert (critic is None) == (config.discriminator is None)
    losses = build_losses(config, model, provides=SmokeSource.provides)
    assert set(losses) == set(config.losses)


@pytest.mark.parametrize("name", MODELS)
def test_trains_at_the_sizes_of_the_quick_preset(name):
    checks = {check.name: check for check in model_checks(load_config(name, "quick"))}
    assert set(checks) == {"config round trip", "one training step"}
    for check in checks.values():
        check.run()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_what_they_are(name):
    preset = load_preset(name)
    assert len(preset["summary"]) > 40
    assert preset["data"]["resolutions"]
    assert preset["data"]["image_size"]
