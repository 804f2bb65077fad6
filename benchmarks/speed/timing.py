"""Times that can be compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter


def interleaved(calls: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median milliseconds of each call, called by turns after a warm-up, so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(runs + 1):
        for name, call in calls.items():
            started = perf_counter()
            call()
            if number:
                times[name].append(1000 * (perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}
