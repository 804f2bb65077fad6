"""Pix3D's loader: frame, cameras and cut-outs on a shape with no symmetry, and every kind of damage."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import BadItem, DataError, PrepareOptions
from datasets.prepare import open_dataset
from datasets.sources.pix3d import KNOWN_BAD, Pix3D, Pix3DConfig
from tests.helpers.pix3d_tree import (
    COLORS,
    Shot,
    canonical_mesh,
    coco,
    file_grid,
    solid,
    write_binvox_of,
    write_model,
    write_shot,
    write_tree,
)
from tests.helpers.writers import write_voxel_mat
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

OPTIONS = PrepareOptions(resolutions=(128, 64, 32), image_size=(96, 96), points=500)
SHOTS = [
    Shot("chair/0001.png", off_axis=(0, 0)),
    Shot(
        "chair/0002.jpg",
        "chair/B",
        angles=(-60, 35, 12),
        off_axis=(25, 140),
        distance=4,
        size=(480, 400),
        focal_mm=22,
    ),
    Shot("chair/0003.png", angles=(160, -8, -30), off_axis=(22, 250), size=(280, 400), focal_mm=32),
    Shot(
        "chair/0004.png",
        angles=(250, 70, 100),
        off_axis=(15, 300),
        distance=2.5,
        size=(440, 400),
        focal_mm=24,
    ),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Four photographs of two chairs of one shape; not to be changed."""
    root = tmp_path_factory.mktemp("pix3d")
    write_tree(root, SHOTS)
    return root


@pytest.fixture
def root(tmp_path, whole) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


def source(root: Path, **config) -> Pix3D:
    return Pix3D(Pix3DConfig(**config), root)


def built(root: Path, number: int = 0, options: PrepareOptions = OPTIONS, **config):
    src = source(root, **config)
    return src.build(src.items()[number], src.resolve_options(options))


def edit_index(root: Path, number: int = 0, **changes) -> None:
    rows = json.loads((root / "pix3d.json").read_text(encoding="utf-8"))
    rows[number] |= changes
    (root / "pix3d.json").write_text(
        json.dumps([{k: v for k, v in r.items() if v != "-"} for r in rows]), encoding="utf-8"
    )


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def seen(sample) -> np.ndarray:
    return sample.images[0, ..., 3] >= 128


def drawn(sample, mesh: Mesh) -> np.ndarray:
    return render(mesh, Camera.from_row(sample.cameras[0]), sample.images.shape[1:3]).mask


# --- frame and camera ------------------------------------------------------------------------------------


def test_voxels_land_in_the_cells_of_the_canonical_frame(whole):
    sample = built(whole)
    for resolution in (128, 64, 32):
        np.testing.assert_array_equal(sample.voxels[resolution], solid(resolution))


@pytest.mark.parametrize("number", range(len(SHOTS)))
def test_voxels_and_mesh_project_into_the_mask(whole, number):
    sample = built(whole, number)
    assert overlap(drawn(sample, canonical_mesh()[0]), seen(sample)) >= 0.95
    assert overlap(drawn(sample, marching_cubes(sample.voxels[64], 0.5)), seen(sample)) >= 0.9
    assert overlap(drawn(sample, marching_cubes(sample.voxels[32], 0.5)), seen(sample)) >= 0.8


@pytest.mark.parametrize("number", range(len(SHOTS)))
def test_no_mirrored_or_turned_shape_fits(whole, number):
    sample = built(whole, number)
    mesh, _ = canonical_mesh()
    fits = overlap(drawn(sample, mesh), seen(sample))
    for axes in ((-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, 1, -1)):
        other = Mesh(mesh.vertices * axes, mesh.faces)
        assert overlap(drawn(sample, other), seen(sample)) < fits - 0.015


def test_colours_are_where_the_camera_sees_them(whole):
    sample = built(whole, 1)
    mesh, colors = canonical_mesh()
    picture = render(mesh, Camera.from_row(sample.cameras[0]), (96, 96), face_colors=colors)
    inside = (sample.images[0, ..., 3] == 255) & (picture.rgba[..., 3] == 255)
    hue_seen, hue_drawn = (p[inside][:, :3].argmax(1) for p in (sample.images[0], picture.rgba))
    assert set(hue_drawn) == {np.argmax(c) for c in COLORS.values()}
    assert (hue_seen == hue_drawn).mean() > 0.95


def test_camera_on_the_axis_is_that_of_the_photograph(whole):
    camera = Camera.from_row(built(whole).cameras[0])
    azimuth, elevation, in_plane = SHOTS[0].angles
    # the box' middle is not quite the object's, so the camera is turned a little, and shifted back
    assert camera.azimuth == pytest.approx(azimuth, abs=2)
    assert camera.elevation == pytest.approx(elevation, abs=2)
    assert camera.in_plane == pytest.approx(in_plane, abs=1)
    assert camera.distance == pytest.approx(3, rel=1e-5)


def test_distance_is_exact_at_every_pose(whole):
    for number, shot in enumerate(SHOTS):
        assert Camera.from_row(built(whole, number).cameras[0]).distance == pytest.approx(
            shot.distance, rel=1e-5
        )


def test_strongly_off_the_axis(tmp_path):
    rng = np.random.default_rng(0)
    shots = [
        Shot(
            f"chair/{n:04d}.png",
            angles=(rng.uniform(0, 360), rng.uniform(-20, 60), rng.normal(0, 20)),
            off_axis=(rng.uniform(20, 32), rng.choice([35, 145, 215, 325])),
            distance=rng.uniform(2.5, 5),
            size=(480, 400),
            focal_mm=16,
        )
        for n in range(8)
    ]
    write_tree(tmp_path, shots)
    scores = []
    for number in range(len(shots)):
        sample = built(tmp_path, number)
        scores.append(overlap(drawn(sample, canonical_mesh()[0]), seen(sample)))
    assert np.mean(scores) >= 0.97 and min(scores) >= 0.95


def test_points_are_on_the_surface_in_the_same_frame(whole):
    points = built(whole).points
    assert points.shape == (500, 3) and points.dtype == np.float32
    np.testing.assert_allclose(np.ptp(points, axis=0), [0.75, 1, 0.625], atol=0.03)
    # a hair inside every face lies an occupied cell
    cells = np.clip(((points * 0.998 + 0.5) * 128).astype(int), 0, 127)
    near = [solid(128)[tuple(np.clip(cells + step, 0, 127).T)] for step in (-1, 0, 1)]
    assert np.any(near, axis=0).all()


def test_binvox_has_the_axes_of_the_model(root):
    edit_index(root, voxel=write_binvox_of(root, "chair/A"))
    np.testing.assert_array_equal(built(root).voxels[128], solid(128))


def test_mean_pooling(whole):
    shares = built(whole, options=PrepareOptions(resolutions=(16,), pooling="mean")).voxels[16]
    expected = solid(128).reshape(16, 8, 16, 8, 16, 8).mean((1, 3, 5))
    np.testing.assert_array_equal(shares, np.rint(expected * 255))


def test_axes_that_cannot_be_those_of_the_model(root):
    home_made = file_grid().transpose(0, 2, 1)[:, :, ::-1]  # left, up, inward
    write_voxel_mat(root / "model/chair/A/voxel.mat", home_made.astype(np.uint8))
    with pytest.raises(BadItem, match=r"voxel\.mat: in the axes 'pix3d' .* set voxel_axes=model"):
        built(root)
    np.testing.assert_array_equal(built(root, voxel_axes="model").voxels[64], solid(64))
    write_model(root, "chair/A")
    with pytest.raises(BadItem, match=r"in the axes 'model' .* set voxel_axes=pix3d"):
        built(root, voxel_axes="model")


def test_mesh_rcnns_form_with_a_principal_point_off_the_middle(tmp_path):
    shots = [
        Shot("chair/0001.png", principal=(40, -30), off_axis=(8, 200)),
        Shot("chair/0002.png", principal=(-25, 20), off_axis=(12, 20), distance=4),
    ]
    rows = [write_shot(tmp_path, shot) for shot in shots]
    (tmp_path / "pix3d_s1_train.json").write_text(json.dumps(coco(shots[:1], rows[:1])), encoding="utf-8")
    (tmp_path / "pix3d_s1_test.json").write_text(json.dumps(coco(shots[1:], rows[1:])), encoding="utf-8")
    for number in (0, 1):
        sample = built(tmp_path, number, split="s1")
        assert overlap(drawn(sample, canonical_mesh()[0]), seen(sample)) >= 0.95
        np.testing.assert_array_equal(sample.voxels[32], solid(32))


# --- cut-outs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(96, 96), (60, 120), (120, 60)])
@pytest.mark.parametrize("crop", [0.5, 0.9])
def test_the_object_fills_its_share(whole, size, crop):
    sample = built(whole, options=OPTIONS.model_copy(update={"image_size": size}), crop=crop)
    assert sample.images.shape == (1, *size, 4)
    rows, columns = np.nonzero(seen(sample))
    filled = max((np.ptp(rows) + 1) / size[0], (np.ptp(columns) + 1) / size[1])
    assert filled == pytest.approx(crop, abs=0.05)


def test_masks_hide_the_background_and_can_be_left_out(whole):
    masked, plain = built(whole), built(whole, masks=False, crop=0.3)
    alpha = masked.images[0, ..., 3]
    assert 0.05 < (alpha == 255).mean() < 0.6
    assert (masked.images[0][alpha == 0] == 0).all()
    inside = plain.images[0, ..., 3] == 255
    assert 0.3 < inside.mean() < 0.9  # beyond the photograph it is transparent
    assert (plain.images[0][plain.images[0, ..., 3] == 0] == 0).all()
    assert "mask" in source(whole).provides
    assert source(whole, masks=False).provides == source(whole).provides - {"mask"}


def test_without_masks_none_is_needed(root):
    (root / "mask/chair/0001.png").unlink()
    assert built(root, masks=False).images is not None


def test_no_pictures(whole):
    sample = built(whole, options=OPTIONS.model_copy(update={"views": 0}))
    assert sample.images is None and sample.cameras is None and sample.points is not None


def save_with_exif(path: Path, pixels: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def test_boxes_count_the_pixels_that_fit_the_index(root):
    path = root / "img/chair/0001.png"
    pixels = np.asarray(Image.open(path))
    expected = built(root).images
    # the stored pixels are those of the index: EXIF was ignored by what made it, whatever EXIF says
    for orientation in (3, 6):
        save_with_exif(path, pixels, orientation)
        np.testing.assert_array_equal(built(root).images, expected)
    # they are not: the index counts the picture as EXIF turns it (6: a quarter clockwise)
    save_with_exif(path, np.rot90(pixels), 6)
    np.testing.assert_array_equal(built(root).images, expected)


# --- damage ----------------------------------------------------------------------------------------------


def no_photo(root):
    (root / "img/chair/0001.png").unlink()
    return r"not there: .*img/chair/0001\.png$"


def no_mask_and_model(root):
    (root / "mask/chair/0001.png").unlink()
    (root / "model/chair/A/model.obj").unlink()
    return r"not there: .*model\.obj and .*mask/chair/0001\.png"


def no_voxels(root):
    (root / "model/chair/A/voxel.mat").unlink()
    return r"not there: .*voxel\.mat"


def broken_photo(root):
    path = root / "img/chair/0001.png"
    path.write_bytes(path.read_bytes()[:900])
    return r"0001\.png: corrupt image"


def other_photo(root):
    Image.new("RGB", (260, 201)).save(root / "img/chair/0001.png")
    return r"img/chair/0001\.png: 260 x 201 pixels, the index says 260 x 200"


def other_mask(root):
    Image.new("L", (200, 260), 255).save(root / "mask/chair/0001.png")
    return r"mask/chair/0001\.png: 200 x 260 pixels, the index says 260 x 200"


def empty_mask(root):
    Image.new("L", (260, 200)).save(root / "mask/chair/0001.png")
    return r"mask/chair/0001\.png: an empty mask"


def broken_mesh(root):
    (root / "model/chair/A/model.obj").write_text("v 0 0 0\nf 1 2 3\n", encoding="utf-8")
    return r"model\.obj: "


def broken_voxels(root):
    path = root / "model/chair/A/voxel.mat"
    path.write_bytes(path.read_bytes()[:200])
    return r"voxel\.mat: "


def small_voxels(root):
    write_voxel_mat(root / "model/chair/A/voxel.mat", np.ones((64, 64, 64), np.uint8))
    return r"voxel\.mat: expected a grid of 128\^3, got \(64, 64, 64\)"


def no_occupied_voxel(root):
    write_voxel_mat(root / "model/chair/A/voxel.mat", np.zeros((128, 128, 128), np.uint8))
    return r"voxel\.mat: the 128\^3 grid has no occupied cell"


def index(reason: str, **changes):
    def damage(root):
        edit_index(root, **changes)
        return r"index entry of .*img/chair/0001\.png.*" + reason

    return damage


FLAT = [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
MIRROR = [[1, 0, 0], [0, 1, 0], [0, 0, -1]]


@pytest.mark.parametrize(
    "damage",
    [
        no_photo,
        no_mask_and_model,
        no_voxels,
        broken_photo,
        other_photo,
        other_mask,
        empty_mask,
        broken_mesh,
        broken_voxels,
        small_voxels,
        no_occupied_voxel,
        index("has no 'rot_mat'", rot_mat="-"),
        index("has no 'focal_length'", focal_length="-"),
        index("is no rotation", rot_mat=FLAT),
        index("is no rotation", rot_mat=MIRROR),
        index("'rot_mat' must hold 9 finite number", rot_mat=[1, 2, 3]),
        index("'trans_mat' must hold 3 finite number", trans_mat=[0, 0, float("nan")]),
        index("'trans_mat' must hold 3 finite .* below 1e", trans_mat=[0, 0, 1e300]),
        index("'rot_mat' must hold 9 finite .* below 1e", rot_mat=[[1e308, 0, 0], [0, 1, 0], [0, 0, 1]]),
        index("a number beyond 1e.09: int too large", trans_mat=[0, 0, 10**400]),
        index("a number beyond 1e.09: int too large", rot_mat=[[-(10**400), 0, 0], [0, 1, 0], [0, 0, 1]]),
        index("a number beyond 1e.09: int too large", focal_length=10**400),
        index("a number beyond 1e.09: int too large", img_size=[260, 10**4000]),
        index("a number beyond 1e.09: int too large", bbox=[0, 0, 10**309, 90]),
        index("'bbox' must hold 4 finite .* below 1e", bbox=[0, 0, 2**64, 90]),
        index("'img_size' must hold 2 finite .* below 1e", img_size=[2**63, 200]),
        index("'focal_length' must hold 1 finite .* below 1e", focal_length=1e308),
        index("a focal length of 1.625e-08 pixels", focal_length=2e-9),
        index("'K' must hold 3 finite .* below 1e", K=[1e300, 130, 100]),
        index("a number beyond 1e.09: int too large", K=[300, 130, 10**400]),
        index("could not convert string to float: 'far'", trans_mat=[0, 0, "far"]),
        index("not in front of the camera", trans_mat=[0, 0, -5]),
        index("a focal length of -8.125 pixels", focal_length=-1),
        index(r"box \[300, 0, 400, 90\] is empty inside 260 x 200 pixels", bbox=[300, 0, 400, 90]),
        index(r"box \[9, 9, 9, 99\] is empty", bbox=[9, 9, 9, 99]),
        index("'bbox' must hold 4", bbox=[]),
        index("'img_size' must hold 2", img_size=None),
        index("too wide for one look|reaches behind the camera", focal_length=0.5, bbox=[0, 0, 90, 90]),
        index(r"path '\.\./mask\.png' leads out of the data set", mask="../mask.png"),
        index("path '/etc/passwd' leads out", voxel="/etc/passwd"),
        index("7 is no path", mask=7),
    ],
)
def test_one_damage_costs_its_photograph_and_is_named(root, damage):
    reason = damage(root)
    with pytest.raises(BadItem) as caught:
        built(root)
    assert re.search(reason, str(caught.value))
    assert built(root, 1).images is not None


def test_boxes_are_cut_at_the_border_of_the_photograph(root):
    edit_index(root, bbox=[0, 0, 260, 200])
    inside = built(root)
    edit_index(root, bbox=[-40, -3, 900, 200.5])
    np.testing.assert_array_equal(built(root).images, inside.images)


# --- as a user would -------------------------------------------------------------------------------------


def test_prepared_as_a_user_would(root, tmp_path):
    (root / "img/chair/0003.png").unlink()
    store = open_dataset(
        "pix3d",
        data_root=root,
        cache_root=tmp_path / "cache",
        options={"resolutions": (32,), "image_size": (48, 64), "points": 100},
        workers=0,
        progress=False,
        allow_missing=True,
    )
    assert store.splits == ("test",)
    assert [entry["id"] for entry in store.skipped] == ["img/chair/0003.png"]
    split = store.split("test")
    assert split.ids == ("img/chair/0001.png", "img/chair/0002.jpg", "img/chair/0004.png")
    assert split.provides == {"image", "mask", "voxels", "camera", "points"}
    assert split.num_views == 1
    assert store.verify() == []


def test_known_bad_photographs_are_those_of_mesh_rcnn():
    assert set(KNOWN_BAD) == {"img/table/1749.jpg", "img/table/0045.png"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"resolutions": (256,)}, r"holds grids of 128\^3 and cannot give 256\^3; ask for 128, 64, 32"),
        ({"resolutions": (48,)}, r"cannot give 48\^3"),
        ({"maps": True}, "has no depth and no normals; leave out 'maps'"),
    ],
)
def test_options_that_cannot_be_honoured(whole, options, text):
    with pytest.raises(DataError, match=text):
        source(whole).resolve_options(PrepareOptions(**options))


def test_one_view_whatever_is_asked_for(whole):
    for views, given in ((24, 1), (1, 1), (0, 0)):
        assert source(whole).resolve_options(PrepareOptions(views=views)).views == given


def test_stamp_changes_when_photographs_arrive(root):
    before = source(root).stamp()
    assert before == source(root).stamp() != ""
    write_shot(root, replace(SHOTS[0], name="chair/0009.png"))
    after = source(root).stamp()
    assert after != before
    edit_index(root, category="sofa")
    assert source(root).stamp() not in (before, after)
    assert source(root / "absent").stamp() == ""
