"""The packed store of one prepared data set: memory-mapped arrays, an index, and a manifest.

    <dataset>-<key>/
        manifest.json      what it holds, how it was made, what was skipped and why, hashes
        items.json         ids, categories, splits, shapes, rows and notes, column by column
        skipped.csv        what is not here, and why
        digests.npy        (N, arrays, 16) uint8: BLAKE2b of every row, in the order of items.json
        images.npy         (N, V, 4, H, W) uint8 RGBA, straight alpha, optional
        voxels_<R>.npy     (N, ceil(R^3 / 8)) uint8: numpy.packbits of the grid [x][y][z];
                           or (N, R, R, R) uint8: share of the cell that is occupied, times 255
        cameras.npy        (N, V, 7) float32: `zoo.geometry.camera.ROW`, optional
        points.npy         (N, P, 3) float32, optional
        depth.npy          (N, V, H, W) float16, infinity on the background, optional
        normals.npy        (N, V, 3, H, W) int8, 127 times the unit vector, optional

Row order in the files is the order in which the items were finished; items.json says which row is whose.
Reading is random access without locks: any number of threads and processes can share one store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.registry import did_you_mean

from . import SPLITS, DataError, Item
from ._pack import RowSpec, digest, read_row
from ._split import StoreSplit as StoreSplit  # who reads a store names both

FORMAT = 2
"""Version of the layout above; a store of another version is refused, never guessed at."""

MANIFEST, ITEMS, DIGESTS, SKIPPED = "manifest.json", "items.json", "digests.npy", "skipped.csv"


class Store:
    """A prepared data set on disk. Use `Store.open`, or `datasets.prepare.open_dataset`.

    Attributes:
        path: folder of the store.
        manifest: the content of manifest.json.
        ids, categories, shapes: of every stored item, in a fixed order; items with one shape show the same.
        notes: how each item's solid was found, or nothing; the manifest counts them.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], items: dict[str, list[Any]]) -> None:
        self.path = path
        self.manifest = manifest
        self.ids: tuple[str, ...] = tuple(items["id"])
        self.categories: tuple[str, ...] = tuple(items["category"])
        self.shapes: tuple[str, ...] = tuple(map(str, items["shape"]))
        self.notes: tuple[str, ...] = tuple(items["note"])
        self._splits = np.array(items["split"])
        self._rows = np.array(items["row"], dtype=np.int64)
        self._arrays: dict[str, np.ndarray] = {
            name: np.asarray(np.load(path / f"{name}.npy", mmap_mode="r")) for name in manifest["arrays"]
        }

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store; checks the manifest, the index and the sizes, reads no data.

        Raises:
            DataError: there is no store, it was written in another format, or a file is missing or has
                the wrong size; names the file and the mend.
        """
        path = Path(path).resolve()
        manifest = _read_json(path / MANIFEST)
        if manifest.get("format") != FORMAT:
            raise DataError(
                f"{path}: store format {manifest.get('format')!r}, this version reads {FORMAT}; "
                f"delete the folder and prepare the data set again"
            )
        raw = _read_bytes(path / ITEMS)
        if hashlib.sha256(raw).hexdigest() != manifest["items_sha256"]:
            raise DataError(f"{path / ITEMS}: does not match the manifest; prepare the data set again")
        for name, entry in manifest["arrays"].items():
            file = path / f"{name}.npy"
            size = file.stat().st_size if file.is_file() else None
            if size != entry["bytes"]:
                found = "is missing" if size is None else f"has {size:,} bytes"
                raise DataError(
                    f"{file}: {found}, the manifest says {entry['bytes']:,} bytes; "
                    f"delete the folder and prepare the data set again"
                )
        return cls(path, manifest, json.loads(raw))

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
        columns = zip(self.ids, self.categories, self._splits.tolist(), self.shapes, strict=True)
        return [Item(*column) for column in columns]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Voxel resolutions that are stored."""
        return tuple(sorted(int(n.removeprefix("voxels_")) for n in self._arrays if n.startswith("voxels_")))

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits with at least one shape."""
        present = set(self._splits.tolist())
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
        digests = self.digests()
        problems = []
        for column, (name, entry) in enumerate(self.manifest["arrays"].items()):
            if hashlib.sha256(digests[:, column].tobytes()).hexdigest() != entry["sha256"]:
                problems.append(f"{DIGESTS}: hashes of '{name}' do not match the manifest")
                continue
            spec = RowSpec(entry["dtype"], tuple(entry["shape"][1:]))
            for index, (shape_id, row) in enumerate(zip(self.ids, self._rows, strict=True)):
                if digest(read_row(self.path, name, spec, int(row))) != digests[index, column].tobytes():
                    problems.append(f"{shape_id}: {name} damaged (row {row} of {name}.npy)")
        return problems

    def digests(self) -> np.ndarray:
        """BLAKE2b of every row of every array (N, arrays, 16) uint8, arrays in the manifest's order."""
        try:
            digests: np.ndarray = np.load(self.path / DIGESTS)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / DIGESTS}: {error}; prepare the data set again") from error
        expected = (len(self.ids), len(self.manifest["arrays"]))
        if digests.shape[:2] != expected:
            raise DataError(f"{self.path / DIGESTS}: holds {digests.shape}, expected {expected}")
        return digests

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


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; this is no complete store, prepare it again") from error


def _read_json(path: Path) -> dict[str, Any]:
    raw = _read_bytes(path)
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise DataError(f"{path}: not a manifest: {error}; prepare the data set again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a manifest; prepare the data set again")
    return content
