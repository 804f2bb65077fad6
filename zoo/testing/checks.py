"""The contract of every part and model, as checks that a user runs in seconds: ``python -m zoo check NAME``.

The project's own contract tests run the same checks over every registry entry, so a new part is tested
because it is registered. Which function gives the checks of a kind, `zoo.parts.KINDS` says.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from zoo.config import ModelConfig, parse_model
from zoo.parts import kind_of
from zoo.registry import Entry, RegistryError
from zoo.testing.asserts import Check, CheckFailed
from zoo.testing.training import train_one


def checks_for(entry: Entry[Any]) -> list[Check]:
    """The checks of a registry entry, by its kind.

    Raises:
        RegistryError: parts of its kind are not checked one by one, as metrics, which their protocols check.
    """
    module, _, name = kind_of(entry.kind).checks.partition(":")
    if not module:
        raise RegistryError(
            f"'{entry.name}' is a {entry.kind}; {entry.kind}s are checked by their protocol's tests"
        )
    make: Callable[[Entry[Any]], list[Check]] = getattr(import_module(module), name)
    return make(entry)


def model_checks(config: ModelConfig) -> list[Check]:
    """The contract of a whole model at its own sizes shrunk to what a CPU does in seconds."""

    def round_trip() -> None:
        again = parse_model(config.resolved(), source="resolved config")
        if again.resolved() != config.resolved():
            raise CheckFailed("the resolved config does not come back as it was")

    def step() -> None:
        train_one(config)

    return [Check("config round trip", round_trip), Check("one training step", step)]
