"""The contract of a decoder."""

from dataclasses import replace

import torch
from torch import Tensor

from zoo.decoders import Decoder
from zoo.encoders import ENCODERS, Encoder
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
from zoo.types import Latent, Shapes, Voxels


def decoder_checks(entry: Entry[Decoder]) -> list[Check]:
    """What comes out, gradients, independence of items, save and load, one training step."""
    fields = sorted(entry.cls.latent_fields)
    fits = [e for e in ENCODERS if entry.cls.latent_fields <= e.cls.provides]
    feeder = next((e for e in fits if e.name == "cnn"), fits[0] if fits else None)

    def encoder() -> Encoder:
        if feeder is None:
            raise CheckFailed(f"reads {fields}, which no registered encoder provides")
        return _smoke_encoder(feeder)

    def build() -> Decoder:
        eyes = encoder()
        maps = {"feature_shapes": eyes.feature_shapes} if "features" in fields else {}
        return entry.cls(entry.smoke_config(), latent_dim=eyes.latent_dim, **maps)

    def codes(decoder: Decoder, batch: int, views: int = 1) -> Latent:
        eyes = encoder()
        latent = eyes(torch.rand(batch, 3, *SIZES[0], generator=seeded()))
        shape = (batch, views) if decoder.reads_views else (batch,)
        mean = torch.randn(*shape, eyes.latent_dim, generator=seeded())
        features = tuple(m.detach() for m in latent.features)
        return replace(latent, mean=mean, log_var=None, features=features, aux={})

    def shapes() -> None:
        decoder = build().eval()
        for batch in (1, 2):
            for views in (1, 3) if decoder.reads_views else (1,):
                out = decoder(codes(decoder, batch, views))
                if out.representation != decoder.representation:
                    raise CheckFailed(f"declares {decoder.representation}, made {out.representation}")
                pieces = out.split()
                if len(out) != batch or len(pieces) != batch:
                    raise CheckFailed(f"{batch} latents gave {len(out)} shapes, {len(pieces)} after split()")
                for name, tensor in out.tensors().items():
                    expect_shape(tensor, (batch, *tensor.shape[1:]), name)
                if isinstance(out, Voxels):
                    expect_shape(out.logits, (batch, *[decoder.resolution] * 3), "logits")

    def gradients() -> None:
        decoder = build().train()
        _output(decoder(codes(decoder, 2, 2 if decoder.reads_views else 1))).backward()
        expect_gradients(decoder)

    def independence() -> None:
        decoder = build().eval()
        latent = codes(decoder, 3)
        first = replace(latent, mean=latent.mean[:1], features=tuple(m[:1] for m in latent.features))
        whole, alone = decoder(latent).tensors(), decoder(first).tensors()
        for name, tensor in alone.items():
            expect_close(whole[name][:1], tensor, f"{name} of item 0 alone and in a batch")

    return [
        Check("shapes", shapes),
        Check("gradients", gradients),
        Check("independence", independence),
        *module_checks(build, lambda m: _output(m(codes(m, 2)))),
        *(training_checks(feeder, entry) if feeder is not None else []),
    ]


def _smoke_encoder(entry: Entry[Encoder]) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return entry.cls(entry.smoke_config(), in_channels=3, image_size=SIZES[0]).eval()


def _output(shapes: Shapes) -> Tensor:
    tensors = shapes.tensors().values()
    if not tensors:
        raise CheckFailed(f"{type(shapes).__name__}.tensors() gives none, so that nothing can be learned")
    return torch.stack([(tensor * noise_like(tensor)).sum() for tensor in tensors]).sum()
