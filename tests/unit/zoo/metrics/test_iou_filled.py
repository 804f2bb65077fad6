"""IoU of what points enclose: known bodies, holes and gaps, the frame, and the worst value."""

import numpy as np
import pytest

from benchmarks.speed.alternatives import by_filters
from zoo.metrics.inputs import Measured
from zoo.metrics.iou import iou
from zoo.metrics.iou_filled import FINE, REACH, IoUFilledConfig, IoUFilledMetric, fill
from zoo.shapes import VoxelShape

R = 32


def block(low=(8, 6, 10), high=(24, 26, 20)):
    grid = np.zeros((R, R, R), bool)
    grid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return grid


def surface(grid, count=10_000):
    return VoxelShape(grid).points(count, np.random.default_rng(0))


def test_a_block_comes_back_exactly():
    """Its faces lie on faces of cells, where every point is on one side or the other by rounding."""
    assert iou(fill(surface(block()), R), block()) > 0.99


def test_each_cell_lies_where_its_points_are():
    """An L with two different arms: a turned, mirrored or shifted grid would not agree."""
    grid = block((4, 4, 4), (10, 8, 28)) | block((4, 4, 4), (24, 14, 8))
    found = fill(surface(grid), R)
    assert iou(found, grid) > 0.95
    assert max(iou(np.swapaxes(found, a, b), grid) for a, b in ((0, 1), (0, 2), (1, 2))) < 0.8
    assert max(iou(np.roll(found, 1, axis), grid) for axis in range(3)) < 0.85


def test_what_is_inside_counts_for_nothing():
    """A cavity that the outside cannot reach is filled, and points within change nothing."""
    hollow = block()
    hollow[11:21, 9:23, 13:17] = False
    assert iou(fill(surface(hollow), R), block()) > 0.99
    inner = np.random.default_rng(1).uniform(-0.1, 0.1, (500, 3))
    both = np.concatenate([surface(block()), inner])
    np.testing.assert_array_equal(fill(both, R), fill(surface(block()), R))


@pytest.mark.parametrize(("share", "closes"), [(0.8, True), (3.0, False)])
def test_gaps_of_up_to_twice_the_reach_close(share, closes):
    """A square hole in the largest face; through a wider one the outside gets in, the shell alone stays."""
    points = surface(block(), 60_000)
    wide = share * 2 * REACH
    face = (points[:, 2] > 20 / R - 0.5 - 0.3 / R) & (np.abs(points[:, :2]) < wide / 2).all(1)
    found = iou(fill(points[~face], R), block())
    assert (found > 0.95) if closes else (found < 0.3)


def test_points_outside_the_cube_count_as_on_its_border():
    far = surface(block()) * [1, 1, 3]
    found = fill(far, R)
    assert found.shape == (R, R, R) and found.any()
    np.testing.assert_array_equal(found, fill(far.clip(-0.5, 0.5), R))


@pytest.mark.parametrize("resolution", [5, 16, 32])
@pytest.mark.parametrize("count", [1, 40, 3000])
def test_every_cell_is_that_of_the_definition(resolution, count):
    """Balls, cups that are open to one side, and dust, in a corner of the cube and across all of it."""
    rng = np.random.default_rng([resolution, count])
    ball = rng.normal(size=(count, 3))
    ball *= 0.4 / np.linalg.norm(ball, axis=1, keepdims=True)
    cup = ball[ball[:, 1] < 0.1] if count > 1 else ball
    for points in (ball, cup, ball * [1, 0.2, 0.6] + 0.2, rng.uniform(-0.7, 0.5, (count, 3))):
        np.testing.assert_array_equal(fill(points, resolution), by_filters(points, resolution))


def test_a_body_that_fills_the_cube():
    full = np.ones((8, 8, 8), bool)
    assert fill(surface(full), 8).all()


def test_nothing_encloses_nothing():
    assert not fill(np.zeros((0, 3)), 8).any()
    assert fill(np.zeros((1, 3)), R).sum() <= 1


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_the_reach_is_a_length(resolution):
    """The same cloud closes at every resolution: the reach counts edges of the cube, not cells."""
    ball = np.random.default_rng(0).normal(size=(1500, 3))
    ball *= 0.35 / np.linalg.norm(ball, axis=1, keepdims=True)
    ticks = (np.arange(resolution) + 0.5) / resolution - 0.5
    radius = np.sqrt(sum(t**2 for t in np.meshgrid(ticks, ticks, ticks, indexing="ij")))
    assert iou(fill(ball, resolution), radius < 0.35) > 0.9
    assert resolution * FINE * REACH >= 2


def test_the_metric_reads_points_in_the_frame_of_the_truth():
    """Points are measured with the truth's longest edge at 1; its grid lies in the cube as it was stored."""
    grid = block()
    points, centre, scale = surface(grid), np.array([0.1, -0.2, 0.05]), 1.6
    prediction = Measured((points - centre) * scale, centre=centre, scale=scale)
    found = IoUFilledMetric(IoUFilledConfig())(prediction, Measured(points, grid))
    assert found == {"iou_filled": iou(fill(points, R), grid)}
    assert found["iou_filled"] > 0.99


def test_an_empty_prediction_gets_the_worst():
    metric = IoUFilledMetric(IoUFilledConfig())
    assert metric.columns[0].worst == 0
    assert metric(Measured(np.zeros((0, 3))), Measured(surface(block()), block())) == {"iou_filled": 0.0}


def test_a_truth_without_a_grid_has_none():
    metric = IoUFilledMetric(IoUFilledConfig())
    assert metric(Measured(np.zeros((5, 3))), Measured(np.zeros((5, 3)))) == {"iou_filled": None}
