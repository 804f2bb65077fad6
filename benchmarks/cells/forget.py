"""`--force`: what a command is to make again is deleted, but never under another command's hands.

Whoever trains or measures is waited for. What another command has made since this one was started is as new
as what this one would make, and that command may be about to read it: it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import rmtree

from zoo.system.locks import OnWait, hold
from zoo.training.checkpoint import checkpoints


def forget(results: Mapping[Path, Iterable[Path]], cells: Path, since: float, on_wait: OnWait) -> None:
    """Delete trainings, and the results that were measured with them.

    Args:
        results: folders of results by the run folder of their weights.
        cells: folder of all results.
        since: when this command was started, in seconds of `time.time`.
        on_wait: called with a folder that another command holds.
    """
    for run_dir, folders in results.items():
        with hold(run_dir, on_wait), hold(cells, on_wait):
            kept = forget_results(folders, since)
            if not kept and not any(_newer(weights, since) for weights in checkpoints(run_dir)):
                _delete(run_dir)


def forget_results(folders: Iterable[Path], since: float) -> list[Path]:
    """Delete results of which none is measured now; those that are new enough to stay."""
    kept = []
    for folder in folders:
        if _newer(folder / "record.json", since):
            kept.append(folder)
        else:
            _delete(folder)
    return kept


def _newer(path: Path, since: float) -> bool:
    return path.exists() and path.stat().st_mtime >= since


def _delete(folder: Path) -> None:
    if folder.is_dir():
        rmtree(folder)
