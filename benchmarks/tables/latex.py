r"""The comparison for a paper: LaTeX tabulars with booktabs, controls and quoted numbers in their own.

The best printed mean of the ranked models is bold, the second best underlined, half the interval small. The
text needs ``\usepackage{booktabs}`` and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from benchmarks.statistics.comparison import MIN_CLUSTERS, ComparedRow, Comparison, Estimate
from benchmarks.tables.published import Published, PublishedRow, PublishedTable, load_published
from benchmarks.tables.table import (
    ARROWS,
    absent_titles,
    column_label,
    find_column,
    headline,
    is_ranked,
    print_value,
)
from zoo.metrics import Column
from zoo.system.text import printable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "²": r"$^2$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "†": r"$\dagger$",
    "≥": r"$\geq$",
    "√": r"$\surd$",
}
NOTHING = "--"


def escape(text: str) -> str:
    """Text as LaTeX prints it; what cannot be printed becomes a space."""
    return "".join(SPECIAL.get(c, c if c.isprintable() else " ") for c in text)


def to_latex(comparison: Comparison, published: Published | None = None) -> str:
    """Models, controls, the primary metrics by category, and the quoted numbers, a table each."""
    published = load_published() if published is None else published
    info = comparison.dataset
    where = f"{info.name} {info.version}, {info.split} split, {comparison.extent}"
    head = f"{comparison.protocol.id} on {where}, preset {comparison.preset}"
    parts = [
        f"% {_comment(head)}\n% data {info.fingerprint}\n% needs \\usepackage{{booktabs}}",
        _rows(comparison, "model", f"Models: {head}. {_notes(comparison)}"),
        _rows(comparison, "control", f"Controls, not ranked: {head}."),
        *(_categories(comparison, metric) for metric in comparison.primary),
        *(_quoted(published, published.table(name)) for name in comparison.protocol.published),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _notes(comparison: Comparison) -> str:
    seeds = ", and over training seeds" if any(len(row.seeds) > 1 for row in comparison.models) else ""
    return (
        f"{comparison.average.capitalize()} means; ± half of a 95 % interval: bootstrap over shapes within "
        f"categories{seeds}, {comparison.resamples:,} resamples. Best in bold, second best underlined."
    )


def _rows(comparison: Comparison, kind: Literal["model", "control"], caption: str) -> str:
    rows = comparison.models if kind == "model" else comparison.controls
    absent = absent_titles(comparison)[kind]
    if not (rows or absent):
        return ""
    columns = [find_column(comparison, name) for name in headline(comparison)]
    cells = [_estimates(rows, c, [row.means(comparison.average)[c.name] for row in rows]) for c in columns]
    counts = [[f"{r.n:,}", str(len(r.seeds)) if r.seeds else NOTHING, f"{r.n_failed:,}"] for r in rows]
    lines = [[_name(row), *own, *n] for row, n, *own in zip(rows, counts, *cells, strict=True)]
    lines += [[escape(title), *[NOTHING] * (len(columns) + 3)] for title in absent]
    heads = ["", *(escape(column_label(c)) for c in columns), "$n$", "seeds", "failed"]
    return _table(caption, f"{kind}s", heads, [lines])


def _categories(comparison: Comparison, metric: str) -> str:
    """A metric by category, models across."""
    rows, column = comparison.models, find_column(comparison, metric)
    shapes = {c: len({i for i, _, own in comparison.instances if own == c}) for c in comparison.categories}
    mark = {c: " †" if n < MIN_CLUSTERS else "" for c, n in shapes.items()}

    def line(name: str, estimates: Sequence[Estimate | None]) -> list[str]:
        return [escape(name), *_estimates(rows, column, estimates)]

    lines = [
        line(f"{c}{mark[c]} ({n:,})", [row.categories[c][metric] for row in rows])
        for c, n in comparison.categories.items()
    ]
    averages = [
        line("mean of categories", [row.category_mean[metric] for row in rows]),
        line("mean of instances", [row.instance_mean[metric] for row in rows]),
    ]
    few = f" † fewer than {MIN_CLUSTERS} shapes: too few for an interval." if any(mark.values()) else ""
    caption = f"{column_label(column)} by category, number of instances in brackets.{few}"
    return _table(caption, f"by-category-{_slug(metric)}", ["", *map(_name, rows)], [lines, averages])


def _quoted(published: Published, table: PublishedTable) -> str:
    """Numbers of others, grouped by their protocols; nothing in it is ranked."""
    columns = published.columns_of(table)

    def line(row: PublishedRow) -> list[str]:
        values = [row.values.get(column.name, NOTHING) for column in columns]
        return [escape(text) for text in (row.method, *values, row.source)]

    names = list(dict.fromkeys(row.protocol for row in table.rows))
    groups = [[line(row) for row in table.rows if row.protocol == name] for name in names]
    protocols = [published.protocols[name] for name in names]
    counts = ["n not stated" if p.n is None else f"n = {p.n:,}" for p in protocols]
    described = "; ".join(f"{p.title} ({p.data}, {n})" for p, n in zip(protocols, counts, strict=True))
    heads = ["", *(escape(f"{c.label} {ARROWS[c.better]}") for c in columns), "source"]
    caption = (
        f"Published, quoted from {table.title}; not comparable with what was measured here, nor one group "
        f"with another. Groups: {described}."
    )
    return _table(caption, f"published-{_slug(table.name)}", heads, groups, texts=1)


def _table(
    caption: str, label: str, heads: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], texts: int = 0
) -> str:
    """A floating table; the last `texts` columns hold text."""
    alignment = "l" + "r" * (len(heads) - 1 - texts) + "l" * texts
    bodies = "\n\\midrule\n".join("\n".join(_line(line) for line in group) for group in groups)
    return "\n".join(
        [
            "\\begin{table}[t]",
            "\\centering",
            f"\\caption{{{escape(caption)}}}",
            f"\\label{{tab:{label}}}",
            f"\\begin{{tabular}}{{{alignment}}}",
            "\\toprule",
            _line(heads),
            "\\midrule",
            bodies,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    # [ or * at its beginning would be an argument of the rule or of the \\ before
    return "{}" * cells[0].startswith(("[", "*")) + " & ".join(cells) + " \\\\"


def _estimates(
    rows: Sequence[ComparedRow], column: Column, estimates: Sequence[Estimate | None]
) -> list[str]:
    """Mean and half the interval of each row; equal printed means are marked alike."""
    pairs = list(zip(rows, estimates, strict=True))
    means = [e.mean for row, e in pairs if e is not None and is_ranked(row)]
    ordered = sorted(means, reverse=column.better == "higher")
    places = list(dict.fromkeys(print_value(mean, column) for mean in ordered))
    cells = []
    for row, e in pairs:
        if e is None:
            cells.append(NOTHING)
            continue
        text = print_value(e.mean, column)
        shown = escape(text)
        if is_ranked(row) and len(means) > 1 and text in places[:2]:
            shown = f"\\textbf{{{shown}}}" if text == places[0] else f"\\underline{{{shown}}}"
        half = "" if e.half is None else f"{{\\scriptsize\\,$\\pm${escape(print_value(e.half, column))}}}"
        cells.append(shown + half)
    return cells


def _name(row: ComparedRow) -> str:
    name = row.name if row.ranked else row.title
    return escape(name if row.complete else f"{name} (incomplete)")


def _comment(text: str) -> str:
    return printable(" ".join(text.split()))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
