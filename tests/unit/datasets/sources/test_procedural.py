"""The embedded data set: closed parts, stable shapes, disjoint splits, shapes that look like their name."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from datasets import DATASETS, BadItem, Item, PrepareOptions
from datasets.categories import R2N2_CATEGORIES
from datasets.making.draw import Draw
from datasets.sources.procedural import CATEGORIES, ProceduralConfig, ProceduralSource
from datasets.sources.procedural import primitives as p
from datasets.sources.procedural.families import FAMILIES, make
from datasets.sources.procedural.parts import LATTICE, Parts
from zoo.geometry.camera import R2N2_FOV, Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import SolidStatus, solid

STYLES = [(category, style) for category, styles in FAMILIES.items() for style in styles]
GRAY = (0.5, 0.5, 0.5)


@cache
def grid(category: str, style: str, number: int = 0) -> np.ndarray:
    """Solid at 32^3 of the shape `number` of a style."""
    return solid(make(category, style, Draw("test", category, style, number)).mesh, 32)[0]


@cache
def source(train: int = 24, val: int = 3, test: int = 6) -> ProceduralSource:
    return ProceduralSource(ProceduralConfig(train=train, val=val, test=test))


@cache
def split_grids(category: str, split: str) -> np.ndarray:
    """Solids (N, 32768) of a category's split in `source()`."""
    items = [i for i in source().items() if (i.category, i.split) == (category, split)]
    return np.stack([solid(source().shape(i).mesh, 32)[0].ravel() for i in items])


# --- parts ------------------------------------------------------------------------------------------------

CUBE_CUT = 6 - 4 * (6 - 6 * 0.1) * 0.1**2 / 2 - 8 * (1 - 1 / 6) * 0.1**3
"""A 1 x 2 x 3 box less 12 edge prisms of section 0.1 x 0.1 / 2, less all but 1/6 of the 8 corner cubes."""


def polygon(sides: int) -> float:
    """Area of a regular polygon of circumradius 1."""
    return sides / 2 * float(np.sin(2 * np.pi / sides))


PARTS: dict[str, tuple[Mesh, float]] = {
    "box": (p.box((1, 2, 3), (4, 5, 6)), 6.0),
    "bevelled box": (p.box((1, 2, 3), bevel=0.1), CUBE_CUT),
    "frustum": (p.box((2, 3, 2), taper=(0.5, 0.5), shift=(1, -1)), 3 / 3 * (4 + 1 + 2)),
    "cylinder": (p.lathe([(2, -1), (2, 3)], 14), polygon(14) * 4 * 4),
    "cone": (p.lathe([(2, 0), (1, 3)], 10), polygon(10) * (4 + 1 + 2)),
    "ring": (p.lathe([(2, 0), (3, 0), (3, 1), (2, 1)], 12, around=True), polygon(12) * (9 - 4)),
    "rod": (p.rod((1, 2, 3), (1, 2, 8), 0.5, sides=8), polygon(8) * 0.25 * 5),
    "bent tube": (p.tube([(0, 0, 0), (2, 0, 0), (2, 2, 0)], 0.1, 8), polygon(8) * 0.01 * 4),
    "loop": (
        p.tube([(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0)], 0.1, 6, closed=True),
        polygon(6) * 0.01 * 8,
    ),
    "plate": (p.extrude(p.rectangle(2, 3), 0.5), 3.0),
    "plate in (z, x)": (p.extrude([(0, 0), (2, 0), (0, 3)], 0.5, axis="y"), 1.5),
    "plate in (y, z)": (p.extrude([(0, 0), (2, 0), (2, 1), (0, 3)], 0.5, axis="x"), 2.0),
    "ell": (p.extrude([(2, 0), (2, 1), (1, 1), (1, 3), (0, 3), (0, 0)], 2.0), 8.0),
    "wing": (p.wing((0, 0, 0), 3, (1, 1), (0.2, 0.2), 0.5, 0.3), 3 * 0.2 * (0.09 + 0.47 + 0.35 * 0.7)),
    "turned": (p.turn(p.box((1, 2, 3)), "y", 33), 6.0),
    "moved": (p.move(p.box((1, 2, 3)), (1, 1, 1)), 6.0),
}


@pytest.mark.parametrize("name", PARTS)
def test_part_is_closed_and_encloses_its_volume(name: str) -> None:
    mesh, volume = PARTS[name]
    check = mesh.to_trimesh()
    assert check.is_watertight and check.is_winding_consistent
    assert check.volume == pytest.approx(volume, rel=1e-9)


def test_boxes_are_not_turned_inside_out() -> None:
    for size, taper in (((1.0, 0.0, 1.0), (1.0, 1.0)), ((1.0, 1.0, 1.0), (-0.1, 1.0))):
        with pytest.raises(ValueError, match="positive edges and tapers"):
            p.box(size, taper=taper)


def test_curved_parts_approach_the_smooth_volume() -> None:
    ball = p.ellipsoid((1, 2, 3), rings=40, sides=80).to_trimesh()
    assert ball.is_watertight
    assert ball.volume == pytest.approx(4 / 3 * np.pi * 6, rel=0.01)
    bow = p.extrude(p.band(2, 0.5, 20, 300, 80), 0.7).to_trimesh()
    assert bow.is_watertight
    assert bow.volume == pytest.approx(np.radians(280) * 2 * 0.5 * 0.7, rel=0.001)
    rounded = p.extrude(p.rectangle(2, 3, 0.5, 40), 1.0)
    assert rounded.to_trimesh().volume == pytest.approx(6 - (4 - np.pi) * 0.25, rel=0.001)


def test_caps_of_bands_do_not_cross_the_hollow() -> None:
    """The area of a cap equals the outline's: no triangle lies outside a shape that is not convex."""
    outline = np.array(p.band(2, 0.5, 0, 270, 12))
    mesh = p.extrude(outline, 1.0)
    flat = mesh.triangles[np.ptp(mesh.triangles[:, :, 2], axis=1) == 0]
    areas = np.linalg.norm(np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]), axis=1) / 2
    x, y = outline.T
    shoelace = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert areas.sum() == pytest.approx(2 * shoelace, rel=1e-12)


def test_mitred_tube_keeps_its_thickness_in_a_bend() -> None:
    mesh = p.tube([(0, 0, 0), (2, 0, 0), (2, 0, 2)], 0.1, 16)
    corner = mesh.vertices[16:32]
    assert np.abs(corner[:, 1]).max() == pytest.approx(0.1, rel=0.03)
    across = (corner - (2, 0, 0)) @ (np.array([1, 0, -1]) / np.sqrt(2))
    assert np.abs(across).max() == pytest.approx(0.1 * np.sqrt(2), rel=0.03)


def test_parts_mirror_turn_and_include() -> None:
    arm = p.box((1, 1, 1), (3, 0, 2))
    parts = Parts()
    parts.corners(arm, GRAY)
    other = Parts()
    other.around(p.box((2, 0.5, 0.5), (1, 0, 0)), 3, (1.5, 0.0, -0.5), 10)
    parts.include(other, (0, 2, 0), 30)
    shape = parts.finish()
    check = shape.mesh.to_trimesh()
    assert check.is_watertight
    scale = 7.0  # from x = -3.5 to 3.5
    assert check.volume * scale**3 == pytest.approx(4 * 1 + 3 * 0.5, rel=1e-3)
    assert shape.face_colors[:48] == pytest.approx(0.5)
    assert np.array_equal(
        shape.face_colors[48:], np.tile(np.array([1, 0, 0], np.float32), (36, 1))
    )  # clipped


# --- random choices ---------------------------------------------------------------------------------------


def test_draw_is_pinned() -> None:
    """Written down once: another numpy or machine must give the same numbers."""
    draw = Draw("pinned", 7)
    assert [draw.unit() for _ in range(2)] == [0.21937900266638788, 0.6533671894479385]
    assert [draw.whole(1, 6) for _ in range(8)] == [3, 4, 4, 6, 4, 6, 1, 5]


def test_draw_is_uniform_and_its_streams_differ() -> None:
    draw = Draw("uniform")
    values = np.array([draw.between(2, 4) for _ in range(20_000)])
    assert values.min() >= 2 and values.max() < 4
    assert np.histogram(values, 10, (2, 4))[0] == pytest.approx(2000, abs=200)
    faces = np.bincount([draw.whole(1, 6) for _ in range(12_000)], minlength=7)
    assert faces[0] == 0 and faces[1:] == pytest.approx(2000, abs=250)
    assert Draw("a", 1).unit() != Draw("a", "1").unit()
    assert Draw("ab", "c").unit() != Draw("a", "bc").unit()


# --- shapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "style"), STYLES)
def test_every_style_gives_closed_normalised_shapes(category: str, style: str) -> None:
    for number in range(3):
        shape = make(category, style, Draw("closed", category, style, number))
        mesh = shape.mesh
        check = mesh.to_trimesh()
        assert check.is_watertight and check.is_winding_consistent
        assert min(part.volume for part in check.split()) > 0  # every part faces outwards
        extent = np.ptp(mesh.vertices, axis=0)
        assert extent.max() == pytest.approx(1, abs=2 / LATTICE)
        assert np.abs(mesh.vertices).max() < 0.5
        steps = (mesh.vertices + 0.5) * LATTICE - 0.5
        assert np.array_equal(steps, np.round(steps))
        assert shape.face_colors.shape == (len(mesh.faces), 3)
        assert len(mesh.faces) <= 2200
        occupied, status = solid(mesh, 32)
        assert status is SolidStatus.CLOSED
        assert 60 <= occupied.sum() <= 30_000


def test_shapes_hold_together_on_a_grid() -> None:
    """Thin parts are at least a cell wide: nearly all cells of nearly all shapes are connected."""
    shares = []
    for category, style in STYLES:
        for number in range(4):
            labels, _ = ndimage.label(grid(category, style, number), np.ones((3, 3, 3)))
            sizes = np.bincount(labels.ravel())[1:]
            shares.append(sizes.max() / sizes.sum())
    assert np.mean(np.array(shares) > 0.98) > 0.97


def test_some_shapes_are_thin_and_some_not_convex() -> None:
    lamp, boat = grid("lamp", "floor"), grid("watercraft", "canoe")
    assert (lamp.sum((0, 2)) <= 4).sum() >= 10  # a stem of at most 2 x 2 cells over a third of the height
    cell = np.argwhere(boat)
    hull = np.ptp(cell, axis=0) + 1
    assert boat.sum() < 0.5 * hull.prod()


@pytest.mark.parametrize("category", CATEGORIES)
def test_styles_of_a_category_are_all_reached_in_turn(category: str) -> None:
    styles = set(FAMILIES[category])
    assert len(styles) >= 7
    items = [i for i in source().items() if (i.category, i.split) == (category, "train")]
    assert {source().style(i) for i in items[: len(styles)]} == styles
    assert {source().style(i) for i in items[len(styles) : 2 * len(styles)]} == styles


# --- the frame: front +x, up +y ---------------------------------------------------------------------------


def extents(category: str, style: str, number: int) -> np.ndarray:
    cells = np.argwhere(grid(category, style, number))
    return np.ptp(cells, axis=0) + 1


def lean(category: str, style: str, number: int, share: float = 0.25) -> float:
    """Mean x of the uppermost cells, in cells from the middle of the grid."""
    cells = np.argwhere(grid(category, style, number))
    top = cells[:, 1].max() - share * np.ptp(cells[:, 1])
    return float(cells[cells[:, 1] >= top, 0].mean() - 15.5)


@pytest.mark.parametrize("style", FAMILIES["car"])
def test_cars_are_long_in_x_and_stand_on_wheels(style: str) -> None:
    touching = []
    for number in range(4):
        x, y, z = extents("car", style, number)
        assert x == 32 and x > y and x > z
        cells = grid("car", style, number)
        bottom = cells[:, np.argwhere(cells)[:, 1].min()]  # (x, z)
        touching.append(bottom.any(1).mean())
        assert np.array_equal(bottom, bottom[:, ::-1])
    assert np.mean(touching) < 0.8  # wheels: not the whole length touches the ground


def test_passenger_cars_have_their_bonnet_in_front() -> None:
    for style in ("hatchback", "suv", "pickup", "van"):
        for number in range(4):
            cells = grid("car", style, number)
            front, rear = cells[-5:].any((0, 2)).sum(), cells[:5].any((0, 2)).sum()
            assert style == "pickup" or front <= rear + 1, (style, number)
    assert np.mean([lean("car", "pickup", k) for k in range(4)]) > 0  # the cab stands before the bed


@pytest.mark.parametrize("style", [s for s in FAMILIES["chair"] if s != "stool"])
def test_backs_of_chairs_are_behind(style: str) -> None:
    assert all(lean("chair", style, number) < -2 for number in range(6))


@pytest.mark.parametrize("style", ["standard", "loveseat", "curved", "bench_sofa"])
def test_sofas_are_wide_in_z_and_their_backs_are_behind(style: str) -> None:
    for number in range(4):
        x, _, z = extents("sofa", style, number)
        assert z > x and lean("sofa", style, number, 0.15) < -1


@pytest.mark.parametrize("style", FAMILIES["rifle"])
def test_muzzles_point_forwards(style: str) -> None:
    for number in range(4):
        cells = grid("rifle", style, number)
        x, y, z = extents("rifle", style, number)
        assert x == 32 and z <= y
        assert cells[-4:].sum() < cells[:4].sum() or style in ("carbine", "assault")
    muzzle = sum(int(grid("rifle", style, n)[-4:].sum()) for n in range(6))
    assert muzzle < sum(int(grid("rifle", style, n)[:4].sum()) for n in range(6))


@pytest.mark.parametrize("style", [s for s in FAMILIES["airplane"] if s not in ("biplane", "glider")])
def test_airplanes_carry_their_fin_behind_and_are_symmetric(style: str) -> None:
    for number in range(4):
        assert lean("airplane", style, number, 0.2) < 0 or style == "propeller"
        mesh = make("airplane", style, Draw("test", "airplane", style, number)).mesh
        assert np.abs(mesh.vertices[:, 2].max() + mesh.vertices[:, 2].min()) < 2 / LATTICE


@pytest.mark.parametrize("style", ["cargo", "motorboat", "yacht", "warship", "tug"])
def test_bows_are_pointed(style: str) -> None:
    for number in range(4):
        cells = grid("watercraft", style, number)
        bow, stern = np.argwhere(cells[-3:])[:, 2], np.argwhere(cells[:3])[:, 2]
        assert np.ptp(bow) <= np.ptp(stern) + 1


def test_screens_face_forwards() -> None:
    for number in range(6):
        cells = grid("display", "crt", number)
        occupied = np.flatnonzero(cells.any((1, 2)))
        assert cells[occupied[-3]].sum() > cells[occupied[1]].sum()  # the tube narrows to the back
        assert lean("display", "laptop", number) < -2  # the lid is hinged at the back


# --- the data set -----------------------------------------------------------------------------------------


def test_it_is_registered() -> None:
    entry = DATASETS.get("procedural")
    assert entry.cls is ProceduralSource
    assert len(entry.cls(entry.smoke_config(), None).items()) == 16


def test_ids_do_not_depend_on_counts() -> None:
    few, many = ProceduralSource(ProceduralConfig(train=2, val=1, test=1)), source()
    assert {i.id for i in few.items()} < {i.id for i in many.items()}
    item = Item("chair/train/00001", "chair", "train")
    assert np.array_equal(few.shape(item).mesh.vertices, many.shape(item).mesh.vertices)
    assert [i.id for i in few.items()][:3] == [
        "airplane/train/00000",
        "airplane/train/00001",
        "bench/train/00000",
    ]


def test_build_depends_on_seed_id_and_options_only() -> None:
    options = PrepareOptions(resolutions=(16, 32), image_size=(24, 32), views=3, points=50, maps=True)
    item = Item("lamp/test/00002", "lamp", "test")
    first = source().build(item, options)
    source().build(Item("sofa/val/00001", "sofa", "val"), options)
    again = ProceduralSource(ProceduralConfig(categories=("lamp",), train=1, val=1, test=3)).build(
        item, options
    )
    for name in ("images", "cameras", "points", "depth", "normals"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    assert all(np.array_equal(first.voxels[r], again.voxels[r]) for r in (16, 32))
    assert first.images.shape == (3, 24, 32, 4) and first.images.dtype == np.uint8
    assert first.points is not None and first.points.shape == (50, 3) and first.points.dtype == np.float32
    assert first.depth is not None and first.depth.shape == (3, 24, 32)
    assert first.normals is not None and first.normals.shape == (3, 24, 32, 3)
    more = source().build(item, options.model_copy(update={"views": 5, "points": 0, "maps": False}))
    assert np.array_equal(more.cameras[:3], first.cameras) and np.array_equal(more.images[:3], first.images)
    assert more.points is None and more.depth is None and more.normals is None
    other = ProceduralSource(ProceduralConfig(seed=1)).build(item, options)
    assert not np.array_equal(other.voxels[32], first.voxels[32])


def test_cameras_are_those_of_r2n2() -> None:
    item = Item("table/train/00003", "table", "train")
    low, high = source().shape(item).mesh.bounds
    diagonal = np.linalg.norm(high - low)
    options = PrepareOptions(image_size=(8, 8), views=200, points=0)
    azimuth, elevation, in_plane, distance, fov, *_ = source().build(item, options).cameras.T
    assert azimuth.min() >= 0 and azimuth.max() < 360
    assert np.histogram(azimuth, 4, (0, 360))[0].min() > 30
    assert elevation.min() >= 25 and elevation.max() <= 30 and np.ptp(elevation) > 4
    ratio = distance / (1.75 * diagonal)
    assert ratio.min() >= 0.65 - 1e-6 and ratio.max() <= 0.95 + 1e-6 and np.ptp(ratio) > 0.25
    assert (in_plane == 0).all() and fov == pytest.approx(R2N2_FOV)


def test_pictures_show_the_voxels() -> None:
    """Each occupied cell's centre, projected, meets the picture's alpha."""
    options = PrepareOptions(resolutions=(64,), image_size=(96, 96), views=4, points=500)
    for item in (i for i in source().items() if i.id.endswith("test/00000")):
        sample = source().build(item, options)
        assert sample.points is not None
        centres = (np.argwhere(sample.voxels[64]) + 0.5) / 64 - 0.5
        for rgba, row in zip(sample.images, sample.cameras, strict=True):
            # points on the outline may lie in a pixel that has no covered sample
            for points, share in ((centres, 0.99), (sample.points.astype(np.float64), 0.96)):
                uv, _ = Camera.from_row(row).project(points, (96, 96))
                u, v = np.floor(uv).astype(int).T
                inside = (u >= 0) & (u < 96) & (v >= 0) & (v < 96)
                assert inside.mean() > 0.98  # as there, the nearest views may just cut a corner
                assert (rgba[v[inside], u[inside], 3] > 0).mean() > share, item.id


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Item("chair", "chair", "train"), "is no shape of this data set"),
        (Item("chair/train/17", "chair", "train"), "looks like 'chair/train/00017'"),
        (Item("chair/train/00001", "sofa", "train"), "cannot be a sofa of the train split"),
        (Item("chair/train/00024", "chair", "train"), "the train split has 24 shapes"),
        (Item("boat/train/00001", "boat", "train"), "the categories are airplane"),
        (Item("chair/all/00001", "chair", "all"), "the all split has 0 shapes"),
    ],
)
def test_unknown_items_are_refused(item: Item, message: str) -> None:
    with pytest.raises(BadItem, match=message):
        source().build(item, PrepareOptions(views=1, points=0))


def test_config_knows_names_and_synsets() -> None:
    assert tuple(R2N2_CATEGORIES.values()) == CATEGORIES
    config = ProceduralConfig(categories=("table", "03001627", "chair"))
    assert config.categories == ("chair", "table")
    assert ProceduralConfig.model_validate({"categories": "lamp, car"}).categories == ("car", "lamp")
    with pytest.raises(ValidationError, match=r"unknown category 'chairs'\. Did you mean 'chair'"):
        ProceduralConfig(categories=("chairs",))
    with pytest.raises(ValidationError, match="at least 1 item"):
        ProceduralConfig(categories=())


def test_splits_share_no_shape() -> None:
    seen: dict[bytes, str] = {}
    for category in CATEGORIES:
        for split in ("train", "val", "test"):
            digests = {np.packbits(g).tobytes() for g in split_grids(category, split)}
            for digest in digests:
                assert seen.setdefault(digest, split) == split


def test_test_shapes_are_not_in_the_training_split() -> None:
    """The training shape most like a test shape is visibly another one, in every category."""
    nearest = {}
    for category in CATEGORIES:
        train = split_grids(category, "train").astype(np.float32)
        test = split_grids(category, "test").astype(np.float32)
        both = test @ train.T
        nearest[category] = (both / (test.sum(1)[:, None] + train.sum(1) - both)).max(1)
    assert max(n.max() for n in nearest.values()) < 0.97
    assert all(n.mean() < 0.85 for n in nearest.values()), {c: n.mean() for c, n in nearest.items()}
    assert np.mean([n.mean() for n in nearest.values()]) < 0.72


# --- the same on every machine ----------------------------------------------------------------------------


def digests() -> dict[str, str]:
    """One hash per category: ids, styles and solids at 32^3 and 64^3 of as many shapes as it has styles."""
    made = ProceduralSource(ProceduralConfig(train=20, val=1, test=1))
    result = {}
    for category in CATEGORIES:
        total = hashlib.sha256()
        for index in range(len(FAMILIES[category])):
            item = Item(f"{category}/train/{index:05d}", category, "train")
            mesh = made.shape(item).mesh
            total.update(f"{item.id} {made.style(item)}".encode())
            for resolution in (32, 64):
                total.update(np.packbits(solid(mesh, resolution)[0]).tobytes())
        result[category] = total.hexdigest()[:16]
    return result


GOLDEN = {
    "airplane": "91c609a8191924df",
    "bench": "eb70cfc6758eb2e1",
    "cabinet": "3e10d6c60da345df",
    "car": "80fc7840d4a0985a",
    "chair": "f14184a26aaa4653",
    "display": "16ad2cf2d68858ec",
    "lamp": "2136497dbc2c85e5",
    "speaker": "db65cc798cd363a4",
    "rifle": "8d41ff9c6b6239e3",
    "sofa": "6f76009f13122a65",
    "table": "b38bb6ecba9d15f9",
    "telephone": "4deb03eef4d71e1f",
    "watercraft": "da6ed81b64471c5c",
}


def test_shapes_are_those_of_this_version() -> None:
    """Fails when shapes change: then raise `ProceduralSource.version` and paste what `digests()` gives."""
    assert ProceduralSource.version == "1"
    assert digests() == GOLDEN


def test_another_process_makes_the_same_shapes() -> None:
    code = (
        "import json, sys; sys.path.insert(0, 'tests/unit/datasets/sources'); import test_procedural as t;"
        "print(json.dumps({c: int(t.grid(c, next(iter(t.FAMILIES[c]))).sum()) for c in t.CATEGORIES}))"
    )
    root = Path(__file__).resolve().parents[4]
    environment = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": str(root)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    here = {c: int(grid(c, next(iter(FAMILIES[c]))).sum()) for c in CATEGORIES}
    assert json.loads(result.stdout) == here
