"""Reading files that belong to an item: what cannot be used costs the item alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.system import limited

from .. import BadItem


@contextmanager
def as_bad_item() -> Iterator[None]:
    """Turn the zoo's error of a file, or a picture in it, into the one of an item."""
    try:
        yield
    except limited.UnreadableFile as error:
        raise BadItem(str(error)) from error


def read_limited(path: str | os.PathLike[str], limit: int) -> bytes:
    """As `zoo.system.limited.read_limited`.

    Raises:
        BadItem: the file is missing, unreadable, no regular file, or too large; names file and reason.
        OSError: the machine cannot read it now, which says nothing about the file.
    """
    with as_bad_item():
        return limited.read_limited(path, limit)
