"""Reading one whole file whose size is limited."""

from __future__ import annotations

import errno
import os
import stat

from zoo.errors import UserError

# a pipe without a writer must not block; Windows would translate line ends
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_OF_THE_MACHINE = {
    getattr(errno, name)
    for name in ("EMFILE", "ENFILE", "ENOMEM", "EIO", "EREMOTEIO", "ESTALE", "ENOTCONN", "ETIMEDOUT")
    if hasattr(errno, name)
}
"""Too many open files, no memory, a disk or a network that fails."""


class UnreadableFile(UserError, ValueError):
    """A file that cannot be used; the message names the file and the reason."""


def read_limited(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        UnreadableFile: the file is missing, unreadable, no regular file, or too large; names file and reason.
        OSError: the machine cannot read it now, which says nothing about the file.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableFile(f"{os.fspath(path)}: not a regular file")
            if found.st_size > limit:
                raise UnreadableFile(f"{os.fspath(path)}: {found.st_size:,} bytes, the limit is {limit:,}")
            data = os.read(descriptor, found.st_size)
            while len(data) < found.st_size and (more := os.read(descriptor, found.st_size - len(data))):
                data += more  # one call reads two gigabytes at most
            return data
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        raise UnreadableFile(f"{os.fspath(path)}: {error.strerror or error}") from error
