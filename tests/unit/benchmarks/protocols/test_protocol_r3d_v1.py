"""The default protocol against shapes whose scores are known, and against planted faults."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.protocols import CURVE, PROTOCOLS, Truth, TruthError
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from zoo.geometry.mesh import Mesh
from zoo.geometry.sample import sample_surface
from zoo.metrics import METRICS, Column, Metric
from zoo.registry import EntryConfig, RegistryError
from zoo.shapes import MeshShape, PointShape, VoxelShape

R = 64
SMALL = R3DV1(R3DV1Config(points=2048))


def centres(resolution: int = R) -> np.ndarray:
    """Cell centres (3, R, R, R)."""
    line = (np.arange(resolution) + 0.5) / resolution - 0.5
    return np.stack(np.meshgrid(line, line, line, indexing="ij"))


def sphere(diameter: float = 1.0, resolution: int = R) -> np.ndarray:
    return np.linalg.norm(centres(resolution), axis=0) <= diameter / 2


def block(low, high, resolution: int = R) -> np.ndarray:
    x = centres(resolution)
    return np.all([(x[d] > low[d]) & (x[d] < high[d]) for d in range(3)], axis=0)


def chair(resolution: int = R) -> np.ndarray:
    """Seat, back and four legs, y up, the back towards -x; no symmetry but left and right."""
    seat = block((-0.25, -0.03, -0.25), (0.25, 0.03, 0.25), resolution)
    back = block((-0.25, 0, -0.25), (-0.19, 0.5, 0.25), resolution)
    legs = [
        block((x - 0.03, -0.5, z - 0.03), (x + 0.03, 0, z + 0.03), resolution)
        for x in (-0.22, 0.22)
        for z in (-0.22, 0.22)
    ]
    return np.any([seat, back, *legs], axis=0)


SHAPES = {"sphere": sphere(), "box": block((-0.5, -0.3, -0.15), (0.5, 0.3, 0.15)), "chair": chair()}


def truth(grid: np.ndarray, surface: np.ndarray | None = None, id: str = "one", view: int = 0) -> Truth:
    return Truth(id, "chair", view, VoxelShape(grid), surface)


def measure(prediction, grid, threshold=0.5, protocol=SMALL, surface=None):
    target = truth(grid, surface)
    return protocol.measure(prediction, threshold, target, protocol.prepare(target))


# --------------------------------------------------------------------- identity


def test_registered_and_named():
    entry = PROTOCOLS.get("r3d-v1")
    assert entry.cls is R3DV1
    assert entry.cls(entry.config()).id == "r3d-v1"
    assert R3DV1(R3DV1Config(points=10_000)).id == "r3d-v1 (fast, 10,000 points)"
    assert R3DV1(R3DV1Config(points=100_000)).id == "r3d-v1 (final, 100,000 points)"
    assert R3DV1(R3DV1Config(points=5_000)).id == "r3d-v1 (5,000 points)"
    with pytest.raises(ValidationError, match="greater than or equal to 1024"):
        R3DV1Config(points=1000)
    with pytest.raises(RegistryError, match="Did you mean 'r3d-v1'"):
        PROTOCOLS.get("r3d_v1")


def test_columns_are_the_protocol():
    names = [c.name for c in SMALL.columns]
    assert names[:7] == ["iou@val", "iou@.5", "iou_filled", "cd", "acc", "comp", "cd_sq"]
    assert SMALL.stand_ins == {"iou@val": "iou_filled"}
    assert {"fscore@1%", "precision@2%", "recall@5%", "emd", "cd_mesh", "fscore_mesh@1%"} <= set(names)
    assert set(SMALL.headline) <= set(names) and len(set(names)) == len(names)
    worst = {c.name: c.worst for c in SMALL.columns}
    assert worst["cd"] == worst["cd_mesh"] == 2 * math.sqrt(3) and worst["cd_sq"] == 6
    assert {worst[n] for n in ("acc", "comp", "emd")} == {math.sqrt(3)}
    assert {worst[n] for n in names if n.startswith(("iou", "fscore", "precision", "recall"))} == {0.0}
    shown = next(c for c in SMALL.columns if c.name == "cd_sq")
    assert shown.display == 1000 and "1000" in shown.label


def test_description_says_what_is_measured():
    text = R3DV1(R3DV1Config(points=10_000)).describe()
    for fact in (
        "r3d-v1 (fast, 10,000 points)",
        "10,000 per side",
        "1,024 points",
        "mean(d_P) + mean(d_G), unsquared",
        "highest mean IoU on the validation split",
        "1, 2 and 5 %",
        "Longest edges of the truth",
        "CD = 2 sqrt(3)",
        "category mean",
        "Pix3D scales each cloud by",
    ):
        assert fact in " ".join(text.split()) or fact in text
    assert SMALL.settings == {
        "points": 2048,
        "extra_metrics": [],
        "emd_points": 1024,
        "curve": list(CURVE),
        "truth_level": 0.5,
    }


def test_it_travels_to_another_process():
    other = pickle.loads(pickle.dumps(SMALL))
    grid = SHAPES["box"]
    assert measure(VoxelShape(grid), grid, protocol=other).values == measure(VoxelShape(grid), grid).values


# ------------------------------------------------------------ known shapes, frame


@pytest.mark.parametrize("name", SHAPES)
def test_a_perfect_prediction_scores_the_noise_floor(name):
    """IoU 1, nothing else missing but what two samplings of the same surface cost."""
    grid = SHAPES[name]
    result = measure(VoxelShape(grid.astype(np.float32) * 0.9), grid)
    assert result.values["iou@val"] == result.values["iou@.5"] == 1
    assert not result.failed and result.reason is None
    surface = VoxelShape(grid).mesh()
    assert surface is not None
    low, high = surface.bounds
    scale = 1 / (high - low).max()
    area = np.linalg.norm(np.cross(*np.diff(surface.triangles, axis=1).transpose(1, 0, 2)), axis=1).sum() / 2
    # c = sqrt(A / N) on a smooth surface; edges and thin parts bring points nearer
    assert result.values["cd"] == pytest.approx(math.sqrt(area * scale**2 / 2048), rel=0.12)
    assert result.values["fscore@5%"] > 0.99


@pytest.mark.parametrize("resolution", [16, 32, 64])
@pytest.mark.sceptic(18)
def test_surface_of_a_box_grid_is_the_box(resolution):
    """Half a voxel of offset would move every face by 0.5 / R."""
    shape = VoxelShape(block((-0.5, -0.25, -0.125), (0.5, 0.25, 0.125), resolution))
    mesh = shape.mesh()
    assert mesh is not None
    np.testing.assert_allclose(
        mesh.bounds, [[-0.5, -0.25, -0.125], [0.5, 0.25, 0.125]], atol=0.01 / resolution
    )


def test_the_truth_sets_the_frame_for_both():
    """A truth of half the size doubles every distance: its longest edge is the unit, of radii too."""
    grid, shifted = block((-0.25,) * 3, (0.25,) * 3), block((-0.25, -0.25, -0.125), (0.25, 0.25, 0.375))
    result = measure(VoxelShape(shifted), grid, protocol=R3DV1(R3DV1Config(points=20_000)))
    # cube of edge 1 shifted by a quarter; the faces across lie d apart, those along half overlap
    assert result.values["acc"] == pytest.approx(result.values["comp"], rel=0.03)
    a = sample_surface(VoxelShape(shifted).mesh(), 20_000, np.random.default_rng(0)) * 2
    b = sample_surface(VoxelShape(grid).mesh(), 20_000, np.random.default_rng(1)) * 2
    from scipy.spatial import cKDTree

    expected = cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()
    assert result.values["cd"] == pytest.approx(expected, rel=0.02)
    assert result.values["iou@val"] == pytest.approx(0.75 / 1.25)


def test_translation_is_an_error_not_an_alignment():
    grid = block((-0.2,) * 3, (0.2,) * 3)
    moved = np.roll(grid, 8, axis=0)
    result = measure(VoxelShape(moved), grid)
    assert result.values["iou@val"] < 0.6 and result.values["cd"] > 0.1


def test_prediction_of_another_resolution_is_resampled_to_the_truth():
    grid = block((-0.25,) * 3, (0.25,) * 3, 64)
    coarse = block((-0.25,) * 3, (0.25,) * 3, 16)
    result = measure(VoxelShape(coarse), grid)
    assert result.values["iou@val"] == 1
    odd = VoxelShape(block((-0.25,) * 3, (0.25,) * 3, 48))
    assert measure(odd, grid).values["iou@val"] > 0.9


def test_surface_lies_at_the_frozen_threshold():
    """A ramp: the level decides where the surface is, for the points as for the IoU."""
    radius = np.linalg.norm(centres(), axis=0)
    ramp = VoxelShape(np.clip(1 - 2 * radius, 0, 1).astype(np.float32))  # p = t at radius (1 - t) / 2
    grid = sphere(0.8)
    good, bad = measure(ramp, grid, 0.2), measure(ramp, grid, 0.6)
    assert good.values["iou@val"] > 0.97 and good.values["cd"] < 0.06
    assert bad.values["iou@val"] == pytest.approx((0.2 / 0.4) ** 3, abs=0.02)
    assert bad.values["acc"] == pytest.approx(0.25, abs=0.02)  # radius .2 in a sphere of radius .4, unit .8
    assert good.values["iou@.5"] == bad.values["iou@.5"]


def test_curve_runs_over_all_thresholds():
    grid = SHAPES["box"]
    result = measure(VoxelShape(grid * np.float32(0.52)), grid)
    np.testing.assert_array_equal(result.iou_curve, [1.0] * 10 + [0.0] * 9)
    assert CURVE[9] == 0.5 and CURVE[0] == 0.05 and CURVE[-1] == 0.95 and len(CURVE) == 19


# ------------------------------------------------------------------------ meshes


def box_mesh(edges) -> Mesh:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
    faces += [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    return Mesh(corners * edges, np.array(faces))


def test_mesh_columns_use_the_true_mesh():
    """The grid says .5 wide, the mesh .4: against the grid there is no error, against the mesh there is."""
    grid = block((-0.5, -0.25, -0.25), (0.5, 0.25, 0.25))
    points = sample_surface(box_mesh((1, 0.4, 0.4)), 4096, np.random.default_rng(0)).astype(np.float32)
    result = measure(VoxelShape(grid), grid, surface=points)
    assert result.values["fscore@5%"] > 0.99 and result.values["fscore_mesh@5%"] < 0.3
    assert result.values["cd_mesh"] == pytest.approx(0.1, abs=0.025)
    without = measure(VoxelShape(grid), grid)
    assert without.values["cd_mesh"] is None and without.values["fscore_mesh@1%"] is None
    assert without.values["cd"] == result.values["cd"]


def test_fewer_mesh_points_mean_fewer_on_both_sides():
    grid = SHAPES["box"]
    points = sample_surface(VoxelShape(grid).mesh(), 512, np.random.default_rng(0))
    result = measure(VoxelShape(grid), grid, surface=points)
    assert result.values["acc_mesh"] == pytest.approx(result.values["comp_mesh"], rel=0.1)
    assert result.values["acc_mesh"] == pytest.approx(result.values["acc"] * math.sqrt(2048 / 512), rel=0.1)


@pytest.mark.parametrize(
    "prediction",
    [
        MeshShape(box_mesh((1, 0.6, 0.3))),
        PointShape(sample_surface(box_mesh((1, 0.6, 0.3)), 5000, np.random.default_rng(0))),
    ],
    ids=["mesh", "points"],
)
def test_shapes_without_voxels(prediction):
    grid = SHAPES["box"]
    result = measure(prediction, grid, None)
    assert result.values["iou@val"] is None and result.values["iou@.5"] is None and result.iou_curve is None
    assert result.values["cd"] == pytest.approx(measure(VoxelShape(grid), grid).values["cd"], rel=0.2)
    assert SMALL.choose_threshold([prediction], [truth(grid)]) is None
    with pytest.raises(ValueError, match=r"has no voxels, but its threshold is 0\.5"):
        measure(prediction, grid, 0.5)
    with pytest.raises(ValueError, match="has voxels, but its threshold is None"):
        measure(VoxelShape(grid), grid, None)


def test_filled_iou_is_of_the_points_in_every_row():
    """A cloud and a grid with the same surface score alike, whatever the scale of the truth's box."""
    for grid in (SHAPES["box"], sphere(0.7)):
        whole = measure(VoxelShape(grid), grid)
        cloud = PointShape(VoxelShape(grid).points(2048, np.random.default_rng(5)))
        assert measure(cloud, grid, None).values["iou_filled"] == pytest.approx(
            whole.values["iou_filled"], abs=0.02
        )
        assert whole.values["iou_filled"] > 0.9


# -------------------------------------------------------- empty, missing, planted


def test_empty_is_worst_and_counted():
    grid = SHAPES["chair"]
    surface = sample_surface(VoxelShape(grid).mesh(), 2048, np.random.default_rng(0))
    result = measure(VoxelShape(np.full((R,) * 3, 0.2, np.float32)), grid, surface=surface)
    assert result.failed and result.reason == "empty at its threshold of 0.5"
    assert result.values == {c.name: c.worst for c in SMALL.columns}
    assert measure(PointShape(np.zeros((0, 3))), grid, None).reason == "empty"


def test_empty_at_the_frozen_threshold_keeps_the_other_thresholds():
    grid = SHAPES["box"]
    result = measure(VoxelShape(grid * np.float32(0.55)), grid, 0.6)
    assert result.failed and result.values["iou@val"] == 0 and result.values["iou@.5"] == 1
    assert result.iou_curve[9] == 1


@pytest.mark.parametrize("kind", ["mesh", "points"])
def test_a_truth_that_is_a_mesh_or_points(kind):
    """Other people's files: no grid, so no IoU; the distances are those to the surface itself."""
    mesh = box_mesh((1.0, 0.6, 0.3))
    shape = (
        MeshShape(mesh)
        if kind == "mesh"
        else PointShape(sample_surface(mesh, 20_000, np.random.default_rng(1)))
    )
    target = Truth("one", "chair", 0, shape)
    assert target.grid is None
    np.testing.assert_allclose(target.bounds, [[-0.5, -0.3, -0.15], [0.5, 0.3, 0.15]], atol=1e-3)
    prepared = SMALL.prepare(target)
    same = SMALL.measure(MeshShape(mesh), None, target, prepared)
    shifted = Mesh(mesh.vertices + np.array([0.2, 0, 0]), mesh.faces)
    moved = SMALL.measure(MeshShape(shifted), None, target, prepared)
    assert same.values["cd"] == pytest.approx(0.032, rel=0.1)  # the floor of 2,048 points
    assert moved.values["cd"] > 3 * same.values["cd"]
    for name in ("iou@val", "iou@.5", "iou_filled", "cd_mesh"):
        assert same.values[name] is None, name
    assert same.iou_curve is None and not same.failed
    voxels = SMALL.measure(VoxelShape(SHAPES["box"]), 0.5, target, prepared)
    assert voxels.values["cd"] == pytest.approx(same.values["cd"], rel=0.1)
    assert voxels.values["iou@val"] is None
    missing = SMALL.failure(0.5, target, "no file")
    assert missing.values["cd"] == 2 * math.sqrt(3) and missing.values["iou_filled"] is None
    with pytest.raises(ValueError, match="no voxels to choose a threshold on"):
        SMALL.choose_threshold([VoxelShape(SHAPES["box"])], [target])


def test_missing_prediction():
    with_mesh, without = truth(SHAPES["box"], np.zeros((3, 3))), truth(SHAPES["box"])
    result = SMALL.failure(0.5, with_mesh, "no prediction")
    assert result.failed and result.values == {c.name: c.worst for c in SMALL.columns}
    assert (result.iou_curve == 0).all()
    points = SMALL.failure(None, without, "no prediction")
    undefined = {name for name, value in points.values.items() if value is None}
    assert {"iou@val", "iou@.5", "cd_mesh", "recall_mesh@5%"} <= undefined
    assert (points.values["cd"], points.values["iou_filled"]) == (2 * math.sqrt(3), 0)
    assert points.iou_curve is None


@pytest.mark.parametrize(
    ("fault", "iou_below"),
    [
        (lambda g: np.rot90(g, axes=(0, 2)), 0.6),  # yaw by 90 degrees
        (lambda g: g.transpose(0, 2, 1), 0.2),  # y and z swapped, the binvox order bug
        (lambda g: g[::-1], 0.7),  # mirrored x
        (lambda g: np.roll(g, 1, axis=1), 0.99),  # one voxel, twice the usual half-voxel offset
        (lambda g: np.roll(chair(48), 8, axis=(0, 1, 2)), 0.3),  # too coarse a grid, moved
    ],
    ids=["yaw", "y-z swap", "mirror x", "offset", "scale and shift"],
)
@pytest.mark.sceptic(19)
def test_planted_faults_cost_something(fault, iou_below):
    """Nothing is aligned away."""
    grid = SHAPES["chair"]
    perfect, faulty = measure(VoxelShape(grid), grid), measure(VoxelShape(fault(grid).copy()), grid)
    assert faulty.values["iou@val"] < iou_below
    for name in ("cd", "emd", "cd_sq"):
        assert faulty.values[name] > perfect.values[name] * 1.01
    assert faulty.values["fscore@1%"] < perfect.values["fscore@1%"]


@pytest.mark.sceptic(20)
def test_stray_voxel_changes_little_and_empty_is_last():
    """Under per-cloud scaling one stray voxel ruins a shape and an empty output beats a cube."""
    grid = SHAPES["chair"]
    stray = grid.astype(np.float32)
    stray[0, 0, 0] = 0.15
    clean, touched = measure(VoxelShape(grid), grid), measure(VoxelShape(stray), grid)
    assert touched.values["iou@.5"] == 1 and touched.values["cd"] == clean.values["cd"]
    stray[0, 0, 0] = 1.0
    assert measure(VoxelShape(stray), grid).values["iou@.5"] > 0.99
    blurred = measure(VoxelShape(VoxelShape(grid).voxels(8)), grid, 0.3)
    cube = measure(VoxelShape(np.ones((R,) * 3, bool)), grid)
    nothing = measure(VoxelShape(np.zeros((R,) * 3, bool)), grid)
    for column in SMALL.columns:
        if "_mesh" in column.name:
            continue
        sign = 1 if column.better == "higher" else -1
        order = [sign * float(m.values[column.name]) for m in (nothing, cube, clean)]
        assert order[0] <= order[1] < order[2], column.name
    assert cube.values["cd"] > blurred.values["cd"] > clean.values["cd"]


def test_truths_that_cannot_be_measured_against():
    with pytest.raises(TruthError, match="true shape 'one' has no occupied cell"):
        SMALL.prepare(truth(np.zeros((8, 8, 8), bool)))
    with pytest.raises(TruthError, match=r"surface points must be \(P, 3\), got \(0, 3\)"):
        SMALL.prepare(truth(SHAPES["box"], np.zeros((0, 3))))
    with pytest.raises(TruthError, match="hold NaN"):
        SMALL.prepare(truth(SHAPES["box"], np.full((4, 3), np.nan)))
    no_face = Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64))
    with pytest.raises(TruthError, match="has no surface"):
        SMALL.prepare(Truth("one", "chair", 0, MeshShape(no_face)))
    with pytest.raises(TruthError, match="is one point"):
        SMALL.prepare(Truth("one", "chair", 0, PointShape(np.ones((9, 3)))))


# ------------------------------------------------------------------------- seeds


@pytest.mark.sceptic(22)
def test_same_seed_twice_and_other_seeds():
    """Equal for equal instances, different for others, within sampling noise."""
    grid = SHAPES["chair"]
    first, again = measure(VoxelShape(grid), grid), measure(VoxelShape(grid.copy()), grid)
    assert first.values == again.values
    others = []
    for k in range(8):
        target = truth(grid, id=f"shape-{k}")
        others.append(SMALL.measure(VoxelShape(grid), 0.5, target, SMALL.prepare(target)).values["cd"])
    assert len(set(others)) == 8
    assert np.std(others) < 0.02 * np.mean(others)


def test_views_share_the_true_points_but_not_the_predicted_ones():
    grid = SHAPES["chair"]
    a, b = truth(grid, view=0), truth(grid, view=1)
    assert (SMALL.prepare(a).surface.points == SMALL.prepare(b).surface.points).all()
    shared = SMALL.prepare(a)
    one = SMALL.measure(VoxelShape(grid), 0.5, a, shared)
    two = SMALL.measure(VoxelShape(grid), 0.5, b, shared)
    assert one.values["cd"] != two.values["cd"] and one.values["iou@val"] == two.values["iou@val"]


def test_golden_values():
    """Frozen numbers of one pair: the protocol is immutable, so a change here is a new protocol."""
    result = measure(VoxelShape(np.roll(SHAPES["chair"], 2, axis=0)), SHAPES["chair"])
    assert {name: result.values[name] for name in GOLDEN} == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = {
    "iou@val": 0.517241,
    "cd": 0.0466102,
    "cd_sq": 0.00132198,
    "fscore@2%": 0.410364,
    "emd": 0.0474197,
}


# --------------------------------------------------------------------- threshold


def _validation():
    rng = np.random.default_rng(0)
    grids = [sphere(d, 16) for d in (0.5, 0.7, 0.9)]
    noisy = [VoxelShape((0.2 * g + 0.5 * rng.random(g.shape)).astype(np.float32)) for g in grids]
    return noisy, [truth(g, id=str(k)) for k, g in enumerate(grids)]


def test_threshold_is_the_best_of_the_curve():
    predictions, truths = _validation()
    choice = SMALL.choose_threshold(predictions, truths)
    by_hand = []
    for t in CURVE:
        each = []
        for p, g in zip(predictions, truths, strict=True):
            inside = p.occupancy >= np.float32(t)
            each.append((inside & g.shape.occupancy).sum() / (inside | g.shape.occupancy).sum())
        by_hand.append(np.mean(each))
    assert choice.value == CURVE[int(np.argmax(by_hand))]
    np.testing.assert_allclose([v for _, v in choice.curve], by_hand, rtol=1e-12)
    assert choice.n == 3 and [t for t, _ in choice.curve] == list(CURVE)


@pytest.mark.sceptic(26)
def test_threshold_does_not_depend_on_order_or_on_the_test_split():
    """Chosen from validation alone; permuting anything leaves it."""
    predictions, truths = _validation()
    before = SMALL.choose_threshold(predictions, truths)
    after = SMALL.choose_threshold(predictions[::-1], truths[::-1])
    assert after.value == before.value
    scored = SMALL.measure(predictions[0], before.value, truths[2], SMALL.prepare(truths[2]))
    assert scored.values["iou@val"] == scored.iou_curve[CURVE.index(before.value)]


def test_binary_predictions_get_one_half():
    _, truths = _validation()
    assert SMALL.choose_threshold([t.shape for t in truths], truths).value == 0.5


def test_missing_validation_predictions_count_as_zero():
    _, truths = _validation()
    choice = SMALL.choose_threshold([truths[0].shape, None, None], truths)
    assert dict(choice.curve)[0.5] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no prediction to choose a threshold on"):
        SMALL.choose_threshold([None] * 3, truths)
    with pytest.raises(ValueError, match="2 predictions for 3 validation"):
        SMALL.choose_threshold([None] * 2, truths)
    with pytest.raises(ValueError, match="1 predictions have voxels, 1 have none"):
        SMALL.choose_threshold([truths[0].shape, PointShape(np.zeros((2, 3))), None], truths)


# ----------------------------------------------------------------- extra metrics


class _HausdorffConfig(EntryConfig):
    """No settings."""


def test_a_metric_from_elsewhere_becomes_a_column(monkeypatch):
    """The recipe of the contributor's guide: one class, its columns, its name in the protocol's config."""
    METRICS.names()  # discovered before the copy is put in place
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))

    @METRICS.register("hausdorff", config=_HausdorffConfig)
    class Hausdorff(Metric):
        """Largest distance from either surface to the other."""

        columns = (Column("hausdorff", "Hausdorff", "lower", math.sqrt(3)),)

        def __call__(self, prediction, truth):
            both = prediction.distances_to(truth), truth.distances_to(prediction)
            return {"hausdorff": float(max(d.max() for d in both))}

    protocol = R3DV1(R3DV1Config(points=2048, extra_metrics=("hausdorff",)))
    assert protocol.id == "r3d-v1 (2,048 points; + hausdorff)"
    assert protocol.columns[-1].name == "hausdorff"
    grid = SHAPES["box"]
    result = measure(VoxelShape(np.roll(grid, 6, axis=2)), grid, protocol=protocol)
    assert result.values["hausdorff"] == pytest.approx(6 / R, abs=0.03)
    plain = measure(VoxelShape(np.roll(grid, 6, axis=2)), grid)
    assert plain.values == {k: v for k, v in result.values.items() if k != "hausdorff"}


def test_a_metric_twice_is_refused():
    with pytest.raises(ValueError, match=r"extra_metrics \['chamfer'\] repeat columns"):
        R3DV1(R3DV1Config(extra_metrics=("chamfer",)))
