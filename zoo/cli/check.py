"""``python -m zoo check``: the contract of a model or a part, in seconds."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cards import find
from zoo.cli.console import Verbs, add_verb, plain_console
from zoo.config import ModelConfig


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    text = "run the contract checks of a model or a part, in seconds"
    add_verb(verbs, "check", _check, text, **given).add_argument("name")


def _check(args: argparse.Namespace) -> int:
    from rich.text import Text

    from zoo.testing.checks import checks_for, model_checks

    found = find(args.name)
    console, failed = plain_console(), 0
    for check in model_checks(found) if isinstance(found, ModelConfig) else checks_for(found):
        try:
            check.run()
            console.print(Text.assemble(("ok", "green"), f"    {check.name}"))
        except Exception as error:  # a user's part may fail in any way; the check names it and goes on
            failed += 1
            why = f" {check.name}: {type(error).__name__}: {error}"
            console.print(Text.assemble(("FAILED", "red"), why))
    return 1 if failed else 0
