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
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.registry import did_you_mean

from . import SPLITS, DataError, Item
from ._pack import RowSpec, digest, read_row

if TYPE_CHECKING:
    from zoo.types import Batch

FORMAT = 2
"""Version of the layout above; a store of another version is refused, never guessed at."""

MANIFEST, ITEMS, DIGESTS, SKIPPED = "manifest.json", "items.json", "digests.npy", "skipped.csv"

FIELDS = {"image": "images", "camera": "cameras", "points": "points", "depth": "depth", "normals": "normals"}
"""Fields of `zoo.types.Batch` and the arrays that they come from; voxels have one array per resolution."""


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
        self, name: str, resolution: int | None = None, fields: Sequence[str] | None = None
    ) -> StoreSplit:
        """One split as a `zoo.types.Source`.

        Args:
            name: 'train', 'val' or 'test'.
            resolution: of the voxels that `fetch` gives; the lowest stored one by default.
            fields: fields of `Batch` to fetch beside the images; all that are stored by default.

        Raises:
            DataError: the split is empty, or the resolution or a field is not stored; says what is.
        """
        if name not in self.splits:
            raise DataError(
                f"{self.path}: no shapes in split '{name}'; there is {', '.join(self.splits)}."
                f"{did_you_mean(name, list(self.splits))}"
            )
        return StoreSplit(self, name, resolution, fields)

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


class StoreSplit:
    """One split of a store; implements `zoo.types.Source`. Made by `Store.split`.

    Attributes:
        name: the split.
        resolution: of the voxels that `fetch` gives.
        ids, categories: one per shape, in the order of the indices.
        provides: fields of `Batch` that `fetch` fills, and what else losses may rely on ('mask').
    """

    def __init__(
        self, store: Store, name: str, resolution: int | None = None, fields: Sequence[str] | None = None
    ) -> None:
        self.store = store
        self.name = name
        self._items = np.flatnonzero(store._splits == name)
        self._rows = store._rows[self._items]
        self.ids = tuple(store.ids[i] for i in self._items)
        self.categories = tuple(store.categories[i] for i in self._items)
        self.resolution = min(store.resolutions) if resolution is None else resolution
        self._packed(self.resolution)  # raises when it is not stored
        stored = {f for f, array in FIELDS.items() if array in store._arrays} | {"voxels"}
        # what is no array of its own (mask, views) is the data set's word, and costs nothing to keep
        free = set(store.manifest["provides"]) - set(FIELDS) - {"voxels"} if "image" in stored else set()
        stored |= free
        wanted = stored if fields is None else {"image", *fields} | free
        if missing := sorted(wanted - stored):
            raise DataError(
                f"{store.path}: does not hold {', '.join(missing)}; it holds {', '.join(sorted(stored))}"
            )
        self.provides = frozenset(wanted)

    @property
    def num_views(self) -> int:
        """Stored pictures per item."""
        return int(self.store._arrays["images"].shape[1]) if "images" in self.store._arrays else 0

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        self._need_images()
        height, width = self.store._arrays["images"].shape[3:]
        return int(height), int(width)

    @property
    def fingerprint(self) -> str:
        """Hash of the store's fingerprint, the split's name and its ids."""
        return _hash([self.store.fingerprint, self.name, self.ids])

    def fetch(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> Batch:
        """The samples at `indices` with the given views of each, copied out of the maps.

        Args:
            indices: (B) positions in this split, repeats allowed.
            views: (B, V) view numbers of each sample.

        Returns:
            Batch on the CPU with the fields of `provides`, packed as stored (`Batch.to` decodes it): voxels
            (B, R, R, R / 8) uint8 bits, (B, R, R, R) bool where R is no multiple of 8, (B, R, R, R) uint8
            where they are fractional; depth float16, normals int8.

        Raises:
            IndexError: an index or a view does not exist.
        """
        import torch

        from zoo.types import Batch

        self._need_images()
        rows, chosen = self._select(indices), self._views(views, len(indices))
        of_views = self.provides & set(FIELDS) - {"points"}
        found = {field: self._of_view(FIELDS[field], rows, chosen) for field in of_views}
        if "points" in self.provides:
            found["points"] = self.store._arrays["points"][rows]
        if "voxels" in self.provides:
            found["voxels"] = self._stored_voxels(rows)
        tensors = {field: torch.from_numpy(array) for field, array in found.items()}
        return Batch(ids=tuple(self.ids[i] for i in indices), **tensors)

    def voxels(self, indices: Sequence[int], resolution: int | None = None) -> np.ndarray:
        """Occupancy (B, R, R, R) at any stored resolution: bool, or float32 where it is fractional."""
        return self._unpack(self._select(indices), resolution or self.resolution)

    def images(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> np.ndarray:
        """Pictures (B, V, 4, H, W) uint8.

        Raises:
            DataError: the store holds none.
        """
        self._need_images()
        return self._of_view("images", self._select(indices), self._views(views, len(indices)))

    def cameras(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> np.ndarray:
        """Camera rows (B, V, 7) float32, as `zoo.geometry.camera.Camera.from_row` reads them."""
        return self._of_view("cameras", self._select(indices), self._views(views, len(indices)))

    def points(self, indices: Sequence[int]) -> np.ndarray:
        """Surface points (B, P, 3) float32.

        Raises:
            DataError: the store holds none.
        """
        if "points" not in self.store._arrays:
            raise DataError(
                f"{self.store.path}: holds no surface points; '{self.store.dataset}' has no meshes, "
                f"or was prepared with points=0"
            )
        points: np.ndarray = self.store._arrays["points"][self._select(indices)]
        return points

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return (StoreSplit, (self.store, self.name, self.resolution, tuple(self.provides)))

    def _need_images(self) -> None:
        if "images" not in self.store._arrays:
            raise DataError(f"{self.store.path}: holds no pictures; it was prepared with views=0")

    def _select(self, indices: Sequence[int]) -> np.ndarray:
        """Rows in the files of some shapes of this split."""
        positions = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(positions) and not (positions.min() >= 0 and positions.max() < len(self)):
            bad = positions[(positions < 0) | (positions >= len(self))][0]
            raise IndexError(f"index {bad} outside 0...{len(self) - 1} of split '{self.name}'")
        return self._rows[positions]

    def _views(self, views: Sequence[Sequence[int]], count: int) -> np.ndarray:
        if len(views) != count or len({len(v) for v in views}) > 1:
            lengths = [len(v) for v in views]
            raise ValueError(f"{count} samples need as many equally long lists of views, got {lengths}")
        chosen = np.asarray(views, dtype=np.int64).reshape(count, -1)
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < self.num_views):
            bad = chosen[(chosen < 0) | (chosen >= self.num_views)][0]
            raise IndexError(f"view {bad} outside 0...{self.num_views - 1}")
        return chosen

    def _of_view(self, array: str, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.store._arrays[array][rows[:, None], views])

    def _packed(self, resolution: int) -> np.ndarray:
        if resolution not in self.store.resolutions:
            raise DataError(
                f"{self.store.path}: no voxels at {resolution}^3; stored are {self.store.resolutions}. "
                f"Prepare the data set with resolution {resolution} among its options"
            )
        return self.store._arrays[f"voxels_{resolution}"]

    def _stored_voxels(self, rows: np.ndarray) -> np.ndarray:
        """Grids in a type that `Batch.decode` knows, at the least cost."""
        stored, r = self._packed(self.resolution), self.resolution
        if stored.ndim == 4:
            return stored[rows]
        # elsewhere the last byte of a line of cells holds cells of the next line
        return self._unpack(rows, r) if r % 8 else stored[rows].reshape(-1, r, r, r // 8)

    def _unpack(self, rows: np.ndarray, resolution: int) -> np.ndarray:
        stored = self._packed(resolution)
        if stored.ndim == 4:
            return stored[rows] / np.float32(255)
        grids = np.unpackbits(stored[rows], axis=1, count=resolution**3).view(np.bool_)
        return grids.reshape(-1, resolution, resolution, resolution)


def _reopen(path: str, fingerprint: str) -> Store:
    store = Store.open(path)
    if store.fingerprint != fingerprint:
        raise DataError(f"{path}: the store was replaced while it was in use")
    return store


def _hash(value: Any) -> str:
    """sha256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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
