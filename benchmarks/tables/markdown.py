"""The tables as a Markdown document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.block import Block, Cell
from benchmarks.tables.blocks import blocks, metrics_block
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.verdict import verdict
from zoo.system.text import printable

SPECIAL = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`*_[]|$~"}, "<": "&lt;", "&": "&amp;"})
"""What stands for a character with which Markdown says something, also that of GitHub."""


def to_markdown(
    comparison: Comparison, published: Published | None = None, columns: Sequence[str] | None = None
) -> str:
    """The verdict, then all tables with every metric of the protocol."""
    main, *others = blocks(comparison, load_published() if published is None else published, columns)
    shown = [main, metrics_block(comparison), *others]
    return f"{escape(verdict(comparison))}\n\n# Comparison\n\n" + "\n".join(map(markdown_block, shown))


def escape(text: str) -> str:
    """Text as Markdown prints it, in one line."""
    return printable(text).strip().translate(SPECIAL)


def markdown_block(block: Block) -> str:
    """A heading, a pipe table (leaders in bold), and notes, details and definitions as a list."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def text(cell: Cell) -> str:
        shown = escape(cell.whole)
        return f"**{shown}**" if cell.style == "best" else shown

    rule = ["---:" if column.numeric else ":---" for column in block.columns]
    lines = [f"## {escape(block.title)}", "", line(escape(c.text) for c in block.columns), line(rule)]
    for section in block.sections:
        if section.heading:
            lines.append(line([f"*{escape(section.heading)}*", *[""] * (len(block.columns) - 1)]))
        lines += [line(map(text, row)) for row in section.rows]
    notes = [f"- {escape(note)}" for note in (*block.notes, *block.details, *block.definitions)]
    return "\n".join([*lines, "", *notes, ""] if notes else [*lines, ""])
