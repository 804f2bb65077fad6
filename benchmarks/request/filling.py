"""From a command line, and a YAML file where there is one, to a request."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeVar

from zoo.config import read_yaml, validate
from zoo.files import expand_home
from zoo.registry import EntryConfig

R = TypeVar("R", bound=EntryConfig)
BOTH = ("overrides", "plugins")
"""Fields in which the command line adds to what the file says; in all others it takes the place."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--config FILE``."""
    parser.add_argument(
        "--config",
        type=Path,
        default=None,
        metavar="FILE",
        help="a YAML file of these options, as in 'models: [r3d]', 'seeds: 3', 'overrides: {train.steps: "
        "800}'; what the command line says goes before it",
    )


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Give a command that fills a request ``--plugin MODULE``; the list lands in ``plugins``."""
    parser.add_argument(
        "--plugin",
        action="append",
        dest="plugins",
        metavar="MODULE",
        help="import a module that registers parts; code is imported only when it is named so",
    )


def fill(cls: type[R], args: argparse.Namespace) -> R:
    """The request that a command line asks for.

    Args:
        args: of a parser whose options have no defaults (`argparse.SUPPRESS`): what is not there was not
            given. Those that are no field of the request are left aside.

    Raises:
        ConfigError: an unknown key of the file, or a value that cannot be meant; names the file, the key and
            the nearest one.
    """
    given = {key: value for key, value in vars(args).items() if key in cls.model_fields}
    file: Path | None = getattr(args, "config", None)
    if file is None:
        return validate(cls, given, "", "command line")
    read: dict[str, Any] = validate(cls, read_yaml(expand_home(file)), "", str(file)).model_dump(
        exclude_unset=True
    )
    for key in BOTH:
        if key in read and key in given:
            given[key] = [*read[key], *given[key]]
    return validate(cls, {**read, **given}, "", f"{file} and the command line")
