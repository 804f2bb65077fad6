"""`metrics.jsonl`: what a training says of itself, a line at a time.

The log informs and nothing depends on it, so whatever has become of it costs lines and never a run.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from zoo.files import write_atomic
from zoo.system.plain_data import parse_json

LOG = "metrics.jsonl"

LAST_STEP = 2**53
"""Steps beyond this are no steps; up to it a float still counts them."""


def read_log(log: Path) -> list[dict[str, Any]]:
    """The rows of a log by ascending step: 'step', 'stage', 'loss' and other figures. None without a log.

    Of several lines for a step the last counts. A last line that a crash cut short is dropped in silence,
    lines that no training writes are dropped with a warning that counts them.
    """
    try:
        lines = log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        warnings.warn(f"{log}: cannot be read: {error.strerror or error}; left out", stacklevel=2)
        return []
    rows = [row for line in lines if (row := _row(line)) is not None]
    if bad := len(lines) - len(rows):
        lost = f"{bad} of {len(lines)} lines are" if bad > 1 else f"1 of {len(lines)} lines is"
        warnings.warn(f"{log}: {lost} of no training; left out", stacklevel=2)
    by_step = {row["step"]: row for row in rows}
    return [by_step[step] for step in sorted(by_step)]


def cut_log(log: Path, step: int) -> None:
    """Drop the lines that a run which goes on after `step` will write again, and those that are none."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        kept = [row for row in read_log(log) if row["step"] <= step]
        write_atomic(log, "".join(json.dumps(row) + "\n" for row in kept))


def append_log(log: Path, row: dict[str, Any]) -> None:
    """Add a row."""
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _row(line: bytes) -> dict[str, Any] | None:
    """What a line says, where it is one of a training's."""
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not (isinstance(row, dict) and isinstance(row.get("stage"), str)):
        return None
    step, loss = row.get("step"), row.get("loss")
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= LAST_STEP:
        return None
    # a training stops at a loss that is not finite; an integer may be larger than every float
    if isinstance(loss, bool) or not isinstance(loss, int | float) or not abs(loss) <= sys.float_info.max:
        return None
    return row
