"""One command at a time: what a command works on is held by a lock of the system, which dies with it."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

OnWait = Callable[[Path], None]
"""Called once with what has to be waited for."""
LONGEST = 200
"""Characters of what is said of a holder."""


@contextmanager
def hold(path: Path, on_wait: OnWait | None = None) -> Iterator[None]:
    """Keep other commands from what lies at a path until the block ends; waits while one of them holds it.

    The lock is the file ``.<name>.lock`` beside the path: it outlives what is deleted there and made anew. It
    stays when it is released, and nothing is to be read from its presence. Who holds it stands in
    ``.<name>.holder``, for `holder_of`.

    Args:
        on_wait: called where another command holds it, before waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait(path)
            lock.acquire()
        holder = path.with_name(f".{path.name}.holder")
        with suppress(OSError):  # it is said for people alone
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                holder.unlink(missing_ok=True)
    finally:
        lock.release()


def holder_of(path: Path) -> str:
    """Who holds what lies at a path, like "process 123 on gpu-4"; empty where that is not known."""
    try:
        with path.with_name(f".{path.name}.holder").open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST)
    except OSError:
        return ""
