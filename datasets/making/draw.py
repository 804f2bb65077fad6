"""Random numbers that are the same on every machine and with every numpy.

numpy promises stable streams for bit generators, not for the methods of `Generator`; so this takes raw
64-bit words of PCG64 and turns them into numbers by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def seed_of(*keys: str | int) -> np.random.SeedSequence:
    """Seed from any keys, through SHA-256: independent streams for different keys.

    Used instead of Python's ``hash``, which is salted anew in every process.
    """
    text = "\x1f".join(f"{type(k).__name__}:{k}" for k in keys)
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "little"))


class Draw:
    """A stream of random choices, fixed by its keys.

    Args:
        keys: what the stream is for, e.g. seed, version and id of a shape.
    """

    _BLOCK = 64

    def __init__(self, *keys: str | int) -> None:
        self._bits = np.random.PCG64(seed_of(*keys))
        self._words: list[int] = []

    def unit(self) -> float:
        """Uniform in [0, 1), 53 bits."""
        if not self._words:
            self._words = self._bits.random_raw(self._BLOCK)[::-1].tolist()
        return (self._words.pop() >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Uniform integer from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.unit() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        return options[int(self.unit() * len(options))]
