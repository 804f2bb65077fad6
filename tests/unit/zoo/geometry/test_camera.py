"""The camera's frame, angle by angle, and its projection by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zoo.geometry.camera import R2N2_FOV, Camera, turn_towards


def test_default_focal_length_is_that_of_r2n2():
    assert Camera(0, 0, 1).focal((137, 137)) == pytest.approx(149.84, abs=0.005)
    assert Camera(0, 0, 1).focal((64, 200)) == pytest.approx(70)  # from the height alone
    assert Camera(0, 0, 1, fov=90).focal((100, 80)) == pytest.approx(50)
    assert Camera(0, 0, 1).fov == R2N2_FOV and abs(R2N2_FOV - 49.13) < 0.005


@pytest.mark.parametrize(
    ("azimuth", "elevation", "position"),
    [
        (0, 0, (2, 0, 0)),  # the front
        (90, 0, (0, 0, -2)),  # counter-clockwise seen from +y: the hand of y turns x to -z
        (180, 0, (-2, 0, 0)),
        (-90, 0, (0, 0, 2)),
        (37, 90, (0, 2, 0)),
        (45, 30, (2 * math.sqrt(0.375), 1, -2 * math.sqrt(0.375))),
    ],
)
def test_position(azimuth, elevation, position):
    camera = Camera(azimuth, elevation, 2)
    np.testing.assert_allclose(camera.position, position, atol=1e-12)
    np.testing.assert_allclose(camera.matrix() @ [*position, 1], [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(camera.matrix() @ [0, 0, 0, 1], [0, 0, 2, 1], atol=1e-12)


@pytest.mark.parametrize("elevation", [-90, -35, 0, 20, 90])
@pytest.mark.parametrize("azimuth", [0, 33, 200])
@pytest.mark.parametrize("in_plane", [0, 25])
def test_matrix_is_rigid(azimuth, elevation, in_plane):
    rotation = Camera(azimuth, elevation, 1.5, in_plane).matrix()[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("elevation", [-80, 0, 45, 89])
def test_up_is_up(elevation):
    (_, origin, up), _ = Camera(70, elevation, 2).project(
        np.array([[0.1, 0, 0], [0, 0, 0], [0, 0.3, 0]]), (100, 100)
    )
    assert up[0] == pytest.approx(50) and up[1] < origin[1]


def test_projection_by_hand():
    """From the front (+x): y up, z to the left; u = W/2 - f z / (d - x), v = H/2 - f y / (d - x)."""
    points = np.array([[0, 0, 0], [0.2, 0.1, 0.3], [-0.4, -0.2, 0.25]])
    height, width, focal = 96, 128, 35 / 32 * 96
    uv, depth = Camera(0, 0, 1.5).project(points, (height, width))
    np.testing.assert_allclose(depth, 1.5 - points[:, 0])
    np.testing.assert_allclose(uv[:, 0], width / 2 - focal * points[:, 2] / depth)
    np.testing.assert_allclose(uv[:, 1], height / 2 - focal * points[:, 1] / depth)


def test_depth_is_along_the_axis():
    """A plane perpendicular to the axis has one depth, however far off the axis its points lie."""
    _, depth = Camera(0, 0, 2).project(np.array([[0.5, 0, 0], [0.5, 0.4, 0], [0.5, -0.3, 0.5]]), (64, 64))
    np.testing.assert_allclose(depth, 1.5)


def test_points_behind_the_camera_have_no_pixel():
    uv, depth = Camera(0, 0, 0.4).project(np.array([[0.4, 0.1, 0], [0.5, 0, 0], [0.3, 0, 0]]), (64, 64))
    assert np.isnan(uv[:2]).all() and np.isfinite(uv[2]).all()
    np.testing.assert_allclose(depth, [0, -0.1, 0.1], atol=1e-12)


def test_in_plane_turns_the_picture_clockwise():
    up = np.array([[0, 0.3, 0]])
    (plain,), _ = Camera(0, 0, 2).project(up, (100, 100))
    (turned,), _ = Camera(0, 0, 2, in_plane=90).project(up, (100, 100))
    assert plain[0] == pytest.approx(50) and plain[1] < 50
    assert turned[1] == pytest.approx(50) and turned[0] > 50  # 12 o'clock went to 3 o'clock


def test_turning_object_and_camera_together_changes_nothing():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    angle = math.radians(40)
    about_y = np.array(
        [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    )
    before = Camera(10, 20, 1.7, 5).project(points, (64, 96))
    after = Camera(50, 20, 1.7, 5).project(points @ about_y.T, (64, 96))
    np.testing.assert_allclose(before[0], after[0], atol=1e-10)
    np.testing.assert_allclose(before[1], after[1], atol=1e-12)


def test_row_round_trip():
    row = Camera(12.5, -30, 1.25, 3, 40, 0.25, -0.5).as_row()
    np.testing.assert_array_equal(row, np.array([12.5, -30, 3, 1.25, 40, 0.25, -0.5], np.float32))
    assert row.dtype == np.float32
    assert Camera.from_row(row) == Camera(12.5, -30, 1.25, 3, 40, 0.25, -0.5)


angles = st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
ahead = st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 5)).map(np.array)


@settings(deadline=None)
@given(turned=angles, distance=st.floats(0.1, 10), fov=st.floats(5, 120))
def test_pose_of_a_camera_that_looks_at_the_origin(turned, distance, fov):
    azimuth, elevation, in_plane = turned
    matrix = Camera(azimuth, elevation, distance, in_plane, fov).matrix()
    found = Camera.from_pose(matrix[:3, :3], matrix[:3, 3], fov)
    np.testing.assert_allclose(found.matrix(), matrix, atol=1e-7)
    assert found.fov == fov and abs(found.cx) < 1e-9 and abs(found.cy) < 1e-9


@settings(deadline=None)
@given(turned=angles, place=ahead, fov=st.floats(5, 120))
def test_pose_of_a_camera_that_looks_past_the_origin(turned, place, fov):
    """Distance, direction and the picture of the origin are exact."""
    rotation = Rotation.from_euler("zyx", turned, degrees=True).as_matrix()
    camera = Camera.from_pose(rotation, place, fov)
    height, width = size = (100, 160)
    (column, row), depth = (a[0] for a in camera.project(np.zeros((1, 3)), size))
    focal = height / 2 / math.tan(math.radians(fov) / 2)
    assert column == pytest.approx(width / 2 + focal * place[0] / place[2])
    assert row == pytest.approx(height / 2 + focal * place[1] / place[2])
    assert depth == pytest.approx(np.linalg.norm(place)) == camera.distance
    np.testing.assert_allclose(camera.position, -rotation.T @ place, atol=1e-6)


def test_a_few_degrees_past_the_origin_cost_little():
    """Eight corners of the unit cube, three edges away and 3 degrees off the axis: 6 pixels of 1000."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    rotation = Camera(30, 25, 1, 5).matrix()[:3, :3]
    place = 3 * np.array([math.sin(math.radians(3)), 0, math.cos(math.radians(3))])
    x, y, z = (corners @ rotation.T + place).T
    exact = 500 + 500 / math.tan(math.radians(20)) * np.stack([x / z, y / z], 1)
    found, _ = Camera.from_pose(rotation, place, 40).project(corners, (1000, 1000))
    assert np.abs(found - exact).max() < 6


@given(direction=ahead)
def test_turn_is_the_smallest_that_reaches_the_axis(direction):
    turn = turn_towards(direction)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn @ direction, [0, 0, np.linalg.norm(direction)], atol=1e-9)
    angle = math.atan2(math.hypot(*direction[:2]), direction[2])
    assert Rotation.from_matrix(turn).magnitude() == pytest.approx(angle, abs=1e-7)


def test_rounded_rotations_are_straightened():
    rotation = Camera(40, 20, 1, 10).matrix()[:3, :3]
    found = Camera.from_pose(rotation.round(3) * 1.002, np.array([0, 0, 2.0]), 40)
    np.testing.assert_allclose(found.matrix()[:3, :3], rotation, atol=2e-3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Camera.from_pose(np.eye(3), np.array([0, 0, -1.0]), 40), "is not in front of the camera"),
        (lambda: Camera.from_pose(np.eye(3), np.zeros(3), 40), "is not in front of the camera"),
        (lambda: Camera.from_pose(np.diag([1, 1, -1.0]), np.array([0, 0, 1.0]), 40), "is no rotation"),
        (lambda: Camera.from_pose(np.eye(3) * 1.1, np.array([0, 0, 1.0]), 40), "is no rotation"),
        (lambda: Camera.from_pose(np.full((3, 3), np.nan), np.array([0, 0, 1.0]), 40), "finite"),
        (lambda: Camera.from_pose(np.eye(4), np.array([0, 0, 1.0]), 40), r"\(3, 3\)"),
        (lambda: Camera(0, 0, 0), "distance must be positive, got 0"),
        (lambda: Camera(0, 0, -1), "distance must be positive"),
        (lambda: Camera(float("nan"), 0, 1), "finite"),
        (lambda: Camera(0, 0, 1, fov=180), "between 0 and 180"),
        (lambda: Camera.from_row(np.zeros(4)), r"7 entries, got shape \(4,\)"),
    ],
)
def test_bad_cameras_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
