"""binvox: run-length coded voxel grids, as ShapeNet and 3D-R2N2 ship them.

Format (Min, https://www.patrickmin.com/binvox/binvox.html): ASCII header lines `#binvox 1` (or 2),
`dim nx ny nz`, optional `translate tx ty tz`, optional `scale s`, in any order, closed by `data`; then
byte pairs (value, count). Cells run with y fastest, then z, then x.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.shapes.binvox import format_binvox as format_binvox
from zoo.system.compiled import njit

from .. import BadItem
from ._files import read_limited

MAX_CELLS = 512**3
"""Default limit on what the header of one file may make the reader allocate, in cells (bytes)."""

_MAX_HEADER = 4096
_DATA = re.compile(rb"\ndata[ \t\r]*\n")
_MAGIC = {b"#binvox 1": 1, b"#binvox 2": 2}
_FIELDS: dict[bytes, tuple[type, int]] = {b"dim": (int, 3), b"translate": (float, 3), b"scale": (float, 1)}
_ORIGIN, _UNIT = [b"0", b"0", b"0"], [b"1"]


@dataclass(frozen=True)
class Binvox:
    """One grid with its header.

    Attributes:
        voxels: (nx, ny, nz) bool, indexed [x][y][z]. A read grid is a VIEW on the file's order
            [x][z][y]; call `np.ascontiguousarray` where the layout in memory matters.
        translate: model coordinates of the grid's lower corner.
        scale: edge of the grid in model units; the centre of cell (i, j, k) of n lies at
            ((i + .5) / n, (j + .5) / n, (k + .5) / n) * scale + translate.
        version: 1, or 2 (since 2024: a value may be any number of 1...255).
    """

    voxels: np.ndarray
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    version: int = 1


@dataclass(frozen=True)
class PackedBinvox:
    """One grid with its header, a bit per cell.

    Attributes:
        bits: (ceil(nx ny nz / 8),) uint8, what numpy.packbits gives of the grid [x][y][z].
        shape: (nx, ny, nz).
        translate, scale, version: as in `Binvox`.
    """

    bits: np.ndarray
    shape: tuple[int, int, int]
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    version: int = 1


def read_binvox(path: str | os.PathLike[str], max_cells: int = MAX_CELLS) -> Binvox:
    """Read one file; every value but 0 means occupied.

    Args:
        path: the file.
        max_cells: refuse grids with more cells than this, before anything of their size is allocated.

    Raises:
        BadItem: the file is missing, no binvox, truncated, longer than its grid, or too large; names
            the file and the reason.
    """
    return parse_binvox(_bytes(path, max_cells), os.fspath(path), max_cells)


def read_binvox_packed(path: str | os.PathLike[str], max_cells: int = MAX_CELLS) -> PackedBinvox:
    """As `read_binvox`, packed straight from the runs: the dense grid is never made.

    Raises:
        BadItem: as `read_binvox`.
    """
    return parse_binvox_packed(_bytes(path, max_cells), os.fspath(path), max_cells)


def parse_binvox(data: bytes, name: str, max_cells: int = MAX_CELLS) -> Binvox:
    """As `read_binvox`, from the bytes of a file; `name` is what errors call it."""
    version, (nx, ny, nz), translate, scale, start = _header(data, name, max_cells)
    cells = nx * ny * nz
    grid = np.empty(cells, np.bool_)
    if _decode(data, start, cells, grid) != cells:
        raise _wrong_length(data, start, cells, name)
    return Binvox(grid.reshape(nx, nz, ny).transpose(0, 2, 1), translate, scale, version)


def parse_binvox_packed(data: bytes, name: str, max_cells: int = MAX_CELLS) -> PackedBinvox:
    """As `read_binvox_packed`, from the bytes of a file; `name` is what errors call it."""
    version, (nx, ny, nz), translate, scale, start = _header(data, name, max_cells)
    cells = nx * ny * nz
    bits = np.zeros(-(-cells // 8), np.uint8)
    if _decode_packed(data, start, nx, ny, nz, bits) != cells:
        raise _wrong_length(data, start, cells, name)
    return PackedBinvox(bits, (nx, ny, nz), translate, scale, version)


def write_binvox(
    path: str | os.PathLike[str],
    voxels: np.ndarray,
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    version: int = 1,
) -> None:
    """Write a grid (nx, ny, nz) indexed [x][y][z], bool or numbers (non-zero means occupied)."""
    Path(path).write_bytes(format_binvox(voxels, translate, scale, version))


def _bytes(path: str | os.PathLike[str], max_cells: int) -> bytes:
    # the longest sane body has runs of one cell; anything above is not worth reading
    return read_limited(path, _MAX_HEADER + 4 * max_cells)


def _version(magic: bytes, name: str) -> int:
    version = _MAGIC.get(magic.rstrip())
    if version is not None:
        return version
    if magic.startswith(b"#binvox "):
        raise BadItem(f"{name}: binvox version {magic[8:20].decode('ascii', 'replace')}; known are 1 and 2")
    raise BadItem(f"{name}: not a binvox file: begins with {magic[:16]!r}, not '#binvox 1'")


def _header(
    data: bytes, name: str, max_cells: int
) -> tuple[int, tuple[int, int, int], tuple[float, float, float], float, int]:
    """Version, dimensions within the limit, translate, scale, and where the pairs begin."""
    end = _DATA.search(data, 0, _MAX_HEADER)
    magic, *lines = data[: end.start() if end else _MAX_HEADER].split(b"\n")
    version = _version(magic, name)
    if end is None:
        raise BadItem(f"{name}: truncated: no 'data' line in the first {min(len(data), _MAX_HEADER)} bytes")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        key, *values = line.split() or [b""]
        if key in fields and key in _FIELDS:
            raise BadItem(f"{name}: the header gives '{key.decode()}' twice")
        fields[key] = values  # keys that nobody knows are skipped, as the format's author does
    try:
        nx, ny, nz = map(int, fields[b"dim"])
        tx, ty, tz = map(float, fields.get(b"translate", _ORIGIN))
        (scale,) = map(float, fields.get(b"scale", _UNIT))
    except (KeyError, ValueError) as error:
        raise BadItem(f"{name}: {_wrong_field(fields)}") from error
    if nx < 1 or ny < 1 or nz < 1:
        raise BadItem(f"{name}: dimensions must be positive, the header says {(nx, ny, nz)}")
    if nx * ny * nz > max_cells:
        asked = f"{(nx, ny, nz)} = {nx * ny * nz:,} cells"
        raise BadItem(f"{name}: header asks for {asked}, the limit is {max_cells:,}")
    if not math.isfinite(tx + ty + tz + scale) or scale <= 0:
        raise BadItem(f"{name}: impossible placement: translate {(tx, ty, tz)}, scale {scale}")
    start = end.end()
    if (len(data) - start) % 2:
        raise BadItem(f"{name}: truncated: {len(data) - start} bytes of pairs is an odd number")
    return version, (nx, ny, nz), (tx, ty, tz), scale, start


def _wrong_field(fields: dict[bytes, list[bytes]]) -> str:
    """Which of the numbers could not be read."""
    for key, (kind, count) in _FIELDS.items():
        try:
            wrong = key in fields and len(list(map(kind, fields[key]))) != count
        except ValueError:
            wrong = True
        if wrong:
            shown = b" ".join(fields[key])[:40].decode("ascii", "replace")
            return f"'{key.decode()}' needs {count} number(s), the header says '{shown}'"
    return "the header has no 'dim' line"


def _wrong_length(data: bytes, start: int, cells: int, name: str) -> BadItem:
    covered = sum(data[start + 1 :: 2])
    kind = "truncated" if covered < cells else "too long"
    return BadItem(f"{name}: {kind}: the runs cover {covered:,} cells, the header says {cells:,}")


@njit
def _decode(data: bytes, start: int, cells: int, grid: np.ndarray) -> Any:
    """Write the runs into a grid, and return how many cells they cover. A run that does not fit ends it."""
    cell = np.int64(0)
    for pair in range(start, len(data), 2):
        end = cell + np.int64(data[pair + 1])
        if end > cells:
            return end
        grid[cell:end] = data[pair] != 0
        cell = end
    return cell


@njit
def _decode_packed(data: bytes, start: int, nx: int, ny: int, nz: int, bits: np.ndarray) -> Any:
    """Set the bits of the occupied cells in zeroed bytes, and return how many cells the runs cover.

    Runs go along y, where neighbours lie nz bits apart. A run that does not fit ends it.
    """
    zero: Any = np.int64(0)
    cell, slab, y, z = zero, zero, zero, zero
    for pair in range(start, len(data), 2):
        left = np.int64(data[pair + 1])
        cell += left
        if cell > nx * ny * nz:
            return cell
        while left > 0:
            here = min(left, ny - y)
            if data[pair] != 0:
                bit = slab + y * nz + z
                for _ in range(here):
                    bits[bit >> 3] |= np.uint8(128 >> (bit & 7))
                    bit += nz
            left -= here
            y += here
            if y == ny:
                y, z = zero, z + 1
                if z == nz:
                    z, slab = zero, slab + ny * nz
    return cell
