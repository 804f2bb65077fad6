"""Controls: each does what its line in the table says, and they rank as they must."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.controls import CONTROLS, lookup
from benchmarks.controls.features import BACKGROUND, FEATURE_SIZE, image_features
from benchmarks.controls.lookup import Training, intersections, pack
from benchmarks.protocols import Truth
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.scoring.score import score
from zoo.metrics.iou import iou
from zoo.shapes import VoxelShape

R = 16
BY_NAME = {c.name: c for c in CONTROLS}


def solid(category: str, rng: np.random.Generator, resolution: int = R) -> np.ndarray:
    """Tall boxes ('tower') and flat ones ('slab') of random size: categories that overlap in part."""
    half = rng.uniform(0.15, 0.3, 3)
    half[1] = rng.uniform(0.35, 0.48) if category == "tower" else rng.uniform(0.08, 0.15)
    line = (np.arange(resolution) + 0.5) / resolution - 0.5
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    return (abs(x) <= half[0]) & (abs(y) <= half[1]) & (abs(z) <= half[2])


def picture(grid: np.ndarray, size: int = 20) -> np.ndarray:
    """Silhouette from the front as an RGBA picture; junk under the transparent pixels."""
    seen = np.kron(grid.any(0).astype(np.uint8), np.ones((2, 2), np.uint8))[:size, :size]
    image = np.random.default_rng(0).integers(0, 255, (*seen.shape, 4), dtype=np.uint8)
    image[..., 3] = seen * 255
    image[seen > 0, :3] = 90
    return image


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    names = ["tower", "slab"] * 12
    grids = np.array([solid(n, rng) for n in names])
    images = np.array([[picture(g.transpose(2, 1, 0)), picture(g)] for g in grids])
    training = Training(grids[:16], images[:16], names[:16])
    truths = [Truth(f"s{k}", names[k], 0, VoxelShape(grids[k])) for k in range(16, 24)]
    return training, truths, images[16:, 1]


def predict(name: str, split, validation=None):
    """What a control predicts of the truths of `split`; these are its validation split too unless given."""
    training, truths, images = split
    return BY_NAME[name].fit(training, *(validation or (truths, images)))(truths, images)


def test_names_titles_and_explanations():
    assert [c.name for c in CONTROLS] == [
        *("floor", "ceiling", "mean_shape", "category_mean", "image_retrieval", "neighbours"),
        *("oracle", "clusters", "box", "empty"),
    ]
    for control in CONTROLS:
        assert control.title and control.explanation and "\n" not in control.explanation
        means = ("mean_shape", "category_mean", "neighbours", "clusters")
        assert control.probabilistic == (control.name in means)


def test_every_control_predicts_each_truth(split):
    for control in CONTROLS:
        shapes = predict(control.name, split)
        assert len(shapes) == len(split[1])
        dtype = np.float32 if control.probabilistic else np.bool_
        assert all(s.occupancy.dtype == dtype for s in shapes)


def test_clusters_are_recognised_and_their_number_is_chosen(monkeypatch):
    """Three kinds of shapes with a picture each: three clusters are right, two mix kinds, six split them."""
    rng = np.random.default_rng(0)
    kinds = np.zeros((3, R, R, R), bool)
    kinds[0, :4], kinds[1, :, :4], kinds[2, :, :, :4] = True, True, True
    noisy = np.array([kinds[k % 3] ^ (rng.random((R, R, R)) < 0.02) for k in range(60)])
    pictures = np.array([[picture(kinds[k % 3].transpose(2, 1, 0))] for k in range(60)])
    training = Training(noisy[:36], pictures[:36], ["kind"] * 36)
    held_out = [Truth(str(k), "kind", 0, VoxelShape(noisy[k])) for k in range(36, 60)]
    monkeypatch.setattr(lookup, "CLUSTERS", (2, 3, 18))
    found = predict(
        "clusters", (training, held_out[12:], pictures[48:, 0]), (held_out[:12], pictures[36:48, 0])
    )
    for k, shape in enumerate(found, start=48):
        np.testing.assert_array_equal(shape.occupancy, noisy[:36][k % 3 :: 3].mean(0, dtype=np.float32))
    assert len({id(shape) for shape in found}) == 3  # one object for all that are recognised as one cluster


def test_few_training_shapes_are_one_cluster(split):
    training, truths, images = split
    few = Training(training.voxels[:3], training.images[:3], training.categories[:3])
    shape = predict("clusters", (few, truths, images))[0]
    np.testing.assert_array_equal(shape.occupancy, few.voxels.mean(0, dtype=np.float32))


def test_box_has_the_mean_corners_of_its_category():
    grids = np.zeros((3, R, R, R), bool)
    grids[0, 2:10, 4:6, 1:3] = True
    grids[1, 4:12, 6:8, 1:5] = True
    grids[2, :, :, 8] = True
    images = np.zeros((3, 1, 8, 8, 4), np.uint8)
    training = Training(grids, images, ["a", "a", "b"])
    truths = [Truth(c, c, 0, VoxelShape(grids[0])) for c in "abc"]
    first, second, unknown = predict("box", (training, truths, images[:, 0]))
    expected = np.zeros((R, R, R), bool)
    expected[3:11, 5:7, 1:4] = True
    np.testing.assert_array_equal(first.occupancy, expected)
    np.testing.assert_array_equal(second.occupancy, grids[2])
    assert unknown is None  # no training shape of it: a failure, not a guess


def test_floor_is_the_truth_and_empty_is_nothing(split):
    assert all(s is t.shape for s, t in zip(predict("floor", split), split[1], strict=True))
    assert not any(s.occupancy.any() for s in predict("empty", split))


def test_ceiling_is_the_truth_on_the_models_grid(split):
    training, _, images = split
    fine = np.zeros((32,) * 3, bool)
    fine[4:20, 6:14, 3:9] = True  # 3 and 9 are odd: half cells at 16
    shape = predict("ceiling", (training, [Truth("a", "tower", 0, VoxelShape(fine))], images))[0]
    assert shape.occupancy.shape == (R,) * 3
    means = fine.reshape(16, 2, 16, 2, 16, 2).mean((1, 3, 5))
    assert (shape.occupancy == (means >= 0.5)).all() and (means == 0.5).any()
    same = predict("ceiling", split)
    assert all((s.occupancy == t.shape.occupancy).all() for s, t in zip(same, split[1], strict=True))


def test_mean_shapes(split):
    training, truths, _ = split
    for shape in predict("mean_shape", split):
        np.testing.assert_allclose(shape.occupancy, training.voxels.mean(0), atol=1e-6)
    towers = training.voxels[np.array(training.categories) == "tower"]
    for shape, truth in zip(predict("category_mean", split), truths, strict=True):
        if truth.category == "tower":
            np.testing.assert_allclose(shape.occupancy, towers.mean(0), atol=1e-6)
    unknown = [Truth("a", "boat", 0, truths[0].shape), truths[1]]
    none, some = predict("category_mean", (training, unknown, split[2]))
    assert none is None and some is not None  # nothing to predict from: a failure, not an error


def test_retrieval_finds_the_same_picture_in_any_view(split):
    training, truths, _ = split
    wanted = [7, 0, 15, 3, 7, 9, 11, 2]
    for view in (0, 1):
        queries = training.images[wanted, view].copy()
        queries[queries[..., 3] == 0] = [1, 2, 3, 0]  # what hides under transparent pixels does not count
        found = predict("image_retrieval", (training, truths, queries))
        for shape, k in zip(found, wanted, strict=True):
            same = [
                j
                for j in range(16)
                if any((training.images[j, v] == training.images[k, view]).all() for v in (0, 1))
            ]
            assert any((shape.occupancy == training.voxels[j]).all() for j in same)


def test_retrieval_equals_brute_force(split):
    training, truths, images = split
    rng = np.random.default_rng(5)
    noisy = Training(
        training.voxels, rng.integers(0, 255, training.images.shape, dtype=np.uint8), training.categories
    )
    found = predict("image_retrieval", (noisy, truths, images))
    stored = np.array([image_features(p) for p in noisy.images])
    for shape, query in zip(found, image_features(images), strict=True):
        nearest = ((stored - query) ** 2).sum(-1).min(1).argmin()
        assert (shape.occupancy == training.voxels[nearest]).all()
    with pytest.raises(ValueError, match="3 pictures for 8 truths"):
        predict("image_retrieval", (training, truths, images[:3]))


def test_oracle_is_the_best_of_all_training_shapes(split):
    training, truths, _ = split
    for shape, truth in zip(predict("oracle", split), truths, strict=True):
        best = max(iou(g, truth.shape.occupancy) for g in training.voxels)
        assert iou(shape.occupancy, truth.shape.occupancy) == best


def test_oracle_at_another_resolution(split):
    training, _, images = split
    fine = training.voxels[5].repeat(2, 0).repeat(2, 1).repeat(2, 2)
    shape = predict("oracle", (training, [Truth("a", "slab", 0, VoxelShape(fine))], images))[0]
    assert (shape.occupancy == training.voxels[5]).all()


@pytest.mark.parametrize("resolution", [3, 4, 5, 16])
def test_packed_intersections(resolution, monkeypatch):
    rng = np.random.default_rng(resolution)
    grids = rng.random((7, *(resolution,) * 3)) < 0.4
    packed = pack(grids)
    assert packed.dtype == np.uint64 and packed.shape == (7, -(-(resolution**3) // 64))
    expected = (grids & grids[2]).reshape(7, -1).sum(1)
    assert (intersections(packed, packed[2]) == expected).all()
    monkeypatch.setattr("benchmarks.controls.lookup.BLOCK", packed[0].nbytes)  # one grid at a time
    assert (intersections(packed, packed[2]) == expected).all()


def test_features_are_area_means_over_a_filled_background():
    image = np.zeros((1, 32, 48, 4), np.uint8)
    image[0, :16, :24] = [255, 0, 0, 255]
    image[0, 16:, 24:] = [0, 255, 0, 128]
    image[0, :16, 24:, :3] = 77  # transparent: must not be seen
    features = image_features(image).reshape(FEATURE_SIZE, FEATURE_SIZE)
    half = FEATURE_SIZE // 2
    alpha = 128 / 255
    np.testing.assert_allclose(features[:half, :half], 0.299, rtol=1e-5)
    np.testing.assert_allclose(features[:half, half:], BACKGROUND / 255, rtol=1e-5)
    np.testing.assert_allclose(
        features[half:, half:], 0.587 * alpha + BACKGROUND / 255 * (1 - alpha), rtol=1e-5
    )


@pytest.mark.parametrize("size", [(5, 7), (64, 64), (137, 137), (3, 200)])
def test_features_keep_the_mean_for_any_size(size):
    image = np.random.default_rng(0).integers(0, 255, (2, *size, 4), dtype=np.uint8)
    image[..., 3] = 255
    grey = (image[..., :3] @ np.array([0.299, 0.587, 0.114])).mean((1, 2)) / 255
    np.testing.assert_allclose(image_features(image).mean(1), grey, rtol=1e-5)


def test_arrays_that_do_not_fit(split):
    training, _, _ = split
    with pytest.raises(ValueError, match=r"bool \(N, R, R, R\), got float64"):
        Training(training.voxels.astype(float), training.images, training.categories)
    with pytest.raises(ValueError, match="training split is empty"):
        Training(training.voxels[:0], training.images[:0], [])
    with pytest.raises(ValueError, match="16 grids, 15 image sets and 16 categories"):
        Training(training.voxels, training.images[:15], training.categories)
    with pytest.raises(ValueError, match=r"uint8 \(N, V, H, W, 4\)"):
        Training(training.voxels, training.images[:, 0], training.categories)
    with pytest.raises(ValueError, match=r"uint8 \(M, H, W, 4\), got float64"):
        image_features(np.zeros((1, 8, 8, 4)))


@pytest.mark.sceptic(28)
def test_ranking(split):
    """Floor and ceiling first, empty last, a model that sees the shape above every mean shape."""
    training, truths, images = split
    protocol = R3DV1(R3DV1Config(points=2048))
    predictions, thresholds = {}, {}
    validation = [
        Truth(f"v{k}", c, 0, VoxelShape(g))
        for k, (g, c) in enumerate(zip(training.voxels, training.categories, strict=True))
    ]
    for control in CONTROLS:
        fitted = control.fit(training, validation, training.images[:, 1])
        predictions[control.name] = fitted(truths, images)
        thresholds[control.name] = 0.5
        if control.probabilistic:
            shapes = fitted(validation, training.images[:, 1])
            thresholds[control.name] = protocol.choose_threshold(shapes, validation).value
    rng = np.random.default_rng(1)
    predictions["model"] = [
        VoxelShape((0.7 * t.shape.occupancy + 0.3 * (rng.random((R,) * 3) < 0.02)).astype(np.float32))
        for t in truths
    ]
    thresholds["model"] = 0.5
    rows = score(predictions, truths, protocol, thresholds, workers=0).rows
    for column in ("iou@val", "cd", "fscore@5%", "emd"):
        sign = -1 if column in ("cd", "emd") else 1
        mean = {name: sign * np.mean([r[column] for r in row]) for name, row in rows.items()}
        assert mean["floor"] >= mean["model"] > mean["category_mean"] > mean["mean_shape"] > mean["empty"], (
            column
        )
        assert mean["ceiling"] == pytest.approx(mean["floor"])
        assert mean["floor"] >= mean["oracle"] > mean["mean_shape"], column
        assert all(mean["empty"] < value for name, value in mean.items() if name != "empty")
    assert all(r["failed"] for r in rows["empty"]) and not any(r["failed"] for r in rows["oracle"])
