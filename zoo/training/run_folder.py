"""The checkpoints of a run folder, of which the newest that is whole counts."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zoo.training.integrity import CONFIG, CheckpointError, DamagedCheckpoint

T = TypeVar("T")


def checkpoints(run_dir: Path) -> list[Path]:
    """Checkpoints of a run, whole or damaged, oldest first; what else is called ``step-`` there is none."""
    found = [path for path in run_dir.glob("step-*") if path.is_dir()] if run_dir.is_dir() else []
    return sorted((path for path in found if step_of(path) is not None), key=lambda path: step_of(path) or 0)


def step_of(path: Path) -> int | None:
    """The step that the name of a checkpoint's folder gives; None for another name."""
    match = re.fullmatch("step-([0-9]{7,15})", path.name)
    return int(match[1]) if match and path.name == name_of(int(match[1])) else None


def name_of(step: int) -> str:
    """The name of a checkpoint's folder."""
    return f"step-{step:07d}"


def from_newest(path: Path, load: Callable[[Path], T]) -> T:
    """What `load` makes of the checkpoint at a path, or of the newest whole one of the run folder there.

    Raises:
        CheckpointError: nothing there, or nothing that can be used; what is said of the newest.
    """
    if (path / CONFIG).is_file() or step_of(path) is not None:
        return load(path)
    found = checkpoints(path)[::-1]
    if not found:
        raise CheckpointError(f"{path}: neither a checkpoint (no config.json) nor a run folder (no step-*)")
    newest: DamagedCheckpoint | None = None
    for checkpoint in found:
        try:
            loaded = load(checkpoint)
        except DamagedCheckpoint as error:
            newest = newest or error
            continue
        if newest is not None:
            warnings.warn(f"{newest.what}; {checkpoint} is used in its place", stacklevel=3)
        return loaded
    assert newest is not None
    raise newest
