"""Rays of pixels, and the cells that they cross, against a walk along one ray in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.ray_walk import walk
from zoo.geometry.camera import Camera
from zoo.losses._rays import Rays, cross, pixel_rays

SIZE = (40, 56)


def rays_of(origins, directions, dtype=torch.float32):
    origins, directions = (torch.as_tensor(np.asarray(a), dtype=torch.float64) for a in (origins, directions))
    directions = directions / directions.norm(dim=1, keepdim=True)
    return Rays(origins.to(dtype), directions.to(dtype), torch.ones(len(origins), dtype=dtype))


def crossed(crossings, row, tolerance=0.0):
    """The (cell, entry) of one row, without those that last no longer than the tolerance."""
    keep = crossings.inside[row]
    cells, entries = crossings.cell[row][keep].tolist(), crossings.entry[row][keep].tolist()
    lengths = np.diff([*entries, math.inf])
    return [(c, e) for c, e, n in zip(cells, entries, lengths, strict=True) if n > tolerance]


def outside_rays(count, seed, r=None):
    """Origins on a sphere around the cube, aimed at points of it."""
    rng = np.random.default_rng(seed)
    origins = rng.normal(size=(count, 3))
    origins *= 2 / np.linalg.norm(origins, axis=1, keepdims=True)
    aims = rng.uniform(-0.5, 0.5, (count, 3))
    if r is not None:  # through corners of cells within the cube
        aims = rng.integers(1, r, (count, 3)) / r - 0.5
    return origins, aims - origins


# --- rays of pixels


@pytest.mark.parametrize("in_plane", [0.0, 25.0])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.2, -0.1)])
def test_rays_undo_the_projection(in_plane, centre):
    rng = np.random.default_rng(0)
    cameras = [
        Camera(a, e, d, in_plane, 40.0, *centre) for a, e, d in [(0, 0, 2), (75, 30, 1.5), (260, -89, 3)]
    ]
    points = rng.uniform(-0.5, 0.5, (3, 50, 3))
    seen = [camera.project(p, SIZE) for camera, p in zip(cameras, points, strict=True)]
    rows = torch.tensor(np.stack([c.as_row() for c in cameras]), dtype=torch.float64)
    rays = pixel_rays(rows, torch.tensor(np.stack([uv for uv, _ in seen])), SIZE)
    depth = torch.tensor(np.concatenate([depth for _, depth in seen]))
    torch.testing.assert_close(rays.direction.norm(dim=1), torch.ones(150, dtype=torch.float64))
    found = rays.origin + (depth / rays.cosine)[:, None] * rays.direction
    torch.testing.assert_close(found, torch.tensor(points.reshape(-1, 3)), atol=1e-6, rtol=0)
    positions = np.repeat(np.stack([c.position for c in cameras]), 50, 0)
    torch.testing.assert_close(rays.origin, torch.tensor(positions), atol=1e-6, rtol=0)


def test_rays_keep_the_type_of_the_camera():
    rays = pixel_rays(torch.tensor(Camera(10, 20, 2).as_row())[None], torch.rand(1, 4, 2), SIZE)
    assert {rays.origin.dtype, rays.direction.dtype, rays.cosine.dtype} == {torch.float32}


# --- cells


@pytest.mark.parametrize("r", [1, 2, 7, 32, 128])
def test_cells_of_random_rays(r):
    """float32 against the walk in float64: the same cells in the same order, but for the shortest ones."""
    origins, directions = outside_rays(40, seed=r)
    rays = rays_of(origins, directions)
    crossings = cross(rays, r)
    assert crossings.ray.tolist() == list(range(40))
    for row in range(40):
        path = walk(rays.origin[row].double().numpy(), rays.direction[row].double().numpy(), r)
        want = [(c, a) for c, a, b in path if b - a > 1e-5]
        found = crossed(crossings, row, 1e-5)
        assert [c for c, _ in found] == [c for c, _ in want]
        np.testing.assert_allclose([e for _, e in found], [e for _, e in want], atol=2e-5)


@pytest.mark.parametrize("r", [4, 32])
def test_cells_through_corners(r):
    """Aimed at corners of cells, where the planes of three axes are crossed at once."""
    origins, directions = outside_rays(40, seed=1, r=r)
    rays = rays_of(origins, directions, torch.float64)
    crossings = cross(rays, r)
    for row, ray in enumerate(crossings.ray.tolist()):
        path = walk(rays.origin[ray].numpy(), rays.direction[ray].numpy(), r)
        want = [c for c, a, b in path if b - a > 1e-9]
        assert [c for c, _ in crossed(crossings, row, 1e-9)] == want


def test_the_diagonal_crosses_the_cells_of_the_diagonal():
    crossings = cross(rays_of([[-1, -1, -1], [1, 1, 1]], [[1, 1, 1], [-1, -1, -1]], torch.float64), 4)
    wanted = [21 * i for i in range(4)]
    assert [c for c, _ in crossed(crossings, 0, 1e-9)] == wanted
    assert [c for c, _ in crossed(crossings, 1, 1e-9)] == wanted[::-1]
    entries = [e for _, e in crossed(crossings, 0, 1e-9)]
    np.testing.assert_allclose(entries, [math.sqrt(3) * (0.5 + i / 4) for i in range(4)])


def test_along_an_axis():
    """Within a plane between cells the cells above it are crossed; in the cube's upper face, none."""
    origins = [[-2, 0.1, 0.1], [-2, 0.0, 0.1], [-2, 0.5, 0.1], [-2, -0.5, 0.1], [0.1, 0.1, 2]]
    crossings = cross(rays_of(origins, [*[[1, 0, 0]] * 4, [0, 0, -1]]), 4)
    assert crossings.ray.tolist() == [0, 1, 3, 4]
    assert crossings.inside.all()
    row = torch.arange(4) * 16
    assert crossings.cell[0].tolist() == (row + 2 * 4 + 2).tolist()
    assert crossings.cell[1].tolist() == (row + 2 * 4 + 2).tolist()
    assert crossings.cell[2].tolist() == (row + 2).tolist()
    assert crossings.cell[3].tolist() == [2 * 16 + 2 * 4 + k for k in (3, 2, 1, 0)]
    torch.testing.assert_close(crossings.entry, torch.tensor([[1.5, 1.75, 2.0, 2.25]]).expand(4, 4))


def test_from_inside_the_cube_and_away_from_it():
    crossings = cross(
        rays_of([[0.1, 0.1, 0.1], [2, 2, 2], [0.6, 0, 0]], [[1, 0, 0], [1, 0, 0], [1, 1, 1]]), 4
    )
    assert crossings.ray.tolist() == [0]
    assert crossings.cell[0][crossings.inside[0]].tolist() == [42, 58]
    torch.testing.assert_close(crossings.entry[0], torch.tensor([0.0, 0.15]))


def test_no_ray_crosses():
    crossings = cross(rays_of([[2.0, 2, 2]], [[1.0, 0, 0]]), 32)
    assert len(crossings.ray) == len(crossings.cell) == len(crossings.inside) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.sampled_from([-1.0, -1e-7, -1e-30, 0.0, 1e-38, 1e-12, 1e-6, 0.3, 1.0])] * 3),
    st.tuples(*[st.sampled_from([-2.0, -0.5, -0.25, -1e-8, 0.0, 0.125, 0.49999997, 0.5, 1.7])] * 3),
)
def test_float32_rays_never_leave_the_grid(direction, origin):
    """Grazing, touching and all but parallel: cells are neighbours, in the grid, and entered in order."""
    if not any(direction):
        return
    r = 8
    crossings = cross(rays_of([origin], [direction]), r)
    assert torch.isfinite(crossings.entry).all()
    assert ((crossings.cell >= 0) & (crossings.cell < r**3)).all()
    for row in range(len(crossings.ray)):
        keep = crossings.inside[row]
        cells = torch.stack(torch.unravel_index(crossings.cell[row][keep], (r, r, r)), 1)
        assert (crossings.entry[row].diff() >= 0).all()
        # without the places that last no length there may be several steps at once, one along each axis
        assert (cells.diff(dim=0).abs() <= 1).all()
        assert len(cells.unique(dim=0)) == len(cells)
