"""Lines of numbers, read all at once where they are alike."""

from __future__ import annotations

import numpy as np

from .. import BadItem


def number_rows(lines: list[str], what: str, least: int) -> np.ndarray:
    """Numbers of all the lines (N, columns), NaN behind the end of those that are shorter than others.

    Args:
        lines: numbers with blanks between them.
        what: stands on a line, for errors.
        least: numbers that each line must have.

    Raises:
        BadItem: a line has fewer; other errors of broken numbers are left to the caller.
    """
    if not lines:
        return np.zeros((0, least))
    columns = len(lines[0].split())
    # infinity ends every line: it stands in a column of its own only if all lines are of one length
    numbers = np.fromstring(" inf ".join(lines) + " inf", sep=" ", dtype=np.float64)
    if columns >= least and len(numbers) == len(lines) * (columns + 1):
        table = numbers.reshape(-1, columns + 1)
        if np.isinf(table[:, columns]).all() and not np.isinf(table[:, :columns]).any():
            return table[:, :columns]
    rows = [[float(word) for word in line.split()] for line in lines]
    if short := [line for line, row in zip(lines, rows, strict=True) if len(row) < least]:
        raise BadItem(f"broken {what} '{short[0].strip()[:40]}'")
    table = np.full((len(rows), max(map(len, rows))), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table


def words_per_line(lines: list[str]) -> np.ndarray:
    """How many words each line has (N,)."""
    return np.fromiter(map(len, map(str.split, lines)), np.int64, len(lines))
