"""What lies in a folder of a user's own shapes: the shapes by id, their pictures, and the index."""

from __future__ import annotations

import csv
import os
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from zoo.registry import did_you_mean

from . import SPLITS, BadItem, DataError
from .formats.meshes import FORMATS

INDEX = "index.csv"
MESHES, VOXELS, IMAGES = "meshes", "voxels", "images"
GRIDS = ("binvox",)
PICTURES = ("png", "jpg", "jpeg", "webp")


@dataclass(frozen=True)
class Entry:
    """One shape as the index has it; what a cell does not say is empty."""

    id: str
    category: str = ""
    split: str = ""
    line: int = 0


class FolderLayout:
    """The files under a root; they are looked for at the first use.

    Attributes:
        root: the user's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def has_meshes(self) -> bool:
        """Whether the shapes are meshes; otherwise they are grids.

        Raises:
            DataError: there are folders for both.
        """
        grids = (self.root / VOXELS).is_dir()
        if grids and (self.root / MESHES).is_dir():
            raise DataError(
                f"{self.root}: holds {MESHES}/ and {VOXELS}/; keep one of them, or rename the other"
            )
        return not grids

    @cached_property
    def has_pictures(self) -> bool:
        """Whether the user brings pictures."""
        return (self.root / IMAGES).is_dir()

    @cached_property
    def shapes(self) -> Path:
        """Where the shapes lie: meshes/, voxels/, or the root itself."""
        inside = self.root / (MESHES if self.has_meshes else VOXELS)
        return inside if inside.is_dir() else self.root

    def roots_below(self) -> list[Path]:
        """Folders in the root that have this layout themselves, where the root has not."""
        if self.shapes != self.root:
            return []
        return sorted({p.parent for name in (MESHES, VOXELS) for p in self.root.glob(f"*/{name}")})

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Files of the shapes by id: the path below `shapes` without extension.

        Raises:
            DataError: a folder cannot be listed.
        """
        found = defaultdict(list)
        for file in _files(self.shapes) if self.shapes.is_dir() else ():
            if file.suffix.lower().lstrip(".") in self._kinds:
                found[_id(file.relative_to(self.shapes).with_suffix(""))].append(file)
        return {name: sorted(found[name]) for name in sorted(found)}

    @cached_property
    def entries(self) -> list[Entry]:
        """The shapes of the index where there is one, else all; warns of those that it leaves out.

        Raises:
            DataError: the index cannot be used.
        """
        index = self.root / INDEX
        if not index.is_file():
            return [Entry(name) for name in self.files]
        entries = read_index(index)
        if others := self.files.keys() - {e.id for e in entries}:
            warnings.warn(
                f"{len(others)} shapes under {self.shapes} are not in {index}, the first is {min(others)}; "
                f"they are no part of the data set",
                stacklevel=2,
            )
        return entries

    def file(self, name: str) -> Path:
        """The one file of a shape.

        Raises:
            BadItem: there is none, or several.
        """
        files = self.files.get(name, [])
        if not files:
            raise BadItem(f"not there: {self.shapes / name} with .{' or .'.join(self._kinds)}")
        if len(files) > 1:
            raise BadItem(f"{' and '.join(map(str, files))}: one shape in {len(files)} files; keep one")
        return files[0]

    def pictures(self, name: str) -> list[Path]:
        """Of one shape: images/<id>.png, then images/<id>/*.png by name; or jpg or webp."""
        own = self.root / IMAGES / name
        beside = [own.with_name(f"{own.name}.{kind}") for kind in PICTURES]
        inside = sorted(own.iterdir()) if own.is_dir() else []
        known = [p for p in inside if p.suffix.lower().lstrip(".") in PICTURES and p.name[0] != "."]
        return [p for p in beside if p.is_file()] + known

    @property
    def _kinds(self) -> tuple[str, ...]:
        return FORMATS if self.has_meshes else GRIDS


def read_index(path: Path) -> list[Entry]:
    """The lines of an index.csv: columns id and, where wanted, category and split; others are ignored.

    Raises:
        DataError: no table of this form, an id that is empty, comes twice or leaves the folder, or an unknown
            split; names file and line.
    """
    entries: dict[str, Entry] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            columns = [(name or "").strip() for name in table.fieldnames or ()]
            table.fieldnames = columns
            if "id" not in columns:
                raise DataError(
                    f"{path}, line 1: must name the columns, separated by commas, 'id' among them; "
                    f"it says '{','.join(columns)}'"
                )
            for row in table:
                cells = {name: (row.get(name) or "").strip() for name in ("id", "category", "split")}
                entry = Entry(**cells, line=table.line_num)
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
    plain = entry.id.isprintable() and str(path) == entry.id
    if not entry.id or not plain or path.is_absolute() or ".." in path.parts:
        return f"id {entry.id!r} is no name of a shape; one looks like 'abc' or 'chair/abc'"
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
        if path.name[0] == ".":
            continue
        if path.is_dir():
            yield from _files(path, (*above, here))
        else:
            yield path


def _id(path: Path) -> str:
    """As text that can be written anywhere, also where a name is no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
