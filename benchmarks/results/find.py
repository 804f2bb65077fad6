"""Stored results and their names.

A result lies in a folder named by a hash. It can be called by the folder, by any beginning of the hash of
at least `SHORTEST` digits, or by its name: model, seed, protocol, data set and preset, joined by hyphens, of
which the end may be left out where what is left means one result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.records.storage import load
from benchmarks.tables.blocks import slug
from zoo.registry import did_you_mean

SHORTEST = 4
LISTED = 8
"""Names that an error lists, at most."""


@dataclass(frozen=True)
class Stored:
    """One result: where it lies, its record and its rows."""

    folder: Path
    record: Record
    rows: Rows

    @property
    def parts(self) -> tuple[str, ...]:
        """What its name is made of."""
        record = self.record
        seed = [] if record.seed is None else [str(record.seed)]
        where = (record.protocol.id, record.dataset.name, record.preset)
        return (record.name, *seed, *map(slug, where))

    @property
    def name(self) -> str:
        """Name of the result in full."""
        return "-".join(self.parts)


@dataclass(frozen=True)
class Store:
    """What was found: usable results, and why the others are not."""

    results: tuple[Stored, ...]
    broken: tuple[ResultError, ...]


def folders(root: Path) -> Iterator[Path]:
    """Folders with a record in a store: of `benchmarks.run` in `root`, of other commands a folder below it.

    Raises:
        ResultError: there is no such folder, or nothing in it; says where to look.
    """
    if not root.is_dir():
        raise ResultError(f"there is no folder {root}; --out names where a command wrote its results")
    found = {
        path.parent
        for pattern in ("*/record.json", "cells/*/record.json", "*/cells/*/record.json")
        for path in root.glob(pattern)
    }
    if not found:
        raise ResultError(
            f"there are no results in {root}; benchmarks.run writes some, --out names where they lie"
        )
    yield from sorted(found)


def read_store(root: Path) -> Store:
    """Every result of a store, sorted by name.

    Raises:
        ResultError: there is none.
    """
    results, broken = [], []
    for folder in folders(root):
        try:
            results.append(Stored(folder, *load(folder)))
        except ResultError as error:
            broken.append(error)
    return Store(tuple(sorted(results, key=lambda one: (one.name, one.record.cell))), tuple(broken))


def find_result(root: Path, name: str) -> Path:
    """The folder of the result that a name means.

    Raises:
        ResultError: none or several go by it; suggests or lists names.
    """
    if (Path(name) / "record.json").exists():
        return Path(name)
    return find_stored(read_store(root).results, name, root).folder


def find_stored(results: Sequence[Stored], name: str, root: Path) -> Stored:
    """The result that a name means.

    Raises:
        ResultError: as `find_result`.
    """
    for found in (
        [one for one in results if one.name == name],
        [one for one in results if _is_start(name, one.record.cell)],
        [one for one in results if one.name.startswith(f"{name}-")],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            listed = [f"{one.record.cell[:8]} ({one.name})" for one in found[:LISTED]]
            more = f" and {len(found) - LISTED} more" * (len(found) > LISTED)
            raise ResultError(
                f"'{name}' means {len(found)} results of {root}: {', '.join(listed)}{more}; say more of the "
                f"name, or the hash"
            )
    near = did_you_mean(name, [part for one in results for part in (one.name, one.record.name)])
    raise ResultError(
        f"no result in {root} is called '{name}'.{near} python -m benchmarks.results list shows all"
    )


def short_names(results: Sequence[Stored]) -> dict[str, str]:
    """The shortest start of its name that means each result, by its cell; without one that of its hash."""
    starts = {
        one.record.cell: ["-".join(one.parts[:k]) for k in range(1, len(one.parts) + 1)] for one in results
    }
    count = Counter(start for own in starts.values() for start in own)
    return {
        cell: next((start for start in own if count[start] == 1), cell[:8]) for cell, own in starts.items()
    }


def _is_start(name: str, cell: str) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", name) is not None and cell.startswith(name)
