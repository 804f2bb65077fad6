"""Noticing that files changed after a store was made of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path


def change_mark(paths: Iterable[Path]) -> str:
    """A mark of the modification times of those files and folders that exist; empty when none does."""
    times = [f"{p.parent.name}/{p.name}:{p.stat().st_mtime_ns}" for p in paths if p.exists()]
    return f"{zlib.crc32(' '.join(times).encode()):08x}" if times else ""
