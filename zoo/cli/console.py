"""The terminal of the zoo's commands, and the parser of one verb."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Verbs = Any
"""What `ArgumentParser.add_subparsers` gives."""


def plain_console() -> Console:
    """Prints texts as they are, those of other people too: nothing in them is markup."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def add_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], text: str, **given: Any
) -> argparse.ArgumentParser:
    """Give a command a verb; ``run`` of its arguments is what does it."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, **{"description": text, **given})
    parser.set_defaults(run=run)
    return parser
