"""Lists of numbers as a command line, a YAML file or Python gives them: 3, "1-5", "1,3,5", [1, 3]."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from zoo.config import ConfigError

MOST = 10_000
"""Numbers in one list."""


def parse_seeds(given: Any) -> tuple[int, ...]:
    """Seeds, each once, in the order given: a number N stands for 0 to N-1; a list is taken as it is.

    >>> parse_seeds("3"), parse_seeds("3,4"), parse_seeds("5-7"), parse_seeds("7,"), parse_seeds([2])
    ((0, 1, 2), (3, 4), (5, 6, 7), (7,), (2,))

    Raises:
        ConfigError: it is none of that.
    """
    count = int(given) if isinstance(given, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", given) else given
    if isinstance(count, int) and not isinstance(count, bool):
        if not 1 <= count <= MOST:
            raise ConfigError(f"--seeds must be at least 1, got {count}")
        return tuple(range(count))
    found = _listed(given, lowest=0)
    if found is None:
        raise ConfigError(
            f"--seeds takes how many, like 3, or which, like 3,4 or 5-7 (one alone: 7,); got '{given}'"
        )
    return tuple(dict.fromkeys(found))


def parse_views(given: Any) -> tuple[int, ...]:
    """Numbers of views, ascending, each once.

    >>> parse_views("1-3"), parse_views("5,1"), parse_views(2)
    ((1, 2, 3), (1, 5), (2,))

    Raises:
        ConfigError: it is something else, or a number is below 1.
    """
    found = _listed([given] if isinstance(given, int) else given, lowest=1)
    if found is None:
        raise ConfigError(f"--views takes numbers from 1 on, like 1, 1-5 or 1,3,5; got '{given}'")
    return tuple(sorted(set(found)))


def _listed(given: Any, lowest: int) -> list[int] | None:
    """Numbers of a list, or of a text like ``1,3`` or ``1-5``; None for anything else."""
    if isinstance(given, str):
        words = given.split(",")
        found = [
            _spread(word) for word in (words[:-1] if len(words) > 1 and not words[-1].strip() else words)
        ]
        numbers = None if None in found else [n for part in found for n in part or ()]
    elif isinstance(given, Iterable):
        numbers = list(given)
    else:
        numbers = None
    whole = bool(numbers) and all(_is_number(n, lowest) for n in numbers or ())
    return numbers if whole and len(numbers or ()) <= MOST else None


def _is_number(given: Any, lowest: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= lowest


def _spread(word: str) -> range | None:
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", word)
    if match is None:
        return None
    low, high = int(match[1]), int(match[2] or match[1])
    return range(low, high + 1) if 0 <= high - low <= MOST else None
