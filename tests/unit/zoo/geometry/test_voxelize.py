"""Solids and surface cells against closed forms, and what is rejected."""

import numpy as np
import pytest
import trimesh

from zoo.geometry.mesh import FAR, Mesh
from zoo.geometry.surface import marching_cubes
from zoo.geometry.voxelize import SolidStatus, solid, surface_cells

TRIANGLE = np.array([[0, 1, 2]])
NEEDLE = np.array([0.1, 0.25, 0.4])[:, None] * np.array([0.3, 0.7, 0.9])
"""Three points of one line, where rounding leaves an area of 1e-17."""
EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices, shape.faces)


def box(low, high) -> Mesh:
    low, high = np.asarray(low, float), np.asarray(high, float)
    unit = trimesh.creation.box((1, 1, 1))
    return Mesh((unit.vertices + 0.5) * (high - low) + low, unit.faces)


def centres(resolution: int) -> np.ndarray:
    g = (np.arange(resolution) + 0.5) / resolution - 0.5
    return np.stack(np.meshgrid(g, g, g, indexing="ij"), -1)


def rotation(*angles: float) -> np.ndarray:
    return trimesh.transformations.euler_matrix(*angles)[:3, :3]


def chair() -> trimesh.Trimesh:
    """Overlapping boxes, finely cut, turned off the axes: 4,608 faces."""
    parts = [((0, 0, 0), (0.8, 0.1, 0.8)), ((-0.35, 0.28, 0), (0.1, 0.5, 0.8))]
    parts += [((x, -0.28, z), (0.1, 0.5, 0.1)) for x in (-0.33, 0.33) for z in (-0.33, 0.33)]
    boxes = [trimesh.creation.box(size).apply_translation(at) for at, size in parts]
    whole = trimesh.util.concatenate([b.subdivide().subdivide().subdivide() for b in boxes])
    whole.apply_transform(trimesh.transformations.euler_matrix(0.3, 0.5, 0.2))
    whole.apply_translation(-whole.bounds.mean(0))
    return whole.apply_scale(0.98 / max(whole.extents))


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_boxes_on_cell_faces_are_exact(resolution):
    """Faces exactly on the borders of cells: the cells between them, no more and no fewer."""
    rng = np.random.default_rng(resolution)
    for _ in range(10):
        low = rng.integers(0, resolution, 3)
        high = rng.integers(low + 1, resolution + 1)
        cells, status = solid(box(low / resolution - 0.5, high / resolution - 0.5), resolution)
        expected = np.zeros((resolution,) * 3, bool)
        expected[tuple(map(slice, low, high))] = True
        np.testing.assert_array_equal(cells, expected)
        assert status is SolidStatus.CLOSED


def test_faces_through_cell_centres_break_ties_one_way():
    """Lower faces keep the cell, upper faces lose it, along all axes: n cells for a box of n cell widths."""
    low, high = (np.array(v) for v in ((3, 5, 2), (9, 7, 12)))
    cells, status = solid(box((low + 0.5) / 16 - 0.5, (high + 0.5) / 16 - 0.5), 16)
    expected = np.zeros((16,) * 3, bool)
    expected[3:9, 5:7, 2:12] = True
    np.testing.assert_array_equal(cells, expected)
    assert status is SolidStatus.CLOSED


def test_the_unit_cube_fills_the_grid():
    cells, status = solid(box([-0.5] * 3, [0.5] * 3), 20)
    assert cells.all() and status is SolidStatus.CLOSED


@pytest.mark.parametrize("resolution", [32, 64])
def test_sphere(resolution):
    radius = 0.45
    ball = as_mesh(trimesh.creation.icosphere(5, radius))
    distance = np.linalg.norm(centres(resolution), axis=-1)
    cells, status = solid(ball, resolution)
    sure = np.abs(distance - radius) > 5e-4  # the flat faces lie that far below the sphere
    np.testing.assert_array_equal(cells[sure], (distance < radius)[sure])
    assert status is SolidStatus.CLOSED
    assert cells.mean() == pytest.approx(4 / 3 * np.pi * radius**3, rel=5e-3)


def turned(shape: trimesh.Trimesh, angles: tuple[float, float, float]) -> tuple[Mesh, np.ndarray]:
    """The body turned, and where the centres of cells (64, 64, 64, 3) lie in its own frame."""
    turn = rotation(*angles)
    return Mesh(shape.vertices @ turn.T, shape.faces), centres(64) @ turn


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.4, 1.1, -0.7), (2, 0.3, 1.4)])
def test_turned_torus(angles):
    big, small, sections = 0.3, 0.13, 200
    mesh, at = turned(trimesh.creation.torus(big, small, sections, sections), angles)
    distance = np.hypot(np.hypot(at[..., 0], at[..., 1]) - big, at[..., 2]) - small
    # where a flat face lies deepest under the true surface
    sure = np.abs(distance) > (big + 2 * small) * (1 - np.cos(np.pi / sections))
    cells, status = solid(mesh, 64)
    assert sure.mean() > 0.99 and status is SolidStatus.CLOSED
    np.testing.assert_array_equal(cells[sure], (distance < 0)[sure])


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.4, 1.1, -0.7), (2, 0.3, 1.4)])
def test_turned_cylinder(angles):
    radius, height, sections = 0.23, 0.71, 200
    mesh, at = turned(trimesh.creation.cylinder(radius, height, sections), angles)
    side, end = np.hypot(at[..., 0], at[..., 1]) - radius, np.abs(at[..., 2]) - height / 2
    sure = (np.abs(side) > radius * (1 - np.cos(np.pi / sections))) & (np.abs(end) > 1e-5)
    cells, status = solid(mesh, 64)
    assert sure.mean() > 0.99 and status is SolidStatus.CLOSED
    np.testing.assert_array_equal(cells[sure], ((side < 0) & (end < 0))[sure])


@pytest.mark.parametrize("seed", range(5))
def test_turned_boxes_equal_their_half_spaces(seed):
    """Every cell of a union of turned boxes, against the inequalities that define it."""
    rng = np.random.default_rng(seed)
    parts, expected = [], np.zeros((40,) * 3, bool)
    for _ in range(3):
        turn, half = rotation(*rng.uniform(0, 6, 3)), rng.uniform(0.05, 0.25, 3)
        at = rng.uniform(-0.2, 0.2, 3)
        part = box(-half, half)
        parts.append(Mesh(part.vertices @ turn.T + at, part.faces))
        expected |= (np.abs((centres(40) - at) @ turn) < half).all(-1)
    cells, status = solid(Mesh.concatenate(parts), 40)
    np.testing.assert_array_equal(cells, expected)
    assert status is SolidStatus.CLOSED


def test_l_shape_keeps_axes_and_signs():
    grid = np.zeros((20, 20, 20), bool)
    grid[2:18, 3:6, 4:7] = grid[2:5, 3:14, 4:7] = grid[2:5, 3:6, 4:11] = True
    cells, status = solid(marching_cubes(grid, 0.5), 20)
    np.testing.assert_array_equal(cells, grid)
    assert status is SolidStatus.CLOSED


def test_cavities_stay_empty_and_inner_solids_stay_solid():
    outer, inner = trimesh.creation.icosphere(4, 0.45), trimesh.creation.icosphere(4, 0.25)
    whole, hole = solid(as_mesh(outer), 32)[0], solid(as_mesh(inner), 32)[0]
    inwards = Mesh(inner.vertices, inner.faces[:, ::-1])
    hollow, status = solid(Mesh.concatenate([as_mesh(outer), inwards]), 32)
    np.testing.assert_array_equal(hollow, whole & ~hole)
    assert status is SolidStatus.CLOSED
    nested, _ = solid(Mesh.concatenate([as_mesh(outer), as_mesh(inner)]), 32)
    np.testing.assert_array_equal(nested, whole)


def test_equal_boxes_that_share_faces_are_one_solid():
    """Coincident faces of neighbours cancel; they must not be mistaken for faces drawn on both sides."""
    rng = np.random.default_rng(0)
    for grid in (np.ones((1, 1, 6), bool), rng.random((6, 6, 6)) < 0.4, rng.random((6, 6, 6)) < 0.9):
        at = np.argwhere(grid)
        full = np.zeros((6, 6, 6), bool)
        full[tuple(at.T)] = True
        cells, status = solid(Mesh.concatenate(box(p / 6 - 0.5, (p + 1) / 6 - 0.5) for p in at), 12)
        np.testing.assert_array_equal(cells, full.repeat(2, 0).repeat(2, 1).repeat(2, 2))
        assert status is SolidStatus.CLOSED


def test_inside_out_and_doubled_meshes_are_the_same_solid():
    whole = chair()
    expected, status = solid(as_mesh(whole), 32)
    assert status is SolidStatus.CLOSED
    v, f = whole.vertices, whole.faces
    for faces in (f[:, ::-1], np.concatenate([f, f]), np.concatenate([f, f[:, ::-1]])):
        np.testing.assert_array_equal(solid(Mesh(v, faces), 32)[0], expected)
    assert solid(Mesh(v, np.concatenate([f, f[:, ::-1]])), 32)[1] is SolidStatus.REPAIRED


def test_triangles_that_share_no_vertices_are_as_good():
    whole = chair()
    corners = np.asarray(whole.triangles).reshape(-1, 3)
    cells, status = solid(Mesh(corners, np.arange(len(corners)).reshape(-1, 3)), 32)
    np.testing.assert_array_equal(cells, solid(as_mesh(whole), 32)[0])
    assert status is SolidStatus.CLOSED


def test_open_sheets_give_their_surface_cells():
    # the plane z = 0.1 + 0.003: cells of 1/16 with index floor(0.603 * 16) = 9
    corners = np.array([[-0.3, -0.3, 0.103], [0.3, -0.3, 0.103], [0.3, 0.3, 0.103], [-0.3, 0.3, 0.103]])
    cells, status = solid(Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]])), 16)
    expected = np.zeros((16,) * 3, bool)
    expected[3:13, 3:13, 9] = True  # 0.2 * 16 = 3.2 and 0.8 * 16 = 12.8
    np.testing.assert_array_equal(cells, expected)
    assert status is SolidStatus.SHELL


def test_plates_thinner_than_a_cell_do_not_vanish():
    plate = box([-0.4, 0.011, -0.4], [0.4, 0.013, 0.4])  # between two layers of cell centres
    cells, status = solid(plate, 32)
    assert status is SolidStatus.SHELL
    assert cells[:, 16].sum() == 26**2 and cells.sum() == 26**2
    thick, status = solid(box([-0.4, 0, -0.4], [0.4, 1 / 32, 0.4]), 32)
    assert status is SolidStatus.CLOSED and thick[:, 16].sum() == thick.sum() == 26**2


def test_parts_outside_the_cube_are_cut_off():
    ball = trimesh.creation.icosphere(4, 0.4)
    at = np.array([0.4, -0.3, 0.2])
    cells, _ = solid(Mesh(ball.vertices + at, ball.faces), 32)
    distance = np.linalg.norm(centres(32) - at, axis=-1)
    sure = np.abs(distance - 0.4) > 2e-3
    np.testing.assert_array_equal(cells[sure], (distance < 0.4)[sure])
    assert cells[-1].any() and cells[:, 0].any()
    around, _ = solid(box([-3] * 3, [3] * 3), 8)
    assert around.all()


def test_surface_cells_equal_dense_samples():
    """Turned triangles: every cell that holds a point of them, and no other."""
    rng = np.random.default_rng(3)
    for _ in range(8):
        corners = rng.uniform(-0.6, 0.6, (3, 3))
        cells = surface_cells(Mesh(corners, np.array([[0, 1, 2]])), 16)
        u, v = np.meshgrid(np.linspace(0, 1, 500), np.linspace(0, 1, 500))
        keep = u + v <= 1
        weights = np.stack([1 - u - v, u, v], -1)[keep]
        position = (weights @ corners + 0.5) * 16
        index = np.floor(position).astype(int)
        hit = index[((index >= 0) & (index < 16)).all(1)]
        sampled = np.zeros((16,) * 3, bool)
        sampled[tuple(hit.T)] = True
        assert cells[sampled].all()
        # cells that samples miss are only grazed: a sample lies within the sampling step of them
        for x, y, z in np.argwhere(cells & ~sampled):
            gap = np.maximum(np.abs(position - (np.array([x, y, z]) + 0.5)) - 0.5, 0)
            assert np.linalg.norm(gap, axis=1).min() < 16 * 1.7 / 500


def test_surface_cells_on_borders_belong_to_the_inner_side():
    cells = surface_cells(box([-0.25] * 3, [0.25] * 3), 16)
    expected = np.zeros((16,) * 3, bool)
    expected[4:12, 4:12, 4:12] = True
    expected[5:11, 5:11, 5:11] = False
    np.testing.assert_array_equal(cells, expected)
    shell = surface_cells(box([-0.5] * 3, [0.5] * 3), 8)
    assert shell.sum() == 8**3 - 6**3  # the cube's own faces lie in the outermost cells


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: solid(EMPTY, 8), "the mesh has no faces"),
        (lambda: surface_cells(EMPTY, 8), "the mesh has no faces"),
        (lambda: solid(box([0.6] * 3, [0.9] * 3), 8), r"outside the unit cube \[-0.5, 0.5\]\^3"),
        (lambda: solid(Mesh(np.eye(3) + 0.6, TRIANGLE), 8), r"outside the unit cube \[-0.5, 0.5\]\^3"),
        (lambda: solid(Mesh(np.zeros((3, 3)), TRIANGLE), 8), "the 1 faces of the mesh have no area"),
        (lambda: solid(Mesh(NEEDLE, TRIANGLE), 8), "the 1 faces of the mesh have no area"),
        (
            lambda: solid(box([-2e6] * 3, [2e6] * 3), 8),
            r"reaches 2e\+06 cube edges, at most 1e\+06: normalise it first",
        ),
        (lambda: surface_cells(box([0, 0, -1e300], [0.1, 0.1, 0]), 8), r"reaches 1e\+300 cube edges"),
        (lambda: Mesh(np.full((3, 3), np.nan), TRIANGLE), "NaN or infinity"),
        (lambda: solid(box([-0.1] * 3, [0.1] * 3), 0), "resolution must be at least 1, got 0"),
    ],
)
def test_what_is_rejected_and_why(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_grazing_and_tiny_faces_are_no_error():
    """A closed body with faces without area among its own, and coordinates at the limit."""
    ball = trimesh.creation.icosphere(3, 0.4)
    flat = np.stack([ball.faces[:, 0], ball.faces[:, 1], ball.faces[:, 0]], 1)
    mesh = Mesh(ball.vertices, np.concatenate([ball.faces, flat]))
    np.testing.assert_array_equal(solid(mesh, 32)[0], solid(as_mesh(ball), 32)[0])
    around, status = solid(box([-FAR] * 3, [FAR] * 3), 8)
    assert around.all() and status is SolidStatus.CLOSED
