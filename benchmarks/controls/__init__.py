"""The rows that every table needs beside its models: what no model can beat, and what any model must.

Each control predicts from the training split's arrays (and, where its line says so, from the truth itself).
Nothing here knows where the arrays come from. Controls that give probabilities are thresholded like a
model: predict for the validation split, `Protocol.choose_threshold`, freeze, predict for the test split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.controls.features import FEATURE_SIZE, Feature
from benchmarks.controls.lookup import (
    CLUSTERS,
    Predictor,
    Training,
    fit_clusters,
    grid_at,
    image_retrieval,
    oracle,
)
from benchmarks.controls.neighbours import COUNTS, SIZE, fit_neighbours
from benchmarks.protocols import Truth
from zoo.shapes import Shape, VoxelShape

Predict = Callable[[Training, Sequence[Truth], np.ndarray], "list[Shape] | list[Shape | None]"]
Fit = Callable[[Training, Sequence[Truth], np.ndarray], Predictor]
"""Training split, truths and pictures of the validation split -> what predicts."""


@dataclass(frozen=True, eq=False)
class Control:
    """One control row; picklable.

    Attributes:
        name: row name.
        title: what the table prints.
        explanation: one line under the table.
        probabilistic: gives probabilities, whose threshold is chosen on validation; the others are binary
            and use .5.
        fit: made once, with training and validation split; clusters and neighbours alone look at the latter.
        identity: JSON of what it depends on besides the data: the feature that pictures are compared by.
        feature: that feature; None for those that compare pixels, or look at no picture.
    """

    name: str
    title: str
    explanation: str
    fit: Fit
    probabilistic: bool = False
    identity: dict[str, Any] = field(default_factory=dict)
    feature: Feature | None = None


def fixed(predict: Predict) -> Fit:
    """For a control that has nothing to choose on the validation split."""
    return partial(_fit_nothing, predict)


def _fit_nothing(
    predict: Predict, training: Training, truths: Sequence[Truth], images: np.ndarray
) -> Predictor:
    return partial(predict, training)


def floor(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The truth itself. The protocol draws its points with another seed: what is left is sampling noise."""
    return [truth.shape for truth in truths]


def ceiling(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """The truth at the models' output resolution: cells averaged and cut at one half."""
    return [VoxelShape(grid_at(truth, training.resolution)) for truth in truths]


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


def box(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape | None]:
    """A solid box of the mean dimensions of the true category, which this control is told.

    It spans from the mean of the lower to the mean of the upper corners of the training shapes' occupied
    cells, rounded to cells, and is at least one cell thick.
    """
    names = np.asarray(training.categories)
    boxes: dict[str, Shape | None] = {}
    for name in sorted({truth.category for truth in truths}):
        corners = [_corners(grid) for grid in training.voxels[names == name] if grid.any()]
        if not corners:
            boxes[name] = None
            continue
        low, high = np.rint(np.mean(corners, axis=0)).astype(int)
        grid = np.zeros(training.voxels.shape[1:], np.bool_)
        grid[tuple(slice(a, max(b, a + 1)) for a, b in zip(low, high, strict=True))] = True
        boxes[name] = VoxelShape(grid)
    return [boxes[truth.category] for truth in truths]


def _corners(grid: np.ndarray) -> np.ndarray:
    """First cell and the one after the last (2, 3) that is occupied along each axis."""
    filled = [np.flatnonzero(grid.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    return np.array([[f[0] for f in filled], [f[-1] + 1 for f in filled]])


def empty(training: Training, truths: Sequence[Truth], images: np.ndarray) -> list[Shape]:
    """Nothing at all: must come last in every column."""
    nothing = VoxelShape(np.zeros((training.resolution,) * 3, np.bool_))
    return [nothing] * len(truths)


CONTROLS: tuple[Control, ...] = (
    Control(
        "floor",
        "ground truth, resampled",
        "the truth against itself with other random points: what sampling noise alone costs",
        fixed(floor),
    ),
    Control(
        "ceiling",
        "ground truth at model resolution",
        "the truth brought to the models' grid: what a perfect yes-or-no prediction there scores",
        fixed(ceiling),
    ),
    Control(
        "mean_shape",
        "mean shape of training",
        "share of training shapes that fill each cell, the same for every image; threshold from validation",
        fixed(mean_shape),
        probabilistic=True,
    ),
    Control(
        "category_mean",
        "mean shape of true category",
        "the same within the true category, which it is told; threshold from validation",
        fixed(category_mean),
        probabilistic=True,
    ),
    Control(
        "image_retrieval",
        "nearest training image",
        f"training shape with the nearest image of any view, {FEATURE_SIZE}x{FEATURE_SIZE} grey pixels, L2",
        fixed(image_retrieval),
    ),
    Control(
        "neighbours",
        "mean of the nearest training images",
        f"weighted mean of the training shapes, {COUNTS[-1]} at most, with the nearest images, {SIZE}x{SIZE} "
        "grey pixels and mask, L2; their number, weights and threshold from validation",
        fit_neighbours,
        probabilistic=True,
    ),
    Control(
        "oracle",
        "nearest training shape (oracle)",
        "training shape with the highest IoU with the truth, which it is shown: the bound on retrieval",
        fixed(oracle),
    ),
    Control(
        "clusters",
        "recognised cluster",
        f"mean of that one of at most {CLUSTERS[-1]} clusters of training shapes which the shape with the "
        "nearest picture is in; number of clusters and threshold from validation",
        fit_clusters,
        probabilistic=True,
    ),
    Control(
        "box",
        "box of true category",
        "a solid box of the mean dimensions of the true category, which it is told",
        fixed(box),
    ),
    Control("empty", "empty", "no shape at all: the declared worst values", fixed(empty)),
)
"""In the order of the table."""


BY_FEATURE = ("retrieval", "clusters")
"""Names, before the feature in brackets, of what `recognition` gives."""


def title_of(name: str) -> str | None:
    """What the table calls a control of which there is no result; None for a name that is no control's."""
    titles = {control.name: control.title for control in CONTROLS}
    kind, bracket, _ = name.partition("[")
    return name if bracket and kind in BY_FEATURE else titles.get(name)


def recognition(feature: Feature) -> tuple[Control, Control]:
    """Image retrieval and cluster recognition by another feature than pixels; the clusters are the same."""
    first, second = (f"{kind}[{feature.name}]" for kind in BY_FEATURE)
    identity = {"feature": feature.identity}

    return (
        Control(
            first,
            f"nearest training image, {feature.words}",
            f"training shape with the nearest image of any view, {feature.words}, L2",
            partial(_fit_retrieval, feature),
            identity=identity,
            feature=feature,
        ),
        Control(
            second,
            f"recognised cluster, {feature.words}",
            f"the same clusters, recognised by the nearest picture by {feature.words}; their number and "
            "threshold from validation",
            partial(_fit_clusters, feature),
            probabilistic=True,
            identity=identity,
            feature=feature,
        ),
    )


def _fit_retrieval(
    feature: Feature, training: Training, truths: Sequence[Truth], images: np.ndarray
) -> Predictor:
    # the network is loaded here, when the control is measured, and not before
    return partial(image_retrieval, training, describe=feature.describe)


def _fit_clusters(
    feature: Feature, training: Training, truths: Sequence[Truth], images: np.ndarray
) -> Predictor:
    return fit_clusters(training, truths, images, feature.describe)


def controls(features: Sequence[Feature] = ()) -> tuple[Control, ...]:
    """All controls in the order of the table: those of `CONTROLS`, and for each feature two beside theirs."""
    pairs = [recognition(feature) for feature in features]
    beside = {"image_retrieval": [first for first, _ in pairs], "clusters": [second for _, second in pairs]}
    return tuple(each for control in CONTROLS for each in (control, *beside.get(control.name, ())))
