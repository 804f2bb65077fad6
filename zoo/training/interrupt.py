"""Stop between two steps when asked to, with the state saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Interrupted(Exception):
    """The run was asked to stop; its state is saved and the same command goes on from there."""

    def __init__(self, run_dir: Path, step: int, steps: int) -> None:
        super().__init__(f"stopped after step {step} of {steps}; saved in {run_dir}")
        self.run_dir, self.step, self.steps = run_dir, step, steps


@contextmanager
def graceful_stop() -> Iterator[Callable[[], bool]]:
    """Within the block, a first SIGINT or SIGTERM only makes the yielded function return True.

    A second one acts as usual. Outside the main thread, where signals cannot be caught, nothing changes.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        restore()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        restore()
