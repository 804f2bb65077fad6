"""The contract of a loss."""

from typing import Any

import torch

from zoo.decoders import DECODERS
from zoo.discriminators import DISCRIMINATORS
from zoo.encoders import ENCODERS
from zoo.model import build_model
from zoo.registry import Entry
from zoo.testing.asserts import Check, CheckFailed, expect_shape
from zoo.testing.smoke import SmokeSource, smoke_model


def loss_checks(entry: Entry[Any]) -> list[Check]:
    """A finite scalar with a gradient, the mean over the batch."""

    def scalar() -> None:
        config = smoke_model(*_feeders(entry), parts=sorted(entry.cls.requires_parts))
        model = build_model(config, seed=0).train()
        batch = SmokeSource().fetch([0, 1], [[0], [1]])
        loss = entry.cls(entry.smoke_config())
        loss.bind(model)
        prediction = model(model.preprocess(batch.image), prior=loss.reads_prior)
        critic = DISCRIMINATORS.get("voxel_conv")
        discriminator = critic.cls(critic.smoke_config(), resolution=32) if loss.adversarial else None
        value = loss(prediction, batch, discriminator)
        expect_shape(value, (), "loss")
        if not torch.isfinite(value):
            raise CheckFailed(f"loss is {value.item()}")
        value.backward()
        if not any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters()):
            raise CheckFailed("no gradient reaches the model")

    return [Check("finite scalar with gradients", scalar)]


def _feeders(entry: Entry[Any]) -> tuple[Entry[Any], Entry[Any]]:
    """An encoder and a decoder whose predictions a loss can read: the plainest, where they can feed it."""
    reads, works = entry.cls.representations, entry.cls.decoders
    decoders = [
        d for d in DECODERS if (not reads or d.cls.representation in reads) and (not works or d.name in works)
    ]
    pairs = [
        (e, d)
        for d in decoders
        for e in ENCODERS
        if entry.cls.latent_fields <= e.cls.provides and d.cls.latent_fields <= e.cls.provides
    ]
    if not pairs:
        raise CheckFailed("no registered encoder and decoder can feed it")
    chosen = next((p for p in pairs if (p[0].name, p[1].name) == ("cnn", "voxel_deconv")), None)
    return chosen or next((p for p in pairs if p[0].name == "cnn"), pairs[0])
