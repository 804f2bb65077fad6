"""What lies in a folder of a user's own shapes: the shapes by id, their pictures, and the index."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.registry import did_you_mean

from . import SPLITS, DataError
from .formats.meshes import FORMATS

INDEX = "index.csv"
MESHES, VOXELS, IMAGES = "meshes", "voxels", "images"
PICTURES = ("png", "jpg", "jpeg", "webp")


@dataclass(frozen=True)
class Entry:
    """One line of the index; what a cell does not say is empty."""

    id: str
    category: str
    split: str
    line: int


def shape_files(folder: Path, kinds: Sequence[str]) -> dict[str, list[Path]]:
    """Files with one of these extensions, by id: the path below the folder without its extension.

    Raises:
        DataError: a folder cannot be listed.
    """
    found = defaultdict(list)
    for file in _files(folder):
        if file.suffix.lower().lstrip(".") in kinds:
            found[_id(file.relative_to(folder).with_suffix(""))].append(file)
    return {name: sorted(found[name]) for name in sorted(found)}


def pictures_of(folder: Path, name: str) -> list[Path]:
    """The pictures of one shape: <folder>/<id>.png, then <folder>/<id>/*.png by name, or jpg or webp."""
    own = folder / name
    beside = [own.with_name(f"{own.name}.{kind}") for kind in PICTURES]
    inside = sorted(own.iterdir()) if own.is_dir() else []
    known = [p for p in inside if p.suffix.lower().lstrip(".") in PICTURES and not p.name.startswith(".")]
    return [p for p in beside if p.is_file()] + known


def category_of(name: str) -> str:
    """The outermost folder of an id; empty when it lies in none."""
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else ""


def read_index(path: Path) -> list[Entry]:
    """The lines of an index.csv: columns id and, where wanted, category and split; others are ignored.

    Raises:
        DataError: no table of this form, an id that is empty, comes twice or leaves the folder, or a split that
            is none; names file and line.
    """
    entries: dict[str, Entry] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            if "id" not in (table.fieldnames or ()):
                raise DataError(
                    f"{path}: the first line must name columns, 'id' among them, separated by commas; it names "
                    f"{', '.join(table.fieldnames or ()) or 'nothing'}"
                )
            for row in table:
                cells = [(row.get(column) or "").strip() for column in ("id", "category", "split")]
                entry = Entry(*cells, line=table.line_num)
                if problem := _problem(entry, entries):
                    raise DataError(f"{path}, line {entry.line}: {problem}")
                entries[entry.id] = entry
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no table: {error}") from error
    return list(entries.values())


def _problem(entry: Entry, earlier: dict[str, Entry]) -> str:
    path = PurePosixPath(entry.id)
    if not entry.id or str(path) != entry.id or path.is_absolute() or ".." in path.parts:
        return f"id '{entry.id}' is no name of a shape; one looks like 'abc' or 'chair/abc'"
    if entry.id in earlier:
        return f"id '{entry.id}' is also in line {earlier[entry.id].line}"
    if entry.split and entry.split not in SPLITS:
        near = did_you_mean(entry.split, list(SPLITS))
        return f"unknown split '{entry.split}'.{near} Splits are {', '.join(SPLITS)}"
    return ""


def _files(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Every file below a folder, through links too; what begins with a dot is left out."""
    try:
        state = folder.stat()
        here = (state.st_dev, state.st_ino)
        inside = [] if here in above else sorted(folder.iterdir())  # a link may lead back
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}; it cannot be listed") from error
    for path in inside:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path, (*above, here))
        else:
            yield path


def _id(path: Path) -> str:
    """As text that can be written anywhere, also where the name is no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
