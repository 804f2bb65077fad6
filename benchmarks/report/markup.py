"""Tables, facts and charts as HTML text. Everything that comes from data is escaped here."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.report.card import Facts
from benchmarks.report.drawing import Plot, svg
from benchmarks.tables.table import Block, Cell, Section, is_number
from zoo.system.text import printable

NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)")


def escape(text: str) -> str:
    """Text as HTML has it; of what does not print only line breaks stay."""
    return html.escape(printable(text, keep="\n"))


def tables(block: Block, *, apart: bool = False) -> str:
    """A block as a table with its notes; with `apart`, each section is a table of its own."""
    numeric = [is_number(block, i) for i in range(len(block.columns))]
    groups = [[section] for section in block.sections] if apart else [list(block.sections)]
    shown = "\n".join(_table(block, group, numeric, headed=not apart) for group in groups)
    title = f"<h3>{escape(block.title)}</h3>\n" if apart else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in block.notes)
    return title + shown + (f'\n<ul class="notes">{notes}</ul>' if notes else "")


def definitions(found: Facts) -> str:
    """Facts as a list of terms."""
    lines = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in found.lines)
    return f"<section><h3>{escape(found.heading)}</h3><dl>{lines}</dl></section>"


def charts(plots: Iterable[Plot]) -> str:
    """Charts with their titles and captions."""
    return "\n".join(
        f'<figure class="chart" id="chart-{escape(plot.name)}"><h3>{escape(plot.title)}</h3>'
        f'<div role="img" aria-label="{escape(plot.title)}">{svg(plot)}</div>'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in plots
    )


def island(name: str, data: Any) -> str:
    """JSON that the page's script reads; nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{escape(name)}">{escaped}</script>'


def sort_value(text: str) -> float | None:
    """The number that a cell begins with, as rows are sorted by it; None where there is none."""
    match = NUMBER.match(text.strip().lstrip("<").replace("−", "-"))
    return float(match[0].replace(",", "")) if match else None


def _table(block: Block, sections: Sequence[Section], numeric: Sequence[bool], *, headed: bool) -> str:
    caption = block.title if headed else sections[0].heading
    heads = "".join(
        f'<th scope="col"{_class("number" * n)}>{escape(c)}</th>'
        for c, n in zip(block.columns, numeric, strict=True)
    )
    bodies = "".join(_body(section, numeric, headed) for section in sections)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="sortable"><caption><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{heads}</tr></thead>{bodies}</table></div>"
    )


def _body(section: Section, numeric: Sequence[bool], headed: bool) -> str:
    lines = "".join(f"<tr>{_row(cells, numeric)}</tr>" for cells in section.rows)
    named = headed and section.heading
    wide = f'<th colspan="{len(numeric)}" scope="rowgroup">{escape(section.heading)}</th>'
    return (f'<tbody class="heading"><tr>{wide}</tr></tbody>' if named else "") + f"<tbody>{lines}</tbody>"


def _row(cells: Sequence[Cell], numeric: Sequence[bool]) -> str:
    first, *others = cells
    out = [f'<th scope="row"{_class(first.style)}>{_name(first.text)}</th>']
    for cell, number in zip(others, numeric[1:], strict=True):
        mean, plus_minus, half = cell.text.rstrip().partition(" ±")
        text = escape(mean) + (f" <small>±{escape(half)}</small>" if plus_minus else "")
        value = sort_value(cell.text) if number else None
        sorting = "" if value is None else f' data-value="{value!r}"'
        out.append(f"<td{_class(cell.style, 'number' * number)}{sorting}>{text}</td>")
    return "".join(out)


def _name(text: str) -> str:
    """A name, which may be broken after its underscores."""
    return escape(text).replace("_", "_<wbr>")


def _class(*names: str) -> str:
    chosen = " ".join(name for name in names if name)
    return f' class="{chosen}"' if chosen else ""
