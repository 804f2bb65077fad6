"""What every contract check is made of: the class, what it raises, and what holds for any module."""

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class CheckFailed(AssertionError):
    """A part breaks its contract; the message says how."""


@dataclass(frozen=True)
class Check:
    """One named check, ready to run; it raises what is wrong."""

    name: str
    run: Callable[[], None]


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


def plain_checks(build: Callable[[], Any], output: Callable[[Any], Tensor]) -> Iterator[Check]:
    """Gradients, and what `module_checks` has, for a part that gives a tensor."""

    def gradients() -> None:
        module = build().train()
        out = output(module)
        (out * noise_like(out)).sum().backward()
        expect_gradients(module)

    yield Check("gradients", gradients)
    yield from module_checks(build, output)


def module_checks(build: Callable[[], Any], output: Callable[[Any], Tensor]) -> Iterator[Check]:
    """What holds for every module: save and load, seeds, copies, evaluation, bf16."""

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


def noise_like(tensor: Tensor) -> Tensor:
    """Normal noise of a tensor's shape, the same at every call."""
    return torch.randn(tensor.shape, generator=seeded())


def seeded() -> torch.Generator:
    """A generator that draws the same at every call."""
    return torch.Generator().manual_seed(0)
