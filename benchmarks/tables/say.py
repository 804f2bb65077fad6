"""What commands tell beside their tables. Names, paths and errors are somebody else's text, never markup."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from zoo.cli.command import LINES, explain
from zoo.system.text import printable


def say(console: Console, text: str, mark: str = "", style: str = "") -> None:
    """Print a line as it is, its mark first and styled: brackets are brackets, and codes do nothing."""
    console.print(Text.assemble((mark, style), " " * bool(mark), printable(text, keep=LINES)))


def say_failed(console: Console, name: str, error: Exception) -> None:
    """What failed, and the error that it failed with."""
    why = explain(error) if isinstance(error, OSError) else str(error)
    say(console, f"{name}: {type(error).__name__}: {why}", "failed", "red")
