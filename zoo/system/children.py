"""A process that works for this one over a pipe of its own, and does not outlive it.

Pools and queues of the standard library need semaphores in shared memory, which not every machine lets one
write, and do not say which job ended a process. A pipe needs neither, and whoever holds its other end knows.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from zoo.system.processes import die_with_parent

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_STARTING = threading.Lock()


@dataclass
class Child:
    """A process and this side of the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def bury(self) -> str:
        """Close the pipe, wait for the process to end, and say how it ended."""
        self.pipe.close()
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"exit status {code}"
        try:
            return f"signal {-code}, {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"

    def end(self) -> str:
        """Kill the process at once, whatever it is doing, and say how it ended."""
        self.process.kill()
        return self.bury()


def start_child(body: Callable[..., None], *args: Any, module: str = "") -> Child:
    """Start a process that runs `body(pipe, *args)`; all of it travels by pickle.

    The process does not import the main module again, which for a command loads torch: everything that
    travels must be importable by name. Its numerical libraries have one thread, Ctrl-C is left to this
    process, and it ends when this process does, however that ends.

    Args:
        module: where a class among the arguments is defined; with '__main__' the main module is imported.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_live, args=(body, theirs, *args), daemon=True)
    with _quietly(hide_main=module != "__main__"):
        process.start()
    theirs.close()
    return Child(process, ours)


def _live(body: Callable[..., None], pipe: Connection, *args: Any) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    body(pipe, *args)


@contextmanager
def _quietly(hide_main: bool) -> Iterator[None]:
    """Within the block, processes start without the main module and with one thread per library."""
    with _STARTING:
        main = sys.modules["__main__"]
        saved = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
        if hide_main:
            sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name, value in saved.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
