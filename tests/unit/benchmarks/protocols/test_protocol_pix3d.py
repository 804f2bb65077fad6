"""Pix3D's protocol against slow loops written from its definition, and its known pathologies.

The pathologies were measured before, on shapes whose exact voxels are not known (figures in brackets). How
a shape falls into its cells decides some of them: a perfect 32^3 box against 128^3 scores .72 to 1.0 (.735),
depending on nothing but where its faces are.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from benchmarks.protocols import PROTOCOLS, Measurement, TruthError
from benchmarks.protocols._auction import auction_emd, auction_matching
from benchmarks.protocols._pix3d_grid import NoSurfaceError, iou_at, own_frame, own_grid, surface_points
from benchmarks.protocols.pix3d import Pix3D, Pix3DConfig
from tests.helpers.protocol_shapes import SHAPES, box, box_mesh, boxes, chair, distances, sphere, truth
from zoo.geometry.mesh import Mesh
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape

PIX3D = Pix3D(Pix3DConfig())
CURVE = PIX3D.curve


def measure(prediction: Shape | np.ndarray, target: Shape | np.ndarray, threshold: float | None = 0.5):
    """One instance, which is a whole list here: its best threshold is its own."""
    shape = VoxelShape(prediction) if isinstance(prediction, np.ndarray) else prediction
    true = truth(target)
    return PIX3D.finish([PIX3D.measure(shape, threshold, true, PIX3D.prepare(true))])[0]


def best_iou(a: np.ndarray, b: np.ndarray) -> float:
    return float(iou_at(own_grid(a), own_grid(b), CURVE).max())


# ---------------------------------------------------------------------- identity


def test_named_and_described():
    entry = PROTOCOLS.get("pix3d")
    assert entry.cls is Pix3D and PIX3D.id == "pix3d v1" and PIX3D.average == "instance"
    assert len(CURVE) == 49 and CURVE[0] == 0.01 and CURVE[-1] == pytest.approx(0.49)
    text = " ".join(PIX3D.describe().split())
    for fact in ("at .1", "without padding", "one t of .01, .02 ... .49", "chosen on the test images", "0/0"):
        assert fact in text
    for fact in ("1,024 points at the origin", "beats many wrong shapes", "seeded by the instance", "2,894"):
        assert fact in text
    assert [c.worst for c in PIX3D.columns] == [0, 2 * math.sqrt(3), math.sqrt(3), math.sqrt(3)]


# ------------------------------------------------------------------ grid and IoU


def slow_grid(volume: np.ndarray) -> np.ndarray:
    """The resampled box, by loops and scipy's interpolator."""
    values = volume.astype(float)
    if len(values) > 100:
        n = len(values) // 4
        pooled = np.zeros((n,) * 3)
        for i, j, k in np.ndindex(n, n, n):
            pooled[i, j, k] = values[4 * i : 4 * i + 4, 4 * j : 4 * j + 4, 4 * k : 4 * k + 4].max()
        values = pooled
    found = np.argwhere(values >= 0.1)
    low, high = found.min(0), found.max(0)
    values = values[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1]
    longest = (high - low).max()
    ask = RegularGridInterpolator([np.arange(n) for n in values.shape], values, "linear", False, 0.0)
    out = np.zeros((32,) * 3)
    lines = [np.linspace(s / 2 - longest / 2, s / 2 + longest / 2, 32) for s in high - low]
    for i, j in np.ndindex(32, 32):
        out[i, j] = ask([(lines[0][i], lines[1][j], z) for z in lines[2]])
    return out


@pytest.mark.parametrize("size", [20, 33, 106])
def test_grid_is_cropped_padded_and_sampled_as_defined(size):
    """Not symmetric, grey, touching a border; 106 is pooled, and its last two layers are cut off."""
    blob = gaussian_filter(np.random.default_rng(size).random((size,) * 3), size / 8)
    blob = np.clip((blob - blob.mean()) / (blob.max() - blob.mean()), 0, 1)
    blob[: size // 4, :, size // 2 :] = 0
    np.testing.assert_allclose(own_grid(blob), slow_grid(blob), atol=1e-12)


def test_iou_is_counted_above_the_threshold_on_both_sides():
    """A grey copy of a grey truth: both lose the same cells, and an equal value is not above."""
    grey = np.zeros((32,) * 3)
    grey[:, :, :16], grey[:, :, 16:] = 0.3, 0.2
    curve = iou_at(grey, np.where(grey > 0.25, 1.0, 0.0), (0.1, 0.2, 0.25, 0.3))
    np.testing.assert_array_equal(curve, [0.5, 1, 1, 0])
    np.testing.assert_array_equal(iou_at(grey, grey, (0.1, 0.2, 0.3)), [1, 1, 0])  # 0/0 is 0


def test_a_plate_of_one_cell_vanishes():
    """Its thickness is no length between cell centres: all 32 samples fall beside it, and 0/0 counts 0."""
    plate = np.zeros((32,) * 3, bool)
    plate[4:20, 7, 4:20] = True
    assert own_grid(plate).max() == 0
    assert best_iou(plate, plate) == 0


def test_oracle_threshold_is_one_for_the_list_and_the_first_of_equals():
    curves = np.zeros((3, 49))
    curves[0, [10, 20, 30]] = 1.0, 0.6, 0.6
    curves[1, [20, 30]] = 0.7, 0.7
    rows = [Measurement({"iou_oracle": None, "cd": 1.0}, curve) for curve in curves]
    rows.append(Measurement({"iou_oracle": None, "cd": 2.0}))
    found = [m.values["iou_oracle"] for m in PIX3D.finish(rows)]
    assert found == [0.6, 0.7, 0.0, None]  # at 20, though the first instance would like 10
    assert PIX3D.finish(rows)[3].values["cd"] == 2.0


# ---------------------------------------------------------------- points and CD


def test_few_triangles_share_1024_points_by_area():
    """One cell: at .1 its surface is an octahedron of radius .9, eight triangles of one size."""
    volume = np.zeros((5,) * 3)
    volume[2, 2, 2] = 1
    points = surface_points(volume, np.random.default_rng(0)) - 2
    np.testing.assert_allclose(np.abs(points).sum(1), 0.9, atol=1e-6)
    octant = (points > 0) @ [1, 2, 4]
    assert np.bincount(octant, minlength=8).min() > 128 - 60


def test_many_triangles_get_one_point_each_at_most():
    """2,000 triangles: area-uniform sampling would put two points or more on some 200 of them."""
    from skimage.measure import marching_cubes

    volume = sphere(20, 0.9).astype(np.float32)
    points = surface_points(volume, np.random.default_rng(0))
    vertices, faces, *_ = marching_cubes(volume, 0.1)
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    hit = np.zeros(len(faces), int)
    for p in points:
        flat = np.abs(((p - a) * normal).sum(1)) < 1e-5
        for u, v in ((a, b), (b, c), (c, a)):
            flat &= (np.cross(v - u, p - u) * normal).sum(1) > 1e-6
        hit[flat] += 1
    assert hit.max() == 1 and hit.sum() > 1000


def test_a_shape_that_fills_the_border_is_open_there():
    """The box spans x: no end faces, so its points lie on the four walls only."""
    points = surface_points(box(32), np.random.default_rng(0)) / 32 - 0.5 + 0.5 / 32
    wall = np.minimum(np.abs(np.abs(points[:, 1]) - 0.34), np.abs(np.abs(points[:, 2]) - 0.185))
    assert wall.max() < 0.03
    padded = surface_points(np.pad(box(32), 1), np.random.default_rng(0))
    assert (padded[:, 0] < 0.6).sum() > 20  # with a layer around it, the ends are there


def test_distances_are_those_of_brute_force():
    """Both clouds again from their seeds; all differences in float64; scipy's assignment."""
    from zoo.seeding import rng

    result = measure(chair(32), box(32))
    predicted = own_frame(surface_points(chair(32), rng(0, "pix3d", "one", 0, "prediction")))
    true = own_frame(surface_points(box(32), rng(0, "pix3d", "one", "truth")))
    there, back = distances(predicted, true)
    assert result.values["cd"] == pytest.approx(there.mean() + back.mean(), rel=1e-12)
    cost = np.linalg.norm(predicted[:, None] - true[None], axis=2)
    assert result.values["emd"] == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-12)
    np.testing.assert_allclose(predicted.min(0), -predicted.max(0), atol=1e-12)
    assert np.ptp(predicted, axis=0).max() == pytest.approx(1)


# ------------------------------------------------------------------------ auction


def emulated_owners(cost: np.ndarray) -> np.ndarray:
    """The kernel thread by thread: 512 threads, shuffles within warps of 32, then among 16 warps."""
    n, f = len(cost), np.float32
    price, owner, queue = np.zeros(n, f), np.full(n, -1), list(range(n))
    tolerance, bids = f(1e-4), 0

    def reduce(best, second, where, width):
        step = width // 2
        while step:
            source = np.arange(len(best))
            source = np.where(source % width + step < width, source + step, source)
            b1, b2, w = best[source], second[source], where[source]
            mine = best < b1
            # where the other wins, `best` is overwritten first: the minimum below is of b1 with itself
            second = np.where(mine, np.minimum(b1, second), np.minimum(b1, b2))
            best, where = np.where(mine, best, b1), np.where(mine, where, w)
            step //= 2
        return best, second, where

    while queue:
        bidder = queue.pop(0)
        value = np.full(1024, 1e38, f)
        value[:n] = cost[bidder] + price
        low, high, thread = value[:512], value[512:], np.arange(512)
        first = low < high
        if n <= 512:  # such threads never look at a second column
            first[:] = True
        best, second = np.where(first, low, high), np.where(first, high, low)
        best, second, where = reduce(best, second, np.where(first, thread, thread + 512), 32)
        best, second, where = reduce(best[::32], second[::32], where[::32], 16)
        choice = int(where[0])
        delta = f(second[0] - best[0]) + tolerance
        if owner[choice] >= 0:
            queue.append(int(owner[choice]))
        price[choice] += delta
        owner[choice] = bidder
        bids += 1
        if bids == 40 * n:
            if tolerance == 1:
                break
            tolerance, bids = min(f(1), f(tolerance * f(100))), 0
    return owner


def kernel_cost(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    d = a.astype(np.float32)[:, None] - b.astype(np.float32)[None]
    return np.sqrt((d * d).sum(2, dtype=np.float32))


def lattice(n: int) -> np.ndarray:
    """Points with many equal distances: ties everywhere."""
    return np.array(list(np.ndindex(9, 9, 9)))[:n] / 8.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.random.default_rng(0).random((40, 3)), np.random.default_rng(1).random((40, 3))),
        (lattice(36), lattice(36)[::-1] + np.array([0.5, 0, 0])),
        (np.zeros((30, 3)), np.random.default_rng(2).random((30, 3))),
        (lattice(600) + 0.02 * np.random.default_rng(3).standard_normal((600, 3)), lattice(600)),
    ],
    ids=["random", "ties", "all at the origin", "more points than threads"],
)
def test_auction_is_that_of_the_kernel(a, b):
    owner = emulated_owners(kernel_cost(a, b))
    expected = np.full(len(a), -1)
    expected[owner] = np.arange(len(a))
    assert sorted(owner) == list(range(len(a)))
    np.testing.assert_array_equal(auction_matching(a, b), expected)


@pytest.mark.sceptic(16)
def test_auction_is_a_little_above_the_optimum():
    """On 1,024 points of a chair and of another draw, a box, a sphere: 0.4 to 2.8 % were measured before."""
    clouds = [own_frame(surface_points(SHAPES[s](32), np.random.default_rng(7))) for s in SHAPES]
    again = own_frame(surface_points(chair(32), np.random.default_rng(8)))
    for other in (again, *clouds[:2]):
        cost = np.linalg.norm(other[:, None] - clouds[2][None], axis=2)
        exact = cost[linear_sum_assignment(cost)].mean()
        ratio = auction_emd(other, clouds[2]) / exact
        assert 1.0005 < ratio < 1.06
    assert auction_emd(again, again) == 0
    with pytest.raises(ValueError, match="reproduced for 1 to 1,024 points, got 1025"):
        auction_matching(np.zeros((1025, 3)), np.zeros((1025, 3)))
    with pytest.raises(ValueError, match=r"must be \(n, 3\) both"):
        auction_matching(np.zeros((4, 3)), np.zeros((5, 3)))


# -------------------------------------------------------------------- pathologies


def test_a_perfect_shape_of_another_resolution_is_not_perfect():
    """Sphere .904 and .928 (.914, .936). Box and chair depend on how they fall into their cells."""
    fine = {name: make(128) for name, make in SHAPES.items()}
    assert best_iou(sphere(32), fine["sphere"]) == pytest.approx(0.914, abs=0.015)
    assert best_iou(sphere(64), fine["sphere"]) == pytest.approx(0.936, abs=0.015)
    assert best_iou(box(64), fine["box"]) == pytest.approx(0.9, abs=1e-9)
    assert best_iou(box(32), fine["box"]) == 1
    assert best_iou(chair(32), fine["chair"]) == pytest.approx(CHAIR_32, abs=1e-3)
    assert best_iou(chair(64), fine["chair"]) == pytest.approx(1, abs=1e-9)
    # the same box in a cube 1.15 times as large: .72, which is nearly the .735 measured before
    small = tuple(tuple(x / 1.15 for x in end) for end in ((-0.5, -0.3, -0.15), (0.5, 0.3, 0.15)))
    assert best_iou(boxes(32, small), boxes(128, small)) == pytest.approx(0.72, abs=1e-9)


CHAIR_32 = 0.8654


@pytest.fixture(scope="module")
def perfect():
    return measure(chair(32), chair(32))


def test_a_stray_voxel_ruins_a_perfect_shape(perfect):
    """IoU 1.0 -> .154 (.128), CD .036 -> .145 (.037 -> .118), by one cell of probability .15 in a corner."""
    stray = chair(32).astype(np.float32)
    stray[0, 0, 0] = 0.15
    result = measure(stray, chair(32))
    assert perfect.values["iou_oracle"] == 1 and perfect.values["cd"] == pytest.approx(0.037, abs=0.003)
    assert result.values["iou_oracle"] < 0.2 and result.values["cd"] > 3 * perfect.values["cd"]


def blocks(step: int, at: int) -> np.ndarray:
    """An L with a bump, in blocks of `step` cells, from cell `at` on."""
    grid = np.zeros((64,) * 3, bool)
    for low, high in (((0, 0, 0), (4, 1, 2)), ((0, 1, 0), (1, 3, 2)), ((3, 1, 0), (4, 2, 1))):
        grid[tuple(slice(at + step * i, at + step * j) for i, j in zip(low, high, strict=True))] = True
    return grid


def test_scale_and_position_errors_are_forgiven():
    """The right shape at .7 of its size and moved: CD is the noise floor (the same), IoU .791 (1.0).

    The box is measured between the centres of its outermost cells, so proportions change a little with size.
    """
    right, wrong = blocks(10, 2), blocks(7, 30)
    floor, moved = measure(right, right), measure(wrong, right)
    assert moved.values["iou_oracle"] == pytest.approx(0.791, abs=1e-3)
    assert moved.values["cd"] == pytest.approx(floor.values["cd"], rel=0.1)
    assert np.count_nonzero(wrong & right) / np.count_nonzero(wrong | right) < 0.05


def test_swapped_axes_look_like_a_weak_published_row():
    """y and z swapped, the binvox order bug: IoU .143 (.094), CD .181 (.240), as in the published table."""
    result = measure(chair(32).transpose(0, 2, 1).copy(), chair(32))
    assert 0.05 < result.values["iou_oracle"] < 0.2
    assert 0.15 < result.values["cd"] < 0.25


def test_an_empty_output_beats_a_solid_cube():
    """CD: empty .347 (.35) for a chair, solid cube .516 (.537); EMD .324 (.33). In closed form, too."""
    nothing = measure(np.full((32,) * 3, 0.09, np.float32), chair(32))
    cube = measure(boxes(32, ((-0.4,) * 3, (0.4,) * 3)), chair(32))
    assert nothing.failed and nothing.reason == "no value reaches 0.1" and not cube.failed
    assert nothing.values["cd"] == pytest.approx(0.35, abs=0.02)
    assert cube.values["cd"] == pytest.approx(0.537, abs=0.04)
    assert nothing.values["emd_auction"] < cube.values["emd_auction"]
    radius = np.linalg.norm(PIX3D.prepare(truth(chair(32))).points, axis=1)
    assert nothing.values["cd"] == pytest.approx(radius.mean() + radius.min(), rel=1e-12)
    assert nothing.values["emd"] == pytest.approx(radius.mean(), rel=1e-12)
    assert nothing.values["emd_auction"] == pytest.approx(radius.mean(), rel=1e-12)
    assert nothing.values["iou_oracle"] == 0


def test_the_surface_at_a_tenth_lies_outside():
    """At .1 instead of .5 the surface of a binary grid is .361 cells farther out (.32 to .45)."""
    points = surface_points(np.pad(sphere(30), 1), np.random.default_rng(0))
    at_half = VoxelShape(np.pad(sphere(30), 1)).points(20_000, np.random.default_rng(1))
    apart = cKDTree((at_half + 0.5) * 32 - 0.5).query(points)[0]
    assert apart.mean() == pytest.approx(0.361, abs=0.01)


# ----------------------------------------------------------------------- failures


def test_where_the_original_stops_is_a_failure():
    """A grid without a value below .1: no surface for skimage; the IoU is what it is."""
    full = np.ones((32,) * 3, np.float32)
    result = measure(full, chair(32))
    assert result.failed and "no value below 0.1" in result.reason
    assert (result.values["cd"], result.values["emd"]) == (2 * math.sqrt(3), math.sqrt(3))
    assert 0 < result.values["iou_oracle"] < 0.1
    with pytest.raises(TruthError, match=r"true shape 'one': no value below 0\.1.*exclude it"):
        PIX3D.prepare(truth(full.astype(bool)))
    flat = np.zeros((8,) * 3, np.float32)
    flat[4, 4, 4] = 0.1  # just there, with triangles of no area: the original doubles its density for ever
    with pytest.raises(NoSurfaceError):
        surface_points(flat, np.random.default_rng(0))


def test_a_grid_as_a_file_gives_it():
    """Read-only, and in another order in memory."""
    grid = np.asfortranarray(chair(32).astype(np.float32))
    grid.setflags(write=False)
    result = measure(grid, grid >= 0.5)
    assert not result.failed and result.values["iou_oracle"] == 1


def test_missing_predictions():
    worst = {c.name: c.worst for c in PIX3D.columns}
    voxels = PIX3D.finish([PIX3D.failure(0.3, truth(chair(32)), "no prediction")])[0]
    assert voxels.values == worst and voxels.failed and voxels.reason == "no prediction"
    cloud = PIX3D.finish([PIX3D.failure(None, truth(chair(32)), "no prediction")])[0]
    assert cloud.values == {**worst, "iou_oracle": None} and cloud.iou_curve is None


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (PointShape(np.zeros((0, 3))), "empty"),
        (PointShape(np.ones((50, 3))), "all its points are one"),
        (MeshShape(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64))), "empty"),
    ],
    ids=["no points", "one place", "no faces"],
)
def test_shapes_without_extent(shape, reason):
    result = measure(shape, chair(32), None)
    assert result.failed and result.reason == reason and result.values["cd"] == 2 * math.sqrt(3)


def test_points_and_meshes_have_no_iou():
    mesh = MeshShape(box_mesh((1, 0.6, 0.3), (3.0, 0.0, 0.0)))  # anywhere: each side is placed by itself
    points = PointShape(mesh.points(3000, np.random.default_rng(0)) * 5)
    for shape in (mesh, points):
        result = measure(shape, box(64), None)
        assert result.values["iou_oracle"] is None and result.iou_curve is None and not result.failed
        assert result.values["cd"] < 0.07
    assert measure(box(64), mesh).values["iou_oracle"] is None


def test_the_models_own_threshold_changes_nothing():
    grey = gaussian_filter(chair(32).astype(np.float32), 0.7)
    assert measure(grey, chair(32), 0.2).values == measure(grey, chair(32), 0.8).values
    choice = PIX3D.choose_threshold([VoxelShape(grey)], [truth(chair(32))])
    assert choice is not None and choice.value == 0.1


def test_golden_values():
    """Frozen numbers of one pair: the protocol is immutable, so a change here is a new protocol."""
    result = measure(gaussian_filter(chair(32).astype(np.float32), 0.8), chair(32))
    assert {name: result.values[name] for name in GOLDEN} == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN: dict[str, float] = {
    "iou_oracle": 0.9462963,
    "cd": 0.0579801,
    "emd_auction": 0.0790851,
    "emd": 0.0782018,
}
