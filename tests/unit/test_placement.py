"""Grids that come beside a mesh: moved by whole cells, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import BadItem
from datasets._placement import placed
from datasets.formats.binvox import Binvox


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.tuples(*[st.integers(1, 16)] * 3),
    jitter=st.tuples(*[st.floats(-0.49, 0.49)] * 3),
    scale=st.floats(0.1, 10),
    centre=st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_grids_are_moved_by_whole_cells_and_end_up_near_the_middle(lengths, jitter, scale, centre):
    """A box of whole cells; its mesh is up to half a cell shorter or longer, but for the longest edge."""
    grid = np.zeros((16, 16, 16), bool)
    cells = np.array([16, *lengths[1:]])
    grid[tuple(slice(0, n) for n in cells)] = True
    edges = np.minimum(cells + np.array([0, *jitter[1:]]), 16) / 16 * scale
    low = np.array(centre) - edges / 2
    moved = placed(Binvox(grid, tuple(low), scale), np.stack([low, low + edges]), "g")
    assert moved.sum() == grid.sum()
    inside = np.argwhere(moved)
    middle = (inside.min(0) + inside.max(0) + 1) / 2
    assert (inside.max(0) - inside.min(0) + 1 == cells).all()
    assert np.abs(middle - 8).max() <= 0.75 + 1e-6  # half a cell by rounding, a quarter by the jitter


BOX = np.array([[0, 0, 0], [1, 0.5, 0.25]])


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        (Binvox(np.ones((8, 8, 4), bool)), r"g: expected a cube, got \(8, 8, 4\)"),
        (Binvox(np.zeros((8, 8, 8), bool)), "g: no occupied cell"),
        (Binvox(np.ones((8, 8, 8), bool), scale=1.1), "g: is 1.1 wide, the longest edge of its mesh 1"),
        (Binvox(np.eye(8)[None] * np.ones((8, 1, 1)) > 0, (0, 0, 2)), "g: lies .* cells away from its mesh"),
    ],
)
def test_grids_of_another_mesh_are_refused(grid, text):
    with pytest.raises(BadItem, match=text):
        placed(grid, BOX, "g")
