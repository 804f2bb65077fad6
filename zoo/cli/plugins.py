"""``--plugin``: how users let a command import code. Nothing else does; see `zoo.registry`."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterable

from zoo.registry import load_plugin
from zoo.system.processes import time_limit

_PATH = re.compile(r"([\w.]+):\w+")  # no path of a file: those have separators


def add_plugin(parser: ArgumentParser) -> None:
    """Give a command ``--plugin MODULE``, as often as its user likes; the list lands in ``plugin``."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module that registers parts; code is imported only when it is named so",
    )


def load_plugins(modules: Iterable[str], *named: str | None, limit: float | None = None) -> None:
    """Import the modules of ``--plugin``, and those of parts that the command line names.

    Args:
        named: what users name beside it, as a data set: where one is ``module:Class``, its module.
        limit: seconds that one may take; None for no limit.

    Raises:
        RegistryError: a module cannot be imported; says why. TookTooLong: it took longer than the limit.
    """
    paths = [match for name in named if name and (match := _PATH.fullmatch(name))]
    for module in [*modules, *(path[1] for path in paths)]:
        with time_limit(limit, f"importing plugin '{module}'"):
            load_plugin(module)
