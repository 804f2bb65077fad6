"""binvox: run-length coded voxel grids, as ShapeNet and 3D-R2N2 ship them.

Format (Min, https://www.patrickmin.com/binvox/binvox.html): ASCII header lines `#binvox 1` (or 2),
`dim nx ny nz`, optional `translate tx ty tz`, optional `scale s`, in any order, closed by `data`; then
byte pairs (value, count). Cells run with y fastest, then z, then x.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit

from .. import BadItem
from ._files import read_limited

MAX_CELLS = 512**3
"""Default limit on what the header of one file may make the reader allocate, in cells (bytes)."""

_MAX_HEADER = 4096
_MAX_RUN = 255


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


def read_binvox(path: str | os.PathLike[str], max_cells: int = MAX_CELLS) -> Binvox:
    """Read one file; every value but 0 means occupied.

    Args:
        path: the file.
        max_cells: refuse grids with more cells than this, before anything of their size is allocated.

    Raises:
        BadItem: the file is missing, no binvox, truncated, longer than its grid, or too large; names
            the file and the reason.
    """
    # the longest sane body has runs of one cell; anything above is not worth reading
    limit = _MAX_HEADER + 4 * max_cells
    data = read_limited(path, limit, f"a grid of {max_cells:,} cells can need")
    return parse_binvox(data, str(path), max_cells)


def parse_binvox(data: bytes, name: str, max_cells: int = MAX_CELLS) -> Binvox:
    """As `read_binvox`, from the bytes of a file; `name` is what errors call it."""
    version, dims, translate, scale, start = _header(data, name)
    cells = math.prod(dims)
    if cells > max_cells:
        raise BadItem(f"{name}: header asks for {dims} = {cells:,} cells, the limit is {max_cells:,}")
    body = np.frombuffer(data, np.uint8, offset=start)
    if len(body) % 2:
        raise BadItem(f"{name}: truncated: {len(body)} bytes of (value, count) pairs is an odd number")
    covered = int(body[1::2].sum(dtype=np.int64))
    if covered != cells:
        kind = "truncated" if covered < cells else "too long"
        raise BadItem(f"{name}: {kind}: the runs cover {covered:,} cells, the header says {cells:,}")
    grid = np.zeros(cells, np.uint8)
    _decode(body, grid)
    nx, ny, nz = dims
    voxels = grid.view(np.bool_).reshape(nx, nz, ny).transpose(0, 2, 1)
    return Binvox(voxels, translate, scale, version)


def write_binvox(
    path: str | os.PathLike[str],
    voxels: np.ndarray,
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    version: int = 1,
) -> None:
    """Write a grid (nx, ny, nz) indexed [x][y][z], bool or numbers (non-zero means occupied)."""
    Path(path).write_bytes(format_binvox(voxels, translate, scale, version))


def format_binvox(
    voxels: np.ndarray,
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    version: int = 1,
) -> bytes:
    """The bytes of a binvox file: runs of 1...255 cells, no empty pairs.

    Raises:
        ValueError: `voxels` has not three axes of at least one cell, or `version` is not 1 or 2.
    """
    if voxels.ndim != 3 or 0 in voxels.shape:
        raise ValueError(f"voxels must be (nx, ny, nz) with at least one cell, got {voxels.shape}")
    if version not in (1, 2):
        raise ValueError(f"binvox version must be 1 or 2, got {version}")
    cells = (voxels != 0).transpose(0, 2, 1).reshape(-1)
    edges = np.flatnonzero(cells[1:] != cells[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(cells)]]))
    pieces = -(-lengths // _MAX_RUN)  # a long run becomes several pairs, the last one with the remainder
    last = np.cumsum(pieces) - 1
    pairs = np.empty((int(pieces.sum()), 2), np.uint8)
    pairs[:, 0] = np.repeat(cells[starts], pieces)
    pairs[:, 1] = _MAX_RUN
    pairs[last, 1] = lengths - (pieces - 1) * _MAX_RUN
    header = (
        f"#binvox {version}\ndim {' '.join(map(str, voxels.shape))}\n"
        f"translate {' '.join(repr(float(t)) for t in translate)}\nscale {float(scale)!r}\ndata\n"
    )
    return header.encode("ascii") + pairs.tobytes()


def _header(
    data: bytes, name: str
) -> tuple[int, tuple[int, int, int], tuple[float, float, float], float, int]:
    """Version, dimensions, translate, scale, and where the body starts."""
    head = data[:_MAX_HEADER]
    magic, _, _ = head.partition(b"\n")
    words = magic.split()
    if len(words) != 2 or words[0] != b"#binvox":
        raise BadItem(f"{name}: not a binvox file: begins with {head[:16]!r}, not '#binvox 1'")
    if words[1] not in (b"1", b"2"):
        raise BadItem(f"{name}: binvox version {words[1].decode('ascii', 'replace')}; known are 1 and 2")
    position = len(magic) + 1
    fields: dict[str, list[bytes]] = {}
    while True:
        end = head.find(b"\n", position)
        if end < 0:
            raise BadItem(f"{name}: truncated: no 'data' line in the first {len(head)} bytes")
        key, *values = head[position:end].split() or [b""]
        position = end + 1
        if key == b"data":
            break
        text = key.decode("ascii", "replace")
        if text in fields and text in ("dim", "translate", "scale"):
            raise BadItem(f"{name}: the header gives '{text}' twice")
        fields[text] = values  # keys that nobody knows are skipped, as the format's author does
    if "dim" not in fields:
        raise BadItem(f"{name}: the header has no 'dim' line")
    dims = _numbers(fields["dim"], 3, int, name, "dim")
    if min(dims) < 1:
        raise BadItem(f"{name}: dimensions must be positive, the header says {dims}")
    translate = _numbers(fields.get("translate", [b"0", b"0", b"0"]), 3, float, name, "translate")
    (scale,) = _numbers(fields.get("scale", [b"1"]), 1, float, name, "scale")
    if not all(map(math.isfinite, translate)) or not math.isfinite(scale) or scale <= 0:
        raise BadItem(f"{name}: impossible placement: translate {translate}, scale {scale}")
    return int(words[1]), dims, translate, scale, position


def _numbers(words: list[bytes], count: int, kind: type, name: str, key: str) -> tuple:
    try:
        numbers = tuple(kind(word) for word in words)
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        shown = b" ".join(words)[:40].decode("ascii", "replace")
        raise BadItem(f"{name}: '{key}' needs {count} number(s), the header says '{shown}'")
    return numbers


@njit(cache=True)
def _decode(body: np.ndarray, grid: np.ndarray) -> None:
    """Fill the occupied runs of a zeroed grid; the caller has checked that the runs fit."""
    cell = np.int64(0)
    for pair in range(0, len(body), 2):
        end = cell + np.int64(body[pair + 1])
        if body[pair]:
            for i in range(cell, end):
                grid[i] = 1
        cell = end
