"""Many 32^3 grids in one array: `occupancy.npy` or `occupancy.npy.xz`, and `ids.txt` that names its rows.

A row is numpy.packbits of one grid [x][y][z]. The rows are memory-mapped, so that a process touches only
those that it reads; of the compressed form an unpacked copy is therefore kept in a cache folder.
"""

from __future__ import annotations

import hashlib
import lzma
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from filelock import FileLock
from rich.console import Console

from zoo.files import atomic_folder

from .. import BadItem, DataError

PLAIN, COMPRESSED, IDS = "occupancy.npy", "occupancy.npy.xz", "ids.txt"
EDGE = 32
ROW_BYTES = EDGE**3 // 8
_CHUNK = 1 << 20


class PackedGrids:
    """The grids in one folder. Files are opened at the first use.

    Attributes:
        file: the array, as it is or compressed.
        cache: folder in which an unpacked copy may be kept.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        plain = folder / PLAIN
        self.file = plain if plain.is_file() else folder / COMPRESSED

    @staticmethod
    def is_at(folder: Path) -> bool:
        """Whether a folder holds an array of this form."""
        return any((folder / name).is_file() for name in (PLAIN, COMPRESSED))

    @cached_property
    def ids(self) -> dict[str, int]:
        """Row of each id.

        Raises:
            DataError: the list cannot be read, or a line is empty or comes twice.
        """
        path = self.folder / IDS
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as error:
            raise DataError(
                f"{path}: {error.strerror or error}; it names the rows of {self.file.name}"
            ) from error
        except ValueError as error:
            raise DataError(f"{path}: no list of ids: {error}") from error
        rows: dict[str, int] = {}
        for row, name in enumerate(lines):
            if not name.strip() or name in rows:
                what = f"'{name}' is also line {rows[name] + 1}" if name in rows else "empty"
                raise DataError(f"{path}, line {row + 1}: {what}; every row needs a name of its own")
            rows[name] = row
        return rows

    @cached_property
    def rows(self) -> np.ndarray:
        """The array (N, 4096) uint8, mapped; the compressed form is unpacked where that was never done.

        Raises:
            DataError: a file is damaged, the array does not fit to the ids, or the copy cannot be written.
        """
        try:
            return self._mapped(self._unpacked() if self.file.suffix == ".xz" else self.file)
        except OSError as error:
            # of the array or of the copy, whichever the system was at
            where = error.filename or self.cache
            raise DataError(f"{where}: {error.strerror or error}, while opening {self.file}") from error

    def grid(self, name: str) -> np.ndarray:
        """One grid (32, 32, 32) bool.

        Raises:
            BadItem: there is no such row.
            DataError: as `ids` and `rows`.
        """
        if name not in self.ids:
            raise BadItem(f"not there: {self.folder / IDS} does not list '{name}'")
        bits = np.unpackbits(self.rows[self.ids[name]])
        return bits.reshape(EDGE, EDGE, EDGE).view(np.bool_)

    def _mapped(self, file: Path) -> np.ndarray:
        """An uncompressed file of exactly the right size."""
        shape = (len(self.ids), ROW_BYTES)
        with file.open("rb") as stream:
            start = self._header(stream)
        size, wanted = file.stat().st_size, start + len(self.ids) * ROW_BYTES
        if size != wanted:
            mend = "get it again" if file == self.file else "delete it"
            raise DataError(f"{file}: {size:,} bytes, expected {wanted:,}; {mend}")
        return np.memmap(file, np.uint8, "r", start, shape)

    def _header(self, stream: IO[bytes]) -> int:
        """Check the array's type and shape against the ids; gives the position of the first row."""
        try:
            version = np.lib.format.read_magic(stream)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        except (OSError, lzma.LZMAError):
            raise
        except Exception as error:  # numpy's parser raises nearly anything on broken bytes
            raise DataError(f"{self.file}: no .npy array: {' '.join(str(error).split())}") from error
        wanted = (len(self.ids), ROW_BYTES)
        if version != (1, 0) or fortran or dtype != np.uint8 or shape != wanted:
            raise DataError(
                f"{self.file}: holds {dtype} {shape}; {IDS} and grids of {EDGE}^3 bits ask for uint8 {wanted}"
            )
        return stream.tell()

    def _unpacked(self) -> Path:
        """The unpacked copy, named by the content of the compressed file."""
        with self.file.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        target = self.cache / f"vox32-{name[:12]}"
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / f".{target.name}.lock"):
            if not (target / PLAIN).is_file():
                console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
                console.print(f"unpacking {self.file} into {target}, once")
                with atomic_folder(target) as folder:
                    self._unpack(folder / PLAIN)
        return target / PLAIN

    def _unpack(self, file: Path) -> None:
        try:
            with lzma.open(self.file) as packed, file.open("wb") as unpacked:
                self._header(packed)
                shape = (len(self.ids), ROW_BYTES)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(unpacked, header)
                left = len(self.ids) * ROW_BYTES
                while chunk := packed.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:  # a file of kilobytes may unpack to terabytes
                        raise DataError(f"{self.file}: unpacks to more than its header says, {shape} bytes")
                    unpacked.write(chunk)
        except (lzma.LZMAError, EOFError) as error:
            raise DataError(f"{self.file}: damaged or truncated: {error}; get it again") from error
        if left:
            raise DataError(f"{self.file}: unpacks to {left:,} bytes less than its header says; get it again")
