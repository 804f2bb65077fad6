"""ShapeNetCore, v1 or v2, from its meshes: 55 categories, with pictures, voxels and points made here.

Layouts and axes are in `_shapenet_layout`. A mesh is turned so that its front is +x, centred on its bounding
box, and scaled to a longest edge of 1. v1 and v2 are never mixed: one name is another mesh in another pose in
each. The version is found by looking, and enters every fingerprint.

Voxels. v2 brings solids of 128^3 made by binvox. The default is nevertheless our own voxeliser: it serves
both versions alike, and it keeps to the mesh where binvox loses parts of it. Measured on 23 cameras of v2 by
tests/data: the two solids agree by an IoU of .88 at 128^3 (median .94), and of .90 at 64^3 and at 32^3, both
max-pooled. The silhouettes of the 64^3 grids agree with pictures of the mesh by .96 (least .92) for ours and
by .93 (least .68) for binvox. In four of the 23, binvox has no cell within two cells of 4 % to 35 % of the
mesh's surface. All cells of `surface.binvox` are in `solid.binvox` there; where a solid came out hollow they
would close its skin.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from zoo.geometry.mesh import ColoredMesh, Mesh
from zoo.geometry.voxelize import solid

from ... import DATASETS, BadItem, DataError, Item, PrepareOptions, Sample
from ...categories import CONTAINED, SHAPENET_CATEGORIES, chosen_categories
from ...formats.binvox import read_binvox
from ...formats.meshes import read_mesh
from ...making.sample import coarser, sample_of, surface_points
from ...making.stamp import change_mark
from ...splits import read_split_file, sorted_rule
from .layout import LAYOUTS, Layout, category_folders, instead, nearest, versions_in
from .models import ShapeNetModels, ShapeNetModelsConfig, models
from .placement import placed
from .screenshots import COUNT, read_screenshots

OFFICIAL = "all.csv"
"""The official split, as SHREC 2016 published it."""
BINVOX_RESOLUTION = 128


class ShapeNetConfig(ShapeNetModelsConfig):
    """Which part of ShapeNetCore, how it is divided, and what pictures and voxels are made of."""

    version: Literal["auto", 1, 2] = "auto"
    """Which ShapeNetCore lies under the root; found by looking."""
    categories: tuple[str, ...] = Field(tuple(SHAPENET_CATEGORIES.values()), min_length=1)
    """Names or synset ids, as a list or separated by commas; all by default."""
    split: str = "official"
    """'official': all.csv of SHREC 2016 in the root; 'r2n2': 3D-R2N2's rule on the sorted ids of what is
    there (see `datasets.splits.sorted_rule`); or the path of a list, a csv like that or JSON as Pix2Vox's."""
    voxels: Literal["mesh", "binvox", "binvox+surface"] = "mesh"
    """'mesh': our voxeliser; 'binvox': the data set's own 128^3 solid (v2 only), moved by whole cells to
    where the mesh is; 'binvox+surface': united with its surface cells."""
    fine: int = Field(BINVOX_RESOLUTION, ge=1, le=512)
    """Resolution of the grid that the stored ones are pooled from, for voxels of the mesh."""
    images: Literal["rendered", "screenshots"] = "rendered"
    """'rendered': our pictures, in the colours of the mesh; 'screenshots': the 14 that v2 has, without
    cameras."""

    @field_validator("categories", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return chosen_categories(value, SHAPENET_CATEGORIES)


@DATASETS.register(
    "shapenet",
    config=ShapeNetConfig,
    cite="Chang et al.: ShapeNet, An Information-Rich 3D Model Repository, 2015, arXiv:1512.03012",
)
class ShapeNet(ShapeNetModels):
    """ShapeNetCore v1 or v2: 55 categories of meshes, rendered and voxelised here."""

    version = "1"
    kind = "files"
    known = SHAPENET_CATEGORIES
    rules = ("official", "r2n2")
    provides = frozenset({"image", "mask", "voxels", "points", "depth", "normals", "camera", "views"})
    homepage = "https://shapenet.org"
    licence = "ShapeNet terms of use, research only"
    how_to_get = (
        "make an account at the homepage, or ask for access to ShapeNet/ShapeNetCore at huggingface.co; "
        "unpack the archives of one version, one per category, into one folder and give it as the root; it "
        f"then holds 02691156/ and so on. For the official split put {OFFICIAL} of SHREC 2016 there too."
    )

    config: ShapeNetConfig

    def items(self) -> Sequence[Item]:
        """Shapes of the chosen categories, sorted by id '<synset>/<model>'.

        With a list these are the listed ones, whether they are there or not; models that are there and not
        listed are counted in a warning. By the rule 'r2n2' these are all that are there, empty folders
        included; a cellphone that is a telephone too, or a boat that is a watercraft, is taken once.
        """
        self._check_files()
        items = super().items()
        if file := self.list_file():
            listed = {name.partition("/")[2] for name in read_split_file(file)}
            there = {model for synset in self.synsets for model in models(self.root, synset)}
            if others := there - listed:
                warnings.warn(
                    f"{len(others)} models under {self.root} are not in {file}, the first is {min(others)}; "
                    f"they are no part of the data set",
                    stacklevel=2,
                )
        return items

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """Read one mesh, and make or read what is wanted of it."""
        folder, layout = self.root / item.id, self.layout
        file = folder / layout.mesh
        if not file.exists():
            raise BadItem(f"not there: {file}{instead(folder)}")
        rendered = self.config.images == "rendered"
        found = read_mesh(file, colors=rendered and options.views > 0)
        mesh = layout.axes.mesh(found.mesh).normalized()
        note = ""
        if self.config.voxels == "mesh":
            grid, status = solid(mesh, self.config.fine)
            note = str(status)
        else:
            grid = self._binvox(folder, found.mesh)
        voxels, keys = coarser(grid, options), (self.config.seed, "shapenet", item.id)
        if rendered or not options.views:
            shape = ColoredMesh(mesh, found.face_colors)
            return replace(sample_of(shape, voxels, options, *keys), note=note)
        screenshots = read_screenshots(folder / layout.screenshots, options.views, options.image_size)
        return Sample(screenshots, voxels, points=surface_points(mesh, options, *keys), note=note)

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """Any resolution that the fine grid can be pooled to; screenshots are 14 and have no maps."""
        for resolution in options.resolutions:
            if resolution < 1 or self._fine % resolution:
                more = "; another 'fine' gives others" if self.config.voxels == "mesh" else ""
                raise DataError(
                    f"data set 'shapenet': grids of {self._fine}^3 cannot be pooled to {resolution}^3; ask "
                    f"for a divisor of {self._fine}{more}"
                )
        if self.config.images == "screenshots":
            if options.views > COUNT:
                raise DataError(
                    f"data set 'shapenet' has {COUNT} screenshots per model, {options.views} were asked for; "
                    f"images=rendered gives as many as you like"
                )
            if options.maps:
                raise DataError("screenshots have no depth and no normals; leave out 'maps'")
        return options

    def identity(self) -> dict[str, Any]:
        """The version as it was found, the resolution as it is used, the split file by its content."""
        version = self.found_version  # first, because an empty root is the better message
        return super().identity() | {"version": version, "fine": self._fine}

    def stamp(self) -> str:
        """Modification times of the category folders: they change when models come or go."""
        return change_mark(category_folders(self.root))

    def list_file(self) -> Path | None:
        if self.config.split != "official":
            return super().list_file()
        file = self.root / OFFICIAL
        if not file.is_file():
            raise DataError(
                f"split 'official' is not there: looked for {file}. It comes with SHREC 2016 "
                f"(https://shapenet.cs.stanford.edu/shrec16/); put it there, or give split the path of a "
                f"list, or take the rule with split=r2n2"
            )
        return file

    def by_rule(self, synsets: Sequence[str]) -> dict[str, str]:
        there = {synset: models(self.root, synset) for synset in synsets}
        absent = [self.known[synset] for synset in synsets if not there[synset]]
        if absent and len(synsets) < len(self.known):
            held = [self.known[folder.name] for folder in category_folders(self.root)]
            raise DataError(f"{self.root}: no models of {', '.join(absent)}; there is {', '.join(held)}")
        split = sorted_rule({synset: [f"{synset}/{model}" for model in there[synset]] for synset in synsets})
        twice = {
            f"{inner}/{model}"
            for inner, outer in CONTAINED.items()
            for model in there.get(inner, set()) & there.get(outer, set())
        }
        return {name: part for name, part in split.items() if name not in twice}

    @cached_property
    def found_version(self) -> int:
        """Version of ShapeNetCore that the files under the root are of.

        Raises:
            DataError: there are none, they are of both versions, or not of the one that was asked for.
        """
        found, wanted = versions_in(self.root), self.config.version
        if not found:
            raise self._not_there()
        if wanted == "auto" and len(found) > 1:
            raise DataError(
                f"{self.root} holds files of ShapeNetCore v1 and of v2, which differ in pose and scale and "
                f"must not be mixed; keep them in two folders, or read one with version=1 or version=2"
            )
        if wanted == "auto":
            return found.pop()
        if wanted not in found:
            raise DataError(f"{self.root} holds ShapeNetCore v{found.pop()}, asked for was version={wanted}")
        return wanted

    @property
    def layout(self) -> Layout:
        """Where the version under the root keeps what."""
        return LAYOUTS[self.found_version]

    @property
    def _fine(self) -> int:
        return self.config.fine if self.config.voxels == "mesh" else BINVOX_RESOLUTION

    def _check_files(self) -> None:
        """Whether the version that is there has what the configuration wants."""
        for key, wanted, has in (
            ("voxels", self.config.voxels != "mesh", self.layout.solid),
            ("images", self.config.images == "screenshots", self.layout.screenshots),
        ):
            if wanted and not has:
                raise DataError(
                    f"{self.root}: ShapeNetCore v{self.found_version} has no files for "
                    f"{key}={getattr(self.config, key)}; v2 has, or leave {key} at its default"
                )

    def _binvox(self, folder: Path, mesh: Mesh) -> np.ndarray:
        """The data set's own solid, where our frame has the mesh."""
        files = [self.layout.solid] + [self.layout.surface] * (self.config.voxels == "binvox+surface")
        grids = []
        for file in (folder / name for name in files):
            grid = read_binvox(file, max_cells=BINVOX_RESOLUTION**3)
            if grid.voxels.shape != (BINVOX_RESOLUTION,) * 3:
                raise BadItem(f"{file}: expected a grid of {BINVOX_RESOLUTION}^3, got {grid.voxels.shape}")
            grids.append(placed(grid, mesh.bounds, str(file)))
        return self.layout.axes.grid(np.logical_or.reduce(grids))

    def _not_there(self) -> DataError:
        looked = " or ".join(f"<synset>/<model>/{layout.mesh} (v{v})" for v, layout in LAYOUTS.items())
        near, remark = nearest(self.root)
        return self.not_there(
            "shapenet", f"is not there: looked for {looked} under {self.root}", near, remark
        )
