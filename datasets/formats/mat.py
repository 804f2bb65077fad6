"""MATLAB files of voxels, as Pix3D ships them: one 3-D variable in a file of version 5 (MATLAB 6 and 7).

scipy reads the format. What it leaves to its callers is the size: a compressed variable may unpack to
gigabytes, and its parts may claim any length. Compressed variables are therefore unpacked here, up to a
limit, and scipy is given the same file without compression, in which nothing can be longer than the file.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat, whosmat

from .. import BadItem

MAX_CELLS = 256**3
"""Default limit on the cells of one grid. A cell takes at most 8 bytes in the file, and reading holds up to
four copies of the file: 512 MiB."""

_BYTES_PER_CELL = 8
_MAX_REST = 1 << 16
"""Bytes allowed for the header and for other, small variables."""

_FILE_HEADER = 128
_COMPRESSED = 15  # miCOMPRESSED of the format


def read_voxel_mat(
    path: str | os.PathLike[str], variable: str = "voxel", max_cells: int = MAX_CELLS
) -> np.ndarray:
    """One occupancy grid, bool, three axes as they are in the file.

    Every positive number means occupied, so grids of 0 and 1 and of 0 and 255 read alike, in any logical or
    numeric class. Fractions are refused: they are probabilities, which want a threshold.

    Args:
        path: the file.
        variable: name of the grid in the file.
        max_cells: refuse grids with more cells than this before they are unpacked or allocated.

    Raises:
        BadItem: the file is missing, no MATLAB 5 file, broken, too large, lacks the variable, or the variable
            is no grid of whole numbers from 0 up; names the file and the reason.
    """
    path = Path(path)
    limit = max_cells * _BYTES_PER_CELL + _MAX_REST
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise BadItem(f"{path}: {size:,} bytes, more than a grid of {max_cells:,} cells can need")
            data = file.read()
    except OSError as error:
        raise BadItem(f"{path}: {error.strerror or error}") from error
    plain = _unpacked(data, str(path), limit)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = whosmat(plain)
            _check_variable(found, variable, str(path), max_cells)
            values = loadmat(plain, variable_names=[variable])[variable]
    except BadItem:
        raise
    except Exception as error:  # scipy's parser raises nearly anything on broken bytes
        raise BadItem(f"{path}: broken MATLAB file: {error}") from error
    if values.dtype.kind not in "buif":
        raise BadItem(f"{path}: '{variable}' holds {values.dtype}, not real numbers")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise BadItem(f"{path}: '{variable}' holds fractions, NaN or infinity; cells must be 0 or 1")
    if values.min() < 0:
        raise BadItem(f"{path}: '{variable}' holds negative values; cells must be 0 or 1")
    return np.asarray(values > 0)


def write_voxel_mat(path: str | os.PathLike[str], voxels: np.ndarray, variable: str = "voxel") -> None:
    """Write a grid (3 axes, bool or numbers) as Pix3D does, compressed; the axes stay as they are."""
    if voxels.ndim != 3 or 0 in voxels.shape:
        raise ValueError(f"voxels must have three axes with at least one cell, got {voxels.shape}")
    savemat(Path(path), {variable: voxels}, appendmat=False, do_compression=True)


def _check_variable(
    found: list[tuple[str, tuple[int, ...], str]], variable: str, name: str, max_cells: int
) -> None:
    """The variable is there once, and its header states three axes that the limit allows."""
    shapes = [shape for key, shape, _ in found if key == variable]
    if len(shapes) != 1:
        there = ", ".join(f"'{key}'" for key, _, _ in found[:5]) or "nothing"
        raise BadItem(f"{name}: {len(shapes)} variables named '{variable}', expected one; it holds {there}")
    shape = shapes[0]
    if len(shape) != 3 or min(shape) < 1:
        raise BadItem(f"{name}: '{variable}' must have three axes with at least one cell, got {shape}")
    cells = math.prod(shape)
    if cells > max_cells:
        raise BadItem(f"{name}: '{variable}' has {shape} = {cells:,} cells, the limit is {max_cells:,}")


def _unpacked(data: bytes, name: str, limit: int) -> io.BytesIO:
    """The same file with its compressed variables unpacked, which must stay within `limit` bytes."""
    if data[:10] == b"MATLAB 7.3" or data[512:520] == b"\x89HDF\r\n\x1a\n":
        raise BadItem(f"{name}: MATLAB 7.3 (HDF5) file; save it with '-v7', or read and rewrite it by h5py")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if len(data) < _FILE_HEADER or order is None:
        what = "an empty file" if not data else "not a MATLAB 5 file"
        raise BadItem(f"{name}: {what}: no header of {_FILE_HEADER} bytes that ends with 'IM' or 'MI'")
    parts, total, position = [data[:_FILE_HEADER]], _FILE_HEADER, _FILE_HEADER
    while position < len(data):
        if position + 8 > len(data):
            raise BadItem(f"{name}: truncated: {len(data) - position} bytes where a variable begins")
        kind, length = struct.unpack_from(f"{order}II", data, position)
        part = data[position : position + 8 + length]
        if len(part) < 8 + length:
            raise BadItem(f"{name}: truncated: a variable of {length:,} bytes, {len(part) - 8:,} are there")
        position += len(part)
        if kind == _COMPRESSED:
            part = _inflated(part[8:], name, limit - total)
        parts.append(part)
        total += len(part)
    return io.BytesIO(b"".join(parts))


def _inflated(part: bytes, name: str, limit: int) -> bytes:
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(part, max(limit, 1))
    except zlib.error as error:
        raise BadItem(f"{name}: broken compressed variable: {error}") from error
    if not engine.eof:
        if len(plain) < limit:
            raise BadItem(f"{name}: truncated: a compressed variable has no end")
        raise BadItem(f"{name}: unpacks to more than the {limit:,} bytes that its grid can need")
    return plain
