"""Which file of a folder of predictions belongs to which true shape."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from datasets import DataError
from datasets.formats.kinds import ending, stem, unread_files, unread_text
from datasets.formats.shapes import SUFFIXES
from datasets.names import Named, files_below, lone_folders, name_of, paired
from zoo.registry import did_you_mean

OBJECT = "object"
"""Category of what lies in no folder."""

MAX_VIEW = 2**31 - 1
"""Largest number of a picture."""


@dataclass(frozen=True)
class Instance:
    """One true shape and the name by which predictions of it go.

    Attributes:
        name: path of the prediction below its folder, without the extension.
        shape: what the statistics take for one shape; several pictures of it share this.
        view: which of its pictures the prediction is of.
        truth: file of the true shape.
        also: what else its prediction may be called.
    """

    name: str
    shape: str
    category: str
    view: int
    truth: Path
    also: Named | None = None

    @property
    def names(self) -> Named:
        """All that its prediction may be called."""
        return self.also or Named(self.name)


@dataclass(frozen=True)
class ShapeFolder:
    """The shape files below a folder, in the order of their paths.

    Attributes:
        folder: the folder.
        paths: the files.
        names: of each file what it may be called. Where all files of several folders have one name
            (``<id>/model.binvox``), it is left out: the folder names the shape.
        unread: files, below the folder, that are shapes of a kind that is not read.
    """

    folder: Path
    paths: tuple[Path, ...]
    names: tuple[Named, ...]
    unread: tuple[Path, ...]

    @classmethod
    def below(cls, folder: Path) -> ShapeFolder:
        """List a folder, through links too.

        Raises:
            DataError: no such folder, no shape in it, or two files of one name.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        files = list(files_below(folder))
        found: dict[str, Path] = {}
        for path in (path for path in files if ending(path) in SUFFIXES):
            relative = path.relative_to(folder)
            name = name_of(stem(relative))
            if name in found:
                twins = f"{found[name].relative_to(folder)} and {relative}"
                raise DataError(f"{folder}: {twins} are both of '{name}'; keep one, or rename the other")
            found[name] = path
        unread = tuple(unread_files(files, folder, SUFFIXES, found))
        if not found:
            others = f"; {unread_text(unread, SUFFIXES)}" if unread else f"; known are {', '.join(SUFFIXES)}"
            raise DataError(f"{folder}: no shape in it{others}")
        shared = _shared_tail([tuple(name.split("/")) for name in found])
        folders = lone_folders(found)
        names = tuple(Named(_without_tail(name, shared), name, folders[name]) for name in found)
        return cls(folder, tuple(found.values()), names, unread)

    @property
    def by_name(self) -> dict[str, Path]:
        """The files by the names that they have here."""
        return {named.name: path for named, path in zip(self.names, self.paths, strict=True)}

    @property
    def unread_lines(self) -> list[str]:
        """What to say of the files that are not read: a line, or nothing where all are."""
        return [f"{self.folder}: {unread_text(self.unread, SUFFIXES)}"] if self.unread else []


def shape_files(folder: Path) -> dict[str, Path]:
    """Every shape file below a folder, by name, sorted: see `ShapeFolder`.

    Raises:
        DataError: as `ShapeFolder.below`.
    """
    return ShapeFolder.below(folder).by_name


def unread_lines(folder: Path) -> list[str]:
    """What to say of the files of a folder that are not read; see `ShapeFolder`."""
    return ShapeFolder.below(folder).unread_lines


def _without_tail(name: str, shared: int) -> str:
    return name.rsplit("/", shared)[0] if shared else name


def _shared_tail(names: list[tuple[str, ...]]) -> int:
    """How many last parts all names have in common; never the whole of a name, and none of a single one."""
    if len(names) < 2:
        return 0
    shared = 0
    while all(len(n) > shared + 1 for n in names) and len({n[-1 - shared] for n in names}) == 1:
        shared += 1
    return shared


def instances(truths: Path, names: Path | None = None) -> list[Instance]:
    """What is to be scored: every file of the folder of truths, or the lines of a CSV file.

    Args:
        names: columns `name` (of the prediction), and where they differ from what the name says, `truth`
            (name of the true shape), `shape`, `category` and `view`. Without it the outermost folder is the
            category, and every file a shape with one picture.

    Raises:
        DataError: as `shape_files`; or the CSV file is broken, or names a truth that is not there.
    """
    there = ShapeFolder.below(truths)
    if names is None:
        return [
            Instance(named.name, named.name, _category(named.name), 0, path, named)
            for named, path in zip(there.names, there.paths, strict=True)
        ]
    lines = _lines(names)
    asked = {number: line.get("truth") or line["name"] for number, line in lines.items()}
    truth_names = list(dict.fromkeys(asked.values()))
    place = paired([Named(name) for name in truth_names], there.names)
    files = {truth_names[k]: (there.names[at].name, there.paths[at]) for k, at in place.items()}
    found = []
    for number, line in lines.items():
        if asked[number] not in files:
            nearest = did_you_mean(asked[number], list(there.by_name))
            raise DataError(f"{names}, line {number}: no true shape '{asked[number]}' in {truths}.{nearest}")
        truth, path = files[asked[number]]
        view = _view(line.get("view") or "0", f"{names}, line {number}")
        shape, category = line.get("shape") or truth, line.get("category") or _category(truth)
        found.append(Instance(line["name"], shape, category, view, path))
    for key in ({i.name for i in found}, {(i.shape, i.view) for i in found}):
        if len(key) != len(found):
            raise DataError(f"{names}: a name, or a shape and view, occurs twice")
    return found


def _view(text: str, where: str) -> int:
    if text.isdecimal() and len(text) <= len(str(MAX_VIEW)) and int(text) <= MAX_VIEW:
        return int(text)
    raise DataError(f"{where}: view must be a whole number, got '{text[:40]}'; the largest is {MAX_VIEW:,}")


def _lines(path: Path) -> Mapping[int, dict[str, str]]:
    """Lines of a CSV file with a header, by number."""
    known = {"name", "truth", "shape", "category", "view"}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            head = reader.fieldnames or []
            if "name" not in head or set(head) - known:
                others = ", ".join(sorted(known - {"name"}))
                raise DataError(f"{path}: columns must be name and any of {others}; got {', '.join(head)}")
            lines = {}
            for line in reader:
                if None in line or None in line.values():
                    raise DataError(f"{path}, line {reader.line_num}: not {len(head)} columns")
                lines[reader.line_num] = {key: normalize("NFC", value.strip()) for key, value in line.items()}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error
    if not lines:
        raise DataError(f"{path}: no lines below the header")
    return lines


def _category(name: str) -> str:
    return name.split("/")[0] if "/" in name else OBJECT
