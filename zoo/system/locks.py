"""One command at a time: what a command works on is held by a lock of the system, which dies with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

OnWait = Callable[[Path], None]
"""Called once with what has to be waited for."""


@contextmanager
def hold(path: Path, on_wait: OnWait | None = None) -> Iterator[None]:
    """Keep other commands from what lies at a path until the block ends; waits while one of them holds it.

    The lock is the file ``.<name>.lock`` beside the path: it outlives what is deleted there and made anew. It
    stays when it is released, and nothing is to be read from its presence.

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
        yield
    finally:
        lock.release()
