"""`--force`: what a command is to make again is deleted, but never under another command's hands.

Whoever trains or measures is waited for. What another command has made since this one was started is as new
as what this one would make, and that command may be about to read it: it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

from benchmarks.cells.cell import hold_result
from zoo.system.locks import OnWait, hold
from zoo.training.checkpoint import checkpoints


def forget(results: Mapping[Path, Iterable[Path]], since: float, on_wait: OnWait) -> None:
    """Delete trainings, and the results that were measured with them.

    Args:
        results: folders of results by the run folder of their weights.
        since: when this command was started, in seconds of `time.time`.
        on_wait: called with a folder that another command holds.
    """
    for run_dir, folders in results.items():
        with ExitStack() as held:
            # in the order in which whoever works on a cell takes them: the cell, then the training
            for folder in sorted(folders):
                held.enter_context(hold_result(folder, on_wait))
            held.enter_context(hold(run_dir, on_wait))
            kept = [folder for folder in folders if not _forget_result(folder, since)]
            if not kept and not any(_newer(weights, since) for weights in checkpoints(run_dir)):
                _delete(run_dir)


def forget_results(folders: Iterable[Path], since: float, on_wait: OnWait) -> None:
    """Delete results that no training belongs to; those that are new enough stay."""
    for folder in folders:
        with hold_result(folder, on_wait):
            _forget_result(folder, since)


def _forget_result(folder: Path, since: float) -> bool:
    """Delete a result, unless it is new enough to stay."""
    if _newer(folder / "record.json", since):
        return False
    _delete(folder)
    return True


def _newer(path: Path, since: float) -> bool:
    return path.exists() and path.stat().st_mtime >= since


def _delete(folder: Path) -> None:
    if folder.is_dir():
        rmtree(folder)
