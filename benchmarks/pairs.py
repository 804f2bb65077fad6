"""Which file of a folder of predictions belongs to which true shape."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import DataError
from datasets.formats.shapes import SUFFIXES
from zoo.registry import did_you_mean

OBJECT = "object"
"""Category of what lies in no folder."""


@dataclass(frozen=True)
class Instance:
    """One true shape and the name by which predictions of it go.

    Attributes:
        name: path of the prediction below its folder, without the extension.
        shape: what the statistics take for one shape; several pictures of it share this.
        view: which of its pictures the prediction is of.
        truth: file of the true shape.
    """

    name: str
    shape: str
    category: str
    view: int
    truth: Path


def shape_files(folder: Path) -> dict[str, Path]:
    """Every shape file below a folder, by name, sorted: the path without extension.

    Where all files of several folders have one name (``<id>/model.binvox``), it is left out: the folder names
    the shape.

    Raises:
        DataError: no such folder, no shape in it, or two files of one name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[tuple[str, ...], Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in relative.parts):
            continue
        name = relative.with_suffix("").parts
        if name in found:
            raise DataError(f"{folder}: {found[name].name} and {path.name} are both of '{'/'.join(name)}'")
        found[name] = path
    if not found:
        raise DataError(f"{folder}: no shape in it; known are {', '.join(SUFFIXES)}")
    shared = _shared_tail(list(found))
    return {"/".join(name[: len(name) - shared]): path for name, path in found.items()}


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
    files = shape_files(truths)
    if names is None:
        return [Instance(name, name, _category(name), 0, path) for name, path in files.items()]
    lines = _lines(names)
    found = []
    for number, line in lines.items():
        name = line.get("name", "")
        truth = line.get("truth") or name
        if truth not in files:
            nearest = did_you_mean(truth, list(files))
            raise DataError(f"{names}, line {number}: no true shape '{truth}' in {truths}.{nearest}")
        view = line.get("view") or "0"
        if not view.isdecimal():
            raise DataError(f"{names}, line {number}: view must be a whole number, got '{view}'")
        found.append(
            Instance(
                name,
                line.get("shape") or truth,
                line.get("category") or _category(truth),
                int(view),
                files[truth],
            )
        )
    for what in ({i.name for i in found}, {(i.shape, i.view) for i in found}):
        if len(what) != len(found):
            raise DataError(f"{names}: a name, or a shape and view, occurs twice")
    return found


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
                lines[reader.line_num] = {key: value.strip() for key, value in line.items()}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error
    if not lines:
        raise DataError(f"{path}: no lines below the header")
    return lines


def _category(name: str) -> str:
    return name.split("/")[0] if "/" in name else OBJECT
