"""The contract of an encoder."""

from typing import Any

import torch

from zoo.decoders import DECODERS
from zoo.encoders import Encoder
from zoo.registry import Entry
from zoo.testing.asserts import (
    Check,
    CheckFailed,
    expect_close,
    expect_gradients,
    expect_shape,
    module_checks,
    noise_like,
    seeded,
)
from zoo.testing.smoke import SIZES
from zoo.testing.training import training_checks


def encoder_checks(entry: Entry[Encoder]) -> list[Check]:
    """Shapes for several sizes and batches, gradients, independence of items, save and load."""

    def build(size: tuple[int, int] = SIZES[0], channels: int = 3) -> Encoder:
        return entry.cls(entry.smoke_config(), in_channels=channels, image_size=size)

    def shapes() -> None:
        for size in SIZES:
            for channels in (1, 3):
                encoder = build(size, channels).eval()
                for batch in (1, 2):
                    latent = encoder(torch.rand(batch, channels, *size))
                    expect_shape(latent.mean, (batch, encoder.latent_dim), "mean")
                    given = {k for k in ("log_var", "features", "tokens") if _given(getattr(latent, k))}
                    declared = sorted(encoder.provides)
                    if sorted(given) != declared:
                        raise CheckFailed(f"declares provides={declared}, gave {sorted(given)}")
                    if latent.log_var is not None:
                        expect_shape(latent.log_var, (batch, encoder.latent_dim), "log_var")
                    made = tuple(tuple(m.shape[1:]) for m in latent.features)
                    if made != tuple(encoder.feature_shapes):
                        raise CheckFailed(f"declares features of {encoder.feature_shapes}, gave {made}")

    def gradients() -> None:
        encoder = build().train()
        if not any(True for _ in encoder.parameters()):
            return
        latent = encoder(torch.rand(2, 3, *SIZES[0]))
        parts = [latent.mean, latent.log_var, latent.tokens, *latent.features, *latent.aux.values()]
        torch.stack([noise_like(p).mul(p).sum() for p in parts if p is not None]).sum().backward()
        expect_gradients(encoder)

    def independence() -> None:
        encoder, images = build().eval(), torch.rand(3, 3, *SIZES[0])
        expect_close(encoder(images).mean[:1], encoder(images[:1]).mean, "item 0 alone and in a batch")

    return [
        Check("shapes", shapes),
        Check("gradients", gradients),
        Check("independence", independence),
        *module_checks(build, lambda m: m(torch.rand(2, 3, *SIZES[0], generator=seeded())).mean),
        *training_checks(entry, DECODERS.get("voxel_deconv")),
    ]


def _given(value: Any) -> bool:
    return value is not None and (not isinstance(value, tuple) or len(value) > 0)
