"""Marching cubes against closed forms: extent, volume, area, position, orientation."""

from collections import Counter

import numpy as np
import pytest

from zoo.geometry.mesh import Mesh
from zoo.geometry.surface import marching_cubes


def volume_of(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive for outward orientation."""
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    return float((a * np.cross(b, c)).sum() / 6)


def area_of(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def is_closed(mesh: Mesh) -> bool:
    """Every directed edge appears exactly as often as its reverse."""
    edges = Counter((int(f[i]), int(f[(i + 1) % 3])) for f in mesh.faces for i in range(3))
    return all(edges[b, a] == n for (a, b), n in edges.items())


def centroid_of(mesh: Mesh) -> np.ndarray:
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    parts = (a * np.cross(b, c)).sum(1) / 6
    return ((a + b + c) / 4 * parts[:, None]).sum(0) / parts.sum()


@pytest.mark.parametrize("sides", [(6, 3, 10), (10, 6, 3), (3, 10, 6), (1, 1, 1)])
@pytest.mark.parametrize("start", [(0, 0, 0), (5, 2, 6), (6, 13, 1)])
def test_box_of_cells(sides, start):
    """All three alignments of a box, inside and at the border of the grid, in closed form.

    Between binary cells the surface runs halfway, so that edges are bevelled by right triangles of legs
    1/2 cell and corners keep a tetrahedron of 1/48 of the last cube of edge 1/2.
    """
    resolution = 16
    grid = np.zeros((resolution,) * 3, bool)
    grid[tuple(slice(s, min(s + n, resolution)) for s, n in zip(start, sides, strict=True))] = True
    cells = np.argwhere(grid)
    low, high = cells.min(0), cells.max(0) + 1
    a, b, c = high - low
    mesh = marching_cubes(grid, 0.5)
    assert is_closed(mesh)
    np.testing.assert_allclose(mesh.bounds, np.stack([low, high]) / resolution - 0.5, atol=1e-7)
    np.testing.assert_allclose(centroid_of(mesh), (low + high) / 2 / resolution - 0.5, atol=1e-6)
    edges = 4 * ((a - 1) + (b - 1) + (c - 1))
    volume = a * b * c - edges / 8 - 8 * (1 / 8 - 1 / 48)
    faces = 2 * ((a - 1) * (b - 1) + (b - 1) * (c - 1) + (c - 1) * (a - 1))
    area = faces + edges * np.sqrt(0.5) + 8 * np.sqrt(3) / 8
    assert volume_of(mesh) * resolution**3 == pytest.approx(volume, rel=1e-5)
    assert area_of(mesh) * resolution**2 == pytest.approx(area, rel=1e-5)


@pytest.mark.parametrize("centre", [(0, 0, 0), (0.031, -0.07, 0.113), (-0.1, 0.09, 0.013)])
def test_sphere_from_probabilities(centre):
    """A field that is linear in the distance: volume, area and position of the ball."""
    resolution, radius = 64, 0.3
    g = (np.arange(resolution) + 0.5) / resolution - 0.5
    x, y, z = np.meshgrid(g, g, g, indexing="ij")
    distance = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    mesh = marching_cubes(np.clip(0.5 + (radius - distance) * resolution / 4, 0, 1), 0.5)
    assert is_closed(mesh)
    assert volume_of(mesh) == pytest.approx(4 / 3 * np.pi * radius**3, rel=2e-3)
    assert area_of(mesh) == pytest.approx(4 * np.pi * radius**2, rel=2e-3)
    assert np.abs(centroid_of(mesh) - centre).max() * resolution < 0.01
    normals = np.cross(*(mesh.triangles[:, i] - mesh.triangles[:, 0] for i in (1, 2)))
    assert ((mesh.triangles.mean(1) - centre) * normals).sum(1).min() > 0


def test_level_moves_the_surface():
    """Linear ramp along x from the middle to the border: the level is reached where it says."""
    resolution = 16
    x = (np.arange(resolution) + 0.5) / resolution - 0.5
    grid = np.zeros((resolution,) * 3, np.float32)
    grid[:, 4:12, 4:12] = np.clip(0.5 - x, 0, 1)[:, None, None]
    for level in (0.25, 0.4, 0.7):
        assert marching_cubes(grid, level).bounds[1, 0] == pytest.approx(0.5 - level, abs=1e-5)


def test_full_grid_fills_the_cube():
    mesh = marching_cubes(np.ones((4, 4, 4)), 0.5)
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [0.5] * 3], atol=1e-7)
    assert is_closed(mesh) and volume_of(mesh) > 0.9


def test_values_equal_to_the_level_count_as_inside():
    """As in IoU's `>=`; the surface stays closed and has an area to sample."""
    for level in (0.5, 1.0, 1e-4):
        grid = np.zeros((6, 6, 6))
        grid[2:4, 2:4, 2:4] = level
        mesh = marching_cubes(grid, level)
        assert is_closed(mesh)
        assert area_of(mesh) > 0 and volume_of(mesh) > 0
        np.testing.assert_allclose(mesh.bounds.mean(0), 0, atol=1e-6)


def test_axes_of_an_l_of_three_arms():
    grid = np.zeros((16, 16, 16), bool)
    grid[2:13, 2:4, 2:4] = grid[2:4, 2:9, 2:4] = grid[2:4, 2:4, 2:6] = True
    np.testing.assert_allclose(
        marching_cubes(grid, 0.5).bounds[1], np.array([13, 9, 6]) / 16 - 0.5, atol=1e-7
    )


def test_empty_and_bad_input():
    assert len(marching_cubes(np.zeros((4, 4, 4), bool), 0.5).faces) == 0
    assert len(marching_cubes(np.full((4, 4, 4), 0.49), 0.5).faces) == 0
    with pytest.raises(ValueError, match=r"cube \(R, R, R\), got \(4, 4, 5\)"):
        marching_cubes(np.zeros((4, 4, 5)), 0.5)
    with pytest.raises(ValueError, match="level must be above 0"):
        marching_cubes(np.ones((4, 4, 4)), 0.0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        marching_cubes(np.full((4, 4, 4), np.nan), 0.5)
