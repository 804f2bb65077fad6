"""A table before it is laid out: text cells under headings, with notes. Every format is made of it.

A `Block` is built once (`benchmarks.tables.blocks`) and rendered for terminals, Markdown, LaTeX and the
report. What a format has no place for (a definition behind a name, a source behind a number) it lists or
leaves out; it never computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from zoo.system.text import printable

Style = Literal["", "best", "faint", "warn"]


@dataclass(frozen=True)
class Cell:
    """Text in a table, in one line, and how it stands out.

    Attributes:
        half: half the interval of an estimate, "" for an estimate that has none; None for anything else.
        about: what the text means, where its reader may ask.
        cites: sources as they are cited: ``arXiv:1604.00449``, a DOI, an address, or words.
    """

    text: str
    style: Style = ""
    half: str | None = None
    about: str = ""
    cites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))

    @property
    def whole(self) -> str:
        """Text and interval; without one it is as wide as with one, so that means stand under means."""
        if self.half is None:
            return self.text
        return f"{self.text} ±{self.half}" if self.half else self.text + " " * (2 + len(self.text))


NA = Cell("n/a", "faint")
NOTHING = Cell("-", "faint")


@dataclass(frozen=True)
class Heading:
    """What a column is called, whether it holds numbers, and what they mean."""

    text: str
    numeric: bool = True
    about: str = ""


NAMES = Heading("", numeric=False)


@dataclass(frozen=True)
class Section:
    """Rows under a common heading."""

    heading: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Block:
    """One table. The first column names the rows and is repeated wherever the table is continued.

    Attributes:
        notes: without which the numbers would be misread; every format prints them.
        details: what else is to be known; a terminal prints them where it is asked to.
        label: short name of the table: of what, in words without blanks.
    """

    title: str
    columns: tuple[Heading, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    label: str = field(default="", kw_only=True)

    @property
    def definitions(self) -> tuple[str, ...]:
        """What is behind the names of columns and rows, for formats that have nothing behind a name."""
        heads = [(c.text, c.about) for c in self.columns]
        names = [(row[0].text, row[0].about) for section in self.sections for row in section.rows]
        return tuple(f"{name}: {about}." for name, about in dict.fromkeys([*heads, *names]) if about)
