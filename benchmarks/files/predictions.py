"""Folders of predictions that somebody else made, as the scoring takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from benchmarks.files.pairing import Instance, ShapeFolder
from benchmarks.protocols import Protocol, ThresholdChoice, Truth
from benchmarks.records.identity import canonical_json
from benchmarks.scoring.measuring import Unread
from datasets import BadItem, DataError
from datasets.formats.shapes import holds_grid, read_shape
from datasets.names import paired, some
from zoo.shapes import Shape
from zoo.system.lazy import LazySequence


class TruthFiles(LazySequence[Truth]):
    """The true shapes of some instances, read as they are asked for; the last one is kept."""

    def __init__(self, wanted: Sequence[Instance]) -> None:
        self.wanted = wanted
        self._last: tuple[Path, Shape] | None = None

    def __len__(self) -> int:
        return len(self.wanted)

    def item(self, index: int) -> Truth:
        """Raises BadItem where the file cannot be read."""
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
        missing: names of the instances without a file.
        extra: names of the files that belong to no instance.
        renamed: files that go by another name than their instance, and that name.
        unread: what to say of files that are not read.
    """

    name: str
    files: tuple[Path | None, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()

    @classmethod
    def below(cls, folder: Path, name: str, wanted: Sequence[Instance]) -> PredictionFiles:
        """Pair the shapes of a folder with instances; see `datasets.names.paired`.

        Raises:
            DataError: there is no shape in it, or none that any instance asks for.
        """
        found = ShapeFolder.below(folder)
        partner = paired([one.names for one in wanted], found.names)
        names = [named.name for named in found.names]
        if not partner:
            raise DataError(
                f"{folder}: none of its {len(names)} shapes has the name of a true one: "
                f"'{names[0]}' here, '{wanted[0].name}' there; rename them, or say which "
                f"belongs to which with --names"
            )
        taken = set(partner.values())
        return cls(
            name,
            tuple(found.paths[partner[k]] if k in partner else None for k in range(len(wanted))),
            tuple(one.name for k, one in enumerate(wanted) if k not in partner),
            tuple(each for k, each in enumerate(names) if k not in taken),
            tuple((names[at], wanted[k].name) for k, at in partner.items() if names[at] != wanted[k].name),
            tuple(found.unread_lines),
        )

    def unpaired(self) -> list[str]:
        """What to tell of the files that do not simply fit, a line each; nothing where all do."""
        lines = []
        if self.missing or self.extra:
            lines.append(
                f"{self.name}: {len(self.missing)} of {len(self.files)} true shapes have no prediction and "
                f"count as failures; {len(self.extra)} files belong to none and are left aside"
            )
        if self.missing:
            lines.append(f"  without a prediction: {some(self.missing)}")
        if self.extra:
            lines.append(f"  belong to none: {some(self.extra)}")
        if self.renamed:
            pairs = some([f"{here} is {there}" for here, there in self.renamed])
            lines.append(
                f"{self.name}: {len(self.renamed)} found by a folder or another letter case: {pairs}"
            )
        return lines + list(self.unread)

    @property
    def shapes(self) -> list[Unread | None]:
        """What `score` reads in the process that measures it."""
        return [None if file is None else partial(read_shape, file) for file in self.files]

    @cached_property
    def has_voxels(self) -> bool:
        """Whether any of the files is a grid: those have a threshold, whatever else is in the folder.

        Raises:
            DataError: none can be read.
        """
        files, reason = [file for file in self.files if file is not None], ""
        if any(map(_is_grid, files)):
            return True
        for file in files:
            try:
                read_shape(file)
            except BadItem as error:
                reason = reason or str(error)
            else:
                return False
        raise DataError(f"'{self.name}': none of its shapes can be read; the first: {reason}")

    def choose_threshold(self, protocol: Protocol, wanted: Sequence[Instance]) -> ThresholdChoice | None:
        """What the protocol chooses on those of the files that are grids; None where none is.

        Instances without a prediction, or with one that cannot be read, count; other kinds have no threshold.

        Raises:
            DataError: there are grids, and a true shape is none.
        """
        shapes = [None if file is None else _read_or_none(file) for file in self.files]
        if not any(shape is not None and shape.has_field for shape in shapes):
            return None
        chosen = [k for k, shape in enumerate(shapes) if shape is None or shape.has_field]
        truths = TruthFiles([wanted[k] for k in chosen])
        if others := [truth.id for truth in truths if truth.grid is None]:
            raise DataError(
                f"'{self.name}': a threshold is chosen on voxels; true validation shapes without any: "
                f"{some(others)}; give grids, or say --threshold"
            )
        return protocol.choose_threshold([shapes[k] for k in chosen], truths)

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


def _is_grid(file: Path) -> bool:
    with suppress(BadItem):  # counted as a failure, with its reason, where it is measured
        return holds_grid(file)
    return False


def _read_or_none(file: Path) -> Shape | None:
    try:
        return read_shape(file)
    except BadItem:
        return None
