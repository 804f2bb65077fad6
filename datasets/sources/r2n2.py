"""The 3D-R2N2 benchmark as its authors ship it: 13 ShapeNet categories, 24 renders each, 32^3 solids.

Layout (archives ShapeNetRendering.tgz and ShapeNetVox32.tgz, unpacked side by side):

    <root>/ShapeNetRendering/<synset>/<id>/rendering/00.png ... 23.png    137 x 137 RGBA
    <root>/ShapeNetRendering/<synset>/<id>/rendering/rendering_metadata.txt
    <root>/ShapeNetVox32/<synset>/<id>/model.binvox

Frame. The grids hold the shape centred, y up, front towards +x; the unit cube of `zoo.types` is the grid.
The renders show the model in its own units, in which the grid is `scale` wide (binvox header); its
`translate` belongs to the unshifted mesh and must be ignored. Metadata azimuth turns the other way round
than `Camera.azimuth`. A camera in the canonical frame is therefore

    azimuth = -metadata[0],  elevation = metadata[1],  distance = 1.75 * metadata[3] / scale,

with a lens of 35 mm on a 32 mm sensor; the field of view of 25 that the metadata state is not the one that
the renders have. Checked by projection against the alpha of the renders (tests/data).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.geometry.camera import Camera

from .. import DATASETS, BadItem, DataError, Item, PrepareOptions, Sample
from ..categories import R2N2_CATEGORIES
from ..formats.images import read_rgba
from ..making.sample import coarser
from ..making.stamp import change_mark
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

RENDERINGS = "ShapeNetRendering"
VIEWS, SIZE = 24, 137
MAX_CAMERA_DISTANCE = 1.75
_LARGEST = 1e6
"""Limit on the numbers of a camera, which are stored in single precision."""


class R2N2Config(ShapeNetModelsConfig):
    """Which part of the benchmark, and how it is divided."""


@DATASETS.register("r2n2", config=R2N2Config, cite=R2N2_CITATION)
class R2N2(R2N2Models):
    """3D-R2N2's renders and 32^3 voxels of ShapeNet's 13 categories."""

    version = "1"
    provides = frozenset({"image", "mask", "voxels", "camera", "views"})
    how_to_get = (
        "download ShapeNetRendering.tgz and ShapeNetVox32.tgz from the homepage, unpack both into one "
        f"folder, and give that folder as the root; it then holds {RENDERINGS}/ and {VOXELS}/."
    )

    def items(self) -> Sequence[Item]:
        """As `R2N2Models.items`; by the rule, every shape that lies in one of the two trees.

        The split comes from the voxel tree, and a shape that lacks its other half is an item that `build`
        refuses, so that the report names it.
        """
        self._check_root()
        return super().items()

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """Renders, cameras and voxels of one shape, read from the two trees."""
        folder = self.root / RENDERINGS / item.id / "rendering"
        grid_file = self.root / VOXELS / item.id / "model.binvox"
        absent = [str(p) for p in (folder, grid_file) if not p.exists()]
        if absent:
            raise BadItem(f"not there: {' and '.join(absent)}")
        grid, scale = read_grid(grid_file)
        cameras = read_cameras(folder / "rendering_metadata.txt", scale)[: options.views]
        images = [read_render(folder / f"{view:02d}.png") for view in range(options.views)]
        if not images:
            return Sample(None, coarser(grid, options))
        return Sample(np.stack(images), coarser(grid, options), cameras)

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """Renders and grids are what they are: fewer views or coarser grids, nothing more."""
        check_resolutions(options)
        if options.views > VIEWS:
            raise DataError(f"data set 'r2n2' has {VIEWS} views per shape, {options.views} were asked for")
        if options.maps:
            raise DataError("data set 'r2n2' has no depth and no normals; leave out 'maps'")
        return options.model_copy(update={"image_size": (SIZE, SIZE), "points": 0})

    def stamp(self) -> str:
        """Modification times of the category folders: they change when shapes come or go."""
        trees = (self.root / RENDERINGS, self.root / VOXELS)
        return change_mark(tree / synset for tree in trees for synset in R2N2_CATEGORIES)

    def by_rule(self, synsets: Sequence[str]) -> dict[str, str]:
        trees = {tree: {s: models(self.root / tree, s) for s in synsets} for tree in (RENDERINGS, VOXELS)}
        split = sorted_rule({s: [f"{s}/{m}" for m in trees[VOXELS][s]] for s in synsets})
        for synset in synsets:
            # without voxels a shape is no part of the rule; it gets the split of its neighbour to be named
            testing = [i for i in split if i.startswith(synset) and split[i] == "test"]
            first = min(testing, default=f"{synset}/")
            for model in trees[RENDERINGS][synset] - trees[VOXELS][synset]:
                split[f"{synset}/{model}"] = "train" if f"{synset}/{model}" < first else "test"
        if not split:
            there = [p.name for p in (self.root / VOXELS).iterdir() if p.is_dir()]
            raise self.none_of_them(self.root / VOXELS, there)
        return split

    def _check_root(self) -> None:
        missing = [tree for tree in (RENDERINGS, VOXELS) if not (self.root / tree).is_dir()]
        if not missing:
            return
        inside = [p.parent for p in sorted(self.root.glob(f"*/{VOXELS}"))] if self.root.is_dir() else []
        looked = " and ".join(str(self.root / tree) for tree in missing)
        raise self.not_there("r2n2", f"is not there: looked for {looked}", inside)


def read_render(path: Path) -> np.ndarray:
    """One render (137, 137, 4) uint8, alpha straight, as stored.

    Raises:
        BadItem: the file is missing, corrupt, of another size, or has no alpha.
    """
    rgba = read_rgba(path, max_pixels=SIZE**2, require_alpha=True)
    if rgba.shape[:2] != (SIZE, SIZE):
        height, width = rgba.shape[:2]
        raise BadItem(f"{path}: expected {SIZE} x {SIZE} pixels, got {width} x {height}")
    return rgba


def read_cameras(path: Path, scale: float) -> np.ndarray:
    """Cameras of the 24 renders in the canonical frame, rows (24, 7) as `Camera.from_row` reads them.

    Args:
        path: rendering_metadata.txt, 24 lines of azimuth, elevation, in-plane rotation (degrees), distance
            ratio, field of view (not used: see the module's text).
        scale: width of the grid in the units of the renders, from the binvox header.

    Raises:
        BadItem: the file is missing or does not hold 24 lines of 5 sane numbers.
    """
    try:
        lines = path.read_text(encoding="ascii").split("\n")
        rows = [[float(word) for word in line.split()] for line in lines if line.strip()]
    except OSError as error:
        raise BadItem(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadItem(f"{path}: {error}") from error
    if len(rows) != VIEWS or any(len(row) != 5 for row in rows):
        raise BadItem(f"{path}: expected {VIEWS} lines of 5 numbers, got {len(rows)} lines")
    azimuth, elevation, in_plane, ratio, _ = np.array(rows).T
    if not (np.abs(rows) < _LARGEST).all() or (ratio <= 0).any():  # NaN is not below it either
        raise BadItem(f"{path}: distances must be positive and all numbers finite, below {_LARGEST:g}")
    if in_plane.any():
        # the published renders have none, so which way a positive one turns was never checked
        raise BadItem(f"{path}: in-plane rotation {in_plane[in_plane != 0][0]:g}; only 0 is known")
    distance = MAX_CAMERA_DISTANCE * ratio / scale
    views = zip(-azimuth % 360, elevation, distance, strict=True)
    return np.stack([Camera(*view).as_row() for view in views])
