"""What one command asks for: preset and overrides, sorted by whom they concern."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.protocols import PROTOCOLS, Protocol
from datasets import DATASETS, PrepareOptions
from zoo.config import ConfigError, ModelConfig, load_config, load_preset, merge, parse_overrides, validate
from zoo.metrics import METRICS
from zoo.system.source import foreign

LONGEST = 100_000
"""Largest ``--time-limit`` in minutes: ten weeks."""


@dataclass(frozen=True)
class Settings:
    """A preset with the command's overrides, for one data set.

    Attributes:
        model_overrides: ``key.path=value`` strings for every model.
        data_config: overrides of the data set's own config.
        options: what the store is asked to hold.
        protocols: settings of the preset by protocol; a published one has none, and is as published.
        protocol_overrides: of whichever protocol is used.
    """

    preset: str
    dataset: str
    model_overrides: tuple[str, ...]
    data_config: dict[str, Any]
    options: PrepareOptions
    protocols: dict[str, dict[str, Any]]
    protocol_overrides: dict[str, Any]

    def protocol(self, name: str) -> Protocol:
        """A protocol with the preset's settings of it and the overrides.

        Raises:
            RegistryError, ConfigError: see `build_protocol`.
        """
        return build_protocol(name, merge(self.protocols.get(name, {}), self.protocol_overrides))

    def model(self, name: str) -> ModelConfig:
        """The resolved config of a model under these settings."""
        return load_config(name, self.preset, self.model_overrides, self.dataset)


def settings(preset: str, dataset: str, overrides: Sequence[str]) -> Settings:
    """Sort ``--set`` by prefix: ``data.`` data set, ``prepare.`` store, ``protocol.`` protocol, else models.

    Raises:
        zoo.registry.RegistryError: unknown preset or data set, or a protocol in the preset that is unknown.
        zoo.config.ConfigError: an override without '=', or a value that does not validate.
    """
    DATASETS.get(dataset)
    general = load_preset(preset)
    for name in general["protocols"]:
        PROTOCOLS.get(name)
    own = general["datasets"].get(dataset, {})
    ours = {"data": [], "prepare": [], "protocol": []}  # type: dict[str, list[str]]
    models = []
    for text in overrides:
        prefix, dot, rest = text.partition(".")
        if dot and prefix in ours:
            ours[prefix].append(rest)
        else:
            models.append(text)
    options = merge(merge(general["data"], own.get("data")), parse_overrides(ours["prepare"]))
    return Settings(
        preset=preset,
        dataset=dataset,
        model_overrides=tuple(models),
        data_config=merge(own.get("config", {}), parse_overrides(ours["data"])),
        options=validate(PrepareOptions, options, "prepare", f"preset '{preset}' and --set"),
        protocols=general["protocols"],
        protocol_overrides=parse_overrides(ours["protocol"]),
    )


def add_set(parser: ArgumentParser, described: str = "as in benchmarks.run") -> None:
    """Give a command ``--set KEY=VALUE``, as often as its user likes; the list lands in ``overrides``."""
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help=described
    )


def code_of(protocol: Protocol) -> dict[str, str]:
    """Digest of the code that measures and is not of this project, by what messages call it."""
    added = protocol.settings.get("extra_metrics", ())
    metrics = {f"metric {name}": METRICS.get(name).cls for name in added}
    return foreign({f"protocol {protocol.name}": type(protocol), **metrics})


def patience(minutes: float) -> float | None:
    """``--time-limit`` in seconds; None for no limit.

    Raises:
        ConfigError: no such number of minutes.
    """
    if not 0 <= minutes <= LONGEST:
        raise ConfigError(f"--time-limit must be 0 (no limit) to {LONGEST:,} minutes, got {minutes:g}")
    return 60 * minutes or None


def build_protocol(name: str, config: dict[str, Any]) -> Protocol:
    """A protocol with its settings.

    Raises:
        RegistryError: unknown name. ConfigError: a setting does not validate.
    """
    entry = PROTOCOLS.get(name)
    return entry.cls(validate(entry.config, config, "protocol", f"protocol '{name}'"))
