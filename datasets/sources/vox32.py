"""ShapeNetVox32 alone: the true 32^3 solids of the 13-category benchmark, with pictures made here.

The grids are those of `r2n2`, in the same frame: the grid is the unit cube of `zoo.types`. The pictures show
the smoothed surface of the solid in one colour, by cameras drawn as 3D-R2N2's were; they are no photographs
and no renders of the true mesh, which these files do not hold. For the same reason there are no true
surface points: surfaces are measured on the true grid.

Two layouts are read, each in the root itself or in the folder of that name below it:

    vox32/occupancy.npy or occupancy.npy.xz, and ids.txt      see `datasets.formats.packed`
    ShapeNetVox32/<synset>/<id>/model.binvox                  the archive, unpacked
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import DATASETS, BadItem, Item, PrepareOptions, Sample
from ..categories import R2N2_CATEGORIES
from ..formats.packed import IDS, PackedGrids
from ..making.sample import sample_of_grid
from ..making.stamp import change_mark
from ..prepare import default_cache
from ..splits import sorted_rule
from .shapenet.models import (
    R2N2_CITATION,
    VOXELS,
    R2N2Models,
    ShapeNetModelsConfig,
    check_resolutions,
    models,
    read_grid,
)

PACKED = "vox32"


class Vox32Config(ShapeNetModelsConfig):
    """Which part of the benchmark, how it is divided, and how it is drawn."""

    smoothing: bool = True
    """Draw the smoothed surface; without, the faces of the cells."""


@DATASETS.register("vox32", config=Vox32Config, cite=R2N2_CITATION)
class Vox32(R2N2Models):
    """ShapeNetVox32's 32^3 solids of 13 categories, with renderings of our own."""

    version = "1"
    provides = frozenset({"image", "mask", "voxels", "camera", "views", "depth", "normals"})
    how_to_get = (
        f"download ShapeNetVox32.tgz from the homepage, unpack it, and give the folder that holds {VOXELS}/ "
        f"as the root; or one with occupancy.npy (or .npy.xz) and {IDS}."
    )

    config: Vox32Config

    def by_rule(self, synsets: Sequence[str]) -> dict[str, str]:
        there: dict[str, list[str]] = defaultdict(list)
        if isinstance(self._files, PackedGrids):
            for name in self._files.ids:
                there[name.partition("/")[0]].append(name)
            where = self._files.folder / IDS
        else:
            where = self._files
            there = {s: [f"{s}/{m}" for m in models(where, s)] for s in R2N2_CATEGORIES}
        split = sorted_rule({s: there[s] for s in synsets if s in there})
        if not split:
            raise self.none_of_them(where, [s for s in there if there[s]])
        return split

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """The grid of one shape, and its pictures."""
        if isinstance(self._files, PackedGrids):
            grid, name = self._files.grid(item.id), f"{self._files.file}: row of {item.id}"
        else:
            file = self._files / item.id / "model.binvox"
            if not file.exists():
                raise BadItem(f"not there: {file}")
            grid, name = read_grid(file)[0], str(file)
        if not grid.any():
            raise BadItem(f"{name}: no occupied cell")
        keys = (self.config.seed, PACKED, item.id)
        return sample_of_grid(grid, options, *keys, smoothing=self.config.smoothing)

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """Grids of 32^3 or coarser, no points; leaks are dropped when nothing else is asked for.

        422 of the 8,770 test ids of Pix2Vox's list have the grid of a training id.
        """
        check_resolutions(options)
        leaks = options.leaks if "leaks" in options.model_fields_set else "drop"
        return options.model_copy(update={"points": 0, "leaks": leaks})

    def stamp(self) -> str:
        """Modification times of the array and its ids, or of the category folders."""
        files = find(self.root)
        if isinstance(files, PackedGrids):
            return change_mark([files.file, files.folder / IDS])
        return change_mark([files / s for s in R2N2_CATEGORIES] if files else [])

    def __getstate__(self) -> dict[str, Any]:
        # each process opens the files itself
        return {"config": self.config, "root": self.root}

    @cached_property
    def _files(self) -> PackedGrids | Path:
        """The packed grids, or the folder of the synsets."""
        if files := find(self.root):
            return files
        near = [p for p in (*sorted(self.root.glob("*")), self.root.parent) if p.is_dir() and find(p)]
        raise self.not_there(
            "vox32",
            f"is not there: looked for {VOXELS}/<synset>/<id>/model.binvox and for occupancy.npy(.xz) in "
            f"{self.root}",
            near,
        )


def find(root: Path) -> PackedGrids | Path | None:
    """The files of the data set in a folder or one level below: packed, or the folder of the synsets."""
    for folder in (root, root / PACKED):
        if PackedGrids.is_at(folder):
            return PackedGrids(folder, default_cache())
    for folder in (root, root / VOXELS):
        if any(next((folder / synset).glob("*/model.binvox"), None) for synset in R2N2_CATEGORIES):
            return folder
    return None
