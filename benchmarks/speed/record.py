"""What a speed benchmark leaves behind with ``--json``: figures with device, versions and commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.records import environment
from zoo.files import write_atomic

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_record(path: Path, what: str, rows: Sequence[DataclassInstance], **settings: Any) -> None:
    """Write the rows of a benchmark's table and how they came about, atomically.

    Args:
        path: the JSON file.
        what: what was measured, in words.
        rows: dataclasses of plain values.
        settings: sizes and options that the figures hang on.
    """
    record = {
        "schema_version": 1,
        "what": what,
        **settings,
        "versions": environment.versions(),
        "git": environment.git().model_dump(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": [asdict(row) for row in rows],
    }
    write_atomic(path, json.dumps(record, indent=1) + "\n")
