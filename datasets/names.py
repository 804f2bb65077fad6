"""Names of files as people mean them: through links, in either Unicode form, with or without a folder's help.

macOS unpacks 'é' as two characters where Linux and Windows keep one; Windows does not tell 'Chair' from
'chair'; and ShapeNet's layout calls every mesh `model.obj`, so that its folder is the name of the shape. Two
trees of the same shapes are therefore compared by what their names mean, as far as that is beyond doubt.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from unicodedata import normalize

from zoo.system.text import printable

from . import DataError

_BY_KIND = [
    "model",
    "models",
    "model_normalized",
    "mesh",
    "shape",
    "object",
    "solid",
    "voxel",
    "voxels",
    "points",
]
_BY_ROLE = ["pointcloud", "pred", "prediction", "reconstruction", "output", "result", "gt", "truth"]
NOBODY = frozenset([*_BY_KIND, *_BY_ROLE])
"""Names of files and folders that name no shape."""


@dataclass(frozen=True)
class Named:
    """What a file may be called.

    Attributes:
        name: what it is called here.
        full: its path below the folder, without extension.
        folders: those of its folders that hold nothing else of its kind, the nearest first.
    """

    name: str
    full: str = ""
    folders: tuple[str, ...] = ()

    @property
    def own(self) -> set[str]:
        """Names that are its own, whatever lies beside it."""
        return {self.name, self.full or self.name}

    @property
    def above(self) -> set[str]:
        """The folder that names it where its own name, and those of folders in between, name nobody."""
        parts = (self.full or self.name).split("/")
        while parts and parts[-1].casefold() in NOBODY:
            parts.pop()
        return {"/".join(parts)} & set(self.folders)


def files_below(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Every file below a folder in the order of its path, through links too, but not in circles.

    What begins with a dot is left out, folders too.

    Raises:
        DataError: a folder cannot be listed.
    """
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
            yield from files_below(path, (*above, here))
        else:
            yield path


def name_of(path: PurePath) -> str:
    """A relative path as text in Unicode's form C, with '/'; bytes that are no UTF-8 are escaped."""
    return normalize("NFC", os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace"))


def lone_folders(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Folders of each path in which no other path lies, the nearest first."""
    above = {name: [name.rsplit("/", k)[0] for k in range(1, name.count("/") + 1)] for name in names}
    held = Counter(folder for folders in above.values() for folder in folders)
    return {name: tuple(f for f in folders if held[f] == 1) for name, folders in above.items()}


def paired(wanted: Sequence[Named], found: Sequence[Named]) -> dict[int, int]:
    """Position in `found` of the partner of each of `wanted`, where it has one.

    Equal paths come first, then equal names. Then a folder with one file stands for the file where the other
    side has a file of the folder's name, or the file's own name names nobody. Last, the same with letter
    case left aside. No step pairs what has two partners: it is left to the caller as missing rather than
    guessed.
    """
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for spelt in (str, str.casefold):
        for ours, theirs in _STEPS:
            left = {k: ours(each) for k, each in enumerate(wanted) if k not in pairs}
            free = {k: theirs(each) for k, each in enumerate(found) if k not in taken}
            for k, partner in _only_partners(left, free, spelt):
                pairs[k] = partner
                taken.add(partner)
    return pairs


def some(names: Sequence[object], most: int = 5) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(printable(str(name)) for name in names[:most]) + more


_Names = Callable[[Named], Iterable[str]]
_STEPS: tuple[tuple[_Names, _Names], ...] = (
    (lambda one: [one.full or one.name], lambda one: [one.full or one.name]),
    (lambda one: one.own, lambda one: one.own),
    (lambda one: [one.full or one.name], lambda one: one.folders),
    (lambda one: one.folders, lambda one: [one.full or one.name]),
    (lambda one: one.own | one.above, lambda one: one.own | one.above),
)


def _only_partners(
    left: dict[int, Iterable[str]], free: dict[int, Iterable[str]], spelt: Callable[[str], str]
) -> Iterator[tuple[int, int]]:
    """Pairs that share a name and share none with anything else."""
    by_name: dict[str, set[int]] = defaultdict(set)
    for k, names in free.items():
        for name in names:
            by_name[spelt(name)].add(k)
    asked: dict[int, set[int]] = {
        k: set().union(*(by_name.get(spelt(name), set()) for name in names)) for k, names in left.items()
    }
    wanted_by = Counter(k for partners in asked.values() for k in partners)
    for k, partners in asked.items():
        if len(partners) == 1 and wanted_by[next(iter(partners))] == 1:
            yield k, next(iter(partners))
