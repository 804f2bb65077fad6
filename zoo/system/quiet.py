"""Libraries that warn and log about files which their caller refuses anyway, or can do without."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced(*libraries: str) -> Iterator[None]:
    """No warning gets out, and no log line of these libraries."""
    loggers = [logging.getLogger(name) for name in libraries]  # above the loggers of their modules
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
