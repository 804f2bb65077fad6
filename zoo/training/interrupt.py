"""Stop between two steps when asked to, with the state saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = tuple(getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n))
"""What asks to stop; Windows has no SIGHUP."""


class Interrupted(Exception):
    """The run was asked to stop; its state is saved and the same command goes on from there.

    Attributes:
        number: of the signal that asked.
    """

    def __init__(self, run_dir: Path, step: int, steps: int, number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped after step {step} of {steps}; saved in {run_dir}")
        self.run_dir, self.step, self.steps, self.number = run_dir, step, steps, number


@contextmanager
def graceful_stop() -> Iterator[Callable[[], int]]:
    """Within the block, a first signal to stop only makes the yielded function return its number, not 0.

    A second one acts as usual. A signal that is ignored stays so: a hangup under nohup, Ctrl-C in a job that
    a script put in the background. Outside the main thread, where signals cannot be caught, nothing changes.
    """
    asked = 0
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    previous = {n: handler for n, handler in previous.items() if handler not in (signal.SIG_IGN, None)}
    if threading.current_thread() is not threading.main_thread():
        previous = {}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = number
        restore()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        restore()
