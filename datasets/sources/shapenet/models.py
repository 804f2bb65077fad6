"""What data sets of ShapeNet's models share: ids, categories, splits; and the 32^3 grids of 13 categories."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from zoo.files import expand_home
from zoo.registry import EntryConfig
from zoo.seeding import derive

from ... import SPLITS, BadItem, DataError, DataSource, Item, PrepareOptions
from ...categories import R2N2_CATEGORIES, chosen_categories
from ...formats.binvox import read_binvox
from ...splits import file_hash, read_split_file

VOXELS = "ShapeNetVox32"
"""Folder of the grids: <synset>/<id>/model.binvox."""
RESOLUTION = 32
R2N2_CITATION = "Choy, Xu, Gwak, Chen, Savarese: 3D-R2N2, ECCV 2016, arXiv:1604.00449"
KNOWN_BAD = {
    "04090263/4a32519f44dc84aabafe26e2eb69ebf4": "known bad item: its mesh is empty",
    "02958343/f9c1d7748c15499c6f2bd1c4e9adb41": "known bad item: its rendering is missing from the archive",
}
"""Items that are wrong in the published archives; the same for everybody, and for pictures of our own too, so
that data sets of the benchmark have the same shapes."""


class ShapeNetModelsConfig(EntryConfig):
    """Which part of the benchmark, and how it is divided."""

    split: str = "r2n2"
    """'r2n2': 3D-R2N2's rule on the sorted ids (see `datasets.splits.sorted_rule`); or the path of a JSON
    list in Pix2Vox's form, whose shapes then make the data set."""
    categories: tuple[str, ...] = Field(tuple(R2N2_CATEGORIES.values()), min_length=1)
    """Names or synset ids, as a list or separated by commas; all 13 by default."""

    train: int | None = Field(None, ge=0)
    """At most so many training shapes of each category; all by default. Raising it adds shapes and keeps the
    others."""
    val: int | None = Field(None, ge=0)
    """At most so many validation shapes of each category."""
    test: int | None = Field(None, ge=0)
    """At most so many test shapes of each category."""
    seed: int = Field(0, ge=0)
    """Seed of the choice where there are limits, and of what is drawn."""

    @field_validator("categories", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return chosen_categories(value, R2N2_CATEGORIES)


class ShapeNetModels(DataSource):
    """A data set with models of ShapeNet, named '<synset>/<model>'; of 13 categories if not said otherwise.

    Attributes:
        known: its categories, synset id to name.
        rules: what `split` may be besides a path.
    """

    how_to_split = (
        "more shapes or categories, or another split rule, would fill it. What has a limit of 0 is not asked "
        "for: train=0 and val=0 make a data set for testing alone"
    )
    known: ClassVar[Mapping[str, str]] = R2N2_CATEGORIES
    rules: ClassVar[tuple[str, ...]] = ("r2n2",)
    config: ShapeNetModelsConfig
    root: Path

    @property
    def synsets(self) -> list[str]:
        """Synsets of the chosen categories."""
        return [synset for synset, name in self.known.items() if name in self.config.categories]

    def list_file(self) -> Path | None:
        """The list that the split is read from; None where it is 3D-R2N2's rule.

        Raises:
            DataError: there is no such file.
        """
        if self.config.split == "r2n2":
            return None
        path = expand_home(self.config.split)
        if not path.is_file():
            known = " nor ".join(f"'{rule}'" for rule in self.rules)
            raise DataError(f"split '{self.config.split}' is neither {known} nor an existing file")
        return path

    @abstractmethod
    def by_rule(self, synsets: Sequence[str]) -> dict[str, str]:
        """Split of each shape that is there, by 3D-R2N2's rule.

        Raises:
            DataError: the root is missing or holds nothing of `synsets`.
        """

    def items(self) -> Sequence[Item]:
        """Shapes of the chosen categories, sorted by id '<synset>/<model>', down to the limits.

        With the rule 'r2n2' these are of all that are there. With a list file they are of the listed ones,
        whether they are there or not. Who stays within a limit does not depend on how many stay.
        """
        synsets = self.synsets
        if file := self.list_file():
            listed = read_split_file(file)
            split = {i: name for i, name in listed.items() if i.partition("/")[0] in synsets}
            if not split:
                raise DataError(f"split file {file}: lists none of {', '.join(self.config.categories)}")
        else:
            split = self.by_rule(synsets)
        groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
        for name, part in split.items():
            synset, _, model = name.partition("/")
            groups[part, synset].append(Item(name, self.known[synset], part, shape=model))
        kept = [item for (part, _), group in groups.items() for item in self._within(part, group)]
        return sorted(kept, key=lambda item: item.id)

    def required(self) -> Sequence[str]:
        """All splits but those that a limit of 0 leaves out."""
        return [split for split in SPLITS if getattr(self.config, split) != 0]

    def _within(self, split: str, group: Sequence[Item]) -> Sequence[Item]:
        """The items of one category and split that the limit lets in."""
        most = getattr(self.config, split)
        if most is None:
            return group
        return sorted(group, key=lambda item: derive(self.config.seed, "choice", item.id))[:most]

    def identity(self) -> dict[str, Any]:
        """The split file enters by its content."""
        file = self.list_file()
        return super().identity() | ({"split": file_hash(file)} if file else {})

    def none_of_them(self, where: Path, synsets: Sequence[str]) -> DataError:
        """What to raise when nothing of the chosen categories is there; `synsets` are there."""
        there = [self.known.get(s, s) for s in sorted(synsets)]
        return DataError(
            f"{where}: no shapes of {', '.join(self.config.categories)}; "
            f"there is {', '.join(there) or 'nothing'}"
        )


class R2N2Models(ShapeNetModels):
    """Models of ShapeNet's 13 categories as the authors of 3D-R2N2 gave them out."""

    kind = "files"
    known_bad = KNOWN_BAD
    homepage = "https://cvgl.stanford.edu/3d-r2n2/"
    licence = "ShapeNet terms of use, research only"


def check_resolutions(options: PrepareOptions) -> None:
    """Refuse what grids of 32^3 cannot be pooled to.

    Raises:
        DataError: one of the resolutions is finer, or no divisor.
    """
    for resolution in options.resolutions:
        if resolution > RESOLUTION or RESOLUTION % resolution:
            raise DataError(
                f"'{VOXELS}' holds grids of {RESOLUTION}^3 and cannot give {resolution}^3; ask for "
                f"32, 16, 8 or 4, or use a data set with meshes, such as 'procedural'"
            )


def read_grid(file: Path) -> tuple[np.ndarray, float]:
    """One model.binvox: its grid (32, 32, 32) bool and its width in the units of the renders.

    Raises:
        BadItem: the file is missing, damaged, or of another size.
    """
    grid = read_binvox(file, max_cells=RESOLUTION**3)
    if grid.voxels.shape != (RESOLUTION,) * 3:
        raise BadItem(f"{file}: expected a grid of {RESOLUTION}^3, got {grid.voxels.shape}")
    return grid.voxels, grid.scale


def models(tree: Path, synset: str) -> set[str]:
    """Names of the folders in <tree>/<synset>; none when it is not there."""
    folder = tree / synset
    return {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
