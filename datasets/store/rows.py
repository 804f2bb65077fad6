"""The rows of a store: how one `Sample` becomes bytes, and where they lie in the files.

Every array is one `.npy` file with a header of fixed length, so that any process can write row r at its
place while the others write theirs, and the number of rows is filled in at the end. Plain writes instead
of a memory map: a full disk is then an error with a text, not a SIGBUS.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.geometry.camera import ROW

from .. import BadItem, PrepareOptions, Sample

HEADER = 256
"""Bytes before the first row."""

DIGEST = 16
"""Bytes of the BLAKE2b digest that is kept for each row of each array."""

OF_VIEWS = ("images", "cameras", "depth", "normals")
"""Arrays whose rows begin with the axis of the views: some of a row may be read without the others."""

CUBE = 0.5 + 1e-4
"""Surface points may leave the unit cube by rounding and no more."""


@dataclass(frozen=True)
class RowSpec:
    """Type and shape of one row of an array."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)

    def header(self, rows: int) -> bytes:
        """The `.npy` header (version 1.0) of an array of `rows` rows, padded to `HEADER` bytes."""
        text = f"{{'descr': '{self.dtype}', 'fortran_order': False, 'shape': {(rows, *self.shape)}, }}"
        body = text.encode("latin1").ljust(HEADER - 11) + b"\n"
        return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + body


Layout = dict[str, RowSpec]


def pack(sample: Sample, options: PrepareOptions) -> dict[str, np.ndarray]:
    """The rows of one sample by array name, checked.

    Images (V, 4, H, W) uint8; `voxels_<R>` numpy.packbits of a bool grid [x][y][z], or a uint8 grid as it
    is; cameras (V, 7) float32; points (P, 3) float32; depth (V, H, W) float16, infinity kept; normals
    (V, 3, H, W) int8 = 127 times the unit vector.

    Raises:
        BadItem: the sample breaks what `Sample` promises, or holds an empty grid; says which and how.
    """
    rows = {}
    if sample.images is not None:
        rows["images"] = _images(sample.images).transpose(0, 3, 1, 2)
    if set(sample.voxels) != set(options.resolutions):
        raise BadItem(f"voxels at {sorted(sample.voxels)}, asked for were {sorted(options.resolutions)}")
    for resolution, grid in sorted(sample.voxels.items()):
        rows[f"voxels_{resolution}"] = _packed(grid, resolution)
    views, height, width = (0, 0, 0) if sample.images is None else sample.images.shape[:3]
    if sample.cameras is not None:
        rows["cameras"] = _finite("cameras", sample.cameras, (views, len(ROW))).astype("<f4")
    if sample.points is not None and len(sample.points):
        points = _finite("points", sample.points, (len(sample.points), 3)).astype("<f4")
        if np.abs(points).max() > CUBE:
            raise BadItem(f"points leave the unit cube: largest coordinate {np.abs(points).max():.4f}")
        rows["points"] = points
    if sample.depth is not None:
        if sample.depth.shape != (views, height, width) or np.isnan(sample.depth).any():
            raise BadItem(f"depth must be {(views, height, width)} without NaN, got {sample.depth.shape}")
        rows["depth"] = sample.depth.astype("<f2")
    if sample.normals is not None:
        normals = _finite("normals", sample.normals, (views, height, width, 3))
        rows["normals"] = np.rint(normals * 127).clip(-127, 127).astype(np.int8).transpose(0, 3, 1, 2)
    return {name: np.ascontiguousarray(row) for name, row in rows.items()}


def _packed(grid: np.ndarray, resolution: int) -> np.ndarray:
    if grid.dtype not in (np.bool_, np.uint8) or grid.shape != (resolution,) * 3:
        raise BadItem(f"voxels at {resolution} must be a bool or uint8 cube, got {grid.dtype} {grid.shape}")
    if not grid.any():
        raise BadItem(f"the {resolution}^3 grid has no occupied cell")
    return np.packbits(np.ascontiguousarray(grid).reshape(-1)) if grid.dtype == np.bool_ else grid


def layout_of(rows: dict[str, np.ndarray]) -> Layout:
    """What the files of a store with such rows look like."""
    return {name: RowSpec(row.dtype.str, row.shape) for name, row in rows.items()}


def describe(layout: Layout) -> str:
    """One line for error messages: 'images (24, 4, 137, 137), ...'."""
    return ", ".join(f"{name} {spec.shape}" for name, spec in layout.items())


def create_files(folder: Path, layout: Layout) -> None:
    """Empty files that `write_row` can fill."""
    for name, spec in layout.items():
        (folder / f"{name}.npy").write_bytes(spec.header(0))


def write_row(folder: Path, row: int, rows: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Put one packed sample at place `row` of every file; gives the digests of each part, by `digests_of`."""
    digests: dict[str, bytes] = {}
    for name, array in rows.items():
        data = array.reshape(-1).view(np.uint8).data
        with (folder / f"{name}.npy").open("r+b") as file:
            file.seek(HEADER + row * len(data))
            file.write(data)
        digests |= digests_of(name, data, len(array))
    return digests


def digests_of(name: str, data: bytes | memoryview, views: int) -> dict[str, bytes]:
    """The digest of a row by the name of its array, and the sums of its views where it has some."""
    found = {name: digest(data)}
    if name in OF_VIEWS:
        size = len(data) // views
        sums = [view_sum(data[k * size : (k + 1) * size]) for k in range(views)]
        found[by_view(name)] = np.array(sums, "<u4").tobytes()
    return found


def by_view(name: str) -> str:
    """Where `digests_of` gives the sums of an array's views."""
    return f"{name} by view"


def view_sum(data: bytes | memoryview) -> int:
    """CRC-32 of one view: four times as fast as a digest, and taken of each picture that is trained on."""
    return zlib.crc32(data)


def read_row(folder: Path, name: str, spec: RowSpec, row: int) -> bytes:
    """The bytes of one row; fewer than `spec.nbytes` when the file ends early."""
    with (folder / f"{name}.npy").open("rb") as file:
        file.seek(HEADER + row * spec.nbytes)
        return file.read(spec.nbytes)


def map_rows(file: Path, spec: RowSpec, rows: int) -> np.ndarray:
    """The rows of a finished array (rows, *shape), mapped.

    Raises:
        ValueError: it has another size, or another header than `RowSpec.header` gives.
        OSError: it cannot be read.
    """
    size, wanted = file.stat().st_size, HEADER + rows * spec.nbytes
    if size != wanted:
        raise ValueError(f"has {size:,} bytes, the manifest says {wanted:,} bytes")
    with file.open("rb") as stream:
        if stream.read(HEADER) != spec.header(rows):
            raise ValueError(f"has another header than an array of {(rows, *spec.shape)} {spec.dtype}")
    return np.asarray(np.memmap(file, np.dtype(spec.dtype), "r", HEADER, (rows, *spec.shape)))


def digest(data: bytes | memoryview) -> bytes:
    """What a store keeps to notice that a row was damaged."""
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def _images(images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 4 or 0 in images.shape:
        raise BadItem(f"images must be uint8 (V, H, W, 4), got {images.dtype} {images.shape}")
    return images


def _finite(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape != shape:
        raise BadItem(f"{name} must be {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise BadItem(f"{name} hold NaN or infinity")
    return array


def json_hash(value: Any) -> str:
    """sha256 of a value's JSON with sorted keys, no spaces and nothing but ASCII.

    Results are named by another text, `benchmarks.records.results.canonical_json`, which keeps what is not
    ASCII. Both stand in names on disks, so that neither can become the other.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
