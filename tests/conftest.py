"""Fixtures of the whole suite. Nothing of `zoo` is imported before the shape checks are hooked in."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

TINY: dict[str, Any] = {
    "name": "tiny",
    "title": "tiny",
    "summary": "The smallest model that has every part.",
    "citation": "none",
    "follows": "nothing",
    "preprocess": {"size": [16, 16], "channels": 1},
    "encoder": {"name": "cnn", "latent_dim": 8, "widths": [4, 8], "pools": [2, 2], "hidden": [16]},
    "decoder": {"name": "voxel_deconv", "resolution": 32, "width": 8},
    "discriminator": {"name": "voxel_conv", "width": 2},
    "losses": {"voxel_bce": {}, "kl": {"warmup": 0.5}, "adversarial": {"weight": 5.0}},
    "train": {"steps": 6, "batch_size": 2, "checkpoint_every": 2, "log_every": 1, "gate": None},
}


# Shells start what they put in the background so, and nohup every command; what tests interrupt inherits it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are faster on one thread, and results do not depend on the machine's cores.

    Before every test: a command that a test runs in this process sets the number that its user asked for,
    and the last bits of a convolution's gradient depend on it.
    """
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def no_type_checks():
    """For a call that breaks its annotations on purpose: the code's own error is what a user sees."""
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def tiny_source():
    """Four samples of noise with every field of a batch, as `tiny_config` wants them."""
    from zoo.testing.smoke import SmokeSource

    return SmokeSource(count=4, resolution=32, size=(16, 16))


@pytest.fixture
def tiny_config() -> Callable[..., Any]:
    """``tiny_config("train.steps=3", ...)``: the smallest model that has every part, with changes."""
    from zoo.config import merge, parse_model, parse_overrides

    def build(*overrides: str) -> Any:
        return parse_model(merge(TINY, parse_overrides(overrides)), source="tiny")

    return build


@pytest.fixture
def tiny_data() -> dict[str, Any]:
    """The plain data of `tiny_config`, to break as a test likes."""
    import copy

    return copy.deepcopy(TINY)
