"""The tables in a terminal: columns that do not fit continue below, with the names of the rows repeated.

What is printed is the verdict over one table that fits a screen; everything else where it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow
from benchmarks.tables.block import Block, Cell, Heading, Style
from benchmarks.tables.blocks import blocks, main_block, summary_rows
from benchmarks.tables.captions import reading, reservations
from benchmarks.tables.columns import COUNTS, headline
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.verdict import verdict
from zoo.system.text import printable

GAP = 2
FEW = 2
"""Metrics that are shown even where names have to be broken for them."""
STYLES: dict[Style, str] = {"": "", "best": "bold green", "faint": "dim", "warn": "yellow"}


def to_rich(
    comparison: Comparison,
    width: int,
    published: Published | None = None,
    verbose: bool = False,
    columns: Sequence[str] | None = None,
) -> RenderableType:
    """What a command shows of a comparison in a terminal of `width` columns; the result comes last.

    Args:
        verbose: all tables before it, with all that is to be known of them.
        columns: of the main table, as `benchmarks.tables.columns.parse_columns` gives them.
    """
    parts: list[RenderableType] = []
    if verbose:
        for block in blocks(comparison, load_published() if published is None else published, columns):
            notes = (*block.notes, *block.details, *block.definitions)
            parts += [*rich_block(replace(block, notes=notes), width), Text("")]
    parts.append(Text(verdict(comparison), style="bold"))
    parts.append(Text(""))
    parts += rich_block(_summary(comparison, width, columns), width)
    return Group(*parts)


def _summary(comparison: Comparison, width: int, columns: Sequence[str] | None) -> Block:
    """Models and strongest controls in one grid, with the chosen columns or those metrics that fit."""
    rows = summary_rows(comparison)
    chosen = list(columns or headline(comparison))
    counts = [] if columns else _telling(comparison, rows)
    block = main_block(comparison, [*chosen, *counts], rows=rows)
    while columns is None and len(chosen) > 1 and not _fits(block, width, whole_names=len(chosen) > FEW):
        chosen.pop()
        block = main_block(comparison, [*chosen, *counts], rows=rows)
    left = [name for name in headline(comparison) if name not in chosen]
    also = [*(comparison.column(name).label for name in left), "categories", "costs"]
    count = len(comparison.rows) - len(rows)
    more = f"{count} more control{'s' * (count > 1)}, " * (count > 0)
    note = f"--verbose and the files have {more}{', '.join(also)}, every test and definition."
    return replace(block, notes=(*reading(comparison), *reservations(comparison), note))


def _telling(comparison: Comparison, rows: Sequence[ComparedRow]) -> list[str]:
    """The counts that differ between rows, or count failures."""
    told = {
        "n": any(row.missing for row in rows) or bool(comparison.absent),
        "seeds": len({len(row.seeds) for row in comparison.models}) > 1 or any(row.absent for row in rows),
        "failed": any(row.n_failed for row in rows),
    }
    return [name for name in COUNTS if told[name]]


def _fits(block: Block, width: int, whole_names: bool) -> bool:
    """Whether a block takes one grid; with `whole_names`, without breaking the names of its rows."""
    widths = _widths(block, width)
    names = [row[0].text for section in block.sections for row in section.rows]
    broken = whole_names and max(map(cell_len, names), default=0) > widths[0]
    return len(_groups(block, widths, width)) == 1 and not broken


def rich_block(block: Block, width: int) -> list[Text]:
    """Lines of a block: its title, its grids and its notes."""
    widths = _widths(block, width)
    lines = [Text(printable(block.title), style="bold")]
    for k, group in enumerate(_groups(block, widths, width)):
        lines += _grid(block, group, widths, continued=k > 0)
    return lines + [Text(printable(note), style="dim") for note in block.notes]


def _widths(block: Block, width: int) -> list[int]:
    """Columns of the terminal that each column of the block takes; names are wrapped before numbers move."""
    everything = [row for section in block.sections for row in section.rows]
    natural = [
        max(cell_len(printable(heading.text)), *(cell_len(row[i].whole) for row in everything))
        for i, heading in enumerate(block.columns)
    ]
    first, others = natural[0], sum(natural[1:]) + GAP * (len(natural) - 1)
    if first + others > width:  # numbers before names: names are wrapped, down to a quarter of the width
        least = min(first, max(14, width // 4), width - max(natural[1:], default=0) - GAP)
        first = max(least, width - others, 8)  # a column wider than the terminal leaves nothing
    return [first, *natural[1:]]


def _groups(block: Block, widths: Sequence[int], width: int) -> list[list[int]]:
    """Columns that stand in one grid."""
    groups: list[list[int]] = [[]]
    used = widths[0]
    for i in range(1, len(block.columns)):
        if groups[-1] and used + GAP + widths[i] > width:
            groups.append([])
            used = widths[0]
        groups[-1].append(i)
        used += GAP + widths[i]
    return groups


def _grid(block: Block, group: Sequence[int], widths: Sequence[int], continued: bool) -> list[Text]:
    """Some columns of a block; where it is continued, rows that have nothing to say there are left out."""
    total = widths[0] + sum(GAP + widths[i] for i in group)

    def line(cells: Sequence[Cell], style: str = "") -> list[Text]:
        name = _wrap(cells[0].text, widths[0])
        out = Text(style=style, no_wrap=True, overflow="ignore")
        out.append(_pad(name[0], widths[0]), STYLES[cells[0].style])
        for i in group:
            padded = _pad(cells[i].whole, widths[i], right=block.columns[i].numeric)
            out.append(" " * GAP)
            out.append(padded, STYLES[cells[i].style])
        rest = [Text(part, style=STYLES[cells[0].style], no_wrap=True) for part in name[1:]]
        out.rstrip()
        return [out, *rest]

    def heads(columns: Sequence[Heading]) -> list[Cell]:
        return [Cell(column.text) for column in columns]

    rule = Text("─" * total, style="dim", no_wrap=True)
    lines = [*line(heads(block.columns), "bold"), rule]
    for section in block.sections:
        rows = [row for row in section.rows if not continued or any(row[i].text != "-" for i in group)]
        if rows and section.heading:
            lines.append(
                Text(printable(section.heading), style="italic dim", no_wrap=True, overflow="ellipsis")
            )
        for row in rows:
            lines += line(row)
    return [*lines, rule]


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces and underscores where possible."""
    lines = []
    while cell_len(text) > width:
        cut = max(text.rfind(" ", 1, width + 1), text.rfind("_", 1, width) + 1)
        cut = cut if cut > 0 else width
        lines.append(text[:cut].rstrip())
        text = " " + text[cut:].lstrip()
    return [*lines, text]
