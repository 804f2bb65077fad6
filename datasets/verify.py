"""Reading every file of a data set as `prepare` would, without writing anything."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from . import DataSource, Item, PrepareOptions
from .store.workers import build_all

_SOUND = "sound"


def find_damage(
    source: DataSource, options: PrepareOptions, items: Sequence[Item], workers: int, timeout: float
) -> Generator[tuple[Item, str | None], None, None]:
    """Build each item in `workers` processes (0: here), in the order of completion.

    Returns:
        Each item and the reason why it cannot be used; None when it can.

    Raises:
        DataError: the data set itself is at fault, or workers cannot run.
    """
    wanted = {n: item for n, item in enumerate(items) if item.id not in source.known_bad}
    # a sample that has no place is packed, and with that checked, but not written
    outcomes = build_all(
        source,
        options,
        wanted,
        folder=Path(),
        place=lambda layout: _SOUND,
        release=lambda row: None,
        workers=workers,
        timeout=timeout,
    )
    with closing(outcomes):
        for outcome in outcomes:
            yield items[outcome.index], None if outcome.reason == _SOUND else outcome.reason
