"""Solids against closed forms, after damage, and against ShapeNet's own voxels."""

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh

from zoo.geometry.mesh import Mesh
from zoo.geometry.surface import marching_cubes
from zoo.geometry.voxelize import SolidStatus, solid, surface_cells

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


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


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


@pytest.mark.parametrize(
    ("damage", "least"),
    [
        ("gone 5 %", 0.98),
        ("gone 20 %", 0.8),
        ("hole", 0.92),
        ("flipped 30 %", 0.96),
        ("flipped 50 %", 0.93),
        ("doubled 30 %", 0.98),
        ("doubled and flipped 10 %", 0.96),
        ("soup", 1.0),
    ],
)
def test_damaged_meshes(damage, least):
    """The kinds of damage and the level of agreement of the performance notes, section 8."""
    whole = chair()
    expected = solid(as_mesh(whole), 32)[0]
    v, f = np.asarray(whole.vertices), np.asarray(whole.faces)
    drawn = np.random.default_rng(1).random(len(f))
    faces = {
        "gone 5 %": f[drawn > 0.05],
        "gone 20 %": f[drawn > 0.2],
        "hole": f[np.linalg.norm(whole.triangles_center - whole.triangles_center[0], axis=1) > 0.15],
        "flipped 30 %": np.where((drawn < 0.3)[:, None], f[:, ::-1], f),
        "flipped 50 %": np.where((drawn < 0.5)[:, None], f[:, ::-1], f),
        "doubled 30 %": np.concatenate([f, f[drawn < 0.3]]),
        "doubled and flipped 10 %": np.concatenate([f, f[drawn < 0.1][:, ::-1]]),
        "soup": f,
    }[damage]
    mesh = Mesh(v, faces)
    if damage == "soup":  # no shared vertices at all: as good as the clean mesh
        mesh = Mesh(mesh.triangles.reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3))
    cells, status = solid(mesh, 32)
    assert iou(cells, expected) >= least
    assert status is (SolidStatus.CLOSED if damage == "soup" else SolidStatus.REPAIRED)


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
        (lambda: solid(box([-0.1] * 3, [0.1] * 3), 0), "resolution must be at least 1, got 0"),
    ],
)
def test_nothing_to_voxelise_is_an_error(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.data
def test_against_the_voxels_of_shapenet():
    """ShapeNetCore v2 cameras, nearly all drawn with every face on both sides, at their own 128^3.

    Their solids include every cell that the surface touches, ours only cells with their centre inside.
    """
    root = os.environ.get("R3D_SAMPLE_DATA")
    if not root:
        pytest.skip("R3D_SAMPLE_DATA is not set: no real ShapeNet models to compare with")
    scores = []
    for path in sorted(Path(root, "shapenet_v2").glob("*/*/models/model_normalized.obj")):
        header, body = path.with_suffix(".solid.binvox").read_bytes().split(b"data\n", 1)
        lines = {line.split()[0]: line.split()[1:] for line in header.decode().splitlines()}
        runs = np.frombuffer(body, np.uint8)
        grid = np.repeat(runs[::2], runs[1::2]).reshape(128, 128, 128).transpose(0, 2, 1) > 0
        shape = trimesh.load(path, force="mesh", process=False)
        low, scale = np.array(lines["translate"], float), float(lines["scale"][0])
        mesh = Mesh((shape.vertices - low) / scale - 0.5, shape.faces)
        scores.append(iou(solid(mesh, 128)[0] | surface_cells(mesh, 128), grid))
    assert len(scores) >= 20
    assert np.median(scores) > 0.92, scores
    assert np.mean(np.array(scores) > 0.8) > 0.85, scores
