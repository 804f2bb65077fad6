"""A trained model's predictions of one split, made a batch at a time as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, overload

import numpy as np
import torch

from benchmarks.protocols import Truth
from zoo.shapes import Shape, VoxelShape
from zoo.types import Sketches

if TYPE_CHECKING:
    from datasets.store import StoreSplit
    from zoo.model import Reconstructor

VIEW = 0
"""The stored picture that every prediction is made from; the first of them for models of several views."""


class Predictions(Sequence[Shape]):
    """One shape per instance of a split, from picture `VIEW`, or from that and the next ones.

    Only the last batch is held, so a large split never waits in memory; reading in order costs one pass.

    Attributes:
        images, seconds: predicted so far and the time it took, for the rate in the table.
    """

    def __init__(
        self,
        model: Reconstructor,
        split: StoreSplit,
        device: torch.device,
        batch_size: int = 32,
        views: int = 1,
    ) -> None:
        self.model, self.split = model.to(device).eval(), split
        self.batch_size, self.views = batch_size, views
        self.images, self.seconds = 0, 0.0
        self._sketches: Sketches | None = None
        self._first, self._block = 0, [] if len(split) == 0 else self._predict(0)

    @property
    def images_per_second(self) -> float:
        """Pictures per second, preprocessing and copy to numpy included."""
        return self.images / max(self.seconds, 1e-9)

    @overload
    def __getitem__(self, index: int) -> Shape: ...
    @overload
    def __getitem__(self, index: slice) -> list[Shape]: ...
    def __getitem__(self, index: int | slice) -> Shape | list[Shape]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        if not self._first <= index < self._first + len(self._block):
            self._first = index - index % self.batch_size
            self._block = self._predict(self._first)
        return self._block[index - self._first]

    def sketches(self, index: int) -> Sketches | None:
        """The 2.5D maps that the shape was made from; None of a model without a sketcher."""
        _ = self[index]  # brings its batch in
        place = (index - self._first) * self.views
        return None if self._sketches is None else self._sketches.item(place)

    def __len__(self) -> int:
        return len(self.split)

    def _predict(self, first: int) -> list[Shape]:
        indices = range(first, min(first + self.batch_size, len(self.split)))
        chosen = [list(range(VIEW, VIEW + self.views))] * len(indices)
        batch = self.split.fetch(list(indices), chosen)
        started = perf_counter()
        found = self.model.predict(batch)
        assert found.shapes is not None
        shapes, self._sketches = found.shapes.split(), found.sketches
        self.seconds += perf_counter() - started
        self.images += len(indices)
        return shapes


class StoredPictures:
    """Every picture of a split, (N, V, H, W, 4) uint8 as `benchmarks.recognition.Pictures`."""

    dtype = np.dtype(np.uint8)

    def __init__(self, split: StoreSplit) -> None:
        self.split = split
        self.shape = (len(split), split.num_views, *split.image_size, 4)

    def __getitem__(self, part: slice, /) -> np.ndarray:
        chosen = list(range(len(self.split)))[part]
        views = [list(range(self.split.num_views))] * len(chosen)
        return self.split.images(chosen, views).transpose(0, 1, 3, 4, 2)


class Truths(Sequence[Truth]):
    """What is true about each instance of a split, read from the store as asked for."""

    def __init__(self, split: StoreSplit, resolution: int, points: bool) -> None:
        self.split, self.resolution, self.with_points = split, resolution, points

    @overload
    def __getitem__(self, index: int) -> Truth: ...
    @overload
    def __getitem__(self, index: slice) -> list[Truth]: ...
    def __getitem__(self, index: int | slice) -> Truth | list[Truth]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Truth(
            id=self.split.ids[index],
            category=self.split.categories[index],
            view=VIEW,
            shape=VoxelShape(self.split.voxels([index], self.resolution)[0]),
            surface=self.split.points([index])[0].astype(float) if self.with_points else None,
        )

    def __len__(self) -> int:
        return len(self.split)
