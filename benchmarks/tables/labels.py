"""Other people's texts, names and categories, as they stand in a CSV file and in a chart.

Each of the two has a language of its own that a text must not speak: spreadsheets take formulas, matplotlib
takes formulas too, and hides what begins with an underscore. HTML, LaTeX and Markdown have theirs where they
are written.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.system.text import printable

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""Beginnings of cells that spreadsheets calculate; the last four are how they are typed in East Asia."""

LONGEST = 60
"""Characters of a label: longer ones leave a chart no room for its axes."""


def csv_text(text: str) -> str:
    """A text as a cell in one line that no spreadsheet calculates: an apostrophe stands before a formula."""
    return "'" * text.lstrip(" ").startswith(FORMULA) + printable(text)


def plot_label(text: str) -> str:
    """A text that matplotlib draws as it is and lists in a legend, shortened in the middle to `LONGEST`."""
    shown = printable(text)
    if len(shown) > LONGEST:
        shown = f"{shown[: LONGEST - 20]}...{shown[-17:]}"
    return (f" {shown}" if shown.startswith("_") else shown).replace("$", r"\$")


@contextmanager
def any_script() -> Iterator[None]:
    """Within the block matplotlib draws boxes for scripts that its font lacks, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from")
        yield
