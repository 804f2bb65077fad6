"""The largest connected part of a grid, against a slow search and on grids drawn by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoo.geometry.components import largest_component


def slow(occupied: np.ndarray, reach: float) -> list[set[tuple[int, ...]]]:
    """Parts by flooding, cell by cell."""
    left, parts = {tuple(map(int, cell)) for cell in np.argwhere(occupied)}, []
    while left:
        part, edge = set(), [min(left)]
        left.discard(edge[0])
        while edge:
            cell = edge.pop()
            part.add(cell)
            near = {o for o in left if math.dist(cell, o) <= reach}
            left -= near
            edge += near
        parts.append(part)
    return parts


@settings(deadline=None, max_examples=60)
@given(
    occupied=arrays.arrays(bool, (5, 5, 5), elements=st.booleans() | st.just(False)),
    reach=st.sampled_from([1.0, 2**0.5, 2.0, 3**0.5, 3.0]),
)
def test_is_a_largest_part_of_the_flooding(occupied, reach):
    found = {tuple(map(int, cell)) for cell in np.argwhere(largest_component(occupied, reach))}
    parts = slow(occupied, reach)
    assert len(found) == max(map(len, parts), default=0)
    assert not parts or found in parts


def bar(*spans: tuple[int, int]) -> np.ndarray:
    grid = np.zeros((12, 12, 12), bool)
    for first, last in spans:
        grid[first:last, 4, 4] = True
    return grid


@pytest.mark.parametrize(("reach", "kept"), [(1.0, (0, 5)), (2.0, (0, 8)), (3.0, (0, 12))])
def test_gaps_up_to_the_reach_are_bridged(reach, kept):
    grid = bar((0, 5), (6, 8), (10, 12))  # gaps of one and of two empty cells
    expected = grid & bar(kept)
    assert np.array_equal(largest_component(grid, reach), expected)


def test_diagonal_neighbours_by_distance():
    for offset, reach in itertools.product([(1, 1, 0), (1, 1, 1), (2, 1, 0)], [1.0, 1.5, 2.0, 2.5]):
        grid = np.zeros((6, 6, 6), bool)
        grid[0, 0, 0] = grid[offset] = True
        joined = np.linalg.norm(offset) <= reach
        assert largest_component(grid, reach).sum() == 1 + joined


def test_an_empty_grid_stays_empty_and_the_input_as_it_was():
    grid = np.zeros((4, 4, 4), bool)
    assert not largest_component(grid).any()
    full = bar((0, 3), (8, 9))
    before = full.copy()
    largest_component(full)
    assert np.array_equal(full, before)


def test_bad_input():
    with pytest.raises(ValueError, match="components are of a binary grid: got float32, threshold it first"):
        largest_component(np.zeros((4, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"reach must be at least 1 cell, got 0.5"):
        largest_component(bar(), 0.5)
