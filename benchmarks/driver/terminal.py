"""What a run shows on a terminal: bars while it works, then its table, last of all."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.cells.events import Event
from benchmarks.driver import execute
from benchmarks.driver.evaluation import evaluate_files
from benchmarks.driver.outcome import Outcome
from benchmarks.request.evaluate_request import EvaluateRequest
from benchmarks.request.run_request import RunRequest
from benchmarks.request.settings import patience
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.outputs import FORMATS, parse_formats
from benchmarks.tables.rich import to_rich
from benchmarks.tables.say import say, say_failed
from benchmarks.tables.views import views_rich
from zoo.cli.plugins import load_plugins
from zoo.config import list_models as names_of_models
from zoo.config import load_config
from zoo.system.text import printable


def run_in_terminal(request: RunRequest) -> int:
    """Run, tell and print; returns the exit status: 1 where something failed.

    Raises:
        UserError, OSError: as `benchmarks.driver.execute`.
    """
    console, outcome = Console(), Outcome()
    try:
        with Bars(console) as bars:
            execute(request, bars, outcome)
    except KeyboardInterrupt:
        say(console, f"stopped; the state is saved in {request.out}. The same command goes on from there.")
        raise
    finally:  # whatever became of the files, what was measured is seen, last of all
        if outcome.comparison is not None:
            parts = [f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items()]
            say(console, f"{', '.join(parts)}; {sum(outcome.seconds.values()):.0f} s in all")
            say(console, "written: " + ", ".join(map(str, outcome.written)))
            _show(request, outcome, console)
    if outcome.comparison is None:
        console.print("no model has a result; see the failures above", style="red")
        return 1
    return 1 if outcome.failed else 0


def evaluate_in_terminal(request: EvaluateRequest) -> int:
    """Score files, tell and print; returns the exit status: 1 where a row could not be measured.

    Raises:
        UserError, OSError: as `benchmarks.driver.evaluation.evaluate_files`.
    """
    console, outcome = Console(), Outcome()
    with Bars(console) as bars:
        evaluate_files(request, bars, outcome)
    for name, error in outcome.failed.items():
        say(console, f"{name}: {error}", "failed", "red")
    if outcome.written:
        say(console, "written: " + ", ".join(map(str, outcome.written)))
    _show(request, outcome, console)
    return 1 if outcome.failed else 0


def _show(request: RunRequest | EvaluateRequest, outcome: Outcome, console: Console) -> None:
    if outcome.comparison is None or "rich" not in parse_formats(",".join(request.formats or FORMATS)):
        return
    if outcome.by_views:
        console.print("", views_rich(outcome.by_views, console.width))
    columns = None
    if request.columns:
        columns = parse_columns(",".join(request.columns), outcome.comparison.protocol)
    console.print("", to_rich(outcome.comparison, console.width, verbose=request.verbose, columns=columns))


class Bars:
    """Tells events: a bar for each training, one for the rest; notes and failures as lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._beside: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *error: object) -> None:
        if self._tasks:
            self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        if event.kind == "note":
            quiet = event.label in ("note", "left out", "look", "")
            say(self.console, event.text, event.label, "yellow" if quiet else "bold")
        elif event.kind == "data" and event.total:
            self._update(event.text, event.text, event.done, event.total, "")
        elif event.kind == "failed" and event.error is not None:
            say_failed(self.console, event.label, event.error)
        elif event.kind == "waiting":
            about = f"{event.label}: " if event.label else ""
            say(self.console, f"{about}waiting for {event.text}")
        elif event.kind == "training":
            shown = [("loss", "loss"), ("rate", "im/s")]
            note = "  ".join(
                f"{name} {event.figures[key]:.4g}" for key, name in shown if key in event.figures
            )
            self._update(event.label, f"training {event.label}", event.done, event.total, note)
        elif event.kind == "measuring":
            self._measuring(event)

    def _measuring(self, event: Event) -> None:
        if event.label in self._tasks:
            self._update(event.label, f"measuring {event.label}", event.done, event.total, "")
            return
        self._beside[event.label] = event.done, event.total
        done, total = (sum(column) for column in zip(*self._beside.values(), strict=True))
        open_ones = [label for label, (have, of) in self._beside.items() if have < of]
        self._update("", "measuring", done, total, ", ".join(open_ones))

    def _update(self, key: str, words: str, done: int, total: int, note: str) -> None:
        if not self._tasks:
            self._progress.start()
        words = printable(words)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(words, total=total, note="")
        self._progress.update(
            self._tasks[key], description=words, completed=done, total=total, note=printable(note)
        )


def list_models(request: RunRequest) -> int:
    """Print every model with its summary."""
    load_plugins(request.plugins, limit=patience(request.time_limit))
    console = Console()
    for name in names_of_models():
        say(console, load_config(name).summary, f"{name:20}", "bold")
    return 0
