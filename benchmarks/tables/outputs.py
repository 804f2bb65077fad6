"""What a comparison is printed and written as, and the files of it that hold no pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.latex import to_latex
from benchmarks.tables.published import Published
from benchmarks.tables.table import to_csv, to_json, to_markdown
from zoo.config import ConfigError
from zoo.files import write_atomic
from zoo.registry import did_you_mean

COMPACT = ("instances", "values")
"""Parts of `results.json` that take a line each: thousands of numbers."""

FILES: dict[str, tuple[str, Callable[[Comparison, Published | None], str]]] = {
    "json": ("results.json", lambda comparison, published: _lines(to_json(comparison, published))),
    "md": ("table.md", to_markdown),
    "csv": ("table.csv", lambda comparison, _: to_csv(comparison)),
    "latex": ("table.tex", to_latex),
}
TABLES = ("rich", *FILES)
FORMATS = (*TABLES, "html")
"""`rich` is printed; `html` is the report with its charts, written by `benchmarks.report`."""


def parse_formats(text: str) -> tuple[str, ...]:
    """Formats of a comma-separated list, or all of 'all'.

    Raises:
        ConfigError: an unknown one, or none.
    """
    if text == "all":
        return FORMATS
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in found:
        if word not in FORMATS:
            near = did_you_mean(word, list(FORMATS))
            raise ConfigError(f"unknown --format '{word}'.{near} Known: {', '.join(FORMATS)}")
    if not found:
        raise ConfigError(f"--format names nothing; known: {', '.join(FORMATS)}")
    return found


def write_outputs(
    comparison: Comparison,
    out_dir: Path,
    formats: Collection[str] = FORMATS,
    published: Published | None = None,
) -> list[Path]:
    """Write those of `FILES` that are asked for, each atomically; equal results give equal bytes.

    Raises:
        OSError: a file cannot be written; names it.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (file, text) in FILES.items():
        if name in formats:
            write_atomic(out_dir / file, text(comparison, published))
            written.append(out_dir / file)
    return written


def _lines(data: dict[str, Any]) -> str:
    """JSON that a reader can look through."""
    lines = [
        f" {json.dumps(key)}: "
        + json.dumps(value, ensure_ascii=False, allow_nan=False, indent=None if key in COMPACT else 1)
        for key, value in data.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"
