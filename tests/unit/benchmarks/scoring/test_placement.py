"""Grids that come beside a mesh: moved by whole cells, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import BadItem
from datasets.formats.binvox import Binvox
from datasets.sources.shapenet.placement import placed
from zoo.geometry.resample import bounding_cells


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


def boxes(size: int) -> np.ndarray:
    """A slab with a block on one end of it: no symmetry hides a turn or a shift."""
    grid = np.zeros((size, size, size), bool)
    eighth = size // 8
    grid[:, 2 * eighth : 4 * eighth, 3 * eighth : 5 * eighth] = True
    grid[: 2 * eighth, 4 * eighth : 6 * eighth, 3 * eighth : 5 * eighth] = True
    return grid


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ((0, 0, 0), (1, 0, 0)),
        ((1, 0, 0), (0, 0, 0)),
        ((0.25, 0.25, 0.25), (0, 0, 0)),
        ((0, 0, 0), (0, 1.5, 0)),
        ((0, 2, 0), (0, 0, 0)),
        ((0, 0, 1.1), (0.3, 0, 0)),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ((0.07, 0, 0), (0, 0, 0)),
        ((0, 0, 0), (0.05, 0.05, 0.05)),
        ((3, 0, 0), (0, 0, 3)),
    ],
)
def test_lines_outside_of_the_faces_make_the_grid_wider(size, before, behind):
    """As binvox makes it: a cube at the lower corner of everything, filled inside of the faces."""
    solid = boxes(64)
    bounds = np.array([[0.3, -0.2, 0.1], [1.3, 0.3, 0.35]])  # of the faces
    corner = bounds[0] - before
    width = float((bounds[1] + behind - corner).max())
    places = corner + (np.arange(size)[:, None] + 0.5) / size * width
    # cells of the solid whose cube is centred on the box of the faces
    cells = np.floor((places - (bounds.mean(0) - 0.5)) * 64).astype(int)
    inside = ((cells >= 0) & (cells < 64)).T
    x, y, z = np.clip(cells, 0, 63).T
    filled = solid[np.ix_(x, y, z)] & inside[0][:, None, None] & inside[1][:, None] & inside[2]
    found = placed(Binvox(filled, tuple(corner), width), bounds, "g")
    expected = boxes(size)
    assert iou(found, expected) > (0.7 if size == 32 else 0.85)
    # cells of the wider grid, in ours
    assert np.abs(bounding_cells(found) - bounding_cells(expected)).max() <= width + 1


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    "grid",
    [
        Binvox(boxes(32), (-0.5, -0.5, -0.5), 3.0),  # beyond the mesh
        Binvox(boxes(32), (5, 5, 5), 1.5),  # elsewhere
        Binvox(boxes(32), (0, 0, 0), 0.5),  # smaller than the mesh
        Binvox(np.pad(boxes(8), (0, 24)), (0, -0.5, -0.5), 2.0),  # half as long as the mesh
    ],
)
def test_wider_grids_of_another_mesh_are_refused(grid):
    with pytest.raises(BadItem, match=f"g: is {grid.scale:g} wide, the longest edge of its mesh 1"):
        placed(grid, BOX, "g")
