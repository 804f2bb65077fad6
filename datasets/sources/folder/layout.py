"""What lies in a folder of a user's own shapes: the shapes by id, their pictures, and the index."""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from zoo.registry import did_you_mean

from ... import SPLITS, BadItem, DataError
from ...formats.kinds import ending, stem, unread_files, unread_text
from ...formats.meshes import FORMATS
from ...making.axes import UNIT
from ...names import Named, files_below, lone_folders, name_of, paired, some

INDEX = "index.csv"
MESHES, VOXELS, IMAGES = "meshes", "voxels", "images"
GRIDS = ("binvox",)
PICTURES = ("png", "jpg", "jpeg", "webp")
OTHER_PICTURES = ("bmp", "gif", "tif", "tiff", "tga", "heic", "heif", "avif", "jp2", "exr", "hdr", "svg")
UPS = ("y", "z")
CELLS = ("category", "split", "up", "front")
"""Columns of an index beside id."""
_ALLOWED = (("split", "Splits", list(SPLITS)), ("up", "Axes", list(UPS)), ("front", "Axes", list(UNIT)))


@dataclass(frozen=True)
class Entry:
    """One shape as the index has it; what a cell does not say is empty."""

    id: str
    category: str = ""
    split: str = ""
    up: str = ""
    front: str = ""
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
        grids = self._inside(VOXELS).is_dir()
        if grids and self._inside(MESHES).is_dir():
            raise DataError(
                f"{self.root}: holds {MESHES}/ and {VOXELS}/; keep one of them, or rename the other"
            )
        return not grids

    @cached_property
    def has_pictures(self) -> bool:
        """Whether the user brings pictures."""
        return self.images.is_dir()

    @cached_property
    def index(self) -> Path:
        """The index, whether it is there or not."""
        return self._inside(INDEX)

    @cached_property
    def images(self) -> Path:
        """Where the user's pictures lie, if there are any."""
        return self._inside(IMAGES)

    @cached_property
    def shapes(self) -> Path:
        """Where the shapes lie: meshes/, voxels/, or the root itself."""
        inside = self._inside(MESHES if self.has_meshes else VOXELS)
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
        for file in self._all_files:
            if ending(file) in self._kinds:
                found[self._id(file)].append(file)
        return {name: sorted(found[name]) for name in sorted(found)}

    @cached_property
    def unread(self) -> list[Path]:
        """Files, below `shapes`, that hold shapes of a kind that is not read, and stand for no other file.

        An index says what there shall be; what it does not name is missed by nobody.
        """
        found = unread_files(self._all_files, self.shapes, self._kinds, self.files)
        return [] if self.index.is_file() else found

    @property
    def unread_text(self) -> str:
        """What to say of them; empty where all is read."""
        return f"{self.shapes}: {unread_text(self.unread, self._kinds)}" if self.unread else ""

    @cached_property
    def listed(self) -> list[Entry]:
        """The lines of the index; none where there is none.

        Raises:
            DataError: the index cannot be used.
        """
        return read_index(self.index) if self.index.is_file() else []

    @cached_property
    def entries(self) -> list[Entry]:
        """The shapes of the index where there is one, else all; warns of those that are left aside.

        Raises:
            DataError: the index cannot be used.
        """
        if self.files and self.unread:
            warnings.warn(self.unread_text, stacklevel=2)
        if not self.index.is_file():
            return [Entry(name) for name in self.files]
        entries = self.listed
        if others := self.files.keys() - self._found(entries).values():
            warnings.warn(
                f"{len(others)} shapes under {self.shapes} are not in {self.index}, the first is "
                f"{min(others)}; they are no part of the data set",
                stacklevel=2,
            )
        return entries

    @cached_property
    def entry(self) -> dict[str, Entry]:
        """The entries by id."""
        return {entry.id: entry for entry in self.entries}

    def file(self, name: str) -> Path:
        """The one file of a shape.

        Raises:
            BadItem: there is none, or several.
        """
        files = self.files.get(self._names.get(name, name), [])
        if not files:
            beside = [f.name for f in self._all_files if ending(f) and self._id(f) == name]
            instead = f"; there is {some(beside)}, of a kind that is not read" if beside else ""
            raise BadItem(f"not there: {self.shapes / name} with {' or '.join(self._kinds)}{instead}")
        if len(files) > 1:
            raise BadItem(f"{' and '.join(map(str, files))}: one shape in {len(files)} files; keep one")
        return files[0]

    def pictures(self, name: str) -> list[Path]:
        """Pictures of one shape: images/<id>.png, then images/<id>/*.png by name; or jpg or webp."""
        return self._pictures.get(name, [])

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        return tuple(f".{kind}" for kind in (FORMATS if self.has_meshes else GRIDS))

    @cached_property
    def _all_files(self) -> list[Path]:
        return list(files_below(self.shapes)) if self.shapes.is_dir() else []

    @cached_property
    def _names(self) -> dict[str, str]:
        """Id of each entry to the id that its file has."""
        return self._found(self.entries)

    @cached_property
    def _named(self) -> dict[str, Named]:
        """What each file may be called, by its id."""
        folders = lone_folders(self.files)
        return {name: Named(name, name, folders[name]) for name in self.files}

    def _found(self, entries: Sequence[Entry]) -> dict[str, str]:
        partner = paired([Named(entry.id) for entry in entries], list(self._named.values()))
        ids = list(self._named)
        return {entries[k].id: ids[at] for k, at in partner.items()}

    @cached_property
    def _pictures(self) -> dict[str, list[Path]]:
        """Pictures by id; warns of those that are left aside."""
        files = [file for file in files_below(self.images) if _kind(file) in (*PICTURES, *OTHER_PICTURES)]
        beside, inside = defaultdict(list), defaultdict(list)
        for file in (file for file in files if _kind(file) in PICTURES):
            path = file.relative_to(self.images)
            beside[name_of(path.with_suffix(""))].append((PICTURES.index(_kind(file)), file))
            inside[name_of(path.parent)].append(file)
        names = sorted(beside.keys() | inside.keys())
        partner = paired([self._called(e) for e in self.entries], [Named(name) for name in names])
        found = {
            self.entries[k].id: [f for _, f in sorted(beside[names[at]])] + sorted(inside[names[at]])
            for k, at in partner.items()
        }
        taken = {file for of_one in found.values() for file in of_one}
        if lost := [name_of(file.relative_to(self.images)) for file in files if file not in taken]:
            warnings.warn(
                f"{self.images}: {len(lost)} pictures are left aside, for they belong to no shape or are not "
                f"of {', '.join(PICTURES)}: {some(lost)}",
                stacklevel=2,
            )
        return found

    def _called(self, entry: Entry) -> Named:
        """What the pictures of a shape may be called: as it is, or as the folder of its `model.obj`."""
        file = self._named.get(self._names.get(entry.id, ""))
        return Named(entry.id, entry.id, tuple(file.above) if file else ())

    def _id(self, file: Path) -> str:
        return name_of(stem(file.relative_to(self.shapes)))

    def _inside(self, name: str) -> Path:
        """What the root holds under a name, in whatever case it is written; the plain path for nothing."""
        plain = self.root / name
        if plain.exists() or not self.root.is_dir():
            return plain
        found = [path for path in sorted(self.root.iterdir()) if path.name.casefold() == name]
        if len(found) > 1:
            raise DataError(
                f"{' and '.join(map(str, found))}: only one of them can be {name}; rename the other"
            )
        return (*found, plain)[0]


def read_index(path: Path) -> list[Entry]:
    """The lines of an index.csv: columns id and, where wanted, `CELLS`; others are ignored.

    Raises:
        DataError: no table of this form, an id that is empty, comes twice or leaves the folder, or an unknown
            split or axis; names file and line.
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
                cells = {name: normalize("NFC", (row.get(name) or "").strip()) for name in ("id", *CELLS)}
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
    for name, plural, allowed in _ALLOWED:
        if (cell := getattr(entry, name)) and cell not in allowed:
            return f"unknown {name} '{cell}'.{did_you_mean(cell, allowed)} {plural} are {', '.join(allowed)}"
    return ""


def _kind(file: Path) -> str:
    return file.suffix.lower().lstrip(".")
