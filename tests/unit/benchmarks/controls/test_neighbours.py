"""The weighted mean of the nearest training shapes: who is near, what counts how much, what is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.controls import neighbours
from benchmarks.controls.features import image_features, mask_features
from benchmarks.controls.lookup import Training, image_retrieval
from benchmarks.controls.neighbours import (
    Neighbours,
    fit_neighbours,
    grey_and_mask,
    mean_of,
    nearest_shapes,
)
from benchmarks.protocols import Truth
from zoo.metrics.iou import iou
from zoo.shapes import VoxelShape

R = 8


def as_is(images):
    """Pictures whose first pixels are the vector."""
    return images[:, 0, :, 0].astype(np.float32)


def bars(lengths):
    grids = np.zeros((len(lengths), R, R, R), bool)
    for grid, length in zip(grids, lengths, strict=True):
        grid[:length] = True
    return grids


def shown(vectors):
    """One view of each vector, as pictures (N, 1, 1, D, 4)."""
    images = np.zeros((len(vectors), 1, 1, len(vectors[0]), 4), np.uint8)
    images[:, 0, 0, :, 0] = vectors
    return images


def test_distances_are_those_of_a_plain_search_over_all_views(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 9, (40, 3, 1, 4, 4), dtype=np.uint8)
    wanted = rng.integers(0, 9, (7, 1, 4, 4), dtype=np.uint8)
    training = Training(np.ones((40, R, R, R), bool), images, ["a"] * 40)
    monkeypatch.setattr(neighbours, "BLOCK", 100)  # several blocks
    found = nearest_shapes(training, wanted, as_is, 5)
    stored = images[:, :, 0, :, 0].astype(float)
    for k, query in enumerate(wanted[:, 0, :, 0].astype(float)):
        distance = np.linalg.norm(stored - query, axis=-1).min(1)
        order = np.argsort(distance, kind="stable")[:5]
        np.testing.assert_array_equal(found.shapes[k], order)
        np.testing.assert_allclose(found.distances[k], distance[order], atol=1e-6)


def test_the_nearest_is_what_retrieval_gives():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (20, 2, 12, 12, 4), dtype=np.uint8)
    training = Training(bars(rng.integers(1, 8, 20)), images, ["a"] * 20)
    queries = rng.integers(0, 255, (6, 12, 12, 4), dtype=np.uint8)
    truths = [Truth(str(k), "a", 0, VoxelShape(training.voxels[0])) for k in range(6)]
    first = nearest_shapes(training, queries, image_features, 1).shapes[:, 0]
    for k, shape in zip(first, image_retrieval(training, truths, queries), strict=True):
        np.testing.assert_array_equal(shape.occupancy, training.voxels[k])


def test_weights_fall_with_the_distance_relative_to_the_nearest():
    near = Neighbours(np.arange(3)[None], np.array([[2.0, 3.0, 4.0]]))
    raw = np.exp([0, -1 / (0.5 * 2), -2 / (0.5 * 2)])
    np.testing.assert_allclose(near.weights(3, 0.5)[0], raw / raw.sum())
    np.testing.assert_allclose(near.weights(1, 0.5), [[1.0]])
    known = Neighbours(np.arange(3)[None], np.array([[0.0, 3.0, 4.0]]))
    np.testing.assert_array_equal(known.weights(3, 1.0), [[1, 0, 0]])  # the picture itself is in training


def test_a_mean_is_weighted_and_a_probability():
    grids = bars([2, 4, 8])
    mean = mean_of(grids, np.array([0, 1]), np.array([0.75, 0.25]))
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean[:, 0, 0], [1, 1, 0.25, 0.25, 0, 0, 0, 0])
    assert mean_of(grids, np.array([2, 2, 2]), np.array([0.4, 0.4, 0.3])).max() == 1.0


def test_several_neighbours_are_chosen_where_they_help_and_one_where_they_do_not():
    rng = np.random.default_rng(0)
    kinds = np.zeros((3, R, R, R), bool)
    kinds[0, :4], kinds[1, :, :4], kinds[2, :, :, :4] = True, True, True
    vectors = [[30 + k % 3 * 60 + int(rng.integers(0, 5))] for k in range(90)]
    noisy = np.array([kinds[k % 3] ^ (rng.random((R, R, R)) < 0.15) for k in range(90)])
    training = Training(noisy[:60], shown(vectors[:60]), ["a"] * 60)
    truths = [Truth(str(k), "a", 0, VoxelShape(kinds[k % 3])) for k in range(60, 90)]
    images = shown(vectors[60:])[:, 0]
    predict = fit_neighbours(training, truths[:15], images[:15], as_is)
    shapes = predict(truths[15:], images[15:])
    assert len(shapes.shapes[0]) > 5  # noise of each shape is averaged out
    found = [iou(shape.occupancy >= 0.5, kinds[k % 3]) for k, shape in enumerate(shapes, 75)]
    single = np.mean([iou(noisy[k], kinds[k % 3]) for k in range(60)])
    assert np.mean(found) > single + 0.1
    lengths = np.arange(60) % 7 + 1  # every picture tells its shape, and each shape is another
    exact = Training(bars(lengths), shown([[30 * n] for n in lengths]), ["a"] * 60)
    own = [Truth(str(k), "a", 0, VoxelShape(bars([k])[0])) for k in range(1, 8)]
    predict = fit_neighbours(exact, own, shown([[30 * k] for k in range(1, 8)])[:, 0], as_is)
    for shape, k in zip(predict(own, shown([[30 * k] for k in range(1, 8)])[:, 0]), range(1, 8), strict=True):
        np.testing.assert_array_equal(shape.occupancy >= 0.5, bars([k])[0])


def test_shapes_are_made_when_they_are_asked_for():
    training = Training(bars([1, 2, 3]), shown([[10], [20], [30]]), ["a"] * 3)
    truths = [Truth("0", "a", 0, VoxelShape(bars([2])[0]))]
    shapes = fit_neighbours(training, truths, shown([[20]])[:, 0], as_is)(
        truths * 2, shown([[20], [10]])[:, 0]
    )
    assert len(shapes) == 2 and len(shapes[:1]) == 1 and len(list(shapes)) == 2
    with pytest.raises(IndexError):
        shapes[2]


def test_pictures_are_compared_by_grey_and_mask():
    image = np.zeros((1, 48, 48, 4), np.uint8)
    image[0, :24, :, 3] = 255
    vector = grey_and_mask(image)
    assert vector.shape == (1, 2 * 24 * 24)
    np.testing.assert_array_equal(
        vector[0, : 24 * 24].reshape(24, 24)[:, 0], [0.0] * 12 + [np.float32(240 / 255)] * 12
    )
    np.testing.assert_array_equal(mask_features(image, 24)[0].reshape(24, 24)[:, 5], [1.0] * 12 + [0.0] * 12)
