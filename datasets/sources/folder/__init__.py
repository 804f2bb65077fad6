"""A user's own shapes: meshes or voxels, with own pictures of them or with pictures made here.

    <root>/meshes/<id>.glb         or obj, off, ply, stl, gltf; a root without meshes/ and voxels/ may hold
                                   the meshes itself
    <root>/voxels/<id>.binvox      in place of meshes
    <root>/images/<id>/*.png       optional: pictures of each shape, by name; jpg and webp too. Or
                                   images/<id>.png where there is but one
    <root>/index.csv               optional: columns id and, where wanted, category, split, up and front

An id is the path below meshes/ or voxels/ without its extension; its outermost folder is its category
('chair/abc' is a chair), and what lies in no folder is an 'object'. Where there is an index, its lines make
the data set, and its cells go before these defaults. Ids are in Unicode's form C, however a file's name is
spelt; where nothing else can be meant, letter case does not matter, and 'abc' finds `abc/model.obj`.

Frame. Whatever its units and its place, each shape is centred on its bounding box and scaled to a longest
edge of 1. No file says which way its shape looks: y is taken as up, and x as the front, but in glTF z, as its
standard has it. `up` and `front` change that, for all shapes or, as columns of the index, for one.

Pictures. Those of images/ have no cameras; they are scaled to fit into the size of the store and padded with
transparency, and alpha is kept. A store holds equally many of every shape: by default as many as at least
half of the shapes have. Of a shape with fewer all are taken, and again in turn. Without images/ the meshes
are drawn, in their own colours; voxels are drawn as those of `vox32` are.

Meshes need not be closed: what kind of solid was found (closed, repaired, shell) is noted for each shape.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
from pydantic import Field, field_validator, model_validator

from zoo.geometry.mesh import ColoredMesh
from zoo.geometry.resample import fill_cube
from zoo.geometry.voxelize import solid
from zoo.registry import EntryConfig, did_you_mean

from ... import DATASETS, SPLITS, BadItem, DataError, DataSource, Item, PrepareOptions, Sample
from ...formats.binvox import read_binvox
from ...formats.images import fitted, has_alpha, read_rgba
from ...formats.meshes import read_mesh
from ...making.axes import Axes
from ...making.sample import coarser, sample_of, sample_of_grid
from ...making.stamp import change_mark
from ...names import some
from ...splits import drawn_rule, file_hash
from .layout import CELLS, IMAGES, INDEX, MESHES, VOXELS, FolderLayout

Direction = Literal["x", "-x", "y", "-y", "z", "-z"]


class FolderConfig(EntryConfig):
    """Which shapes, how they are divided, and which way they look."""

    categories: tuple[str, ...] = ()
    """Some categories only, as a list or separated by commas; all by default."""
    seed: int = Field(0, ge=0)
    """Seed of the split of shapes to which the index gives none: 70 % train, 10 % validate, 20 % test, each
    by a draw of its own (see `datasets.splits.drawn_rule`); and of cameras, points and colours."""
    up: Literal["y", "z"] = "y"
    """Axis of the files that points up."""
    front: Direction | Literal["auto"] = "auto"
    """Axis of the files towards which the shapes look. 'auto': z for glTF with y up, as its standard says; x
    for all others."""
    fine: int = Field(128, ge=1, le=512)
    """Resolution at which meshes are voxelised. The stored grids are pooled from it, so that parts thinner
    than their cells are not lost."""
    min_views: int = Field(1, ge=1)
    """Shapes with fewer pictures of their own are missing."""
    masks: bool = True
    """Alpha is the mask where every picture has alpha. False: it is kept, but is no mask."""

    @field_validator("categories", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        return tuple(sorted({normalize("NFC", name) if isinstance(name, str) else name for name in names}))

    @model_validator(mode="after")
    def _check(self) -> FolderConfig:
        if self.front != "auto":
            Axes(self.front, self.up)  # raises when both are one axis
        return self


@DATASETS.register("folder", config=FolderConfig)
class Folder(DataSource):
    """A folder of your own meshes or voxels, with or without pictures of your own."""

    version = "1"
    kind = "files"
    provides = frozenset({"image", "mask", "voxels", "points", "depth", "normals", "camera", "views"})
    homepage = ""
    licence = "your own"
    how_to_get = (
        f"give as the root a folder that holds {MESHES}/<id>.glb (or obj, off, ply, stl, gltf) or "
        f"{VOXELS}/<id>.binvox, and optionally {IMAGES}/<id>/*.png and {INDEX} (columns id and any of "
        f"{', '.join(CELLS)})."
    )
    how_to_split = (
        f"give three shapes or more, or an {INDEX} with the columns id and split: where it gives every shape "
        f"a split, no other is asked for, so that 'test' for all makes a data set for testing alone"
    )

    config: FolderConfig
    root: Path

    def __init__(self, config: EntryConfig, root: Path | None) -> None:
        super().__init__(config, root)
        self.layout = FolderLayout(self.root)

    def items(self) -> Sequence[Item]:
        """Shapes of the chosen categories, sorted by id: those of the index where there is one, else all."""
        self.provides = self._provided()
        return self._items

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """Voxelise a mesh or read a grid; draw it, or read its pictures."""
        file = self.layout.file(item.id)
        own = self.layout.has_pictures and options.views > 0
        images = self._images(item, options) if own else None
        drawn = options.model_copy(update={"views": 0}) if own else options
        try:
            sample = (self._of_mesh if self.layout.has_meshes else self._of_grid)(file, item, drawn)
        except (BadItem, DataError):
            raise
        except ValueError as error:  # of geometry, which knows of no files
            raise BadItem(f"{file}: {error}") from error
        return replace(sample, images=images) if own else sample

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """What the fine grid can be pooled to; grids have no points; own pictures are what there is."""
        if self.layout.has_meshes:
            self._check_pooling(options.resolutions)
        else:
            options = options.model_copy(update={"points": 0})
        if not self.layout.has_pictures or not options.views:
            return options
        if options.maps:
            raise DataError(f"{self.layout.images}: pictures have no depth and no normals; leave out 'maps'")
        views = self._usual_pictures()
        asked = options.views if "views" in options.model_fields_set else 0
        if asked > views:
            warnings.warn(
                f"{self.layout.images}: {asked} views were asked for, but more than half of the shapes have "
                f"no more than {views}; the store holds {views} of each shape",
                stacklevel=2,
            )
        views = min(options.views, views)
        counts = {name: len(files) for name, files in self._pictures.items()}
        fewer = [name for name, count in counts.items() if self.config.min_views <= count < views]
        if fewer:
            shown = some([f"'{name}' has {counts[name]}" for name in fewer])
            warnings.warn(
                f"{self.layout.images}: the store holds {views} pictures of each shape. {len(fewer)} shapes "
                f"have fewer, which are taken again in turn: {shown}. min_views={views} does without such "
                f"shapes, and {min(counts[name] for name in fewer)} views are what all of them have",
                stacklevel=2,
            )
        return options.model_copy(update={"views": views})

    def _check_pooling(self, resolutions: Sequence[int]) -> None:
        for resolution in resolutions:
            if resolution < 1 or self.config.fine % resolution:
                raise DataError(
                    f"data set 'folder': grids of {self.config.fine}^3 cannot be pooled to {resolution}^3; "
                    f"ask for a divisor of {self.config.fine}, or set 'fine' to a multiple of {resolution}"
                )

    def required(self) -> Sequence[str]:
        """All, unless the index gives a split to every shape that is wanted: then those that it names."""
        named = {self.layout.entry[item.id].split for item in self._items}
        return [split for split in SPLITS if split in named] if all(named) else SPLITS

    def unread(self) -> Sequence[Path]:
        """Files of meshes/ or voxels/ that are shapes by their names, of a kind that is not read."""
        return [self.layout.shapes / file for file in self.layout.unread]

    def identity(self) -> dict[str, Any]:
        """The index enters by its content, and that it says which way shapes look, where it does."""
        index = self.layout.index
        own = super().identity() | {"index": file_hash(index) if index.is_file() else None}
        turned = any(entry.up or entry.front for entry in self.layout.listed)
        return own | ({"axes": "of each shape"} if turned else {})

    def stamp(self) -> str:
        """Modification times of the index, of every shape and of every picture."""
        files = [*self.layout.files.values(), *self._pictures.values()]
        return change_mark([self.layout.index, *(file for each in files for file in each)])

    def _of_mesh(self, file: Path, item: Item, options: PrepareOptions) -> Sample:
        found = read_mesh(file, colors=options.views > 0)
        mesh = self._axes(file, item).mesh(found.mesh).normalized()
        grid, status = solid(mesh, self.config.fine)
        shape = ColoredMesh(mesh, found.face_colors)
        sample = sample_of(shape, coarser(grid, options), options, self.config.seed, "folder", item.id)
        return replace(sample, note=str(status))

    def _of_grid(self, file: Path, item: Item, options: PrepareOptions) -> Sample:
        grid = fill_cube(self._axes(file, item).grid(read_binvox(file).voxels))
        return sample_of_grid(grid, options, self.config.seed, "folder", item.id)

    def _images(self, item: Item, options: PrepareOptions) -> np.ndarray:
        """The pictures (V, H, W, 4) of one shape; where it has too few, they come again in turn."""
        files, least = self._pictures[item.id], self.config.min_views
        if len(files) < least:
            raise BadItem(f"{self.layout.images / item.id}: {len(files)} pictures, wanted are {least}")
        images = []
        for file in islice(cycle(files), options.views):
            rgba = read_rgba(file)
            if self._cut_out and rgba[..., 3].min() == 255:
                raise BadItem(
                    f"{file}: has alpha, but no transparent pixel; cut the object out, or say masks=false"
                )
            images.append(fitted(rgba, options.image_size))
        return np.stack(images)

    def _usual_pictures(self) -> int:
        """The largest number of pictures that at least half of the shapes have, of those with enough."""
        counts = {name: len(files) for name, files in self._pictures.items()}
        enough = sorted(count for count in counts.values() if count >= self.config.min_views)
        if not enough:
            name = max(counts, key=lambda name: counts[name])
            raise DataError(
                f"{self.layout.images}: no shape has {self.config.min_views} pictures; '{name}' has "
                f"{counts[name]}, looked for were {name}.png and {name}/*.png, or jpg, or webp"
            )
        return enough[len(enough) // 2]

    def _provided(self) -> frozenset[str]:
        absent = set() if self.layout.has_meshes else {"points"}
        if self.layout.has_pictures:
            absent |= {"camera", "depth", "normals"}
        if self.layout.has_pictures and not self._cut_out:
            absent.add("mask")
        return type(self).provides - absent

    def _axes(self, file: Path, item: Item) -> Axes:
        """Which way a shape looks: what the index says, else the configuration, else its kind of file."""
        entry = self.layout.entry[item.id]
        up, front = entry.up or self.config.up, entry.front or self.config.front
        if front == "auto":
            front = "z" if file.suffix.lower() in (".glb", ".gltf") and up == "y" else "x"
        try:
            return Axes(front, up)
        except ValueError as error:
            raise BadItem(f"{self.layout.index}, line {entry.line}: {error}") from error

    @cached_property
    def _items(self) -> list[Item]:
        below = self.layout.roots_below()
        if below or not self.layout.entries:
            remark = f"{self.layout.unread_text}." if self.layout.unread else ""
            raise self.not_there("folder", f"has no shapes in {self.layout.shapes}", below, remark)
        entries = self.layout.entries
        drawn = drawn_rule([e.id for e in entries], "folder", self.config.seed)
        items = [Item(e.id, e.category or _outermost(e.id), e.split or drawn[e.id]) for e in entries]
        there = sorted({item.category for item in items})
        for category in self.config.categories:
            if category not in there:
                near = did_you_mean(category, there)
                raise DataError(f"{self.root}: no category '{category}'.{near} There is {', '.join(there)}")
        wanted = self.config.categories or there
        return sorted((item for item in items if item.category in wanted), key=lambda item: item.id)

    @cached_property
    def _pictures(self) -> dict[str, list[Path]]:
        """Own pictures of each shape, if the user has any."""
        return {i.id: self.layout.pictures(i.id) for i in self._items} if self.layout.has_pictures else {}

    @cached_property
    def _cut_out(self) -> bool:
        """Whether every picture has alpha, and that is its mask."""
        for file in (file for files in self._pictures.values() for file in files):
            with suppress(BadItem):  # what cannot be read is missing, and decides nothing
                if not has_alpha(file):
                    return False
        return self.config.masks


def _outermost(name: str) -> str:
    folder, slash, _ = name.partition("/")
    return folder if slash else "object"
