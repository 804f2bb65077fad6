"""Blocks, facts, charts and data as HTML: templates of jinja2, in which everything is escaped.

Whatever is printed by a template first loses what does not print, then is escaped, unless it was made here as
markup. Nothing builds HTML from strings but `island`, `svg` and `breakable`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.report.drawing import Plot
from benchmarks.report.drawing import svg as draw_svg
from benchmarks.tables.bibliography import address
from benchmarks.tables.blocks import slug
from zoo.system.text import printable

TEMPLATES = Path(__file__).parent / "templates"
NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)")


def render(name: str, **values: Any) -> str:
    """A template of the report, filled."""
    return _environment().get_template(name).render(**values)


def island(name: str, data: Any) -> Markup:
    """JSON that the page's script reads; nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(f'<script type="application/json" id="{escape(name)}">{escaped}</script>')


def sort_value(text: str) -> float | None:
    """The number that a cell begins with, as rows are sorted by it; None where there is none."""
    match = NUMBER.match(text.strip().lstrip("<").replace("−", "-"))
    return float(match[0].replace(",", "")) if match else None


def breakable(text: str) -> Markup:
    """A name, which may be broken after its underscores."""
    return Markup(str(escape(_clean(text))).replace("_", "_<wbr>"))


def svg(plot: Plot) -> Markup:
    """The chart as an element."""
    return Markup(draw_svg(plot))


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    found.filters |= {
        "address": address,
        "breakable": breakable,
        "slug": slug,
        "sort_value": sort_value,
        "svg": svg,
    }
    return found


def _clean(value: Any) -> Any:
    """Text without what does not print, but for line breaks; markup as it is."""
    return printable(value, keep="\n") if type(value) is str else value
