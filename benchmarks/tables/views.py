"""How much further pictures of a shape help: the primary metrics by the number of views.

One comparison for each number of views, of the same trainings on the same shapes: with k views a prediction
is made from the first k stored pictures of a shape, and its occupancy threshold is chosen on validation
instances with as many.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow
from benchmarks.tables.block import NAMES, NOTHING, Block, Cell, Heading, Section
from benchmarks.tables.blocks import published_block
from benchmarks.tables.columns import column_label, estimate_cells
from benchmarks.tables.csv import triple
from benchmarks.tables.json import estimates_json
from benchmarks.tables.labels import csv_text
from benchmarks.tables.markdown import markdown_block
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.rich import rich_block
from benchmarks.tables.views_plot import plot
from zoo.config import ConfigError
from zoo.files import write_atomic

OUTPUT_SCHEMA_VERSION = 1
"""Version of `views.json`."""

PUBLISHED_TABLE = "r2n2_views"
FILES = ("views.md", "views.csv", "views.json", "views.png")

ByViews = Mapping[int, Comparison]
"""Number of views, ascending, to the comparison of the models that were measured with it."""


def parse_views(text: str) -> tuple[int, ...]:
    """Numbers of views, ascending, of ``1``, ``1-5`` or ``1,3,5``.

    Raises:
        ConfigError: it is something else, or a number is below 1.
    """
    found: set[int] = set()
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", word)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high:
            raise ConfigError(f"--views takes numbers from 1 on, like 1, 1-5 or 1,3,5; got '{text}'")
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def views_blocks(by_views: ByViews, published: Published | None = None) -> list[Block]:
    """A table for each primary metric, models by number of views; then what a paper prints of the same."""
    published = load_published() if published is None else published
    first = next(iter(by_views.values()))
    return [
        *(_block(by_views, metric) for metric in first.primary),
        published_block(published, published.table(PUBLISHED_TABLE)),
    ]


def views_rich(by_views: ByViews, width: int) -> RenderableType:
    """The tables for a terminal of `width` columns."""
    parts: list[Text] = []
    for block in views_blocks(by_views):
        parts += [*rich_block(block, width), Text("")]
    return Group(*parts)


def views_csv(by_views: ByViews) -> str:
    """One line for each model and number of views: the primary metrics as stored, with their intervals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    metrics = next(iter(by_views.values())).primary
    ends = [f"{metric}{suffix}" for metric in metrics for suffix in ("", "_low", "_high")]
    writer.writerow(["name", "views", "n", "complete", "seeds", "n_failed", *ends])
    for name, views, row in _rows(by_views):
        numbers = [value for metric in metrics for value in triple(row.instance_mean[metric])]
        writer.writerow(
            [csv_text(name), views, row.n, int(row.complete), len(row.seeds), row.n_failed, *numbers]
        )
    return out.getvalue()


def views_json(by_views: ByViews, published: Published | None = None) -> dict[str, Any]:
    """What was measured with which views, every estimate of the primary metrics, the quoted rows."""
    published = load_published() if published is None else published
    first = next(iter(by_views.values()))
    return {
        "schema_version": OUTPUT_SCHEMA_VERSION,
        "protocol": first.record.protocol.model_dump(mode="json"),
        "preset": first.preset,
        "datasets": {str(k): c.dataset.model_dump(mode="json") for k, c in by_views.items()},
        "rows": [
            {
                "name": name,
                "views": views,
                "n": row.n,
                "complete": row.complete,
                "seeds": list(row.seeds),
                "n_failed": row.n_failed,
                "cells": [record.cell for record in row.records],
                "instance_mean": estimates_json({m: row.instance_mean[m] for m in first.primary}),
            }
            for name, views, row in _rows(by_views)
        ],
        "published": {
            "comparable": False,
            "table": published.table(PUBLISHED_TABLE).model_dump(mode="json"),
        },
    }


def write_views(by_views: ByViews, out_dir: Path) -> list[Path]:
    """Write `FILES`; equal results give equal bytes."""
    out_dir.mkdir(parents=True, exist_ok=True)
    blocks = "\n".join(markdown_block(block) for block in views_blocks(by_views))
    contents: list[str | bytes] = [
        f"# By number of views\n\n{blocks}",
        views_csv(by_views),
        json.dumps(views_json(by_views), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        plot(by_views),
    ]
    for name, content in zip(FILES, contents, strict=True):
        write_atomic(out_dir / name, content)
    return [out_dir / name for name in FILES]


def _block(by_views: ByViews, metric: str) -> Block:
    first = next(iter(by_views.values()))
    column, cells = first.column(metric), dict[tuple[str, int], Cell]()
    for views, comparison in by_views.items():
        rows = comparison.models
        found = estimate_cells(comparison, rows, column, "instance")
        cells |= {
            (row.name, views): cell if row.complete else Cell(f"{cell.whole} (incomplete)", "warn")
            for row, cell in zip(rows, found, strict=True)
        }
        cells |= {(name, views): Cell("missing", "warn") for name in comparison.absent}
    names = list(dict.fromkeys(name for name, _, _ in _rows(by_views)))
    lines = tuple((Cell(name), *(cells.get((name, k), NOTHING) for k in by_views)) for name in names)
    return Block(
        f"{column_label(column)} by number of views: {first.dataset.name}, {first.dataset.split} split, "
        f"{first.extent}, preset {first.preset}",
        (NAMES, *(Heading(f"{k} view{'s' if k > 1 else ''}") for k in by_views)),
        (Section("", lines),),
        _notes(by_views, names),
        label="by-views",
    )


def _notes(by_views: ByViews, names: Sequence[str]) -> tuple[str, ...]:
    most = {name: row.records[0].config["train"]["views"][1] for name, _, row in _rows(by_views)}
    return (
        "With k views a prediction is made from the first k stored pictures of a shape; every number of "
        "views has its own occupancy threshold, chosen on validation instances with as many.",
        f"Views in training, at most: {', '.join(f'{name} {most[name]}' for name in names)}.",
        "-: the model reads one view. ± is half of a 95 % interval, as in the main table.",
    )


def _rows(by_views: ByViews) -> list[tuple[str, int, ComparedRow]]:
    """Model, number of views, row; models best first at the smallest number."""
    order = {name: None for c in by_views.values() for name in (row.name for row in c.models)}
    found = {(row.name, k): row for k, c in by_views.items() for row in c.models}
    return [(name, k, found[name, k]) for name in order for k in by_views if (name, k) in found]
