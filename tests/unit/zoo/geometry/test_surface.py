"""Surfaces against closed forms: extent, volume, area, position, orientation; what smoothing keeps."""

from collections import Counter

import numpy as np
import pytest
from scipy import spatial

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import render
from zoo.geometry.surface import REACH, marching_cubes, smooth_surface


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


# Smoothing


def centres(resolution: int) -> np.ndarray:
    g = (np.arange(resolution) + 0.5) / resolution - 0.5
    return np.stack(np.meshgrid(g, g, g, indexing="ij"), -1)


def ball(resolution: int = 32, radius: float = 0.4) -> np.ndarray:
    return np.linalg.norm(centres(resolution) - [0.011, -0.007, 0.003], axis=-1) < radius


def chair() -> np.ndarray:
    """Seat, reclined back and four legs, turned off the axes; the legs are about a cell thick."""
    c, s = np.cos(0.4), np.sin(0.4)
    x, y, z = np.moveaxis(centres(32) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), -1, 0)
    grid = (abs(x) < 0.3) & (abs(z) < 0.3) & (abs(y) < 0.04)
    grid |= (abs(x + 0.26 + 0.4 * y) < 0.04) & (abs(z) < 0.3) & (y > 0) & (y < 0.45)
    legs = (abs(abs(x) - 0.26) < 0.025) & (abs(abs(z) - 0.26) < 0.025)
    return grid | (legs & (y < 0) & (y > -0.45))


def torus() -> np.ndarray:
    x, y, z = np.moveaxis(centres(32), -1, 0)
    return (np.hypot(x + 0.3 * y, z) - 0.3) ** 2 + y**2 < 0.11**2


SOLIDS = {"ball": ball, "chair": chair, "torus": torus}
VIEWS = [Camera(azimuth, elevation, 2.0) for azimuth in (20, 145, 260) for elevation in (-20, 27, 80)]


def bar(*corners: tuple[int, int, int]) -> np.ndarray:
    """Boxes of cells between pairs of corners, both ends included."""
    grid = np.zeros((32, 32, 32), bool)
    for low, high in zip(corners[::2], corners[1::2], strict=True):
        grid[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = True
    return grid


THIN = {
    "bar": bar((16, 3, 16), (16, 28, 16)),
    "two cells": bar((16, 3, 16), (17, 28, 17)),
    "oblique bar": bar(
        *[p for i in range(8) for p in ((15 + i // 2, 4 + 3 * i, 16), (15 + i // 2, 6 + 3 * i, 16))]
    ),
    "plate": bar((16, 4, 4), (16, 27, 27)),
    "cross": bar((16, 3, 16), (16, 28, 16), (4, 16, 16), (28, 16, 16)),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_smoothing_moves_vertices_by_half_a_cell_at_most(name):
    grid = SOLIDS[name]()
    plain, smooth = marching_cubes(grid, 0.5), smooth_surface(grid)
    np.testing.assert_array_equal(smooth.faces, plain.faces)
    moved = np.linalg.norm(smooth.vertices - plain.vertices, axis=1) * 32
    assert moved.max() <= REACH + 1e-9 and moved.mean() > 0.05
    assert is_closed(smooth)


@pytest.mark.parametrize("name", SOLIDS)
def test_smoothing_keeps_volume_and_place(name):
    grid = SOLIDS[name]()
    plain, smooth = marching_cubes(grid, 0.5), smooth_surface(grid)
    assert volume_of(smooth) == pytest.approx(volume_of(plain), rel=0.04)
    assert np.abs(centroid_of(smooth) - centroid_of(plain)).max() * 32 < 0.2


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("camera", VIEWS)
def test_smoothing_keeps_silhouettes(name, camera):
    grid = SOLIDS[name]()
    plain, smooth = (
        render(m, camera, (137, 137)).mask for m in (marching_cubes(grid, 0.5), smooth_surface(grid))
    )
    assert (plain & smooth).sum() / (plain | smooth).sum() >= 0.9


@pytest.mark.parametrize("name", THIN)
def test_parts_of_one_cell_keep_their_width(name):
    """What plain averaging loses: it draws the same bar as a thread."""
    grid = THIN[name]
    plain, smooth = marching_cubes(grid, 0.5), smooth_surface(grid)
    assert volume_of(smooth) > 0.75 * volume_of(plain)
    for camera in VIEWS:
        seen, kept = (render(m, camera, (137, 137)).mask for m in (plain, smooth))
        assert kept.sum() > 0.75 * seen.sum() > 0
        # in one piece: every picture row of the bar that was covered still is, but for the rounded ends
        assert kept.any(1).sum() >= seen.any(1).sum() - 6


def test_smoothing_removes_stairs():
    """The normals of a ball: marching cubes leaves steps of 45 degrees, smoothing the ball's own normals."""

    def error(mesh: Mesh) -> float:
        a, b, c = np.moveaxis(mesh.triangles, 1, 0)
        normals = np.cross(b - a, c - a)
        outward = (a + b + c) / 3 - [0.011, -0.007, 0.003]
        cosine = (
            (normals * outward).sum(1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(outward, axis=1)
        )
        area = np.linalg.norm(normals, axis=1)
        return float((np.degrees(np.arccos(cosine.clip(-1, 1))) * area).sum() / area.sum())

    grid = ball()
    assert error(marching_cubes(grid, 0.5)) > 9
    assert error(smooth_surface(grid)) < 4.5


def test_smoothing_flattens_a_slope_of_one_in_three():
    x, _, z = np.moveaxis(centres(32), -1, 0)
    normal = np.array([1, 3, 0.7]) / np.linalg.norm([1, 3, 0.7])
    height = centres(32) @ normal
    grid = (np.abs(height) < 0.2) & (np.hypot(x, z) < 0.4)
    for surface, least, most in ((marching_cubes, 0.2, 0.5), (lambda g, _: smooth_surface(g), 0, 0.05)):
        vertices = surface(grid, 0.5).vertices
        inner = np.hypot(vertices[:, 0], vertices[:, 2]) < 0.25
        distance = (np.abs(vertices[inner] @ normal) - 0.2) * 32
        assert least <= distance.std() < most


@pytest.mark.parametrize("name", [*SOLIDS, "oblique bar"])
def test_smoothing_is_deterministic_and_keeps_symmetries(name):
    """Mirrored and turned grids give the mirrored and turned vertices."""
    grid = THIN[name] if name in THIN else SOLIDS[name]()
    first = smooth_surface(grid).vertices
    np.testing.assert_array_equal(smooth_surface(grid.copy()).vertices, first)
    for other, expected in (
        (grid[::-1], first * [-1, 1, 1]),
        (grid[:, ::-1], first * [1, -1, 1]),
        (grid[:, :, ::-1], first * [1, 1, -1]),
        (grid.transpose(1, 2, 0), first[:, [1, 2, 0]]),
        (grid.transpose(2, 1, 0), first[:, [2, 1, 0]]),
    ):
        found = smooth_surface(np.ascontiguousarray(other)).vertices
        distance, partner = spatial.cKDTree(found).query(expected)
        assert distance.max() < 1e-9 and len(np.unique(partner)) == len(found)


def test_smoothing_of_nothing_and_of_bad_input():
    assert len(smooth_surface(np.zeros((4, 4, 4), bool)).faces) == 0
    assert is_closed(smooth_surface(np.ones((4, 4, 4), bool)))
    with pytest.raises(ValueError, match=r"got float32, threshold it \(volume >= level\)"):
        smooth_surface(np.zeros((4, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"cube \(R, R, R\), got \(4, 4, 5\)"):
        smooth_surface(np.zeros((4, 4, 5), bool))
