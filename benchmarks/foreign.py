"""Folders of predictions that somebody else made, as the scoring takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

from benchmarks.measuring import Unread
from benchmarks.pairs import Instance, shape_files
from benchmarks.protocols import Truth
from benchmarks.results import canonical_json
from datasets import BadItem, DataError
from datasets.formats.shapes import read_shape
from zoo.shapes import Shape, VoxelShape


class TruthFiles(Sequence[Truth]):
    """The true shapes of some instances, read as they are asked for; the last one is kept."""

    def __init__(self, wanted: Sequence[Instance]) -> None:
        self.wanted = wanted
        self._last: tuple[Path, Shape] | None = None

    def __len__(self) -> int:
        return len(self.wanted)

    @overload
    def __getitem__(self, index: int) -> Truth: ...
    @overload
    def __getitem__(self, index: slice) -> list[Truth]: ...
    def __getitem__(self, index: int | slice) -> Truth | list[Truth]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        one = self.wanted[index]
        if self._last is None or self._last[0] != one.truth:
            self._last = one.truth, read_shape(one.truth)
        return Truth(one.shape, one.category, one.view, self._last[1])


@dataclass(frozen=True)
class PredictionFiles:
    """The files of one row of the table.

    Attributes:
        name: of the row.
        files: of each instance, None where there is none.
        extra: how many files belong to no instance.
    """

    name: str
    files: tuple[Path | None, ...]
    extra: int = 0

    @classmethod
    def below(cls, folder: Path, name: str, wanted: Sequence[Instance]) -> PredictionFiles:
        """Pair the shapes of a folder with instances.

        Raises:
            DataError: there is no shape in it, or none that any instance asks for.
        """
        found = shape_files(folder)
        files = tuple(found.get(one.name) for one in wanted)
        if not any(files):
            raise DataError(
                f"{folder}: none of its {len(found)} shapes has the name of a true one: "
                f"'{next(iter(found))}' here, '{wanted[0].name}' there; rename them, or say which "
                f"belongs to which with --names"
            )
        return cls(name, files, len(set(found.values()) - set(files)))

    @property
    def missing(self) -> int:
        """Instances without a file."""
        return sum(file is None for file in self.files)

    @property
    def shapes(self) -> list[Unread | None]:
        """What `score` reads in the process that measures it."""
        return [None if file is None else partial(read_shape, file) for file in self.files]

    def read(self) -> list[Shape | None]:
        """All of them; None where there is no file, or one that cannot be read."""
        return [None if file is None else _read_or_none(file) for file in self.files]

    @cached_property
    def has_voxels(self) -> bool:
        """Whether the first file that can be read is a grid.

        Raises:
            DataError: none can be read.
        """
        reason = ""
        for file in filter(None, self.files):
            try:
                return isinstance(read_shape(file), VoxelShape)
            except BadItem as error:
                reason = reason or str(error)
        raise DataError(f"'{self.name}': none of its shapes can be read; the first: {reason}")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contents of all the files, in their order."""
        return digest(self.files)


def digest(files: Sequence[Path | None], facts: Any = None) -> str:
    """SHA-256 (hex) of the contents of files, in their order; a missing one counts as such.

    Args:
        facts: further JSON that enters.
    """
    whole = hashlib.sha256(canonical_json(facts).encode())
    for file in files:
        whole.update(b"-" if file is None else hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _read_or_none(file: Path) -> Shape | None:
    try:
        return read_shape(file)
    except BadItem:
        return None
