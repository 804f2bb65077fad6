"""Prediction by recognition: the answer is a shape of the training split, or a mean of some of them.

Which one is decided by the nearest picture, compared by grey pixels or by what a network makes of them
(`benchmarks.controls.features`). Tatarchenko et al. (arXiv:1905.03678) found encoders and decoders hard to
tell from this: whoever does not beat it has shown that pictures can be recognised, not that shapes can be
rebuilt.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy.cluster.vq import kmeans2

from benchmarks.controls.features import Describe, image_features
from benchmarks.protocols import CURVE, Truth
from zoo.geometry.resample import resample
from zoo.metrics.iou import iou_curve
from zoo.seeding import derive
from zoo.shapes import Shape, VoxelShape

BLOCK = 1 << 26
"""Bytes of packed training voxels that are compared at once."""
PICTURES = 512
"""Pictures that are described at a time."""
CLUSTERS = (10, 25, 50, 100, 200, 500)
"""Numbers of clusters to choose from; the published study has 500."""
CLUSTER_GRID = 16
"""Resolution at which shapes are clustered."""


class Pictures(Protocol):
    """An array of pictures, or what reads parts of one from a file: a split's may be larger than memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Training:
    """Plain arrays of the training split.

    Attributes:
        voxels: (N, R, R, R) bool, at the models' output resolution.
        images: (N, V, H, W, 4) uint8 RGBA, straight alpha: every stored view of each shape; read in parts.
        categories: (N,) names.

    Raises:
        ValueError: no shapes, or arrays that do not fit together.
    """

    voxels: np.ndarray
    images: Pictures
    categories: Sequence[str]
    _made: dict[Hashable, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = self.voxels.shape
        if self.voxels.dtype != np.bool_ or len(shape) != 4 or len(set(shape[1:])) != 1:
            raise ValueError(f"training voxels must be bool (N, R, R, R), got {self.voxels.dtype} {shape}")
        if not len(self.voxels):
            raise ValueError("the training split is empty")
        pictures = self.images.shape
        if len(pictures) != 5 or pictures[-1] != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"training images must be uint8 (N, V, H, W, 4), got {pictures}")
        if not len(self.voxels) == pictures[0] == len(self.categories):
            raise ValueError(
                f"training split has {len(self.voxels)} grids, {pictures[0]} image sets and "
                f"{len(self.categories)} categories"
            )

    @property
    def resolution(self) -> int:
        return int(self.voxels.shape[1])

    def described(self, describe: Describe) -> np.ndarray:
        """Every picture as a vector (N, V, D) float32; made once, however many controls compare by it."""
        if describe not in self._made:
            self._made[describe] = self.describe_part(describe, 0, 1)
        return self._made[describe]

    def describe_part(self, describe: Describe, part: int, parts: int) -> np.ndarray:
        """Describe the pictures of one of several parts of the shapes, in their order.

        The parts are whole blocks, so that no vector depends on how many parts there are.
        """
        count, views = self.images.shape[:2]
        step = max(1, PICTURES // views)
        starts = list(range(0, count, step))
        own = starts[part * len(starts) // parts : (part + 1) * len(starts) // parts]
        blocks = (self.images[k : k + step] for k in own)
        found = [describe(b.reshape(-1, *b.shape[2:])).reshape(*b.shape[:2], -1) for b in blocks]
        return np.concatenate(found) if found else np.zeros((0, views, 0), np.float32)

    def remember(self, describe: Describe, vectors: np.ndarray) -> None:
        """Take vectors that `describe_part` gave elsewhere, for all shapes."""
        self._made[describe] = vectors

    def labels(self, clusters: int) -> np.ndarray:
        """Cluster of each shape (N,) by k-means of the grids at `CLUSTER_GRID`, with a fixed seed; made once.

        It begins from shapes drawn at random: choosing them far apart takes minutes for 500 clusters.
        """
        if "pooled" not in self._made:
            size = min(CLUSTER_GRID, self.resolution)
            pooled = [resample(grid.astype(np.float32), size).reshape(-1) for grid in self.voxels]
            self._made["pooled"] = np.stack(pooled)
        if clusters not in self._made:
            rng = np.random.default_rng(derive(0, "clusters", clusters))
            with warnings.catch_warnings():
                # nothing is recognised as an empty one
                warnings.filterwarnings("ignore", "One of the clusters is empty")
                found = kmeans2(self._made["pooled"], clusters, minit="points", rng=rng)[1]
            self._made[clusters] = np.asarray(found)
        return self._made[clusters]


Predictor = Callable[[Sequence[Truth], np.ndarray], "Sequence[Shape] | Sequence[Shape | None]"]
"""Truths and their pictures (M, H, W, 4) uint8, one per truth -> one shape per truth."""


def image_retrieval(
    training: Training, truths: Sequence[Truth], images: np.ndarray, describe: Describe = image_features
) -> list[Shape]:
    """The training shape with the most similar picture."""
    return _pick(training, nearest_pictures(training, truths, images, describe))


def nearest_pictures(
    training: Training, truths: Sequence[Truth], images: np.ndarray, describe: Describe = image_features
) -> np.ndarray:
    """Training shape (M,) whose picture is nearest, of all views: least L2 distance of what describes them.

    Raises:
        ValueError: pictures and truths differ in number.
    """
    if len(images) != len(truths):
        raise ValueError(f"{len(images)} pictures for {len(truths)} truths")
    wanted = describe(images).astype(np.float64)
    best, found = np.full(len(images), np.inf), np.zeros(len(images), np.int64)
    for k, vectors in enumerate(training.described(describe)):
        stored = vectors.astype(np.float64)
        # |a - b|^2 up to |b|^2; "<" leaves ties with the first shape
        distance = (np.square(stored).sum(1) - 2 * wanted @ stored.T).min(1)
        nearer = distance < best
        best[nearer], found[nearer] = distance[nearer], k
    return found


def fit_clusters(
    training: Training, truths: Sequence[Truth], images: np.ndarray, describe: Describe = image_features
) -> Predictor:
    """Recognise a cluster of training shapes and give its mean.

    The training shapes are grouped by k-means of their grids, averaged down to 16^3; a picture is taken to
    show the cluster of the shape with the nearest picture. The published study trains a network to recognise
    the cluster; ours is weaker, and costs nothing. The number of clusters is the one of `CLUSTERS` whose
    means have the highest IoU with the validation shapes, each number at its own best threshold.

    Args:
        truths, images: of the validation split.
    """
    nearest = nearest_pictures(training, truths, images, describe)
    grids = [grid_at(truth, training.resolution) for truth in truths]
    candidates = [k for k in CLUSTERS if k <= len(training.voxels) // 2] or [1]
    labelled = [training.labels(k) for k in candidates]
    scores = []
    for labels in labelled:
        means = _means(training, labels, nearest)
        curves = [
            iou_curve(means[labels[n]], g, CURVE) for n, g in zip(nearest, grids, strict=True) if g.any()
        ]
        scores.append(float(np.mean(curves, axis=0).max()) if curves else 0.0)
    labels = labelled[int(np.argmax(scores))]  # the fewest of equals

    def predict(truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
        found = nearest_pictures(training, truths, images, describe)
        shapes = {label: VoxelShape(mean) for label, mean in _means(training, labels, found).items()}
        return [shapes[int(labels[n])] for n in found]

    return predict


def oracle(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The training shape with the highest IoU with the truth, which this control is shown."""
    packed = pack(training.voxels)
    occupied = np.bitwise_count(packed).sum(1, dtype=np.int64)
    found = []
    for truth in truths:
        target = pack(grid_at(truth, training.resolution)[None])[0]
        size = int(np.bitwise_count(target).sum())
        common = intersections(packed, target)
        # an empty training grid against a truth that vanishes at this resolution would be 0/0
        found.append(int(np.argmax(common / np.maximum(occupied + size - common, 1))))
    return _pick(training, found)


def pack(voxels: np.ndarray) -> np.ndarray:
    """Grids (N, R, R, R) bool as bits in 64-bit words (N, ceil(R^3 / 64))."""
    bits = np.packbits(voxels.reshape(len(voxels), -1), axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def intersections(packed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cells that each packed grid (N, W) shares with one (W,): (N,) int64."""
    step = max(1, BLOCK // target.nbytes)
    parts = [packed[k : k + step] & target for k in range(0, len(packed), step)]
    return np.concatenate([np.bitwise_count(part).sum(1, dtype=np.int64) for part in parts])


def _means(training: Training, labels: np.ndarray, found: np.ndarray) -> dict[int, np.ndarray]:
    """Mean grid of every cluster that one of the shapes `found` belongs to."""
    return {int(k): training.voxels[labels == k].mean(0, dtype=np.float32) for k in np.unique(labels[found])}


def grid_at(truth: Truth, resolution: int) -> np.ndarray:
    """Occupied cells of the truth (R, R, R) bool on another grid: averaged, and cut at one half."""
    grid = truth.shape.voxels(resolution)
    if grid is None:
        raise ValueError(f"true shape '{truth.id}' has no voxels to compare training shapes with")
    return grid >= 0.5


def _pick(training: Training, indices: Sequence[int] | np.ndarray) -> list[Shape]:
    chosen = {k: VoxelShape(training.voxels[k]) for k in set(map(int, indices))}
    return [chosen[int(k)] for k in indices]
