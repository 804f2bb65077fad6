"""NumPy's files from strangers: no code is run, and no header is believed beyond a limit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import numpy as np

from .. import BadItem

Check = Callable[[str, tuple[int, ...]], None]
"""Told the name and shape of an array before anything of its size is allocated; raises `BadItem`."""

_MAX_MEMBERS = 1000


class Archive:
    """The arrays of an .npz.

    Attributes:
        names: without '.npy', in the order of the file.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self.names = list(self._members)

    def headers(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and kind of numbers ('f4') of every array, by name; nothing is unpacked but the headers.

        What is no array is left out.
        """
        found = {}
        for name, info in self._members.items():
            with self._archive.open(info) as stream, suppress(BadItem, ValueError):
                shape, _, dtype = _header(stream, name)
                found[name] = shape, dtype.str[1:]
        return found

    def read(self, name: str, check: Check, max_bytes: int, kinds: str = "fiu") -> np.ndarray:
        """One array; see `read_array`.

        Args:
            max_bytes: it may unpack to.

        Raises:
            BadItem: it is larger, packed by a strange method, or refused by `read_array`.
        """
        info = self._members[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadItem(f"'{name}' is packed by method {info.compress_type}; numpy uses 0 and 8")
        if info.file_size > max_bytes:
            raise BadItem(f"'{name}' unpacks to {info.file_size:,} bytes, the limit is {max_bytes:,}")
        with self._archive.open(info) as stream:
            return read_array(stream, name, check, kinds)


@contextmanager
def open_npz(data: bytes) -> Iterator[Archive]:
    """The arrays in the bytes of an .npz.

    Raises:
        BadItem: it holds more files than any archive of arrays.
    """
    if data.count(b"PK\x01\x02") > _MAX_MEMBERS:
        raise BadItem(f"an archive of more than {_MAX_MEMBERS:,} files")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        yield Archive(archive)


def read_array(stream: IO[bytes], name: str, check: Check, kinds: str = "fiu") -> np.ndarray:
    """One array of plain numbers in the .npy format.

    Args:
        kinds: kinds of numbers that are welcome, as NumPy letters them.

    Raises:
        BadItem: objects or other things that are no numbers, an unknown version, a body that is shorter or
            longer than its header says, or a shape that `check` refuses.
    """
    shape, fortran, dtype = _header(stream, name)
    if dtype.kind not in kinds:
        raise BadItem(f"'{name}' holds {dtype}, not real numbers")
    check(name, shape)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    body = stream.read(size)
    if len(body) < size or stream.read(1):
        found = "less" if len(body) < size else "more"
        raise BadItem(f"'{name}' has {shape}, but {found} than {size:,} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and type, of an array whose numbers follow in the stream."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise BadItem(f"'{name}' has the npy version {version}; known are 1.0 and 2.0")
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
    shape, fortran, dtype = read(stream)
    return shape, fortran, dtype
