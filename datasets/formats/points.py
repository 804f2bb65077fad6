"""Clouds of points: .npz (as Occupancy Networks', or one array alone), .npy and .ply.

What a zip directory, the header of an array or that of a PLY file claims is compared with a limit before
anything of that size is unpacked or allocated; pickled arrays are never loaded.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from zoo.system.quiet import silenced

from .. import BadItem
from ._arrays import open_npz, read_array
from ._contents import check_alone, check_beside_points, check_properties
from ._files import read_limited
from ._mesh_ply import has_surface
from ._ply_tables import FORMATS, TYPES, ply_header

MAX_POINTS = 4_000_000
"""Default limit on the points of one file. Reading holds up to four copies of them, 800 MiB with normals,
and the text of a PLY."""

_BYTES_PER_POINT = 2 * 3 * 8
_MAX_REST = 1 << 20
"""Bytes allowed for headers and for what else is in a file."""
_MAX_TEXT = 4
"""How many times longer than in binary a cloud may be as text."""


@dataclass(frozen=True)
class PointCloud:
    """Points in the coordinates of their file.

    Attributes:
        points: (N, 3) float64, N at least 1, finite.
        normals: (N, 3) float64, finite, as the file has them; None where it has none.
    """

    points: np.ndarray
    normals: np.ndarray | None = None


def read_points(path: str | os.PathLike[str], max_points: int = MAX_POINTS) -> PointCloud:
    """Read one file.

    Of an .npz the array 'points', with 'normals' where they are there, or else the only array; `loc` and
    `scale` of Occupancy Networks' files, which lead back to ShapeNet's coordinates, are left aside. Of a .ply
    the vertices, as long as it has no faces: the corners of a mesh are no samples of its surface. Nor are
    samples of space: points that come with occupancies, distances or another value each are refused.

    Args:
        path: the file; its name tells the format.
        max_points: refuse larger clouds before anything of their size is allocated.

    Raises:
        BadItem: the file is missing, of no known format, broken, too large, without points on a surface, or
            holds NaN or infinity; names the file and the reason.
    """
    path = Path(path)
    kind = path.suffix.lower()
    readers = {".npz": _read_npz, ".npy": _read_npy, ".ply": _read_ply}
    if kind not in readers:
        raise BadItem(f"{path}: '{kind}' is no known kind of points; known are {', '.join(readers)}")
    text = _MAX_TEXT if kind == ".ply" else 1
    data = read_limited(path, text * max_points * _BYTES_PER_POINT + _MAX_REST)
    try:
        with silenced():
            points, normals = readers[kind](data, max_points)
            normals = None if normals is None else _finite(normals, "normals")
            return PointCloud(_finite(points, "points"), normals)
    except BadItem as error:
        raise BadItem(f"{path}: {error}") from error
    except Exception as error:  # numpy and zipfile raise nearly anything on broken bytes
        raise BadItem(f"{path}: broken {kind[1:]}: {type(error).__name__} {error}") from error


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise BadItem(f"{what} hold NaN or infinity")
    return values


def _read_npz(data: bytes, max_points: int) -> tuple[np.ndarray, np.ndarray | None]:
    check, limit = partial(_check, max_points), max_points * _BYTES_PER_POINT + _MAX_REST
    with open_npz(data) as archive:
        key = "points" if "points" in archive.names else next(iter(archive.names), "")
        if key != "points" and len(archive.names) != 1:
            there = ", ".join(archive.names) or "nothing"
            raise BadItem(f"no array 'points' and not one array alone; it holds {there}")
        points = archive.read(key, check, limit)
        has_normals = key == "points" and "normals" in archive.names
        normals = archive.read("normals", check, limit) if has_normals else None
        if key == "points":
            check_beside_points(archive.headers())
        else:
            check_alone(key)
    if normals is not None and normals.shape != points.shape:
        raise BadItem(f"{len(points)} points, but {len(normals)} normals")
    return points, normals


def _read_npy(data: bytes, max_points: int) -> tuple[np.ndarray, None]:
    return read_array(io.BytesIO(data), "array", partial(_check, max_points)), None


def _check(max_points: int, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[1] != 3:
        raise BadItem(f"'{name}' must be (N, 3), got {shape}")
    _limit_points(shape[0], max_points)


def _read_ply(data: bytes, max_points: int) -> tuple[np.ndarray, np.ndarray | None]:
    header, counts = ply_header(data)
    if has_surface(header) or next(iter(counts), "") != "vertex":
        raise BadItem("no cloud of points: it must begin with vertices and have no faces")
    _limit_points(counts["vertex"], max_points)
    order, fields = _fields(header.decode("latin-1"))
    dtype = np.dtype([(name, order + TYPES[kind]) for kind, name in fields])
    table = _table(data[len(header) :], dtype, counts["vertex"], binary=bool(order))
    if not {"x", "y", "z"} <= table.keys():
        raise BadItem("vertices without x, y and z")
    points = np.stack([table[axis] for axis in "xyz"], axis=-1, dtype=np.float64)
    if not {"nx", "ny", "nz"} <= table.keys():
        return points, None
    return points, np.stack([table[f"n{axis}"] for axis in "xyz"], axis=-1, dtype=np.float64)


def _fields(header: str) -> tuple[str, list[list[str]]]:
    """Byte order, empty for text, and [kind, name] of what the header says of each vertex."""
    form = re.search(r"^format[ \t]+(\w+)", header, re.M)
    if form is None or form[1] not in FORMATS:
        raise BadItem(f"the format {form[1] if form else 'is missing'}; known are {', '.join(FORMATS)}")
    block = re.split(r"^element\b.*\n", header, flags=re.M)[1]
    fields = [line.split()[1:] for line in block.splitlines() if line.startswith("property")]
    if any(len(field) != 2 or field[0] not in TYPES for field in fields):
        raise BadItem("vertices with properties that are no plain numbers")
    check_properties([name for _, name in fields])
    return FORMATS[form[1]], fields


def _table(body: bytes, dtype: np.dtype, count: int, binary: bool) -> dict[str, np.ndarray]:
    """Columns of the vertices by name."""
    if binary:
        if len(body) < count * dtype.itemsize:
            raise BadItem(f"truncated: {len(body):,} bytes for {count:,} points of {dtype.itemsize}")
        return {name: np.frombuffer(body, dtype, count)[name] for name in dtype.names or ()}
    lines = body.rstrip().count(b"\n") + bool(body.strip())
    if lines < count:
        raise BadItem(f"truncated: {lines:,} lines for {count:,} points")
    rows = np.loadtxt(io.BytesIO(body), max_rows=count, ndmin=2, comments=None)
    if len(rows) < count:
        raise BadItem(f"truncated: {len(rows):,} lines with numbers for {count:,} points")
    return dict(zip(dtype.names or (), rows.T, strict=True))


def _limit_points(count: int, max_points: int) -> None:
    if count < 1:
        raise BadItem("no points")
    if count > max_points:
        raise BadItem(f"{count:,} points, the limit is {max_points:,}")
