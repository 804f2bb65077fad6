"""Rows compared with their digests the first time that a process reads them.

That costs less than a millisecond per megabyte, once; what is asked for again is only looked up. Of an array
whose rows hold views each view is checked by itself, so that reading one does not read the others. Stores
that were made before single views had sums are checked row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import DataError
from .manifest import MEND
from .rows import DIGEST, OF_VIEWS, RowSpec, digest, map_rows, view_sum

DIGESTS, VIEW_SUMS = "digests.npy", "view_sums.npy"


class RowChecks:
    """The digests of one store, and which rows this process has compared with them.

    Args:
        path: folder of the store.
        ids: of its items, in the order of the digests.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], ids: Sequence[str]) -> None:
        self.path, self.manifest, self.ids = path, manifest, ids
        self._sound: dict[tuple[str, bool], np.ndarray] = {}

    @cached_property
    def rows(self) -> np.ndarray:
        """BLAKE2b of every row of every array (N, arrays, 16) uint8, arrays in the manifest's order.

        Raises:
            DataError: the file is missing or damaged.
        """
        file = self.path / DIGESTS
        try:
            found = np.load(file, mmap_mode="r")  # mapped: a header that lies allocates nothing
        except Exception as error:  # numpy's parser raises nearly anything on broken bytes
            raise DataError(f"{file}: {error}; {MEND}") from error
        expected = (len(self.ids), len(self.manifest["arrays"]))
        if found.shape[:2] != expected:
            raise DataError(f"{file}: holds {found.shape}, expected {expected}; {MEND}")
        size, offset = file.stat().st_size, getattr(found, "offset", 0)
        if found.dtype != np.uint8 or found.shape[2:] != (DIGEST,) or size != offset + found.nbytes:
            raise DataError(f"{file}: holds {found.dtype} {found.shape} in {size:,} bytes; {MEND}")
        return np.array(found)

    @cached_property
    def views(self) -> np.ndarray | None:
        """CRC-32 of every view (N, arrays, V) uint32, arrays as in `viewed`; None where the store has none.

        Raises:
            DataError: the file is missing or damaged.
        """
        wanted = self.manifest.get("views_sha256")
        if wanted is None:
            return None
        file, views = self.path / VIEW_SUMS, self.manifest["arrays"]["images"]["shape"][1]
        try:
            found = np.array(map_rows(file, view_spec(len(self.viewed), views), len(self.ids)))
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: {error}; {MEND}") from error
        if hashlib.sha256(found.tobytes()).hexdigest() != wanted:
            raise DataError(f"{file}: does not match the manifest; {MEND}")
        return found

    @property
    def viewed(self) -> list[str]:
        """Arrays whose rows hold views, in the manifest's order."""
        return [name for name in self.manifest["arrays"] if name in OF_VIEWS]

    def matches(self, array: str) -> bool:
        """Whether the digests of an array's rows are those that the manifest was written with."""
        column = list(self.manifest["arrays"]).index(array)
        found = hashlib.sha256(self.rows[:, column].tobytes()).hexdigest()
        return bool(found == self.manifest["arrays"][array]["sha256"])

    def check(
        self,
        array: str,
        items: np.ndarray,
        views: np.ndarray | None,
        data: np.ndarray,
        rows: Callable[[int], np.ndarray],
    ) -> None:
        """Compare what was read with its digests, as far as this process has not read it before.

        Args:
            items: numbers of the items (B).
            views: of each item (B, V), or None for whole rows.
            data: what was read (B, ...) or (B, V, ...).
            rows: called with an item's number for its whole row, where single views have no sums.

        Raises:
            DataError: names the first that is damaged, and the mend.
        """
        single = views is not None and self.views is not None
        sound = self._of(array, single)
        if single:
            assert views is not None and self.views is not None
            place = self.viewed.index(array)
            for b, v in np.argwhere(~sound[items[:, None], views]).tolist():
                item, view = int(items[b]), int(views[b, v])
                if view_sum(_bytes(data[b, v])) != self.views[item, place, view]:
                    raise self._damaged(array, item, f", view {view}")
                sound[item, view] = True
            return
        column = list(self.manifest["arrays"]).index(array)
        for b in np.flatnonzero(~sound[items]).tolist():
            item = int(items[b])
            if digest(_bytes(data[b] if views is None else rows(item))) != self.rows[item, column].tobytes():
                raise self._damaged(array, item)
            sound[item] = True

    def _of(self, array: str, single: bool) -> np.ndarray:
        """Which rows (N) or views (N, V) of an array were found sound, in this process."""
        if (array, single) not in self._sound:
            if not single and not self.matches(array):
                raise DataError(
                    f"{self.path / DIGESTS}: hashes of '{array}' do not match the manifest; {MEND}"
                )
            views = self.manifest["arrays"][array]["shape"][1:2] if single else []
            self._sound[array, single] = np.zeros((len(self.ids), *views), np.bool_)
        return self._sound[array, single]

    def _damaged(self, array: str, item: int, where: str = "") -> DataError:
        return DataError(
            f"{self.path / array}.npy: '{self.ids[item]}'{where} is damaged, it is not what was written; "
            f"delete the folder {self.path} and run the same command again, which prepares the data set anew"
        )


def view_spec(arrays: int, views: int) -> RowSpec:
    """One row of the file of `RowChecks.views`."""
    return RowSpec("<u4", (arrays, views))


def _bytes(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
