"""Laws that hold for any shape, grid and camera."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.rasterize import NEAR
from zoo.geometry.render import render
from zoo.geometry.resample import max_pool, resample
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes
from zoo.geometry.voxelize import FLAT, SolidStatus, solid, surface_cells

several = settings(deadline=None, max_examples=60)  # the first example of each may have to compile

binary_grids = st.integers(1, 7).flatmap(lambda r: hnp.arrays(np.bool_, (r, r, r)))
quarters = st.integers(1, 6).flatmap(
    lambda r: hnp.arrays(np.float32, (r, r, r), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1]))
)
angles = st.floats(-360, 360)
cameras = st.builds(
    Camera, azimuth=angles, elevation=st.floats(-90, 90), distance=st.floats(0.9, 3), in_plane=angles
)
coordinates = st.floats(-0.4375, 0.4375, width=32)
soups = st.integers(1, 8).flatmap(lambda n: hnp.arrays(np.float64, (3 * n, 3), elements=coordinates))

extremes = st.sampled_from([0.0, -0.0, 5e-324, 1e-160, 1e-9, 0.01, 0.5, 1.0, -1.0, 3.0, -1e3, 1e6, -1e6])
hostile = st.integers(0, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (3 * n, 3), elements=extremes | st.floats(-1e6, 1e6))
)


def mesh_of(corners: np.ndarray) -> Mesh:
    return Mesh(corners, np.arange(len(corners)).reshape(-1, 3))


def volume_of(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    return float((a * np.cross(b, c)).sum() / 6)


def area_of(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@several
@given(binary_grids)
def test_voxels_to_mesh_to_voxels_is_exact(grid):
    mesh = marching_cubes(grid, 0.5)
    assert bool(len(mesh.faces)) == bool(grid.any())
    if grid.any():
        cells, status = solid(mesh, grid.shape[0])
        np.testing.assert_array_equal(cells, grid)
        assert status is SolidStatus.CLOSED
        assert volume_of(mesh) > 0


@several
@given(quarters, st.sampled_from([0.1, 0.25, 0.5, 0.6, 1.0]))
def test_surfaces_separate_values_at_the_level(volume, level):
    mesh = marching_cubes(volume, level)
    inside = volume >= level
    assert bool(len(mesh.faces)) == bool(inside.any())
    if inside.any():
        np.testing.assert_array_equal(solid(mesh, volume.shape[0])[0], inside)


@several
@given(quarters, st.integers(1, 4))
def test_up_and_down_again_is_exact(volume, times):
    fine = resample(volume, times * volume.shape[0])
    np.testing.assert_array_equal(resample(fine, volume.shape[0]), volume)
    np.testing.assert_array_equal(max_pool(fine, volume.shape[0]), volume)


@several
@given(quarters, st.integers(1, 15))
def test_resampling_stays_in_range_and_commutes_with_the_axes(volume, resolution):
    result = resample(volume, resolution)
    assert result.shape == (resolution,) * 3
    assert volume.min() - 1e-6 <= result.min() and result.max() <= volume.max() + 1e-6
    turned = resample(volume.transpose(2, 0, 1)[:, ::-1], resolution)
    np.testing.assert_allclose(turned, result.transpose(2, 0, 1)[:, ::-1], atol=1e-6)


@several
@given(soups, st.integers(1, 24))
def test_any_soup_of_triangles_has_cells(corners, resolution):
    mesh = mesh_of(corners)
    if area_of(mesh) < 2 * FLAT:  # may be rejected: test_voxelize.py has the cases
        return
    cells, status = solid(mesh, resolution)
    assert cells.any() and cells.shape == (resolution,) * 3
    if status is SolidStatus.SHELL:
        assert cells[surface_cells(mesh, resolution)].all()


@several
@given(binary_grids, st.integers(0, 2**32 - 1))
def test_solids_turn_with_their_axes(grid, seed):
    """Axes permuted and reversed: the same cells, permuted and reversed, off the centres of cells."""
    if not grid.any():
        return
    mesh = marching_cubes(grid, 0.5)
    shift = np.random.default_rng(seed).uniform(-0.05, 0.05, 3)
    moved = Mesh(mesh.vertices * 0.8 + shift, mesh.faces)
    turned = Mesh(moved.vertices[:, [2, 0, 1]] * [1, -1, 1], moved.faces)
    cells = solid(moved, 16)[0].transpose(2, 0, 1)[:, ::-1]
    np.testing.assert_array_equal(solid(turned, 16)[0], cells)


@several
@given(soups, st.integers(2, 24), st.integers(0, 2**32 - 1))
def test_samples_lie_on_the_surface_and_in_its_cells(corners, resolution, seed):
    mesh = mesh_of(corners)
    if not area_of(mesh) > 5e-7:
        return
    points = sample_surface(mesh, 50, np.random.default_rng(seed))
    low, high = mesh.bounds
    assert (points >= low - 1e-12).all() and (points <= high + 1e-12).all()
    position = (points + 0.5) * resolution
    # points on the border between cells belong to either
    clear = (np.abs(position - np.rint(position)) > 1e-4).all(1)
    index = np.floor(position[clear]).astype(int)
    assert surface_cells(mesh, resolution)[tuple(index.T)].all()


@several
@given(cameras, hnp.arrays(np.float64, (10, 3), elements=coordinates))
def test_projection_is_the_matrix_and_the_lens(camera, points):
    size = (48, 80)
    uv, depth = camera.project(points, size)
    seen = points @ camera.matrix()[:3, :3].T + camera.matrix()[:3, 3]
    np.testing.assert_allclose(depth, seen[:, 2], atol=1e-9)
    rays = (uv - [40, 24]) / camera.focal(size) * depth[:, None]
    np.testing.assert_allclose(rays, seen[:, :2], atol=1e-9)
    distances = np.linalg.norm(points - camera.position, axis=1)
    np.testing.assert_allclose(distances, np.linalg.norm(seen, axis=1), atol=1e-9)


@several
@given(cameras)
def test_camera_rows_round_trip(camera):
    again = Camera.from_row(camera.as_row())
    np.testing.assert_array_equal(again.as_row(), camera.as_row())
    np.testing.assert_allclose(again.matrix(), camera.matrix(), atol=1e-4)


@several
@given(soups, cameras)
def test_mirrored_objects_give_mirrored_pictures(corners, camera):
    """z -> -z with the azimuth and the roll negated."""
    mirrored = Camera(-camera.azimuth, camera.elevation, camera.distance, -camera.in_plane)
    one = render(mesh_of(corners), camera, (24, 33), 2)
    other = render(mesh_of(corners * [1, 1, -1]), mirrored, (24, 33), 2)
    # samples on an edge may fall to either side
    assert (one.mask != other.mask[:, ::-1]).mean() < 0.02
    both = one.mask & other.mask[:, ::-1]
    difference = np.abs(one.depth[both] - other.depth[:, ::-1][both])
    assert (difference > 1e-5).sum() <= 0.02 * 24 * 33


@several
@given(soups, cameras)
def test_pictures_show_nothing_outside_the_projected_corners(corners, camera):
    size = (32, 40)
    uv, depth = camera.project(corners, size)
    if depth.min() < 0.05:
        return
    picture = render(mesh_of(corners), camera, size, 2)
    rows, columns = np.nonzero(picture.rgba[..., 3])
    assert (columns + 1 >= uv[:, 0].min()).all() and (columns <= uv[:, 0].max()).all()
    assert (rows + 1 >= uv[:, 1].min()).all() and (rows <= uv[:, 1].max()).all()
    if picture.mask.any():
        shown = picture.depth[picture.mask]
        assert depth.min() - 1e-5 <= shown.min() and shown.max() <= depth.max() + 1e-5


@several
@given(hostile, cameras, st.booleans(), st.integers(1, 3))
def test_no_mesh_is_too_hostile_to_draw(corners, camera, smooth, supersample):
    """Flat, tiny, huge and no faces, in front of, around and behind the camera."""
    mesh = mesh_of(corners)
    colors = np.linspace(0, 1, 3 * len(mesh.faces)).reshape(-1, 3)
    picture = render(mesh, camera, (20, 27), supersample, face_colors=colors, smooth=smooth)
    np.testing.assert_array_equal(picture.mask, picture.rgba[..., 3] >= 128)
    np.testing.assert_array_equal(picture.mask, np.isfinite(picture.depth))
    shown = picture.depth[picture.mask]
    assert (shown >= np.float32(NEAR) * (1 - 1e-6)).all()
    np.testing.assert_allclose(np.linalg.norm(picture.normals, axis=-1), picture.mask, atol=1e-5)


@several
@given(hostile, st.integers(1, 12))
def test_no_mesh_is_too_hostile_to_voxelise(corners, resolution):
    mesh = mesh_of(corners)
    try:
        cells, _ = solid(mesh, resolution)
    except ValueError as error:
        assert "nothing to voxelise" in str(error)
    else:
        assert cells.any()
