"""Options that commands share, said once, and the data set that they name."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.request.settings import Settings, add_set, settings
from datasets.prepare import open_dataset
from datasets.store import Store
from zoo.cli.plugins import add_plugin

_OPTIONS: dict[str, dict[str, Any]] = {
    "dataset": {"default": "procedural", "help": "data set (default: %(default)s, made on the spot)"},
    "data-root": {
        "type": Path,
        "help": "folder of the data set's files; of 'procedural', where to keep it",
    },
    "preset": {"default": "quick", "help": "whose sizes to use (default: %(default)s)"},
    "device": {"default": "auto", "help": "auto, cpu, cuda, cuda:1 or mps (default: %(default)s)"},
    "out": {"type": Path, "default": Path("runs"), "help": "folder to write to (default: %(default)s/)"},
    "workers": {"type": int, "help": "processes for data (default: one per core)"},
}
DATA = ("dataset", "data-root", "preset", "workers")
"""What `open_store` reads, beside ``--set`` and ``--plugin``."""


def add_common(parser: ArgumentParser, *names: str, **defaults: Any) -> None:
    """Give a command the options of these names, and ``--set`` and ``--plugin``, which all of them take.

    Args:
        names: without dashes, like 'data-root'.
        defaults: by name, with an underscore for a dash, where they are not the usual ones.

    Raises:
        KeyError: no such option.
    """
    for name in names:
        parser.add_argument(f"--{name}", **_OPTIONS[name])
    parser.set_defaults(**defaults)
    add_set(parser)
    add_plugin(parser)


def open_store(args: Namespace) -> tuple[Settings, Store]:
    """The settings and the prepared data set of a command with the options `DATA`.

    Raises:
        RegistryError, ConfigError, DataError: as `settings` and `open_dataset`.
    """
    chosen = settings(args.preset, args.dataset, args.overrides)
    store = open_dataset(
        args.dataset,
        data_root=args.data_root,
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=args.workers,
    )
    return chosen, store
