"""The journal of an unfinished store: a line for each finished item, of which every one stands for itself.

A line carries a sum of itself. One that a crash cut short, or that something else has come upon, is left out:
its item is built again. The rows are compared with their digests besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.system.plain_data import parse_json

from .rows import json_hash

JOURNAL = "journal.jsonl"
_SUM = "sum"


def journal_line(content: dict[str, Any]) -> str:
    """A line of the journal, with its end."""
    return json.dumps({**content, _SUM: json_hash(content)[:16]}) + "\n"


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole, in their order; none where there is no journal."""
    if not path.is_file():
        return
    for text in path.read_bytes().split(b"\n")[:-1]:
        try:
            content = parse_json(text)
            found = content.pop(_SUM)
        except (ValueError, AttributeError, LookupError, TypeError):
            continue
        if found == json_hash(content)[:16]:
            yield content
