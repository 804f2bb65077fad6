"""A user's own shapes: meshes or voxels, with own pictures of them or with pictures made here.

    <root>/meshes/<id>.glb         or obj, off, ply, stl, gltf; a root without meshes/ and voxels/ may hold
                                   the meshes itself
    <root>/voxels/<id>.binvox      in place of meshes
    <root>/images/<id>/*.png       optional: pictures of each shape, by name; jpg and webp too. Or
                                   images/<id>.png where there is but one
    <root>/index.csv               optional: columns id and, where wanted, category and split

An id is the path below meshes/ or voxels/ without its extension; its outermost folder is its category
('chair/abc' is a chair), and what lies in no folder is an 'object'. Where there is an index, its lines make
the data set, and its cells go before these defaults.

Frame. Whatever its units and its place, each shape is centred on its bounding box and scaled to a longest
edge of 1. No file says which way its shape looks: y is taken as up, and x as the front, but in glTF z, as its
standard has it. `up` and `front` change that, for all shapes alike.

Pictures. Those of images/ have no cameras; they are scaled to fit into the size of the store and padded with
transparency, and alpha is kept. Without images/ the meshes are drawn, in their own colours; voxels are drawn
as those of `vox32` are.

Meshes need not be closed: what kind of solid was found (closed, repaired, shell) is noted for each shape.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from zoo.geometry.mesh import ColoredMesh
from zoo.geometry.resample import fill_cube
from zoo.geometry.voxelize import solid
from zoo.registry import EntryConfig, did_you_mean

from . import DATASETS, SPLITS, BadItem, DataError, DataSource, Item, PrepareOptions, Sample
from ._axes import Axes
from ._folder_layout import IMAGES, INDEX, MESHES, VOXELS, FolderLayout
from ._from_mesh import coarser, sample_of, sample_of_grid
from ._stamp import change_mark
from .formats.binvox import read_binvox
from .formats.images import fitted, has_alpha, read_rgba
from .formats.meshes import read_mesh
from .prepare import how_to_get
from .splits import drawn_rule, file_hash

Direction = Literal["x", "-x", "y", "-y", "z", "-z"]


class FolderConfig(EntryConfig):
    """Which shapes, how they are divided, and which way they look."""

    categories: tuple[str, ...] = ()
    """Some categories only, as a list or separated by commas; all by default."""
    seed: int = Field(0, ge=0)
    """Of the split of shapes to which the index gives none: 70 % train, 10 % validate, 20 % test, each by a
    draw of its own (see `datasets.splits.drawn_rule`). Of cameras, points and colours too."""
    up: Literal["y", "z"] = "y"
    """Axis of the files that points up."""
    front: Direction | Literal["auto"] = "auto"
    """Axis of the files towards which the shapes look. 'auto': z for glTF with y up, as its standard says; x
    for all others."""
    fine: int = Field(128, ge=1, le=512)
    """Resolution at which meshes are voxelised. The stored grids are pooled from it, so that parts thinner
    than their cells are not lost."""
    min_views: int = Field(1, ge=1)
    """Shapes with fewer pictures of their own are missing. The others all give as many as the one with the
    fewest has, or as many as are asked for."""
    masks: bool = True
    """Alpha is the mask where every picture has alpha. False: it is kept, but is no mask."""

    @field_validator("categories", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        return tuple(sorted(set(names)))

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
        f"{VOXELS}/<id>.binvox, and optionally {IMAGES}/<id>/*.png and {INDEX} (columns id, category, split)."
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
        if not self.layout.has_meshes:
            options = options.model_copy(update={"points": 0})
        for resolution in options.resolutions if self.layout.has_meshes else ():
            if resolution < 1 or self.config.fine % resolution:
                raise DataError(
                    f"data set 'folder': grids of {self.config.fine}^3 cannot be pooled to {resolution}^3; "
                    f"ask for a divisor of {self.config.fine}, or set 'fine' to a multiple of {resolution}"
                )
        if not self.layout.has_pictures or not options.views:
            return options
        if options.maps:
            raise DataError(f"{self.root / IMAGES}: pictures have no depth and no normals; leave out 'maps'")
        name, fewest = self._fewest_pictures()
        if options.views > fewest and "views" in options.model_fields_set:
            warnings.warn(
                f"{self.root / IMAGES}: {options.views} views were asked for, but '{name}' has {fewest}; the "
                f"store holds {fewest} of each shape. min_views={fewest + 1} does without such shapes",
                stacklevel=2,
            )
        return options.model_copy(update={"views": min(options.views, fewest)})

    def required(self) -> Sequence[str]:
        """All, unless the index gives a split to every shape: then those that it names."""
        named = {entry.split for entry in self.layout.entries}
        return [split for split in SPLITS if split in named] if all(named) else SPLITS

    def identity(self) -> dict[str, Any]:
        """The index enters by its content."""
        index = self.root / INDEX
        return super().identity() | {"index": file_hash(index) if index.is_file() else None}

    def stamp(self) -> str:
        """Modification times of the index, of every shape and of every picture."""
        files = [*self.layout.files.values(), *self._pictures.values()]
        return change_mark([self.root / INDEX, *(file for each in files for file in each)])

    def _of_mesh(self, file: Path, item: Item, options: PrepareOptions) -> Sample:
        found = read_mesh(file, colors=options.views > 0)
        mesh = self._axes(file).mesh(found.mesh).normalized()
        grid, status = solid(mesh, self.config.fine)
        shape = ColoredMesh(mesh, found.face_colors)
        sample = sample_of(shape, coarser(grid, options), options, self.config.seed, "folder", item.id)
        return replace(sample, note=str(status))

    def _of_grid(self, file: Path, item: Item, options: PrepareOptions) -> Sample:
        grid = fill_cube(self._axes(file).grid(read_binvox(file).voxels))
        return sample_of_grid(grid, options, self.config.seed, "folder", item.id)

    def _images(self, item: Item, options: PrepareOptions) -> np.ndarray:
        """The pictures (V, H, W, 4) of one shape."""
        files, wanted = self._pictures[item.id], max(options.views, self.config.min_views)
        if len(files) < wanted:
            raise BadItem(f"{self.root / IMAGES / item.id}: {len(files)} pictures, wanted are {wanted}")
        images = []
        for file in files[: options.views]:
            rgba = read_rgba(file)
            if self._cut_out and rgba[..., 3].min() == 255:
                raise BadItem(
                    f"{file}: has alpha, but no transparent pixel; cut the object out, or say masks=false"
                )
            images.append(fitted(rgba, options.image_size))
        return np.stack(images)

    def _fewest_pictures(self) -> tuple[str, int]:
        """The shape with the fewest pictures of those that have enough, and how many it has."""
        counts = {name: len(files) for name, files in self._pictures.items()}
        enough = {name: count for name, count in counts.items() if count >= self.config.min_views}
        if not enough:
            name = max(counts, key=lambda name: counts[name])
            raise DataError(
                f"{self.root / IMAGES}: no shape has {self.config.min_views} pictures; '{name}' has "
                f"{counts[name]}, looked for were {name}.png and {name}/*.png, or jpg, or webp"
            )
        name = min(enough, key=lambda name: enough[name])
        return name, enough[name]

    def _provided(self) -> frozenset[str]:
        absent = set() if self.layout.has_meshes else {"points"}
        if self.layout.has_pictures:
            absent |= {"camera", "depth", "normals"}
        if self.layout.has_pictures and not self._cut_out:
            absent.add("mask")
        return type(self).provides - absent

    def _axes(self, file: Path) -> Axes:
        if self.config.front != "auto":
            return Axes(self.config.front, self.config.up)
        gltf = file.suffix.lower() in (".glb", ".gltf")
        return Axes("z" if gltf and self.config.up == "y" else "x", self.config.up)

    @cached_property
    def _items(self) -> list[Item]:
        below = self.layout.roots_below()
        if below or not self.layout.entries:
            hint = f" Did you mean {below[0]}?" if below else ""
            raise DataError(
                f"data set 'folder': no shapes in {self.layout.shapes}.{hint} {how_to_get(type(self))}"
            )
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
