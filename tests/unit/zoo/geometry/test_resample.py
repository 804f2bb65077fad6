"""Grids of other resolutions: what is kept exactly, and what linear interpolation must reproduce."""

import numpy as np
import pytest

from zoo.geometry.resample import bounding_cells, fill_cube, max_pool, resample


def ramp(resolution: int) -> np.ndarray:
    """x + 2 y - 3 z at the cell centres: linear interpolation must give it back."""
    g = (np.arange(resolution) + 0.5) / resolution - 0.5
    return (g[:, None, None] + 2 * g[None, :, None] - 3 * g[None, None, :]).astype(np.float32)


def test_same_resolution_is_a_float32_copy():
    volume = np.random.default_rng(0).random((5, 5, 5)) > 0.5
    result = resample(volume, 5)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, volume)
    floats = np.zeros((2, 2, 2), np.float32)
    resample(floats, 2)[...] = 1
    assert floats.max() == 0


def test_up_repeats_cells():
    volume = np.random.default_rng(0).random((2, 2, 2)).astype(np.float32)
    result = resample(volume, 6)
    for x, y, z in [(0, 0, 0), (2, 3, 5), (5, 0, 2), (3, 5, 1)]:
        assert result[x, y, z] == volume[x // 3, y // 3, z // 3]


def test_down_averages_cells():
    volume = np.zeros((4, 4, 4), np.float32)
    volume[0, 0, 0] = volume[0, 0, 1] = 1  # two of the eight cells under (0, 0, 0)
    volume[2, 1, 3] = 1
    result = resample(volume, 2)
    expected = np.zeros((2, 2, 2))
    expected[0, 0, 0], expected[1, 0, 1] = 2 / 8, 1 / 8
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == np.float32 and result.flags.c_contiguous


@pytest.mark.parametrize(("size", "resolution"), [(32, 48), (20, 32), (48, 32)])
def test_other_ratios_reproduce_linear_fields(size, resolution):
    result = resample(ramp(size), resolution)
    assert result.shape == (resolution,) * 3
    # where every new centre lies between old ones; outside, values stay constant
    edge = int(np.ceil(resolution / size))
    inner = (slice(edge, -edge),) * 3
    np.testing.assert_allclose(result[inner], ramp(resolution)[inner], atol=2e-6)
    assert result.max() <= ramp(size).max() + 1e-6 and result.min() >= ramp(size).min() - 1e-6


def test_axes_keep_their_order():
    volume = np.zeros((8, 8, 8), np.float32)
    volume[6, 3, 1] = 1
    for resolution in (4, 12, 16):
        peak = np.unravel_index(resample(volume, resolution).argmax(), (resolution,) * 3)
        centre = (np.array(peak) + 0.5) / resolution * 8 - 0.5
        assert np.abs(centre - [6, 3, 1]).max() <= 0.5, resolution


def test_single_cell_fills_any_grid():
    assert (resample(np.full((1, 1, 1), 0.25), 7) == 0.25).all()


def test_max_pool_keeps_thin_parts_and_the_dtype():
    volume = np.zeros((8, 8, 8), bool)
    volume[5, :, 2] = True
    pooled = max_pool(volume, 4)
    assert pooled.dtype == np.bool_
    assert pooled.sum() == 4 and pooled[2, :, 1].all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: resample(np.zeros((2, 2, 3)), 4), r"cube \(R, R, R\), got \(2, 2, 3\)"),
        (lambda: resample(np.zeros((4, 4)), 4), r"got \(4, 4\)"),
        (lambda: resample(np.zeros((0, 0, 0)), 4), "cube"),
        (lambda: resample(np.zeros((2, 2, 2)), 0), "at least 1, got 0"),
        (lambda: max_pool(np.zeros((6, 6, 6)), 4), "6 cells per edge to 4"),
        (lambda: max_pool(np.zeros((6, 6, 6)), 12), "not a whole ratio"),
    ],
)
def test_bad_input_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_bounding_cells():
    volume = np.zeros((6, 5, 7), bool)
    volume[1, 2, 6] = volume[4, 3, 2] = True
    np.testing.assert_array_equal(bounding_cells(volume), [[1, 2, 2], [5, 4, 7]])
    with pytest.raises(ValueError, match="an empty grid has no bounding box"):
        bounding_cells(np.zeros((2, 2, 2)))


def test_fill_moves_a_shape_that_has_its_size():
    shape = np.random.default_rng(0).random((8, 4, 2)) < 0.5
    shape[0, 0, 0] = shape[-1, -1, -1] = True
    volume = np.zeros((8, 8, 8), bool)
    volume[:, 4:, :2] = shape
    expected = np.zeros((8, 8, 8), bool)
    expected[:, 2:6, 3:5] = shape
    np.testing.assert_array_equal(fill_cube(volume), expected)
    np.testing.assert_array_equal(fill_cube(expected), expected)


def test_fill_enlarges_by_whole_cells():
    shape = np.random.default_rng(0).random((4, 4, 2)) < 0.5
    shape[0, 0, 0] = shape[-1, -1, -1] = True
    volume = np.zeros((8, 8, 8), np.uint8)
    volume[3:7, 1:5, 0:2] = shape * 7
    expected = np.zeros((8, 8, 8), np.uint8)
    expected[:, :, 2:6] = shape.repeat(2, 0).repeat(2, 1).repeat(2, 2) * 7
    filled = fill_cube(volume)
    np.testing.assert_array_equal(filled, expected)
    assert filled.dtype == np.uint8


@pytest.mark.parametrize("longest", range(1, 17))
def test_fill_loses_no_cell(longest):
    rng = np.random.default_rng(longest)
    edges = (longest, rng.integers(1, longest + 1), rng.integers(1, longest + 1))
    low = [rng.integers(0, 17 - e) for e in edges]
    volume = np.zeros((16, 16, 16), np.int64)
    inside = tuple(slice(a, a + e) for a, e in zip(low, edges, strict=True))
    volume[inside] = np.arange(1, np.prod(edges) + 1).reshape(edges)  # every cell another number
    filled = fill_cube(volume)
    assert set(np.unique(filled)) - {0} == set(range(1, int(np.prod(edges)) + 1))
    first, behind = bounding_cells(filled)
    np.testing.assert_array_equal((first[0], behind[0]), (0, 16))
    assert (np.abs(first + behind - 16) <= 1).all()  # in the middle, to half a cell
    assert (np.abs(behind - first - np.array(edges) * 16 / longest) <= 1).all()


def test_fill_refuses_what_is_no_grid():
    with pytest.raises(ValueError, match="must be a cube"):
        fill_cube(np.ones((2, 2, 3)))
    with pytest.raises(ValueError, match="empty grid"):
        fill_cube(np.zeros((2, 2, 2), bool))
