"""Points inside closed meshes: closed forms, trimesh's own answer, what has no inside."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.helpers.protocol_shapes import box_mesh, chair
from zoo.geometry.contains import contains, is_watertight
from zoo.geometry.mesh import Mesh
from zoo.geometry.surface import marching_cubes


def cube_points(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 3)) * 1.2 - 0.6


@pytest.mark.parametrize("n", [1, 7, 5000])
def test_a_box_contains_what_lies_between_its_faces(n):
    mesh, points = box_mesh((0.8, 0.5, 0.3), (0.1, -0.05, 0.2)), cube_points(n)
    expected = (np.abs(points - [0.1, -0.05, 0.2]) < [0.4, 0.25, 0.15]).all(1)
    np.testing.assert_array_equal(contains(mesh, points), expected)


def test_orientation_plays_no_part_and_overlap_is_outside():
    """Parity: as trimesh, and as the evaluation of Occupancy Networks, what two parts hold is in neither."""
    a, b = box_mesh((0.6, 0.6, 0.6)), box_mesh((0.4, 0.4, 0.4), (0.3, 0.0, 0.0))
    points = cube_points(4000)
    inside_a = (np.abs(points) < 0.3).all(1)
    inside_b = (np.abs(points - [0.3, 0, 0]) < 0.2).all(1)
    flipped = Mesh(b.vertices, b.faces[:, ::-1])
    for other in (b, flipped):
        both = Mesh.concatenate([a, other])
        np.testing.assert_array_equal(contains(both, points), inside_a ^ inside_b)


def test_like_trimesh_on_a_turned_sphere():
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=0.45)
    sphere.apply_transform(trimesh.transformations.random_rotation_matrix(np.array([0.1, 0.5, 0.9])))
    points = cube_points(500, seed=1)
    # of a convex body with outward faces: behind every face
    behind = np.einsum("fij,fj->fi", points[None] - sphere.triangles[:, :1], sphere.face_normals) < 0
    found = contains(Mesh(sphere.vertices, sphere.faces), points)
    np.testing.assert_array_equal(found, behind.all(0))
    assert 50 < found.sum() < 450


def test_marching_cubes_contains_the_cells_that_are_occupied():
    """At the centres of the cells the mesh and the grid agree; the mesh's triangles are small and many."""
    grid = chair(32)
    line = (np.arange(32) + 0.5) / 32 - 0.5
    centres = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    shaken = centres + 1e-4 * np.random.default_rng(0).standard_normal(centres.shape)
    np.testing.assert_array_equal(contains(marching_cubes(grid, 0.5), shaken), grid.reshape(-1))


def test_what_has_no_inside():
    box = box_mesh((1, 1, 1))
    open_box = Mesh(box.vertices, box.faces[1:])
    empty = Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64))
    assert is_watertight(box) and not is_watertight(open_box) and not is_watertight(empty)
    with pytest.raises(ValueError, match=r"a mesh with a boundary \(11 faces\) has no inside"):
        contains(open_box, cube_points(3))
    with pytest.raises(ValueError, match=r"points must be \(N, 3\), got \(3, 2\)"):
        contains(box, np.zeros((3, 2)))
    assert contains(box, np.zeros((0, 3))).shape == (0,)
    far = contains(box, np.array([[5.0, 0, 0], [-5, 0.01, 0], [0, 9, 0], [0, 0, 0.1], [0.2, -7, 3]]))
    np.testing.assert_array_equal(far, [False, False, False, True, False])


@pytest.mark.parametrize("offset", [0.0, 1e12, -1e12])
@pytest.mark.parametrize("edge", [1.0, 1e9, 1e25, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1e12, -1e12, 1e20, -1e20])
def test_meshes_of_any_size_anywhere(edge, shift, offset):
    """A place too far away for an integer became any place in memory."""
    box = box_mesh((1, 1, 1))
    mesh = Mesh(box.vertices * edge + [0.0, shift, offset], box.faces)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    points = cube_points(200, seed=3)
    found = contains(mesh, points)
    assert found.shape == (200,)
    if edge < 1e20:  # beyond it the points are one to the rounding of the corners
        np.testing.assert_array_equal(found, ((points > low) & (points < high)).all(1))
