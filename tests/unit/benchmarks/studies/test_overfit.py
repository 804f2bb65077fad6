"""What the bar of the experiment with a few shapes is measured against; `tests/slow` runs the experiment."""

import numpy as np
import pytest
import torch

from benchmarks.protocols import Truth
from benchmarks.studies.overfit.measure import Fit, _measure, there_and_back
from zoo.metrics.chamfer import chamfer
from zoo.shapes import PointShape, VoxelShape
from zoo.types import Batch

R = 16


@pytest.fixture(scope="module")
def block():
    """A block of whole cells off the centre, (1, R, R, R)."""
    grid = torch.zeros(1, R, R, R)
    grid[0, 2:9, 5:12, 4:14] = 1
    return grid


def _batch(voxels, azimuth, elevation=0.0):
    camera = torch.tensor([[[azimuth, elevation, 0.0, 2.0, 1.0, 0.5, 0.5]]])
    return Batch(
        ids=("a",), image=torch.zeros(1, 1, 4, 8, 8, dtype=torch.uint8), voxels=voxels, camera=camera
    )


def _truth(block, surface=None):
    return Truth(id="a", category="c", view=0, shape=VoxelShape(block[0].numpy() > 0.5), surface=surface)


def test_the_canonical_frame_leaves_the_truth_as_it_is(block):
    batch = _batch(block, 70.0)
    (form,) = there_and_back(batch, "canonical")
    np.testing.assert_array_equal(form.voxels(R) >= 0.5, block[0].numpy() > 0.5)


def test_another_frame_costs_the_truth_what_its_grid_cannot_hold(block):
    (form,) = there_and_back(_batch(block, 30.0, 25.0), "viewer")
    truth = _truth(block)
    overlap, cd, floor = _measure(truth.shape, form, truth, 100, 0)
    assert overlap == 1
    assert cd < floor < 0.1  # two clouds of one surface are nearer than the surface and its resampled self
    inside = form.voxels(R) >= 0.5
    true = block[0].numpy() > 0.5
    assert 0.6 < (inside & true).sum() / (inside | true).sum() < 1


def test_points_are_held_against_as_many_true_points(block):
    rng = np.random.default_rng(0)
    surface = VoxelShape(block[0].numpy()).points(400, rng)
    truth = _truth(block, surface)
    cloud = PointShape(surface[:50])
    (form,) = there_and_back(_batch(block, 0.0), "canonical")
    overlap, cd, floor = _measure(cloud, form, truth, 999, 3)
    order = np.random.default_rng(3).permutation(surface)
    own = order[200:][np.sort(np.random.default_rng(0).permutation(200)[:50])]
    assert overlap is None
    assert cd == chamfer(cloud.cloud, order[:200]).cd
    assert floor == pytest.approx(chamfer(own, order[:200]).cd, rel=0.2)  # other 50 of the same 200


@pytest.mark.parametrize(
    ("iou", "cd", "passed"),
    [(0.9, 9.0, True), (0.89, 0.016, False), (None, 0.015, True), (None, 0.0151, False)],
)
def test_the_bar(iou, cd, passed):
    assert Fit("m", 8, 1, 1.0, 0.0, iou, cd, 0.01).passed is passed
