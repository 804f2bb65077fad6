"""Every reader of files, foreign ones and our own, with a small sample that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        make: writes the sample into an empty folder.
        read: reads it; gives the size of what was read and what it is, both to be compared.
        files: of the sample, those that something happens to.
        tells: the format says how much it holds, so that nothing shorter may be accepted for the whole.
        exact: nothing else than what was written may be accepted.
        refuses: it may refuse; what only informs, or can be made again, must not.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], tuple[int, Any]]
    files: tuple[str, ...]
    tells: bool = True
    exact: bool = False
    refuses: bool = True


def all_readers() -> dict[str, Reader]:
    """By name, in a fixed order."""
    from tests.mutate.foreign import FOREIGN
    from tests.mutate.own import OWN

    return {reader.name: reader for reader in (*FOREIGN, *OWN)}
