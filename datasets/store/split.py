"""One split of a store, as training and evaluation read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import DataError
from ..splits import drawn_evenly
from .rows import json_hash

if TYPE_CHECKING:
    from zoo.types import Batch

FIELDS = {"image": "images", "camera": "cameras", "points": "points", "depth": "depth", "normals": "normals"}
"""Fields of `zoo.types.Batch` and the arrays that they come from; voxels have one array per resolution."""


class Packed(Protocol):
    """What a split reads of its store; see `datasets.store.Store`."""

    path: Path
    manifest: dict[str, Any]
    ids: tuple[str, ...]
    categories: tuple[str, ...]
    item_splits: np.ndarray
    """Split of each item (N)."""
    arrays: dict[str, np.ndarray]
    """The memory-mapped arrays, by name; for their shapes: `read` checks what it reads."""

    @property
    def dataset(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def resolutions(self) -> tuple[int, ...]: ...
    def read(self, array: str, items: np.ndarray, views: np.ndarray | None = None) -> np.ndarray: ...


class StoreSplit:
    """One split of a store; implements `zoo.types.Source`. Made by `Store.split`.

    Attributes:
        name: the split.
        resolution: of the voxels that `fetch` gives.
        ids, categories: one per shape, in the order of the indices.
        provides: fields of `Batch` that `fetch` fills, and what else losses may rely on ('mask').
        limit: how many of the shapes were asked for at most; None for all.
        whole: how many the store has.
    """

    def __init__(
        self,
        store: Packed,
        name: str,
        resolution: int | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.limit = limit
        self._items = np.flatnonzero(store.item_splits == name)
        self.whole = len(self._items)
        if limit is not None:
            ids, categories = ([column[i] for i in self._items] for column in (store.ids, store.categories))
            self._items = self._items[drawn_evenly(ids, categories, limit)]
        self.ids = tuple(store.ids[i] for i in self._items)
        self.categories = tuple(store.categories[i] for i in self._items)
        self.resolution = min(store.resolutions) if resolution is None else resolution
        self._packed(self.resolution)  # raises when it is not stored
        stored = {f for f, array in FIELDS.items() if array in store.arrays} | {"voxels"}
        # what is no array of its own (mask, views) is the data set's word, and costs nothing to keep
        free = set(store.manifest["provides"]) - set(FIELDS) - {"voxels"} if "image" in stored else set()
        stored |= free
        wanted = stored if fields is None else {"image", *fields} | free
        if missing := sorted(wanted - stored):
            raise DataError(
                f"{store.path}: does not hold {', '.join(missing)}; it holds {', '.join(sorted(stored))}"
            )
        self.provides = frozenset(wanted)

    def with_fields(self, fields: Sequence[str]) -> StoreSplit:
        """A split of the same shapes that gives other fields.

        Raises:
            DataError: the store does not hold one of them.
        """
        return StoreSplit(self.store, self.name, self.resolution, fields, self.limit)

    @property
    def num_views(self) -> int:
        """Stored pictures per item."""
        return int(self.store.arrays["images"].shape[1]) if "images" in self.store.arrays else 0

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        self._need_images()
        height, width = self.store.arrays["images"].shape[3:]
        return int(height), int(width)

    @property
    def fingerprint(self) -> str:
        """Hash of the store's fingerprint, the split's name and its ids."""
        return json_hash([self.store.fingerprint, self.name, self.ids])

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
            DataError: what is read for the first time is damaged; see `Store.read`.
        """
        import torch

        from zoo.types import Batch

        self._need_images()
        items, chosen = self._select(indices), self._views(views, len(indices))
        of_views = self.provides & set(FIELDS) - {"points"}
        found = {field: self.store.read(FIELDS[field], items, chosen) for field in of_views}
        if "points" in self.provides:
            found["points"] = self.store.read("points", items)
        if "voxels" in self.provides:
            found["voxels"] = self._stored_voxels(items)
        tensors: dict[str, Any] = {field: torch.from_numpy(array) for field, array in found.items()}
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
        return self.store.read("images", self._select(indices), self._views(views, len(indices)))

    def cameras(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> np.ndarray:
        """Camera rows (B, V, 7) float32, as `zoo.geometry.camera.Camera.from_row` reads them."""
        return self.store.read("cameras", self._select(indices), self._views(views, len(indices)))

    def points(self, indices: Sequence[int]) -> np.ndarray:
        """Surface points (B, P, 3) float32.

        Raises:
            DataError: the store holds none.
        """
        if "points" not in self.store.arrays:
            raise DataError(
                f"{self.store.path}: holds no surface points; '{self.store.dataset}' has no meshes, "
                f"or was prepared with points=0"
            )
        return self.store.read("points", self._select(indices))

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return (StoreSplit, (self.store, self.name, self.resolution, tuple(self.provides), self.limit))

    def _need_images(self) -> None:
        if "images" not in self.store.arrays:
            raise DataError(f"{self.store.path}: holds no pictures; it was prepared with views=0")

    def _select(self, indices: Sequence[int]) -> np.ndarray:
        """Places in the store of some shapes of this split."""
        found = _whole(indices, len(self), f"index {{}} outside 0...{len(self) - 1} of split '{self.name}'")
        return self._items[found.reshape(-1)]

    def _views(self, views: Sequence[Sequence[int]], count: int) -> np.ndarray:
        if len(views) != count or len({len(v) for v in views}) > 1:
            lengths = [len(v) for v in views]
            raise ValueError(f"{count} samples need as many equally long lists of views, got {lengths}")
        outside = f"view {{}} outside 0...{self.num_views - 1}"
        return _whole(views, self.num_views, outside).reshape(count, -1)

    def _packed(self, resolution: int) -> str:
        """The array that holds the voxels of a resolution."""
        if resolution not in self.store.resolutions:
            raise DataError(
                f"{self.store.path}: no voxels at {resolution}^3; stored are {self.store.resolutions}. "
                f"Prepare the data set with resolution {resolution} among its options"
            )
        return f"voxels_{resolution}"

    def _stored_voxels(self, items: np.ndarray) -> np.ndarray:
        """Grids in a type that `Batch.decode` knows, at the least cost."""
        stored, r = self.store.read(self._packed(self.resolution), items), self.resolution
        if stored.ndim == 4:
            return stored
        # elsewhere the last byte of a line of cells holds cells of the next line
        return _grids(stored, r) if r % 8 else stored.reshape(-1, r, r, r // 8)

    def _unpack(self, items: np.ndarray, resolution: int) -> np.ndarray:
        stored = self.store.read(self._packed(resolution), items)
        return stored / np.float32(255) if stored.ndim == 4 else _grids(stored, resolution)


def _grids(packed: np.ndarray, resolution: int) -> np.ndarray:
    """Occupancy (B, R, R, R) bool of packed rows."""
    grids = np.unpackbits(packed, axis=1, count=resolution**3).view(np.bool_)
    return grids.reshape(-1, resolution, resolution, resolution)


def _whole(values: Any, end: int, outside: str) -> np.ndarray:
    """Whole numbers from 0 up to `end` as int64; anything else, of whatever size, stands in `outside`."""
    numbers = np.asarray(values)
    for value in numbers.ravel().tolist():
        if not (isinstance(value, int) and 0 <= value < end):
            raise IndexError(outside.format(value))
    return numbers.astype(np.int64)
