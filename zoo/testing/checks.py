"""The contract of every part, as checks that a user runs in seconds: ``python -m zoo check NAME``.

The project's own contract tests run the same checks over every registry entry, so a new part is tested
because it is registered.
"""

import copy
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.config import ModelConfig, parse_model
from zoo.decoders import DECODERS, Decoder
from zoo.discriminators import DISCRIMINATORS
from zoo.encoders import ENCODERS, Encoder
from zoo.model import build_model
from zoo.registry import Entry
from zoo.testing.smoke import SIZES, SmokeSource, smoke_model
from zoo.training.trainer import train
from zoo.types import Latent, Shapes, Voxels


class CheckFailed(AssertionError):
    """A part breaks its contract; the message says how."""


@dataclass(frozen=True)
class Check:
    """One named check, ready to run; it raises what is wrong."""

    name: str
    run: Callable[[], None]


def checks_for(entry: Entry[Any]) -> list[Check]:
    """The checks of a registry entry, by its kind."""
    makers: dict[str, Callable[[Entry[Any]], list[Check]]] = {
        "sketcher": sketcher_checks,
        "encoder": encoder_checks,
        "shape_encoder": shape_encoder_checks,
        "fusion": fusion_checks,
        "head": head_checks,
        "decoder": decoder_checks,
        "discriminator": discriminator_checks,
        "loss": loss_checks,
    }
    return makers[entry.kind](entry)


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
                    if given != set(encoder.gives):
                        raise CheckFailed(f"declares gives={sorted(encoder.gives)}, gave {sorted(given)}")
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
        torch.stack([_noise_like(p).mul(p).sum() for p in parts if p is not None]).sum().backward()
        expect_gradients(encoder)

    def independence() -> None:
        encoder, images = build().eval(), torch.rand(3, 3, *SIZES[0])
        expect_close(encoder(images).mean[:1], encoder(images[:1]).mean, "item 0 alone and in a batch")

    return [
        Check("shapes", shapes),
        Check("gradients", gradients),
        Check("independence", independence),
        *_module_checks(build, lambda m: m(torch.rand(2, 3, *SIZES[0], generator=_seeded())).mean),
        *_training_checks(entry, DECODERS.get("voxel_deconv")),
    ]


def decoder_checks(entry: Entry[Decoder]) -> list[Check]:
    """What comes out, gradients, independence of items, save and load, one training step."""
    fits = [e for e in ENCODERS if entry.cls.needs <= e.cls.gives]
    feeder = next((e for e in fits if e.name == "cnn"), fits[0] if fits else None)

    def encoder() -> Encoder:
        if feeder is None:
            raise CheckFailed(f"needs {sorted(entry.cls.needs)}, which no registered encoder gives")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return feeder.cls(feeder.smoke_config(), in_channels=3, image_size=SIZES[0]).eval()

    def build() -> Decoder:
        eyes = encoder()
        maps = {"feature_shapes": eyes.feature_shapes} if "features" in entry.cls.needs else {}
        return entry.cls(entry.smoke_config(), latent_dim=eyes.latent_dim, **maps)

    def codes(decoder: Decoder, batch: int, views: int = 1) -> Latent:
        eyes = encoder()
        latent = eyes(torch.rand(batch, 3, *SIZES[0], generator=_seeded()))
        shape = (batch, views) if decoder.reads_views else (batch,)
        mean = torch.randn(*shape, eyes.latent_dim, generator=_seeded())
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
        *_module_checks(build, lambda m: _output(m(codes(m, 2)))),
        *(_training_checks(feeder, entry) if feeder is not None else []),
    ]


def sketcher_checks(entry: Entry[Any]) -> list[Check]:
    """Maps of the picture's size, gradients, save and load."""

    def build(size: tuple[int, int] = SIZES[0], channels: int = 3) -> nn.Module:
        return entry.cls(entry.smoke_config(), in_channels=channels, image_size=size)

    def maps(module: Any, size: tuple[int, int] = SIZES[0]) -> Tensor:
        sketches = module(torch.rand(2, module.in_channels, *size, generator=_seeded()))
        return torch.cat([sketches.image(), sketches.silhouette[:, None]], 1)

    def shapes() -> None:
        for size in SIZES:
            for channels in (1, 3):
                expect_shape(maps(build(size, channels).eval(), size), (2, 5, *size), "sketches")

    return [Check("shapes", shapes), *_plain_checks(build, maps)]


def shape_encoder_checks(entry: Entry[Any]) -> list[Check]:
    """A latent per shape, gradients, save and load."""
    batch = SmokeSource().fetch([0, 1], [[0], [1]])

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def code(module: nn.Module) -> Tensor:
        latent = module(batch)
        return latent.mean if latent.log_var is None else torch.cat([latent.mean, latent.log_var], 1)

    def shapes() -> None:
        expect_shape(build().eval()(batch).mean, (2, 16), "mean")

    return [Check("shapes", shapes), *_plain_checks(build, code)]


def fusion_checks(entry: Entry[Any]) -> list[Check]:
    """One latent of any number of views, gradients where there are weights, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def fused(module: nn.Module, views: int = 3) -> Tensor:
        drawn = torch.randn(2, 2, views, 16, generator=_seeded()).requires_grad_()
        latent = module(Latent(drawn[0], drawn[1]))
        if latent.log_var is None:
            raise CheckFailed("drops the log-variance")
        return torch.cat([latent.mean, latent.log_var], 1)

    def shapes() -> None:
        for views in (1, 2, 5):
            expect_shape(fused(build().eval(), views), (2, 32), "mean and log_var")
        if build()(Latent(torch.randn(2, 3, 16))).log_var is not None:
            raise CheckFailed("makes up a log-variance where there is none")

    return [Check("shapes", shapes), *_plain_checks(build, fused)]


def head_checks(entry: Entry[Any]) -> list[Check]:
    """Named predictions, batch first, gradients, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), latent_dim=16)

    def found(module: nn.Module) -> Tensor:
        made = module(torch.randn(2, 16, generator=_seeded()))
        return torch.cat([value.reshape(2, -1) for value in made.values()], 1)

    def shapes() -> None:
        made = build().eval()(torch.randn(2, 16))
        for name, value in made.items():
            if len(value) != 2:
                raise CheckFailed(f"'{name}' must have the batch first, is {tuple(value.shape)}")

    return [Check("shapes", shapes), *_plain_checks(build, found)]


def _plain_checks(build: Callable[[], Any], output: Callable[[Any], Tensor]) -> Iterator[Check]:
    def gradients() -> None:
        module = build().train()
        out = output(module)
        (out * _noise_like(out)).sum().backward()
        expect_gradients(module)

    yield Check("gradients", gradients)
    yield from _module_checks(build, output)


def discriminator_checks(entry: Entry[Any]) -> list[Check]:
    """One score per sample, gradients to parameters and input, save and load."""

    def build() -> nn.Module:
        return entry.cls(entry.smoke_config(), resolution=32)

    def shapes() -> None:
        for batch in (1, 2):
            expect_shape(build().eval()(torch.rand(batch, 32, 32, 32)), (batch,), "scores")

    def gradients() -> None:
        module, voxels = build().train(), torch.rand(2, 32, 32, 32, requires_grad=True)
        (module(voxels) * torch.tensor([1.0, -0.5])).sum().backward()
        expect_gradients(module)
        if voxels.grad is None or not voxels.grad.abs().sum() > 0:
            raise CheckFailed("passes no gradient on to the generator")

    return [
        Check("shapes", shapes),
        Check("gradients", gradients),
        *_module_checks(build, lambda m: m(torch.rand(2, 32, 32, 32, generator=_seeded()))),
    ]


def loss_checks(entry: Entry[Any]) -> list[Check]:
    """A finite scalar with a gradient, the mean over the batch."""

    def scalar() -> None:
        decoders = [d for d in DECODERS if not entry.cls.reads or d.cls.representation in entry.cls.reads]
        pairs = [
            (e, d)
            for d in decoders
            for e in ENCODERS
            if entry.cls.latent <= e.cls.gives and d.cls.needs <= e.cls.gives
        ]
        if not pairs:
            raise CheckFailed("no registered encoder and decoder can feed it")
        chosen = next((p for p in pairs if (p[0].name, p[1].name) == ("cnn", "voxel_deconv")), None)
        chosen = chosen or next((p for p in pairs if p[0].name == "cnn"), pairs[0])
        config = smoke_model(*chosen, parts=sorted(entry.cls.parts))
        model = build_model(config, seed=0).train()
        batch = SmokeSource().fetch([0, 1], [[0], [1]])
        loss = entry.cls(entry.smoke_config())
        prediction = model(model.preprocess(batch.image), prior=loss.prior)
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


def model_checks(config: ModelConfig) -> list[Check]:
    """The contract of a whole model at its own sizes shrunk to what a CPU does in seconds."""

    def round_trip() -> None:
        again = parse_model(config.resolved(), source="resolved config")
        if again.resolved() != config.resolved():
            raise CheckFailed("the resolved config does not come back as it was")

    def step() -> None:
        _train_one(config)

    return [Check("config round trip", round_trip), Check("one training step", step)]


def expect_shape(tensor: Tensor, shape: tuple[int | None, ...], what: str) -> None:
    """Raise CheckFailed unless `tensor` has the shape and only finite values."""
    if tuple(tensor.shape) != shape:
        raise CheckFailed(f"{what} must be {shape}, is {tuple(tensor.shape)}")
    if not torch.isfinite(tensor).all():
        raise CheckFailed(f"{what} holds NaN or infinity")


def expect_gradients(module: nn.Module) -> None:
    """Raise CheckFailed unless every parameter got a finite gradient that is not all zero."""
    for name, parameter in module.named_parameters():
        if parameter.grad is None:
            raise CheckFailed(f"no gradient reaches {name}")
        if not torch.isfinite(parameter.grad).all():
            raise CheckFailed(f"gradient of {name} is not finite")
        if not parameter.grad.any():
            raise CheckFailed(f"gradient of {name} is zero everywhere")


def expect_close(a: Tensor, b: Tensor, what: str) -> None:
    """Raise CheckFailed unless two tensors agree to float32 rounding."""
    if not torch.allclose(a, b, rtol=1e-3, atol=1e-4):
        raise CheckFailed(f"{what} differ by up to {(a - b).abs().max().item():.3g}")


def _module_checks(build: Callable[[], Any], output: Callable[[Any], Tensor]) -> Iterator[Check]:
    def seeded_build() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build().eval()

    def round_trip() -> None:
        one, other = seeded_build(), build().eval()
        other.load_state_dict(copy.deepcopy(one.state_dict()), strict=True)
        expect_close(output(one), output(other), "outputs before and after a state dict round trip")

    def same_seed() -> None:
        for (name, a), b in zip(
            seeded_build().state_dict().items(), seeded_build().state_dict().values(), strict=True
        ):
            if not torch.equal(a, b):
                raise CheckFailed(f"two builds with one seed differ in {name}")

    def copies() -> None:
        one = seeded_build()
        expect_close(output(one), output(pickle.loads(pickle.dumps(copy.deepcopy(one)))), "a copy's outputs")

    def deterministic() -> None:
        one = seeded_build()
        expect_close(output(one), output(one), "two evaluations of the same input")

    def bf16() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = output(seeded_build())
        if not torch.isfinite(out.float()).all():
            raise CheckFailed("not finite under bf16 autocast")

    yield Check("state dict round trip", round_trip)
    yield Check("same seed, same weights", same_seed)
    yield Check("deepcopy and pickle", copies)
    yield Check("deterministic in evaluation", deterministic)
    yield Check("bf16 autocast", bf16)


def _training_checks(encoder: Entry[Encoder], decoder: Entry[Decoder]) -> list[Check]:
    return [Check("one training step", lambda: _train_one(smoke_model(encoder, decoder)))]


def _train_one(config: ModelConfig) -> None:
    few = {"steps": len(config.train.stages), "batch_size": 2, "gate": None}
    shrunk = config.model_copy(update={"train": config.train.model_copy(update=few)})
    resolution = getattr(config.decoder.config, "resolution", 32)
    size = config.preprocess.size  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        source = SmokeSource(resolution=resolution, size=size)
        report = train(shrunk, source, Path(folder), seed=0, device=torch.device("cpu"))
        if not (report.checkpoint / "model.safetensors").is_file():
            raise CheckFailed("training left no weights")


def _output(shapes: Shapes) -> Tensor:
    tensors = shapes.tensors().values()
    if not tensors:
        raise CheckFailed(f"{type(shapes).__name__}.tensors() gives none, so that nothing can be learned")
    return torch.stack([(tensor * _noise_like(tensor)).sum() for tensor in tensors]).sum()


def _noise_like(tensor: Tensor) -> Tensor:
    return torch.randn(tensor.shape, generator=_seeded())


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _given(value: Any) -> bool:
    return value is not None and (not isinstance(value, tuple) or len(value) > 0)
