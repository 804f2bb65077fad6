"""Prediction by recognition: the answer is a shape of the training split, or a mean of some of them.

Tatarchenko et al. (arXiv:1905.03678) found encoders and decoders hard to tell from this: whoever does not
beat it has shown that pictures can be recognised, not that shapes can be reconstructed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from benchmarks.protocols import CURVE, Truth
from zoo.geometry.resample import resample
from zoo.metrics.iou import iou_curve
from zoo.seeding import derive
from zoo.shapes import Shape, VoxelShape

FEATURE_SIZE = 16
"""Edge of the downsampled picture that image retrieval compares."""
BACKGROUND = 240
"""Grey that transparent pixels are filled with, as in 3D-R2N2's test protocol."""
BLOCK = 1 << 26
"""Bytes of packed training voxels that are compared at once."""
CLUSTERS = (10, 25, 50, 100, 200, 500)
"""Numbers of clusters to choose from; the published study has 500."""
CLUSTER_GRID = 16
"""Resolution at which shapes are clustered."""


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


Predictor = Callable[[Sequence[Truth], np.ndarray], "list[Shape] | list[Shape | None]"]
"""Truths and their pictures (M, H, W, 4) uint8, one per truth -> one shape per truth."""


def image_retrieval(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The training shape with the most similar picture."""
    return _pick(training, nearest_pictures(training, truths, images))


def nearest_pictures(training: Training, truths: Sequence[Truth], images: np.ndarray) -> np.ndarray:
    """Training shape (M,) whose picture is nearest, of all views: least L2 distance of `image_features`.

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
    return found


def fit_clusters(training: Training, truths: Sequence[Truth], images: np.ndarray) -> Predictor:
    """Recognise a cluster of training shapes and give its mean.

    The training shapes are grouped by k-means of their grids, averaged down to 16^3; a picture is taken to
    show the cluster of the shape with the nearest picture. The published study trains a network to recognise
    the cluster; ours is weaker, and costs nothing. The number of clusters is the one of `CLUSTERS` whose
    means have the highest IoU with the validation shapes, each number at its own best threshold.

    Args:
        truths, images: of the validation split.
    """
    nearest = nearest_pictures(training, truths, images)
    grids = [grid_at(truth, training.resolution) for truth in truths]
    candidates = [k for k in CLUSTERS if k <= len(training.voxels) // 2] or [1]
    pooled = _pooled(training)
    labelled = [_labels(pooled, k) for k in candidates]
    scores = []
    for labels in labelled:
        means = _means(training, labels, nearest)
        curves = [
            iou_curve(means[labels[n]], g, CURVE) for n, g in zip(nearest, grids, strict=True) if g.any()
        ]
        scores.append(float(np.mean(curves, axis=0).max()) if curves else 0.0)
    labels = labelled[int(np.argmax(scores))]  # the fewest of equals

    def predict(truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
        found = nearest_pictures(training, truths, images)
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


def _pooled(training: Training) -> np.ndarray:
    """The training grids at `CLUSTER_GRID`, flat (N, D) float32."""
    size = min(CLUSTER_GRID, training.resolution)
    return np.stack([resample(grid.astype(np.float32), size).reshape(-1) for grid in training.voxels])


def _labels(pooled: np.ndarray, clusters: int) -> np.ndarray:
    """Cluster of each training shape (N,), by k-means with a fixed seed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # nothing is recognised as it
        seed = derive(0, "clusters", clusters)
        return np.asarray(kmeans2(pooled, clusters, minit="points", rng=np.random.default_rng(seed))[1])


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


def _area_weights(pixels: int, size: int) -> np.ndarray:
    """Matrix (size, pixels) that averages over equal intervals, splitting the pixels that lie across one."""
    edges = np.arange(size + 1) * pixels / size
    starts = np.arange(pixels)
    covered = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.clip(covered, 0, None) * size / pixels).astype(np.float32)
