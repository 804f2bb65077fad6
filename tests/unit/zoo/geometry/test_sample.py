"""Surface samples: exact areas, uniform inside triangles, and the noise floor they cause."""

import numpy as np
import pytest
import trimesh
from scipy import stats
from scipy.spatial import cKDTree

from zoo.geometry.mesh import Mesh
from zoo.geometry.sample import sample_surface, sample_with_normals


def test_triangles_are_drawn_by_area():
    # areas 1/2, 2 and 9/2 in three separate planes
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    mesh = Mesh.concatenate(Mesh(s * corners + [0, 0, s], np.array([[0, 1, 2]])) for s in (1, 2, 3))
    points = sample_surface(mesh, 20_000, np.random.default_rng(1))
    counts = np.array([np.isclose(points[:, 2], s).sum() for s in (1, 2, 3)])
    assert counts.sum() == 20_000
    assert stats.chisquare(counts, 20_000 * np.array([1, 4, 9]) / 14).pvalue > 0.001


def test_points_are_uniform_inside_a_triangle():
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    x, y, z = sample_surface(mesh, 40_000, np.random.default_rng(2)).T
    assert (z == 0).all() and x.min() >= 0 and y.min() >= 0 and (x + y).max() <= 1 + 1e-12
    # the square grid of step 1/4 cuts the triangle into 6 squares and 4 half squares
    cells = np.bincount(np.floor(4 * x).astype(int) * 4 + np.floor(4 * y).astype(int), minlength=16)
    share = np.array([2.0 if i + j < 3 else 1.0 if i + j == 3 else 0.0 for i in range(4) for j in range(4)])
    assert stats.chisquare(cells[share > 0], 40_000 * share[share > 0] / share.sum()).pvalue > 0.001
    # moments of the uniform density on this triangle: E x = 1/3, E x^2 = 1/6, E xy = 1/12
    for value, expected in [(x, 1 / 3), (y, 1 / 3), (x * x, 1 / 6), (y * y, 1 / 6), (x * y, 1 / 12)]:
        assert abs(value.mean() - expected) < 5 * value.std() / 200


def test_orientation_and_doubled_vertices_do_not_matter():
    box = trimesh.creation.box((0.5, 0.3, 0.2))
    a = sample_surface(Mesh(box.vertices, box.faces), 1000, np.random.default_rng(3))
    soup = Mesh(box.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3))
    np.testing.assert_array_equal(a, sample_surface(soup, 1000, np.random.default_rng(3)))
    # on the surface: one coordinate at its bound, the others inside
    scaled = np.abs(a) / [0.25, 0.15, 0.1]
    np.testing.assert_allclose(scaled.max(1), 1)


def test_degenerate_triangles_are_never_drawn():
    vertices = np.array([[9, 9, 9], [9, 9, 9], [9, 9, 9], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
    for faces in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]], [[0, 1, 2], [3, 4, 5], [0, 1, 2]]):
        points = sample_surface(Mesh(vertices, np.array(faces)), 500, np.random.default_rng(0))
        assert points.max() <= 1


def test_the_largest_random_number_stays_inside():
    class Last(np.random.Generator):
        def random(self, shape):
            return np.full(shape, np.nextafter(1, 0))

    mesh = Mesh(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]]), np.array([[0, 1, 2], [3, 3, 3], [3, 3, 3]])
    )
    assert sample_surface(mesh, 1, Last(np.random.PCG64(0))).max() <= 1


def test_same_generator_state_same_points():
    ball = trimesh.creation.icosphere(2)
    mesh = Mesh(ball.vertices, ball.faces)
    a, b, c = (sample_surface(mesh, 64, np.random.default_rng(s)) for s in (7, 7, 8))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)
    assert a.dtype == np.float64 and sample_surface(mesh, 0, np.random.default_rng(0)).shape == (0, 3)


def test_every_point_is_that_of_the_formula():
    """To the last bit: results that are stored hang on them. Triangles of all sizes, some without area."""
    rng = np.random.default_rng(2)
    faces = rng.integers(0, 200, (400, 3))
    mesh = Mesh(rng.normal(size=(200, 3)) * rng.choice([1e-9, 1e-3, 1], (200, 1)), faces)
    assert (faces[:, 0] == faces[:, 1]).any()
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    pick, u, v = np.random.default_rng(3).random((3, 5000))
    face, root = np.searchsorted(area, pick * area[-1], side="right"), np.sqrt(u)
    expected = a[face] + (root * (1 - v))[:, None] * (b - a)[face] + (root * v)[:, None] * (c - a)[face]
    np.testing.assert_array_equal(sample_surface(mesh, 5000, np.random.default_rng(3)), expected)


@pytest.mark.parametrize("n", [1024, 4096])
def test_noise_floor_of_a_sphere(n):
    """Two samples of a sphere of diameter 1 differ by c = sqrt(A / n) (evaluation notes, section 9)."""
    ball = trimesh.creation.icosphere(5, radius=0.5)
    mesh, rng, values = Mesh(ball.vertices, ball.faces), np.random.default_rng(4), []
    for _ in range(12):
        p, g = sample_surface(mesh, n, rng), sample_surface(mesh, n, rng)
        values.append(cKDTree(g).query(p)[0].mean() + cKDTree(p).query(g)[0].mean())
    assert np.mean(values) == pytest.approx(np.sqrt(np.pi / n), rel=0.02)


def test_nothing_to_sample_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"no surface area to sample \(0 faces\)"):
        sample_surface(Mesh(np.zeros((0, 3)), np.zeros((0, 3), int)), 10, rng)
    with pytest.raises(ValueError, match=r"no surface area to sample \(1 faces\)"):
        sample_surface(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 10, rng)
    with pytest.raises(ValueError, match="too large to sample"):
        sample_surface(Mesh(np.eye(3) * 1e200, np.array([[0, 1, 2]])), 10, rng)
    with pytest.raises(ValueError, match="cannot sample -1 points"):
        sample_surface(Mesh(np.eye(3), np.array([[0, 1, 2]])), -1, rng)


def test_normals_are_those_of_the_face_that_a_point_lies_on():
    box = trimesh.creation.box((0.5, 0.3, 0.2))
    mesh = Mesh(box.vertices, box.faces)
    points, normals = sample_with_normals(mesh, 2000, np.random.default_rng(4))
    np.testing.assert_array_equal(points, sample_surface(mesh, 2000, np.random.default_rng(4)))
    axis = np.isclose(np.abs(points), [0.25, 0.15, 0.1]).argmax(1)
    expected = np.zeros((2000, 3))
    expected[np.arange(2000), axis] = np.sign(points[np.arange(2000), axis])
    np.testing.assert_allclose(normals, expected, atol=1e-12)
    flipped = sample_with_normals(Mesh(mesh.vertices, mesh.faces[:, ::-1]), 2000, np.random.default_rng(4))
    np.testing.assert_allclose(np.linalg.norm(flipped[1], axis=1), 1)
    assert (np.abs(flipped[1]).max(1) > 0.999).all() and (flipped[1] * flipped[0]).sum(1).max() < 0
