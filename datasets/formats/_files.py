"""Reading one whole file whose size is limited."""

from __future__ import annotations

import os
import stat

from .. import BadItem

# a pipe without a writer must not block; Windows would translate line ends
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_limited(path: str | os.PathLike[str], limit: int, need: str) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; `need` ends the sentence 'more than ...'.

    Raises:
        BadItem: the file is missing, unreadable, no regular file, or too large; names file and reason.
    """
    try:
        with open(os.open(path, _FLAGS), "rb", buffering=0) as file:  # noqa: PTH123, it opens a descriptor
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise BadItem(f"{os.fspath(path)}: not a regular file")
            if found.st_size > limit:
                raise BadItem(f"{os.fspath(path)}: {found.st_size:,} bytes, more than {need}")
            return file.read(found.st_size)
    except OSError as error:
        raise BadItem(f"{os.fspath(path)}: {error.strerror or error}") from error
