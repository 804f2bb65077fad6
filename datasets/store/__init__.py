"""The packed store of one prepared data set: memory-mapped arrays, an index, and a manifest.

    <dataset>-<key>/
        manifest.json      what it holds, how it was made, what was skipped and why, hashes
        items.json         ids, categories, splits, shapes, rows and notes, column by column
        skipped.csv        what is not here, and why
        digests.npy        (N, arrays, 16) uint8: BLAKE2b of every row, in the order of items.json
        view_sums.npy      (N, arrays, V) uint32: CRC-32 of every view, of the arrays below that have a V
        images.npy         (N, V, 4, H, W) uint8 RGBA, straight alpha, optional
        voxels_<R>.npy     (N, ceil(R^3 / 8)) uint8: numpy.packbits of the grid [x][y][z];
                           or (N, R, R, R) uint8: share of the cell that is occupied, times 255
        cameras.npy        (N, V, 7) float32: `zoo.geometry.camera.ROW`, optional
        points.npy         (N, P, 3) float32, optional
        depth.npy          (N, V, H, W) float16, infinity on the background, optional
        normals.npy        (N, V, 3, H, W) int8, 127 times the unit vector, optional

Row order in the files is the order in which the items were finished; items.json says which row is whose.
Reading is random access without locks: any number of threads and processes can share one store. What a
process reads is compared with its digest the first time: a flipped bit is an error, not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.registry import did_you_mean

from .. import SPLITS, DataError, Item
from .manifest import FORMAT as FORMAT
from .manifest import MANIFEST as MANIFEST  # who reads a store names these too
from .manifest import MEND, read_items, read_manifest
from .row_checks import DIGESTS, RowChecks
from .rows import RowSpec, digest, map_rows, read_row
from .split import StoreSplit as StoreSplit

SKIPPED = "skipped.csv"


class Store:
    """A prepared data set on disk. Use `Store.open`, or `datasets.prepare.open_dataset`.

    Attributes:
        path: folder of the store.
        manifest: the content of manifest.json.
        ids, categories, shapes: of every stored item, in a fixed order; items with one shape show the same.
        notes: how each item's solid was found, or nothing; the manifest counts them.
        item_splits: split of each item (N).
        arrays: the memory-mapped arrays, by name; for their shapes: `read` checks what it reads.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], items: dict[str, list[Any]]) -> None:
        self.path = path
        self.manifest = manifest
        self.ids: tuple[str, ...] = tuple(items["id"])
        self.categories: tuple[str, ...] = tuple(items["category"])
        self.shapes: tuple[str, ...] = tuple(map(str, items["shape"]))
        self.notes: tuple[str, ...] = tuple(items["note"])
        self.item_splits = np.array(items["split"])
        self._rows = np.array(items["row"], dtype=np.int64)
        self.arrays = {name: _mapped(path / f"{name}.npy", at) for name, at in manifest["arrays"].items()}
        self._checks = RowChecks(path, manifest, self.ids)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store; checks the manifest, the index, the sizes and the headers, reads no data.

        Raises:
            DataError: there is no store, it was written in another format, or a file is missing, damaged or
                of the wrong size; names the file and the mend.
        """
        path = Path(path).resolve()
        manifest = read_manifest(path)
        return cls(path, manifest, read_items(path, manifest))

    @property
    def dataset(self) -> str:
        """Name of the data set that the store was made from."""
        return str(self.manifest["dataset"])

    @property
    def fingerprint(self) -> str:
        """Hash of data set, version, configuration, options, ids and splits; the same on every machine."""
        return str(self.manifest["fingerprint"])

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Items that are not here: id, category, split, kind ('missing' or 'left out'), reason."""
        return list(self.manifest["skipped"])

    @property
    def missing(self) -> int:
        """How many items could not be built; those that are left out by name or as leaks do not count."""
        return int(self.manifest["missing"])

    @property
    def leaks(self) -> list[dict[str, str]]:
        """Items of 'val' and 'test' whose shape an earlier split holds too: id, category, split, reason."""
        return list(self.manifest["leaks"])

    @property
    def items(self) -> list[Item]:
        """What is stored, in the order of `ids`."""
        columns = zip(self.ids, self.categories, self.item_splits.tolist(), self.shapes, strict=True)
        return [Item(*column) for column in columns]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Voxel resolutions that are stored."""
        return tuple(sorted(int(n.removeprefix("voxels_")) for n in self.arrays if n.startswith("voxels_")))

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits with at least one shape."""
        present = set(self.item_splits.tolist())
        return tuple(s for s in SPLITS if s in present)

    def split(
        self,
        name: str,
        resolution: int | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> StoreSplit:
        """One split as a `zoo.types.Source`.

        Args:
            name: 'train', 'val' or 'test'.
            resolution: of the voxels that `fetch` gives; the lowest stored one by default.
            fields: fields of `Batch` to fetch beside the images; all that are stored by default.
            limit: at most so many shapes, always the same, drawn evenly over the categories.

        Raises:
            DataError: the split is empty, or the resolution or a field is not stored; says what is.
        """
        if name not in self.splits:
            mend = did_you_mean(name, list(self.splits))
            if name in SPLITS and "train" not in self.splits:
                mend = " It is for testing alone: train on another data set, or give it shapes to train on"
            raise DataError(
                f"{self.path}: no shapes in split '{name}'; there is {', '.join(self.splits)}.{mend}"
            )
        return StoreSplit(self, name, resolution, fields, limit)

    def verify(self) -> list[str]:
        """Read everything and compare it with the recorded hashes.

        Returns:
            One line for each damaged part, naming the shape and the array; empty when all is well.
        """
        checks = RowChecks(self.path, self.manifest, self.ids)  # what was read before counts for nothing
        problems = []
        for column, (name, entry) in enumerate(self.manifest["arrays"].items()):
            if not checks.matches(name):
                problems.append(f"{DIGESTS}: hashes of '{name}' do not match the manifest")
                continue
            spec = RowSpec(entry["dtype"], tuple(entry["shape"][1:]))
            for index, (shape_id, row) in enumerate(zip(self.ids, self._rows, strict=True)):
                if digest(read_row(self.path, name, spec, int(row))) != checks.rows[index, column].tobytes():
                    problems.append(f"{shape_id}: {name} damaged (row {row} of {name}.npy)")
        try:
            _ = checks.views
        except DataError as error:
            problems.append(str(error))
        return problems

    def digests(self) -> np.ndarray:
        """BLAKE2b of every row of every array (N, arrays, 16) uint8, arrays in the manifest's order."""
        return self._checks.rows

    def read(self, array: str, items: np.ndarray, views: np.ndarray | None = None) -> np.ndarray:
        """Copies of the rows of some items (B, ...), or of some views of each (B, V, ...).

        Args:
            items: (B) places in `ids`.
            views: (B, V) view numbers.

        Raises:
            DataError: what was read for the first time is not what was written; names the mend.
        """
        stored, rows = self.arrays[array], self._rows[items]
        data = stored[rows] if views is None else np.ascontiguousarray(stored[rows[:, None], views])
        self._checks.check(array, items, views, data, lambda item: stored[self._rows[item]])
        return data

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        # maps are opened again on the other side; nothing of the data travels
        return (_reopen, (str(self.path), self.fingerprint))


def _reopen(path: str, fingerprint: str) -> Store:
    store = Store.open(path)
    if store.fingerprint != fingerprint:
        raise DataError(f"{path}: the store was replaced while it was in use")
    return store


def _mapped(file: Path, entry: dict[str, Any]) -> np.ndarray:
    """One array (rows, ...) of a store, as its manifest says."""
    try:
        return map_rows(file, RowSpec(entry["dtype"], tuple(entry["shape"][1:])), entry["shape"][0])
    except FileNotFoundError:
        raise DataError(f"{file}: is missing, the manifest says {entry['bytes']:,} bytes; {MEND}") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}; {MEND}") from error
    except ValueError as error:
        raise DataError(f"{file}: {error}; {MEND}") from error
