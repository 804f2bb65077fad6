"""Facts that are costly to find and follow from the code: in the user's cache until the code changes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]
KEPT = 4
"""Files of one kind that stay: those of the last states of the code."""


def cache_folder() -> Path:
    """`$R3D_CACHE`, else `$XDG_CACHE_HOME/r3d-zoo`, else `~/.cache/r3d-zoo`, where prepared data lies too."""
    if folder := os.environ.get("R3D_CACHE"):
        return Path(folder).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "r3d-zoo"
    return Path.home() / ".cache" / "r3d-zoo"


class FactCache:
    """Facts by the bytes that they follow from, together with the code of `zoo` and the libraries below it.

    A cache that cannot be read or written is none: everything is found anew.
    """

    def __init__(self, name: str) -> None:
        """Args: name of the kind of facts, which begins the name of its files."""
        self._name, self._new = name, False
        self._facts: dict[str, Any] = {}
        with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home
            self._path = cache_folder() / "facts" / f"{name}-{code_digest()[:16]}.json"
            facts = json.loads(self._path.read_text(encoding="utf-8"))
            self._facts = facts if isinstance(facts, dict) else {}

    def get(self, key: bytes) -> dict[str, Any] | None:
        """What was put there; None for nothing."""
        found: dict[str, Any] | None = self._facts.get(hashlib.sha256(key).hexdigest())
        return found

    def put(self, key: bytes, facts: dict[str, Any]) -> None:
        """Keep facts, as plain data, from `save` on."""
        self._facts[hashlib.sha256(key).hexdigest()] = facts
        self._new = True

    def save(self) -> None:
        """Write what is new."""
        if not self._new:
            return
        with suppress(OSError, AttributeError):  # no folder that could be written, or none at all
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, json.dumps(self._facts))
            files = self._path.parent.glob(f"{self._name}-*.json")
            for path in sorted(files, key=lambda path: path.stat().st_mtime)[:-KEPT]:
                path.unlink()


@cache
def code_digest() -> str:
    """Digest of every file of `zoo` and of the versions of Python, torch and timm."""
    digest = hashlib.sha256(sys.version.encode())
    for package in ("torch", "timm"):
        with suppress(PackageNotFoundError):
            digest.update(f"{package} {version(package)}".encode())
    for path in sorted(ROOT.rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
