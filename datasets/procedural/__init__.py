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
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.sample import sample_surface
from zoo.geometry.voxelize import solid
from zoo.registry import EntryConfig, did_you_mean

from .. import DATASETS, R2N2_CATEGORIES, SPLITS, BadItem, DataSource, Item, PrepareOptions, Sample
from .draw import Draw, seed_of
from .families import FAMILIES, make
from .parts import ColoredMesh

CATEGORIES: tuple[str, ...] = tuple(R2N2_CATEGORIES.values())
R2N2_DISTANCE = 1.75
"""Largest distance of 3D-R2N2's cameras, in lengths of the bounding box' diagonal."""

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
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        names = [R2N2_CATEGORIES.get(category, category) for category in value]
        for name in names:
            if name not in FAMILIES:
                near = did_you_mean(str(name), list(CATEGORIES))
                raise ValueError(f"unknown category '{name}'.{near} Known: {', '.join(CATEGORIES)}")
        return tuple(n for n in CATEGORIES if n in names)  # one order, so that equal choices share a store


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

    def cameras(self, item: Item, mesh_size: float) -> Iterator[Camera]:
        """Endless views as 3D-R2N2 took them; the first ones do not depend on how many are asked for.

        Azimuth U[0, 360), elevation U[25, 30], distance 1.75 U[.65, .95] in lengths of the bounding box'
        diagonal, which was the unit there (Choy et al. 2016; metadata of ShapeNetRendering).

        Args:
            item: whose stream of views.
            mesh_size: length of the bounding box' diagonal, in cube edges.
        """
        draw = Draw("camera", self.config.seed, item.id)
        while True:
            azimuth, elevation = draw.between(0, 360), draw.between(25, 30)
            yield Camera(azimuth, elevation, R2N2_DISTANCE * draw.between(0.65, 0.95) * mesh_size)

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        shape = self.shape(item)
        mesh = shape.mesh
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        views = self.cameras(item, float(np.sqrt(((high - low) ** 2).sum())))
        cameras = [next(views) for _ in range(options.views)]
        pictures = [render(mesh, c, options.image_size, face_colors=shape.face_colors) for c in cameras]
        points = None
        if options.points:
            rng = np.random.Generator(np.random.PCG64(seed_of("points", self.config.seed, item.id)))
            points = sample_surface(mesh, options.points, rng).astype(np.float32)
        return Sample(
            images=np.stack([p.rgba for p in pictures]),
            voxels={r: solid(mesh, r)[0] for r in options.resolutions},
            cameras=np.stack([c.as_row() for c in cameras]),
            points=points,
            depth=np.stack([p.depth for p in pictures]) if options.maps else None,
            normals=np.stack([p.normals for p in pictures]) if options.maps else None,
        )

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
