"""The rows that every table needs beside its models: what no model can beat, and what any model must.

Each control predicts from the training split's arrays (and, where its line says so, from the truth itself).
Nothing here knows where the arrays come from. Controls that give probabilities are thresholded like a
model: predict for the validation split, `Protocol.choose_threshold`, freeze, predict for the test split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.protocols import Truth
from zoo.shapes import Shape, VoxelShape

FEATURE_SIZE = 16
"""Edge of the downsampled picture that image retrieval compares."""
BACKGROUND = 240
"""Grey that transparent pixels are filled with, as in 3D-R2N2's test protocol."""
BLOCK = 1 << 26
"""Bytes of packed training voxels that are compared at once."""


@dataclass(frozen=True)
class Training:
    """Plain arrays of the training split.

    Attributes:
        voxels: (N, R, R, R) bool, at the models' output resolution.
        images: (N, V, H, W, 4) uint8 RGBA, straight alpha: every stored view of each shape.
        categories: (N,) names.

    Raises:
        ValueError: no shapes, or arrays that do not fit together.
    """

    voxels: np.ndarray
    images: np.ndarray
    categories: Sequence[str]

    def __post_init__(self) -> None:
        shape = self.voxels.shape
        if self.voxels.dtype != np.bool_ or len(shape) != 4 or len(set(shape[1:])) != 1:
            raise ValueError(f"training voxels must be bool (N, R, R, R), got {self.voxels.dtype} {shape}")
        if not len(self.voxels):
            raise ValueError("the training split is empty")
        if self.images.ndim != 5 or self.images.shape[-1] != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"training images must be uint8 (N, V, H, W, 4), got {self.images.shape}")
        if not len(self.voxels) == len(self.images) == len(self.categories):
            raise ValueError(
                f"training split has {len(self.voxels)} grids, {len(self.images)} image sets and "
                f"{len(self.categories)} categories"
            )

    @property
    def resolution(self) -> int:
        return int(self.voxels.shape[1])


Predict = Callable[[Training, Sequence[Truth], np.ndarray], "list[Shape] | list[Shape | None]"]


@dataclass(frozen=True)
class Control:
    """One control row.

    Attributes:
        name: row name.
        title: what the table prints.
        explanation: one line under the table.
        probabilistic: gives probabilities, whose threshold is chosen on validation; the others are binary
            and use .5.
        predict: training split, truths and their pictures (M, H, W, 4) uint8, one per truth -> one shape
            per truth.
    """

    name: str
    title: str
    explanation: str
    predict: Predict
    probabilistic: bool = False


def floor(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The truth itself. The protocol draws its points with another seed: what is left is sampling noise."""
    return [truth.shape for truth in truths]


def ceiling(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The truth at the models' output resolution: cells averaged and cut at one half."""
    return [VoxelShape(_at(truth, training.resolution)) for truth in truths]


def mean_shape(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """Share of training shapes that occupy each cell, the same for every picture."""
    mean = VoxelShape(training.voxels.mean(0, dtype=np.float32))
    return [mean] * len(truths)


def category_mean(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape | None]:
    """The mean of the training shapes of the true category, which this control is told.

    A category without training shapes has no mean: its instances have no prediction and count as failed.
    """
    names = np.asarray(training.categories)
    means: dict[str, Shape | None] = {}
    for name in sorted({truth.category for truth in truths}):
        own = training.voxels[names == name]
        means[name] = VoxelShape(own.mean(0, dtype=np.float32)) if len(own) else None
    return [means[truth.category] for truth in truths]


def image_retrieval(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The training shape with the most similar picture: least L2 distance of `image_features`, all views.

    Raises:
        ValueError: pictures and truths differ in number.
    """
    if len(images) != len(truths):
        raise ValueError(f"{len(images)} pictures for {len(truths)} truths")
    wanted = image_features(images).astype(np.float64)
    best, found = np.full(len(images), np.inf), np.zeros(len(images), np.int64)
    for k, pictures in enumerate(training.images):  # shape by shape: the split may be larger than memory
        stored = image_features(pictures).astype(np.float64)
        # |a - b|^2 up to |b|^2; "<" leaves ties with the first shape
        distance = (np.square(stored).sum(1) - 2 * wanted @ stored.T).min(1)
        nearer = distance < best
        best[nearer], found[nearer] = distance[nearer], k
    return _pick(training, found)


def oracle(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The training shape with the highest IoU with the truth, which this control is shown."""
    packed = pack(training.voxels)
    occupied = np.bitwise_count(packed).sum(1, dtype=np.int64)
    found = []
    for truth in truths:
        target = pack(_at(truth, training.resolution)[None])[0]
        size = int(np.bitwise_count(target).sum())
        common = intersections(packed, target)
        # an empty training grid against a truth that vanishes at this resolution would be 0/0
        found.append(int(np.argmax(common / np.maximum(occupied + size - common, 1))))
    return _pick(training, found)


def empty(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """Nothing at all: must come last in every column."""
    nothing = VoxelShape(np.zeros((training.resolution,) * 3, np.bool_))
    return [nothing] * len(truths)


CONTROLS: tuple[Control, ...] = (
    Control(
        "floor",
        "ground truth, resampled",
        "the truth against itself with other random points: what sampling noise alone costs",
        floor,
    ),
    Control(
        "ceiling",
        "ground truth at model resolution",
        "the truth brought to the models' grid: what a perfect yes-or-no prediction there scores",
        ceiling,
    ),
    Control(
        "mean_shape",
        "mean shape of training",
        "share of training shapes that fill each cell, the same for every image; threshold from validation",
        mean_shape,
        probabilistic=True,
    ),
    Control(
        "category_mean",
        "mean shape of true category",
        "the same within the true category, which it is told; threshold from validation",
        category_mean,
        probabilistic=True,
    ),
    Control(
        "image_retrieval",
        "nearest training image",
        f"training shape with the nearest image of any view, {FEATURE_SIZE}x{FEATURE_SIZE} grey pixels, L2",
        image_retrieval,
    ),
    Control(
        "oracle",
        "nearest training shape (oracle)",
        "training shape with the highest IoU with the truth, which it is shown: the bound on retrieval",
        oracle,
    ),
    Control("empty", "empty", "no shape at all: the declared worst values", empty),
)
"""In the order of the table."""


def image_features(images: np.ndarray, size: int = FEATURE_SIZE) -> np.ndarray:
    """Pictures as short vectors: filled background, luma (BT.601), averaged over size x size equal areas.

    Args:
        images: (M, H, W, 4) uint8, straight alpha.

    Returns:
        (M, size * size) float32 in [0, 1].
    """
    if images.ndim != 4 or images.shape[-1] != 4 or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (M, H, W, 4), got {images.dtype} {images.shape}")
    values = images.astype(np.float32)
    alpha = values[..., 3] / 255
    grey = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    filled = (grey * alpha + BACKGROUND * (1 - alpha)) / 255
    rows, columns = (_area_weights(n, size) for n in filled.shape[1:])
    return (rows @ filled @ columns.T).reshape(len(images), -1)


def pack(voxels: np.ndarray) -> np.ndarray:
    """Grids (N, R, R, R) bool as bits in 64-bit words (N, ceil(R^3 / 64))."""
    bits = np.packbits(voxels.reshape(len(voxels), -1), axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def intersections(packed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cells that each packed grid (N, W) shares with one (W,): (N,) int64."""
    step = max(1, BLOCK // target.nbytes)
    parts = [packed[k : k + step] & target for k in range(0, len(packed), step)]
    return np.concatenate([np.bitwise_count(part).sum(1, dtype=np.int64) for part in parts])


def _at(truth: Truth, resolution: int) -> np.ndarray:
    grid = truth.shape.voxels(resolution)
    if grid is None:
        raise ValueError(f"true shape '{truth.id}' has no voxels to compare training shapes with")
    return grid >= 0.5


def _pick(training: Training, indices: Sequence[int] | np.ndarray) -> list[Shape]:
    chosen = {k: VoxelShape(training.voxels[k]) for k in set(map(int, indices))}
    return [chosen[int(k)] for k in indices]


def _area_weights(pixels: int, size: int) -> np.ndarray:
    """Matrix (size, pixels) that averages over equal intervals, splitting the pixels that lie across one."""
    edges = np.arange(size + 1) * pixels / size
    starts = np.arange(pixels)
    covered = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.clip(covered, 0, None) * size / pixels).astype(np.float32)
