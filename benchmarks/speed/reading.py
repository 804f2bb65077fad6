"""In the process of one layout: its files are opened once, then batches are read when they are asked for.

A process of its own gives every layout its own heap: in a shared one, what one of them frees changes how fast
the next gets memory. It imports no more than the layout needs.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from benchmarks.speed.layouts import Layout, Read

_layout: Layout
_reader: Read


def begin(layout: Layout, folder: Path) -> None:
    """Open the files, for all that follows in this process."""
    global _layout, _reader
    _layout, _reader = layout, layout.open(folder)


def read(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One batch, as arrays that can travel."""
    images, voxels = _reader(indices)
    return np.asarray(images), np.asarray(voxels)


def timed_round(order: np.ndarray, batch: int, seconds: float) -> tuple[float, float]:
    """Read all samples in an order, again and again until some seconds are over.

    Returns:
        Samples per second, and per second of CPU time of all threads.
    """

    def use(indices: np.ndarray) -> None:
        _reader(indices)  # and dropped, as a training does when it has used it

    batches = [order[first : first + batch] for first in range(0, len(order), batch)]
    started, cpu, done = perf_counter(), process_time(), 0
    with ThreadPoolExecutor(_layout.threads) as pool:
        while perf_counter() - started < seconds:
            deque(pool.map(use, batches), maxlen=0)
            done += len(order)
    return done / (perf_counter() - started), done / (process_time() - cpu)
