"""MATLAB files of voxels, as Pix3D ships them: one 3-D variable in a file of version 5 (MATLAB 5 to 7.2).

Format ("MAT-File Format", MathWorks): a header of 128 bytes, then tagged elements, one per variable, each
possibly compressed by zlib. A variable is a list of elements itself: flags, dimensions, name, values in
column-major order.

scipy is not asked to read them, because it trusts the tags: a damaged file may crash the process, and a
compressed one unpack to gigabytes.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .. import BadItem
from ._files import read_limited

MAX_CELLS = 256**3
"""Default limit on the cells of one grid. A cell takes at most 8 bytes in the file, and reading holds at most
four copies of them: 512 MiB."""

_BYTES_PER_CELL = 8
_MAX_REST = 1 << 16
"""Bytes allowed for the header and for other, small variables."""

_FILE_HEADER = 128
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored numbers."""
_NUMERIC_CLASSES = range(6, 16)
"""Classes of arrays from double to uint64; the others are text, cells, structures, sparse matrices."""
_COMPLEX = 0x800


@dataclass(frozen=True)
class _Variable:
    """One variable whose values are not looked at yet.

    Attributes:
        name, shape, flags: as stored.
        body: the elements of the variable.
        values: where in `body` the element of its values begins.
    """

    name: str
    shape: tuple[int, ...]
    flags: int
    body: bytes
    values: int


def read_voxel_mat(
    path: str | os.PathLike[str], variable: str = "voxel", max_cells: int = MAX_CELLS
) -> np.ndarray:
    """One occupancy grid, bool, three axes as they are in the file (and in memory in its column-major order).

    Every positive number means occupied, so grids of 0 and 1 and of 0 and 255 read alike, in any logical or
    numeric class. Fractions are refused: they are probabilities, which want a threshold.

    Args:
        path: the file.
        variable: name of the grid in the file.
        max_cells: refuse grids with more cells than this before anything of their size is allocated.

    Raises:
        BadItem: the file is missing, no MATLAB 5 file, broken, too large, lacks the variable, or the variable
            is no grid of whole numbers from 0 up; names the file and the reason.
    """
    limit = max_cells * _BYTES_PER_CELL + _MAX_REST
    data = read_limited(path, limit)
    try:
        order = _byte_order(data)
        found = [_parsed(body, order) for body in _bodies(data, order, limit)]
        named = [v for v in found if v.name == variable]
        if len(named) != 1:
            there = ", ".join(f"'{v.name}'" for v in found[:5]) or "nothing"
            raise BadItem(f"{len(named)} variables named '{variable}', expected one; it holds {there}")
        return _grid(named[0], order, max_cells)
    except BadItem as error:
        raise BadItem(f"{path}: {error}") from error


def _byte_order(data: bytes) -> str:
    if data[:10] == b"MATLAB 7.3" or data[512:520] == b"\x89HDF\r\n\x1a\n":
        raise BadItem("a MATLAB 7.3 (HDF5) file; save it with '-v7', or read and rewrite it by h5py")
    order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(data[124:_FILE_HEADER])
    if order is None:
        raise BadItem("not a MATLAB 5 file" if data else "an empty file")
    return order


def _bodies(data: bytes, order: str, limit: int) -> Iterator[bytes]:
    """What is inside each variable, unpacked as long as all of it stays within `limit` bytes."""
    position = _FILE_HEADER
    while position < len(data):
        kind, start, end, position = _tag(data, position, order, padded=False)
        body = data[start:end]
        if kind == _COMPRESSED:
            plain = _inflated(body, limit)
            limit -= len(plain)
            kind, start, end, _ = _tag(plain, 0, order)
            body = plain[start:end]
        if kind != _MATRIX:
            raise BadItem(f"broken: an element of type {kind} where a variable must begin")
        yield body


def _inflated(body: bytes, limit: int) -> bytes:
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(body, max(limit, 1))  # 0 would mean no limit
    except zlib.error as error:
        raise BadItem(f"broken compressed variable: {error}") from error
    if not engine.eof:
        if engine.unconsumed_tail:
            raise BadItem(f"its variables unpack to more than the {limit:,} bytes that the grid can need")
        raise BadItem("truncated: a compressed variable has no end")
    return plain


def _tag(data: bytes, position: int, order: str, padded: bool = True) -> tuple[int, int, int, int]:
    """Type of the element at `position`, where its bytes begin and end, and where the next element begins."""
    if position + 8 > len(data):
        raise BadItem(f"truncated: {max(len(data) - position, 0)} bytes where an element must begin")
    kind, length = struct.unpack_from(f"{order}II", data, position)
    start = position + 8
    if kind >> 16:  # a small element: its length stands above the type, its bytes in place of the length
        kind, length, start = kind & 0xFFFF, kind >> 16, position + 4
        if length > 4:
            raise BadItem(f"broken: a small element of {length} bytes")
    end = start + length
    if end > len(data):
        raise BadItem(f"truncated: an element of {length:,} bytes, {len(data) - start:,} are there")
    return kind, start, end, end + (-end % 8 if padded else 0)


def _parsed(body: bytes, order: str) -> _Variable:
    kind, start, end, position = _tag(body, 0, order)
    if kind != _UINT32 or end - start < 8:
        raise BadItem("broken: a variable without flags")
    (flags,) = struct.unpack_from(f"{order}I", body, start)
    kind, start, end, position = _tag(body, position, order)
    if kind != _INT32 or (end - start) % 4:
        return _Variable("(opaque)", (), flags, body, position)  # MATLAB's objects: no dimensions here
    shape = struct.unpack_from(f"{order}{(end - start) // 4}i", body, start)
    _, start, end, position = _tag(body, position, order)
    return _Variable(body[start:end].decode("latin1"), shape, flags, body, position)


def _grid(variable: _Variable, order: str, max_cells: int) -> np.ndarray:
    name, shape = variable.name, variable.shape
    if variable.flags & 0xFF not in _NUMERIC_CLASSES or variable.flags & _COMPLEX:
        raise BadItem(f"'{name}' does not hold real numbers")
    if len(shape) != 3 or min(shape) < 1:
        raise BadItem(f"'{name}' must have three axes with at least one cell, got {shape}")
    cells = math.prod(shape)
    if cells > max_cells:
        raise BadItem(f"'{name}' has {shape} = {cells:,} cells, the limit is {max_cells:,}")
    kind, start, end, _ = _tag(variable.body, variable.values, order)
    if kind not in _NUMBERS:
        raise BadItem(f"broken: '{name}' holds values of type {kind}")
    dtype = np.dtype(order + _NUMBERS[kind])
    if end - start != cells * dtype.itemsize:
        raise BadItem(f"broken: '{name}' has {shape} = {cells:,} cells, but {end - start:,} bytes of {dtype}")
    values = np.frombuffer(variable.body, dtype, cells, start)
    if dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise BadItem(f"'{name}' holds fractions, NaN or infinity; cells must be 0 or 1")
    if values.min() < 0:
        raise BadItem(f"'{name}' holds negative values; cells must be 0 or 1")
    return (values > 0).reshape(shape, order="F")
