"""The embedded data set: parametric shapes in the 13 categories of the R2N2 benchmark, made on the spot.

A shape is a union of closed, coloured parts (`primitives`, `parts`), put together by one of several styles
of its category (`families`), each with wide parameter ranges. It is set up as ShapeNet is: canonical pose,
front towards +x, longest edge 1. Its pictures are taken as 3D-R2N2's were, by the renderer that also
serves real meshes, and its voxels come from the same voxeliser.

A shape is fixed by the seed and its id, and by nothing else: neither the number of shapes, nor the order
in which they are built, nor the machine (see `draw` and `Parts.finish`). The streams of training,
validation and test shapes are independent, so the splits share no shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from zoo.geometry.mesh import ColoredMesh
from zoo.geometry.voxelize import solid
from zoo.registry import EntryConfig

from ... import DATASETS, SPLITS, BadItem, DataSource, Item, PrepareOptions, Sample
from ...categories import R2N2_CATEGORIES, chosen_categories
from ...making.draw import Draw
from ...making.sample import sample_of
from .families import FAMILIES, make

CATEGORIES: tuple[str, ...] = tuple(R2N2_CATEGORIES.values())

_ID = re.compile(r"([a-z]+)/([a-z]+)/(\d{5})")


class ProceduralConfig(EntryConfig):
    """Which shapes are made. Raising a count adds shapes and leaves the others as they are."""

    seed: int = Field(0, ge=0)
    """Another seed gives other shapes."""
    categories: tuple[str, ...] = Field(CATEGORIES, min_length=1)
    """Names or synset ids, as a list or separated by commas; all 13 by default."""
    train: int = Field(100, ge=0, le=100_000)
    """Training shapes per category."""
    val: int = Field(10, ge=0, le=100_000)
    """Validation shapes per category."""
    test: int = Field(20, ge=0, le=100_000)
    """Test shapes per category."""

    @field_validator("categories", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return chosen_categories(value, R2N2_CATEGORIES)


@DATASETS.register(
    "procedural",
    config=ProceduralConfig,
    smoke={"categories": ("chair", "airplane"), "train": 4, "val": 2, "test": 2},
    tags={"kind": "generated"},
)
class ProceduralSource(DataSource):
    """Parametric shapes in the 13 categories of the R2N2 benchmark; no download."""

    version = "1"
    kind = "generated"
    provides = frozenset({"image", "mask", "voxels", "points", "depth", "normals", "camera", "views"})
    homepage = ""
    licence = "MIT, as the code that makes it"
    how_to_get = "Nothing to get: the shapes are made at the first use."

    config: ProceduralConfig

    def __init__(self, config: EntryConfig, root: Path | None = None) -> None:
        super().__init__(config, root)

    def items(self) -> Sequence[Item]:
        return list(self._items)

    def style(self, item: Item) -> str:
        """Which style of its category a shape has. Styles take turns: every run of them holds each once.

        Raises:
            BadItem: the data set has no such item.
        """
        category, split, index = self._parse(item)
        styles = list(FAMILIES[category])
        block, position = divmod(index, len(styles))
        draw = Draw("styles", self.config.seed, category, split, block)
        for k in range(len(styles) - 1, 0, -1):  # Fisher-Yates
            j = draw.whole(0, k)
            styles[k], styles[j] = styles[j], styles[k]
        return styles[position]

    def shape(self, item: Item) -> ColoredMesh:
        """The mesh of an item, with a colour for each face.

        Raises:
            BadItem: the data set has no such item.
        """
        return make(item.category, self.style(item), Draw("shape", self.config.seed, item.id))

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        shape = self.shape(item)
        voxels = {r: solid(shape.mesh, r)[0] for r in options.resolutions}
        return sample_of(shape, voxels, options, self.config.seed, item.id)

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        counts = {"train": self.config.train, "val": self.config.val, "test": self.config.test}
        return tuple(
            Item(f"{category}/{split}/{index:05d}", category, split)
            for split in SPLITS
            for category in self.config.categories
            for index in range(counts[split])
        )

    def _parse(self, item: Item) -> tuple[str, str, int]:
        match = _ID.fullmatch(item.id)
        if match is None:
            raise BadItem(f"'{item.id}' is no shape of this data set; an id looks like 'chair/train/00017'")
        category, split, index = match[1], match[2], int(match[3])
        if (category, split) != (item.category, item.split):
            raise BadItem(f"'{item.id}' cannot be a {item.category} of the {item.split} split")
        if category not in self.config.categories:
            raise BadItem(f"'{item.id}': the categories are {', '.join(self.config.categories)}")
        count = getattr(self.config, split, 0) if split in SPLITS else 0
        if index >= count:
            raise BadItem(f"'{item.id}': the {split} split has {count} shapes of each category")
        return category, split, index
