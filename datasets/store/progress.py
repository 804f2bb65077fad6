"""The line that `prepare` shows while it works."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Shapes per second, and how many were skipped."""

    def render(self, task: Task) -> Text:
        skipped = task.fields["skipped"]
        rate = "" if task.speed is None else f"{task.speed:.1f}/s"
        return Text(rate + (f", {skipped} skipped" if skipped else ""))


def bar(console: Console) -> Progress:
    """Done of all, per second, how many were skipped, how long so far and still; tasks say `skipped`."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate()]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    return Progress(*columns, console=console, disable=console.quiet)
