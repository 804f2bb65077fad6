"""What may become of a file: cut, flipped, doubled, other numbers; functions of bytes and a generator."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

EXTREMES = (-768, -1, 0, 1, 2**31, 2**32 - 1, 2**63, 10**30, 10**400, 1e300, -1e300, 1e-320, 0.5)
"""Numbers that something may be asked to allocate, to count to or to divide by."""

VALUES: tuple[Any, ...] = (
    *EXTREMES,
    float("nan"),
    float("inf"),
    None,
    True,
    "",
    "x",
    [],
    {},
    [[]],
    ["x"] * 3,
)
"""What a value of JSON may turn into."""

WORDS = (b"nan", b"-inf", b"1e400", b"0x10", b"", b"-", b"\xff", b"1e300", b"99999999999999999999", b"-768")
BLOCKS = (b"\x00", b"\xff", b"\x00\x00\x80\x7f", b"\xff\xff\xff\x7f", b"\n", b" ", b"{", b"[", b'"', b",")
NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")

Mutation = Callable[[bytes, Random], bytes]


def truncated(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(max(1, len(data)))]


def flipped(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_early(data: bytes, rng: Random) -> bytes:
    """Where most formats keep what they are."""
    return flipped(data[:64], rng) + data[64:]


def deleted(data: bytes, rng: Random) -> bytes:
    start, end = _block(data, rng)
    return data[:start] + data[end:]


def doubled(data: bytes, rng: Random) -> bytes:
    start, end = _block(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def inserted(data: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    noise = rng.choice((*BLOCKS, rng.randbytes(rng.randint(1, 40)))) * rng.choice((1, 3, 1000))
    return data[:place] + noise + data[place:]


def overwritten(data: bytes, rng: Random) -> bytes:
    start, end = _block(data, rng)
    block = rng.choice(BLOCKS)
    return data[:start] + (block * (end - start))[: end - start] + data[end:]


def swapped(data: bytes, rng: Random) -> bytes:
    a, b, c, d = sorted(rng.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def extreme_number(data: bytes, rng: Random) -> bytes:
    """A number that is written in digits."""
    found = list(NUMBER.finditer(data))
    if not found:
        return flipped(data, rng)
    chosen = rng.choice(found)
    number = rng.choice((*WORDS, *(str(value).encode() for value in EXTREMES)))
    return data[: chosen.start()] + number + data[chosen.end() :]


def extreme_word(data: bytes, rng: Random) -> bytes:
    """A number of two, four or eight bytes, at a place where one may stand."""
    pack = rng.choice(("<H", "<i", "<I", "<q", "<f", "<d", ">I"))
    size = struct.calcsize(pack)
    if len(data) < size:
        return inserted(data, rng)
    place = rng.randrange(0, len(data) - size + 1)
    values = {"f": (float("nan"), float("inf"), 3e38, -1e-40), "d": (float("nan"), 1e308, -0.0)}
    whole = {"H": (0, 2**16 - 1), "i": (-1, 2**31 - 1), "I": (0, 2**32 - 1), "q": (-1, 2**62)}
    value = rng.choice((values | whole)[pack[1]])
    return data[:place] + struct.pack(pack, value) + data[place + size :]


def other_value(data: bytes, rng: Random) -> bytes:
    """A value of JSON, of one line of it where there are many, becomes one of another type, sign or size."""
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    for text, put in ((data, None), (lines[number], number)):
        try:
            tree = [json.loads(text)]
        except (ValueError, RecursionError):
            continue
        node, key = rng.choice(list(_places(tree)))
        if isinstance(node, dict) and rng.random() < 0.2:
            del node[key]
        else:
            node[key] = rng.choice(VALUES)
        changed = json.dumps(tree[0]).encode()
        return changed if put is None else b"\n".join([*lines[:put], changed, *lines[put + 1 :]])
    return extreme_number(data, rng)


def shuffled_lines(data: bytes, rng: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def nested(data: bytes, rng: Random) -> bytes:
    """Brackets without end."""
    place = rng.randrange(len(data) + 1)
    return (
        data[:place]
        + rng.choice((b"[", b'{"a":', b"(", b"- ")) * rng.choice((100, 5000, 100_000))
        + data[place:]
    )


def empty(data: bytes, rng: Random) -> bytes:
    return b""


def noise(data: bytes, rng: Random) -> bytes:
    return rng.randbytes(rng.choice((1, 16, len(data) + 1)))


MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    (truncated, 16), (flipped, 16), (flipped_early, 8), (deleted, 8), (doubled, 8), (inserted, 8),
    (overwritten, 8), (swapped, 4), (extreme_number, 16), (extreme_word, 8), (other_value, 16),
    (shuffled_lines, 3), (nested, 2), (empty, 1), (noise, 2),
)  # fmt: skip
"""Each with how often it comes."""


def draw(rng: Random) -> Mutation:
    """One of them."""
    (chosen,) = rng.choices([m for m, _ in MUTATIONS], [weight for _, weight in MUTATIONS])
    return chosen


def _block(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 100, 1000)))


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _places(value)
