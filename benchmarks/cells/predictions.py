"""A trained model's predictions of one split, and what is true about it, read as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.cells.blocks import BLOCK, VIEW, Trained
from benchmarks.cells.predictor import PredictionFailed, Predictor
from benchmarks.protocols import Truth
from zoo.shapes import Shape, VoxelShape
from zoo.system.lazy import LazySequence
from zoo.types import Sketches

if TYPE_CHECKING:
    from datasets.store import StoreSplit


class Predictions(LazySequence[Shape]):
    """One shape per instance of a split, asked for block by block; only the last block is held.

    Attributes:
        images, seconds: predicted so far and the time it took, for the rate in the table.

    Args:
        split: name of one of the recipe's.
        ids: the instances that are wanted, of those of the split, in any order.
        label: of the model, for messages.
    """

    def __init__(
        self, predictor: Predictor, recipe: Trained, split: str, ids: Sequence[str], label: str
    ) -> None:
        self._predictor, self._recipe, self._split, self._label = predictor, recipe, split, label
        places = {shape_id: place for place, shape_id in enumerate(recipe.splits[split].ids)}
        self._ids, self._places = tuple(ids), [places[shape_id] for shape_id in ids]
        self.images, self.seconds = 0, 0.0
        self._number, self._shapes = -1, list[Shape | str]()

    @property
    def views(self) -> int:
        """Pictures of each shape that its prediction is made from."""
        return self._recipe.views

    @property
    def images_per_second(self) -> float:
        """Pictures per second, preprocessing and copy to numpy included."""
        return self.images / max(self.seconds, 1e-9)

    def item(self, index: int) -> Shape:
        """Raises PredictionFailed where the model gives none that can be scored."""
        number, place = divmod(self._places[index], BLOCK)
        if number != self._number:
            block = self._ask(index, "block", number)
            self._number, self._shapes = number, block.shapes
            self.images += len(block.shapes)
            self.seconds += block.seconds
        found = self._shapes[place]
        if isinstance(found, str):
            raise PredictionFailed(f"the prediction of '{self._ids[index]}' by {self._label}: {found}")
        return found

    def sketches(self, index: int) -> Sketches | None:
        """The 2.5D maps that the shape was made from; None of a model without a sketcher."""
        found: Sketches | None = self._ask(index, "sketches", self._places[index])
        return found

    def __len__(self) -> int:
        return len(self._ids)

    def _ask(self, index: int, method: str, what: int) -> Any:
        doing = f"{self._label} predicted '{self._ids[index]}' and its block of {BLOCK}"
        return self._predictor.ask(self._recipe, doing, method, self._split, what)


class StoredPictures:
    """Every picture of a split, (N, V, H, W, 4) uint8 as `benchmarks.controls.lookup.Pictures`."""

    dtype = np.dtype(np.uint8)

    def __init__(self, split: StoreSplit) -> None:
        self.split = split
        self.shape = (len(split), split.num_views, *split.image_size, 4)

    def __getitem__(self, part: slice, /) -> np.ndarray:
        chosen = list(range(len(self.split)))[part]
        views = [list(range(self.split.num_views))] * len(chosen)
        return self.split.images(chosen, views).transpose(0, 1, 3, 4, 2)


class Truths(LazySequence[Truth]):
    """What is true about each instance of a split, read from the store as asked for."""

    def __init__(self, split: StoreSplit, resolution: int, points: bool) -> None:
        self.split, self.resolution, self.with_points = split, resolution, points

    def item(self, index: int) -> Truth:
        """Reads it from the store."""
        return Truth(
            id=self.split.ids[index],
            category=self.split.categories[index],
            view=VIEW,
            shape=VoxelShape(self.split.voxels([index], self.resolution)[0]),
            surface=self.split.points([index])[0].astype(float) if self.with_points else None,
        )

    def __len__(self) -> int:
        return len(self.split)
