"""What a comparison is printed and written as, and the files of it that hold no pictures."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.bibliography import to_bib
from benchmarks.tables.csv import to_csv
from benchmarks.tables.json import to_json
from benchmarks.tables.latex import to_latex
from benchmarks.tables.markdown import to_markdown
from benchmarks.tables.published import Published, load_published
from zoo.config import ConfigError
from zoo.files import write_atomic
from zoo.registry import did_you_mean

COMPACT = ("instances", "values")
"""Parts of `results.json` that take a line each: thousands of numbers."""

WRITTEN = {
    "json": ("results.json",),
    "md": ("table.md",),
    "csv": ("table.csv",),
    "latex": ("table.tex", "table.bib"),
}
FILES = tuple(file for files in WRITTEN.values() for file in files)
"""Every file that is written, in this order."""
TABLES = ("rich", *WRITTEN)
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
    columns: Sequence[str] | None = None,
) -> list[Path]:
    """Write what is asked for, each file atomically; equal results give equal bytes.

    Args:
        columns: of the main table, as `benchmarks.tables.columns.parse_columns` gives them.

    Raises:
        OSError: a file cannot be written; names it.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    published = load_published() if published is None else published
    texts = {
        "results.json": lambda: _lines(to_json(comparison, published)),
        "table.md": lambda: to_markdown(comparison, published, columns),
        "table.csv": lambda: to_csv(comparison),
        "table.tex": lambda: to_latex(comparison, published, columns),
        "table.bib": lambda: to_bib(comparison, published),
    }
    written = [out_dir / file for name, files in WRITTEN.items() if name in formats for file in files]
    for path in written:
        write_atomic(path, texts[path.name]())
    return written


def _lines(data: dict[str, Any]) -> str:
    """JSON that a reader can look through."""
    lines = [
        f" {json.dumps(key)}: "
        + json.dumps(value, ensure_ascii=False, allow_nan=False, indent=None if key in COMPACT else 1)
        for key, value in data.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"
