"""What was measured of one row so far, on the disk, so that a command that was killed goes on there.

One JSON line per instance, each with a digest of itself: what is torn or damaged is measured again. Floats
come back as they were. The first line says by what was measured; a journal of anything else is begun anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.protocols import Measurement
from zoo.files import naming, remove, write_atomic

FORMAT = 1
JOURNAL = "measured.jsonl"
"""Name of the file in the folder of a result that is not finished."""

Key = tuple[str, int]
"""Shape id and view of an instance."""


class Journal:
    """The measurements of one row in a file.

    The file is made, or brought to what can be used of it, when this is opened.

    Args:
        path: of the file. It must be another one for other predictions: nothing here looks at them.
        facts: JSON of everything else that the numbers depend on.

    Attributes:
        measured: what the file holds, by instance.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        head = {"format": FORMAT, **facts}
        if path.is_dir():
            remove(path)  # nothing of ours, in a place that is ours
        found = _lines(path)
        kept = found if found and found[0] == head else [head]
        self.measured: dict[Key, Measurement] = {}
        for line in kept[1:]:
            self.measured[line["id"], line["view"]] = _measurement(line)
        write_atomic(path, "".join(map(_line, kept)))

    def add(self, measured: Iterable[tuple[Key, Measurement]]) -> None:
        """Append what was measured; it stays when the process is killed right after."""
        lines = [_line(_entry(key, one)) for key, one in measured]
        with naming(self.path), self.path.open("a", encoding="ascii", newline="") as file:
            file.write("".join(lines))


def _entry(key: Key, measured: Measurement) -> dict[str, Any]:
    return {
        "id": key[0],
        "view": key[1],
        "values": measured.values,
        "curve": None if measured.iou_curve is None else measured.iou_curve.tolist(),
        "failed": measured.failed,
        "reason": measured.reason,
        "look": measured.look,
    }


def _measurement(entry: Mapping[str, Any]) -> Measurement:
    curve = None if entry["curve"] is None else np.array(entry["curve"], dtype=np.float64)
    return Measurement(entry["values"], curve, entry["failed"], entry["reason"], tuple(entry["look"]))


def _line(entry: Mapping[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{_digest(text)} {text}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lines(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a journal; none where there is no file."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return []
    parts = (line.partition(" ") for line in text.split("\n"))
    return [json.loads(rest) for digest, _, rest in parts if rest and digest == _digest(rest)]
