"""Every registered part keeps its contract: the same checks as ``python -m zoo check NAME``.

A new part is tested because it is registered; nothing has to be added here.
"""

import pytest
import torch
import yaml

from zoo.encoders import ENCODERS
from zoo.parts import registries
from zoo.testing.checks import checks_for

ENTRIES = [entry for kind, registry in registries() if kind.checks for entry in registry]
NAMES = [f"{entry.kind}-{entry.name}" for entry in ENTRIES]
CHECKS = [
    pytest.param(check, id=f"{name}-{check.name.replace(' ', '_')}")
    for entry, name in zip(ENTRIES, NAMES, strict=True)
    for check in checks_for(entry)
]


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check):
    """A check raises `CheckFailed`, an AssertionError that says how the contract is broken."""
    torch.manual_seed(0)
    check.run()


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_card(entry):
    """What `zoo list` and `zoo show` print: a summary of one sentence, a source, help for every key."""
    assert entry.summary.endswith(".")
    assert len(entry.summary) < 130
    assert len(entry.cite) > 8, "a citation is an arXiv id, a DOI, a URL or a report"
    for name, field in entry.config.model_fields.items():
        assert field.description, f"{entry.config.__name__}.{name} needs a docstring under it"


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_config_survives_yaml(entry):
    for config in (entry.config(), entry.smoke_config()):
        text = yaml.safe_dump(config.model_dump(mode="json"))
        assert entry.config.model_validate(yaml.safe_load(text)) == config


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_built_on_the_device_that_torch_is_told(entry):
    """No device is hard-coded: everything lands on `meta`."""
    arguments = {
        "sketcher": {"in_channels": 3, "image_size": (64, 64)},
        "encoder": {"in_channels": 3, "image_size": (64, 64)},
        **{kind: {"latent_dim": 16} for kind in ("shape_encoder", "fusion", "head", "decoder")},
        "discriminator": {"resolution": 32},
        "loss": {},
    }[entry.kind]
    with torch.device("meta"):
        if entry.kind == "decoder" and "features" in entry.cls.latent_fields:
            feeder = next(e for e in ENCODERS if entry.cls.latent_fields <= e.cls.provides)
            eyes = feeder.cls(feeder.smoke_config(), in_channels=3, image_size=(64, 64))
            arguments |= {"feature_shapes": eyes.feature_shapes}
        part = entry.cls(entry.smoke_config(), **arguments)
    devices = {tensor.device.type for tensor in [*part.parameters(), *part.buffers()]}
    assert devices <= {"meta"}
