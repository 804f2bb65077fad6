"""Any encoder with any decoder: trains a step, or says why not."""

import math

import pytest
import torch

from zoo.decoders import DECODERS
from zoo.encoders import ENCODERS
from zoo.testing.smoke import SmokeSource, smoke_model
from zoo.training.trainer import Trainer
from zoo.types import ContractError

PAIRS = [
    pytest.param(encoder, decoder, id=f"{encoder.name}-{decoder.name}")
    for encoder in ENCODERS
    for decoder in DECODERS
]


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_pair(encoder, decoder, tmp_path):
    config = smoke_model(encoder, decoder)
    source = SmokeSource(resolution=getattr(config.decoder.config, "resolution", 32))
    try:
        trainer = Trainer(config, source, tmp_path, seed=0, device=torch.device("cpu"))
    except ContractError as error:
        assert f"'{encoder.name}'" in str(error)
        assert f"'{decoder.name}'" in str(error)
        return
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    figures = []
    trainer.run(lambda done, steps, logged: figures.append(logged))
    assert math.isfinite(figures[-1]["loss"])
    moved = [name for name, p in trainer.model.named_parameters() if not torch.equal(p, before[name])]
    learning = {name.partition(".")[0] for name in before}
    assert learning == {name.partition(".")[0] for name in moved}


def test_parts_that_do_not_fit_are_named(monkeypatch):
    """A decoder that reads tokens, after an encoder that has none."""
    encoder, decoder = ENCODERS.get("cnn"), DECODERS.get("voxel_deconv")
    monkeypatch.setattr(decoder.cls, "latent_fields", frozenset({"tokens", "features"}))
    from zoo.model import build_model

    with pytest.raises(ContractError) as error:
        build_model(smoke_model(encoder, decoder))
    assert str(error.value).startswith(
        "decoder 'voxel_deconv' needs features, tokens of the latent, which encoder 'cnn' does not give; "
        "encoders that do: "
    )
