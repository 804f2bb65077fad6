"""What is measured: one model with one seed, or one control, on one data set under one protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.config import ModelConfig
from zoo.system.locks import OnWait, hold, holder_of

if TYPE_CHECKING:
    from benchmarks.controls import Control


@dataclass(frozen=True, eq=False)
class ModelCell:
    """One model with one seed.

    Attributes:
        hash: names the result; run_dir: of the training, which other results may share.
        code: digest of the code of each part when the command was started; see `zoo.system.source`.
    """

    config: ModelConfig
    seed: int
    hash: str
    run_dir: Path
    code: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return f"{self.config.name} (seed {self.seed})"


@dataclass(frozen=True, eq=False)
class ControlCell:
    """One control."""

    control: Control
    hash: str

    @property
    def label(self) -> str:
        """Name, for messages."""
        return self.control.name


Cell = ModelCell | ControlCell


@contextmanager
def hold_result(folder: Path, on_wait: OnWait = lambda path: None) -> Iterator[None]:
    """Keep other commands from the result of a cell until the block ends; see `zoo.system.locks.hold`.

    Args:
        on_wait: called with the folder where another command holds it.
    """
    with hold(_lock_of(folder), lambda lock: on_wait(folder)):
        yield


def waited_for(folder: Path) -> str:
    """The folder of a result or a training that another command holds, and which one does, for a message."""
    holder = holder_of(folder) or holder_of(_lock_of(folder)) or "another command"
    return f"{folder}, which {holder} is working in"


def _lock_of(folder: Path) -> Path:
    """The locks of results lie in a folder of their own, so that nothing but results lies among those."""
    return folder.parent.parent / ".locks" / folder.name
