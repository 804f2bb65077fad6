"""Seeds: one number and a name give another number, the same on every machine."""

import hashlib

import numpy as np


def derive(seed: int, *keys: object) -> int:
    """A 63-bit seed from a base seed and names, by SHA-256; independent of Python's own hash."""
    text = "/".join([str(seed), *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def rng(seed: int, *keys: object) -> np.random.Generator:
    """A numpy generator seeded by `derive`."""
    return np.random.default_rng(derive(seed, *keys))
