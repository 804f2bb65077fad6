"""Pix3D: photographs of furniture with masks, poses, and the 3D model that each of them shows.

Layout (pix3d.zip, unpacked; the files of Mesh R-CNN's splits, where wanted, lie beside `pix3d.json`):

    <root>/pix3d.json                       one entry per photograph
    <root>/img/<category>/0001.jpg          photographs, mask/<category>/0001.png beside them
    <root>/model/<category>/<name>/         model.obj, voxel.mat; adjustable chairs have one pair per pose
    <root>/pix3d_s1_train.json ...          COCO-like; s1: random photographs, s2: disjoint models

One item is one photograph. Its id is the path of the photograph, its shape the path of the model without the
numbers that tell the poses of an adjustable chair apart: intervals cluster by it, and a model in two splits
is seen. S1 shares its models between train and test by design, so all of its test part is named as leaking.

Frame. Seen from the front, the models have x to the left, y up and z inward; the grids x to the left, y
outward and z up. So the canonical frame (front +x, y up) is model (x, y, z) -> (-z, y, x), and its cell
[a, b, c] is [c, a, b] of the file. How a grid lies in its model's coordinates is not documented; both are
placed by their own bounding boxes, centred and with a longest edge of 1, and so agree to a cell of the 128.
The camera has the frame of the model.

Camera. X_camera = rot_mat X + trans_mat, where x points to the left of the picture and y up; the focal length
in pixels is focal_length / 32 x width, for upright photographs too. Objects often stand off the optical axis,
where a plain cut-out is stretched as no camera that looks at the object would see it. The cut-outs are
therefore taken by a camera turned to the middle of the object's box (`.photo`); published systems
cut out plainly, which is the same on the axis.

What is checked: rendered boxes in Mesh R-CNN's form, by projection against their masks (tests/data); the
release's form by shapes written in it (tests/unit). The release itself was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from zoo.files import expand_home
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.resample import bounding_cells, fill_cube
from zoo.registry import EntryConfig

from ... import DATASETS, SPLITS, BadItem, DataError, DataSource, Item, PrepareOptions, Sample
from ...formats.binvox import read_binvox
from ...formats.images import read_mask, read_rgba
from ...formats.mat import read_voxel_mat
from ...formats.meshes import read_mesh
from ...making.axes import Axes
from ...making.sample import coarser, surface_points
from ...making.stamp import change_mark
from ...splits import file_hash
from .index import Photo
from .photo import cut_out, look_at_box
from .splits import INDEX, RULES, Chosen, choose, index_files, read_list

RESOLUTION = 128

MISMATCH = "known bad item: its mask does not belong to its photograph"
KNOWN_BAD = {"img/table/1749.jpg": MISMATCH, "img/table/0045.png": MISMATCH}
"""Photographs that Mesh R-CNN leaves out too."""

_MODELS, _GRIDS = Axes(front="-z", up="y"), Axes(front="y", up="z")

_FITS, _OFF = 2 / RESOLUTION, 0.05
"""Shares of the longest edge by which the boxes of grid and model differ when the axes are right, and when
they may be wrong."""


class Pix3DConfig(EntryConfig):
    """Which photographs, how they are divided, and how they are cut out."""

    split: str = "chairs2894"
    """'chairs2894': the chairs that are neither truncated nor occluded, not even slightly, all 'test'; 2,894
    in the release, the list that its authors evaluate on. 's1', 's2': Mesh R-CNN's files, with a tenth of the
    training models held out for validation, which they lack. 'shapes': a rule of our own: 70 % of the models
    train, 10 % validate, 20 % test. Or the path of a JSON list in Pix2Vox's form."""
    seed: int = Field(0, ge=0)
    """Seed of the models drawn for validation, and of the rule 'shapes'."""
    categories: tuple[str, ...] = ()
    """Names as a list or separated by commas; all by default."""
    exclude: tuple[Literal["truncated", "occluded", "slightly_occluded"], ...] = ()
    """Photographs with one of these flags neither train nor validate. What tests stays what the rule says."""
    crop: float = Field(0.66, gt=0, le=1)
    """Share of the cut-out's height or width that the object's box fills; .66 is the mean of 3D-R2N2's
    renders. What lies outside the photograph is transparent."""
    masks: bool = True
    """Alpha is the annotated mask, so that photographs look like renders. THIS LEAKS THE SEGMENTATION:
    results with it are results with true masks. False keeps the background and provides no 'mask'."""
    voxel_axes: Literal["pix3d", "model"] = "pix3d"
    """Axes of the .mat grids: the release's, or the model's, which sets made in its form tend to have. A
    .binvox is always read in the model's axes."""

    @field_validator("categories", "exclude", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        words = value.split(",") if isinstance(value, str) else value
        return tuple(sorted({str(word).strip() for word in words}))


@DATASETS.register(
    "pix3d",
    config=Pix3DConfig,
    cite="Sun, Wu, Zhang, Zhang, Zhang, Xue, Tenenbaum, Freeman: Pix3D, CVPR 2018, arXiv:1804.04610",
)
class Pix3D(DataSource):
    """Photographs of furniture with the models that they show; for testing what was trained on renders."""

    version = "1"
    kind = "files"
    provides = frozenset({"image", "mask", "voxels", "camera", "points"})
    known_bad = KNOWN_BAD
    homepage = "http://pix3d.csail.mit.edu"
    licence = "CC BY 4.0"
    how_to_get = (
        "download pix3d.zip (3.6 GB) from the homepage, unpack it, and give the folder that then holds "
        f"{INDEX}, img/, mask/ and model/ as the root. For the splits 's1' and 's2' put Mesh R-CNN's "
        "pix3d_s1_train.json, pix3d_s1_test.json, ... (see its datasets/pix3d/download_pix3d.sh) beside it."
    )
    how_to_split = (
        "get the files of both of Mesh R-CNN's parts, or take split=shapes; split=chairs2894, or a list in "
        "Pix2Vox's form that has 'test' alone, makes a data set for testing alone"
    )

    config: Pix3DConfig
    root: Path

    def __init__(self, config: EntryConfig, root: Path | None) -> None:
        super().__init__(config, root)
        if not self.config.masks:
            self.provides = type(self).provides - {"mask"}

    def items(self) -> Sequence[Item]:
        """Photographs of the chosen categories, sorted by id; listed ones, whether they are there or not.

        Raises:
            DataError: no index is there, it cannot be used, or the rule wants one that is not there.
        """
        return [
            Item(i, entry.category, split, shape=entry.shape)
            if entry
            else Item(i, PurePosixPath(i).parent.name, split)
            for i, (entry, split) in self._chosen.items()
        ]

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """Cut-out, camera, voxels and points of one photograph."""
        entry, _ = self._chosen[item.id]
        if entry is None:
            raise BadItem(f"{item.id} is in the list {self.config.split} and not in the index of {self.root}")
        photo = entry.photo()
        files = [self.root / path for path in (item.id, photo.model, photo.voxel)]
        if self.config.masks:
            files.append(self.root / photo.mask)
        if absent := [str(file) for file in files if not file.is_file()]:
            raise BadItem(f"not there: {' and '.join(absent)}")
        mesh = _MODELS.mesh(read_mesh(self.root / photo.model, colors=False).mesh)
        images = cameras = None
        if options.views:
            image, camera = self._view(self.root / item.id, photo, mesh, options.image_size)
            images, cameras = image[None], camera.as_row()[None]
        grid = self._grid(self.root / photo.voxel, np.ptp(mesh.bounds, axis=0))
        points = surface_points(mesh.normalized(), options, "pix3d", item.id)
        return Sample(images, coarser(grid, options), cameras, points)

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """One view, grids that divide 128^3, no maps."""
        for resolution in options.resolutions:
            if resolution > RESOLUTION or RESOLUTION % resolution:
                raise DataError(
                    f"data set 'pix3d' holds grids of {RESOLUTION}^3 and cannot give {resolution}^3; ask for "
                    f"128, 64, 32, 16, 8 or 4"
                )
        if options.maps:
            raise DataError("data set 'pix3d' has no depth and no normals; leave out 'maps'")
        return options.model_copy(update={"views": min(options.views, 1)})

    def required(self) -> Sequence[str]:
        """'chairs2894' is for testing alone; a list fills what it fills."""
        split = self.config.split
        if split == "chairs2894":
            return ("test",)
        return SPLITS if split in RULES else sorted(set(read_list(expand_home(split)).values()))

    def identity(self) -> dict[str, Any]:
        """The list file enters by its content."""
        split = self.config.split
        if split not in RULES and not expand_home(split).is_file():
            known = ", ".join(RULES)
            raise DataError(
                f"data set 'pix3d': split '{split}' is neither one of {known} nor an existing file"
            )
        named = split if split in RULES else file_hash(expand_home(split))
        return {**self.config.model_dump(mode="json"), "split": named}

    def stamp(self) -> str:
        """Modification times of index files and folders: they change when photographs come or go."""
        folders = (path for path in self.root.glob("*/*") if path.is_dir())
        return change_mark(sorted([*index_files(self.root), *folders]))

    @cached_property
    def _chosen(self) -> Chosen:
        self._check_root()
        c = self.config
        return choose(self.root, c.split, c.seed, c.categories, c.exclude)

    def _check_root(self) -> None:
        if index_files(self.root):
            return
        inside = sorted(self.root.glob(f"*/{INDEX}")) if self.root.is_dir() else []
        raise self.not_there(
            "pix3d",
            f"is not there: looked for {self.root / INDEX} and for Mesh R-CNN's pix3d_s1_train.json and its "
            f"like",
            [index.parent for index in inside],
        )

    def _view(self, path: Path, photo: Photo, mesh: Mesh, size: tuple[int, int]) -> tuple[np.ndarray, Camera]:
        """The cut-out (*size, 4) uint8 and its camera; `mesh` has canonical axes, its own place and size."""
        pixels = _read_stored(path, photo.size)
        if self.config.masks:
            pixels[..., 3] = self._mask(photo) * np.uint8(255)
        rotation = photo.rotation @ _MODELS.matrix().T
        low, high = mesh.bounds
        middle = rotation @ ((low + high) / 2) + photo.translation
        try:
            window = look_at_box(photo.box, photo.focal, photo.principal, size, self.config.crop)
            turned = window.turn @ rotation, window.turn @ middle / (high - low).max()
            camera = Camera.from_pose(*turned, window.fov)
        except ValueError as error:
            raise BadItem(f"the index entry of {path}: {error}") from error
        return cut_out(pixels, photo.focal, photo.principal, window, size), camera

    def _mask(self, photo: Photo) -> np.ndarray:
        path = self.root / photo.mask
        mask = read_mask(path)
        if mask.shape != photo.size:
            raise BadItem(_wrong_size(path, mask.shape, photo.size))
        if not mask.any():
            raise BadItem(f"{path}: an empty mask")
        return mask

    def _grid(self, path: Path, extent: np.ndarray) -> np.ndarray:
        """The model's cells (128, 128, 128) in the canonical frame, filling the cube.

        Args:
            path: the file, .mat or .binvox.
            extent: (3,) edges of the model's bounding box, canonical axes, any unit.
        """
        if path.suffix.lower() == ".binvox":
            cells, axes = read_binvox(path, max_cells=RESOLUTION**3).voxels, "model"
        else:
            cells, axes = read_voxel_mat(path, max_cells=RESOLUTION**3), self.config.voxel_axes
        if cells.shape != (RESOLUTION,) * 3:
            raise BadItem(f"{path}: expected a grid of {RESOLUTION}^3, got {cells.shape}")
        if not cells.any():
            raise BadItem(f"{path}: the {RESOLUTION}^3 grid has no occupied cell")
        readings = {"pix3d": _GRIDS.grid(cells), "model": _MODELS.grid(cells)}
        errors = {name: _mismatch(grid, extent) for name, grid in readings.items()}
        other = "model" if axes == "pix3d" else "pix3d"
        if errors[axes] > _OFF and errors[other] < _FITS:
            raise BadItem(
                f"{path}: in the axes '{axes}' its box is not that of the model (off by {errors[axes]:.0%} "
                f"of the longest edge), in '{other}' it is ({errors[other]:.0%}); set voxel_axes={other}"
            )
        return fill_cube(readings[axes])


def _mismatch(grid: np.ndarray, extent: np.ndarray) -> float:
    """Largest difference between the edges of two boxes, both with a longest edge of 1."""
    edges = np.ptp(bounding_cells(grid), axis=0)
    return float(np.abs(edges / edges.max() - extent / extent.max()).max())


def _read_stored(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The photograph (*size, 4) whose pixels the index counts.

    They are the stored ones where their number fits: what made masks and boxes did not mind EXIF. Where it
    fits only to the picture as EXIF turns it, they are that one's.
    """
    pixels = read_rgba(path, upright=False)
    if pixels.shape[:2] != size:
        pixels = read_rgba(path)
    if pixels.shape[:2] != size:
        raise BadItem(_wrong_size(path, pixels.shape, size))
    return pixels


def _wrong_size(path: Path, found: tuple[int, ...], size: tuple[int, int]) -> str:
    return f"{path}: {found[1]} x {found[0]} pixels, the index says {size[1]} x {size[0]}"
