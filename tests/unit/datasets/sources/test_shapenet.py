from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import benchmarks.request.settings
from datasets import BadItem, DataError, PrepareOptions, Sample
from datasets.categories import CONTAINED, R2N2_CATEGORIES, SHAPENET_CATEGORIES
from datasets.formats.binvox import write_binvox
from datasets.prepare import open_dataset
from datasets.sources.shapenet import ShapeNet, ShapeNetConfig
from datasets.sources.shapenet.layout import LAYOUTS
from tests.unit.datasets.sources.test_screenshots import add_screenshots
from zoo.config import ConfigError
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.resample import bounding_cells
from zoo.geometry.surface import marching_cubes

CHAIR, CAR, PHONE, CELLPHONE = "03001627", "02958343", "04401088", "02992529"

# An L with a bump on one side, in cells, canonical: x to the front, y up, z to its right hand.
SIZE = (16, 12, 8)
FOOT, BACK, BUMP = ((0, 16), (0, 4), (0, 8)), ((0, 4), (4, 12), (0, 8)), ((12, 16), (4, 8), (0, 4))
SHAPE = np.zeros(SIZE, bool)
for box in (FOOT, BACK, BUMP):
    SHAPE[tuple(slice(*edge) for edge in box)] = True


def expected(resolution: int) -> np.ndarray:
    """The shape in the middle of the unit cube, whose edge is 16 of its cells."""
    grid = np.zeros((16, 16, 16), bool)
    grid[:, 2:14, 4:12] = SHAPE
    times = resolution // 16
    return grid.repeat(times, 0).repeat(times, 1).repeat(times, 2)


def obj_of(version: int, scale: float, offset: tuple[float, float, float]) -> str:
    """The three boxes, as the version's axes have them, small and off the origin."""
    lines, count = ["mtllib model.mtl" if version == 1 else "mtllib model_normalized.mtl"], 0
    lines += ["vt 0.5 0.5"]
    for name, ((x0, x1), (y0, y1), (z0, z1)) in (("foot", FOOT), ("back", BACK), ("bump", BUMP)):
        corners = [(x, y, z) for x in (x0, x1) for y in (y0, y1) for z in (z0, z1)]
        if version == 2:  # its front is -z: what lies x before our middle lies -x along its z
            corners = [(z, y, -x) for x, y, z in corners]
        lines += [
            "v " + " ".join(f"{scale * c + o:.6f}" for c, o in zip(p, offset, strict=True)) for p in corners
        ]
        lines.append(f"usemtl {name}")
        quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
        lines += ["f " + " ".join(f"{count + 1 + k}/1" for k in quad) for quad in quads]
        count += 8
    return "\n".join(lines) + "\n"


def add_model(
    root: Path, synset: str, model: str, version: int, scale: float = 0.05, offset=(0.3, -0.2, 0.1)
) -> Path:
    """One model as the version lays it out; gives its folder."""
    folder = root / synset / model
    mesh = folder / LAYOUTS[version].mesh
    mesh.parent.mkdir(parents=True)
    mesh.write_text(obj_of(version, scale, offset), encoding="utf-8")
    texture = "images/texture0.png" if version == 1 else "../images/texture0.png"
    mesh.with_suffix(".mtl").write_text(
        f"newmtl foot\nKd 1 1 1\nmap_Kd {texture}\nnewmtl back\nKd 1 0 0\nnewmtl bump\nKd 0 0 1\n",
        encoding="utf-8",
    )
    (folder / "images").mkdir()
    Image.new("RGB", (4, 4), (0, 255, 0)).save(folder / "images" / "texture0.png")
    if version == 2:
        grid = np.zeros((128, 128, 128), bool)
        fine = SHAPE.repeat(8, 0).repeat(8, 1).repeat(8, 2)
        turned = fine.transpose(2, 1, 0)[:, :, ::-1]
        grid[: turned.shape[0], : turned.shape[1], : turned.shape[2]] = turned
        low = np.array(offset) + scale * np.array([0, 0, -16])
        header = (tuple(map(float, low)), 16 * scale)
        hollow = grid.copy()
        hollow[8:-8, 8:24, 8:-8] = False
        write_binvox(folder / LAYOUTS[2].solid, grid, *header)
        write_binvox(folder / LAYOUTS[2].surface, grid & ~hollow, *header)
    return folder


@pytest.fixture(params=[1, 2])
def version(request) -> int:
    return request.param


@pytest.fixture
def root(tmp_path, version) -> Path:
    """Five chairs and five cars of one version."""
    for synset in (CHAIR, CAR):
        for model in "abcde":
            add_model(tmp_path / "core", synset, model, version)
    return tmp_path / "core"


@pytest.fixture
def root2(tmp_path) -> Path:
    """Five chairs of v2."""
    for model in "abcde":
        add_model(tmp_path / "core", CHAIR, model, 2)
    return tmp_path / "core"


def source(root: Path, split: str = "r2n2", **config) -> ShapeNet:
    return ShapeNet(ShapeNetConfig(split=split, **config), root)


def sample_of(root: Path, options: PrepareOptions | None = None, **config) -> Sample:
    src = source(root, **config)
    return src.build(src.items()[0], options or PrepareOptions(resolutions=(16, 32, 64), views=6, points=500))


def opened(root: Path, split: str = "r2n2", options=None, **config):
    return open_dataset(
        "shapenet",
        data_root=root,
        cache_root=root.parent / "cache",
        config_overrides={"split": split, **config},
        options={"views": 0, "points": 0, "resolutions": (16,), **(options or {})},
        workers=0,
        progress=False,
        allow_missing=True,
    )


def silhouette_iou(sample: Sample, grid: np.ndarray) -> float:
    scores = []
    for image, row in zip(sample.images, sample.cameras, strict=True):
        drawn = render(marching_cubes(grid, 0.5), Camera.from_row(row), image.shape[:2]).mask
        seen = image[..., 3] >= 128
        scores.append((drawn & seen).sum() / (drawn | seen).sum())
    return float(np.mean(scores))


# The frame


def test_mesh_lands_in_the_canonical_frame(root):
    sample = sample_of(root)
    for resolution in (16, 32, 64):
        np.testing.assert_array_equal(sample.voxels[resolution], expected(resolution))
    # the highest point is at the back, the blue bump at the front on the left hand (-z)
    assert np.abs(sample.points).max(0) == pytest.approx([0.5, 0.375, 0.25], abs=0.01)
    assert sample.points[sample.points[:, 1] > 0.2][:, 0].max() <= -0.25 + 1e-6


def test_voxels_project_into_the_pictures(root):
    sample = sample_of(root)
    assert silhouette_iou(sample, sample.voxels[64]) >= 0.9
    assert silhouette_iou(sample, sample.voxels[32]) >= 0.8
    assert silhouette_iou(sample, sample.voxels[64][::-1]) < 0.9


@pytest.mark.parametrize("voxels", ["binvox", "binvox+surface"])
def test_binvox_lands_where_the_mesh_is(root2, voxels):
    sample = sample_of(root2, voxels=voxels)
    for resolution in (16, 32, 64):
        np.testing.assert_array_equal(sample.voxels[resolution], expected(resolution))


@pytest.mark.parametrize(
    ("point", "element"),
    [
        ((0.3, -0.2, -1.3), "l 1 {}"),
        ((0.3, -0.2, 0.7), "l 1 {}"),
        ((1.7, -0.2, 0.1), "l {} 1 2"),
        ((-0.7, 0.9, 0.1), "l 1/1 {}/1"),
        ((0.3, -0.2, -1.3), "p {}"),
        ((0.3, -0.2, -1.3), ""),
        ((0.3, -0.2, -1.3), "f 1 {} 1"),
    ],
)
def test_binvox_is_wider_where_lines_lie_outside_of_the_faces(root2, point, element):
    """Its cube begins at the lower corner of all vertices, whatever uses them."""
    folder = root2 / CHAIR / "a" / "models"
    mesh = folder / "model_normalized.obj"
    text = mesh.read_text(encoding="utf-8")
    vertices = np.array([line.split()[1:] for line in text.splitlines() if line.startswith("v ")], float)
    mesh.write_text(
        text + "v {} {} {}\n".format(*point) + element.format(len(vertices) + 1) + "\n", encoding="utf-8"
    )
    everything = np.vstack([vertices, point])
    corner, width = everything.min(0), np.ptp(everything, axis=0).max()
    cells = np.floor(
        (corner + (np.arange(128)[:, None] + 0.5) / 128 * width - vertices.min(0)) / 0.05
    ).astype(int)
    turned = SHAPE.transpose(2, 1, 0)[:, :, ::-1]
    inside = [(c >= 0) & (c < n) for c, n in zip(cells.T, turned.shape, strict=True)]
    clipped = [np.clip(c, 0, n - 1) for c, n in zip(cells.T, turned.shape, strict=True)]
    grid = turned[np.ix_(*clipped)] & inside[0][:, None, None] & inside[1][:, None] & inside[2]
    write_binvox(folder / "model_normalized.solid.binvox", grid, tuple(map(float, corner)), float(width))
    sample = sample_of(root2, PrepareOptions(resolutions=(64,), views=0, points=0), voxels="binvox")
    found, wanted = sample.voxels[64], expected(64)
    assert (found & wanted).sum() / (found | wanted).sum() > 0.85
    assert np.abs(bounding_cells(found) - bounding_cells(wanted)).max() <= 1


def test_surface_cells_are_added_to_the_solid(root2):
    folder = root2 / CHAIR / "a" / "models"
    shutil.copy(folder / "model_normalized.surface.binvox", folder / "model_normalized.solid.binvox")
    options = PrepareOptions(resolutions=(128,), views=0, points=0)
    hollow = sample_of(root2, options, voxels="binvox").voxels[128]
    assert 0 < hollow.sum() < expected(128).sum()
    add_model(root2, CHAIR, "full", 2)
    shutil.copy(root2 / CHAIR / "full" / LAYOUTS[2].solid, folder / "model_normalized.surface.binvox")
    both = sample_of(root2, options, voxels="binvox+surface").voxels[128]
    np.testing.assert_array_equal(both, expected(128))


def test_colours_of_materials_and_textures_are_in_the_pictures(root):
    sample = sample_of(root)
    pixels = sample.images[sample.images[..., 3] == 255][:, :3].astype(int)
    for channel in range(3):  # red back, green texture of the foot, blue bump
        others = [c for c in range(3) if c != channel]
        only = (pixels[:, channel] > 60) & (pixels[:, others] == 0).all(1)
        assert only.sum() > 50


def test_both_versions_of_one_model_give_one_sample(tmp_path):
    a, b = (sample_of(add_model(tmp_path / f"v{v}", CHAIR, "a", v).parents[1]) for v in (1, 2))
    np.testing.assert_allclose(a.cameras, b.cameras, atol=1e-4)
    assert (np.abs(a.images.astype(int) - b.images) <= 2).mean() > 0.99


@pytest.mark.parametrize("version", LAYOUTS)
def test_axes_turn_and_do_not_mirror(version):
    turn = LAYOUTS[version].axes.matrix()
    assert np.linalg.det(turn) == 1
    assert turn @ [0, 1, 0] == pytest.approx([0, 1, 0])
    assert turn @ ([1, 0, 0] if version == 1 else [0, 0, -1]) == pytest.approx([1, 0, 0])


def test_fractional_cells(root):
    sample = sample_of(root, PrepareOptions(resolutions=(8,), views=0, points=0, pooling="mean"))
    blocks = expected(16).reshape(8, 2, 8, 2, 8, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(sample.voxels[8], np.rint(blocks * 255).astype(np.uint8))


# Categories and splits


def test_categories_are_those_of_the_other_data_sets():
    assert len(SHAPENET_CATEGORIES) == len(set(SHAPENET_CATEGORIES.values())) == 57
    assert R2N2_CATEGORIES.items() <= SHAPENET_CATEGORIES.items()
    assert all(len(synset) == 8 and synset.isdigit() for synset in SHAPENET_CATEGORIES)
    assert set(CONTAINED) | set(CONTAINED.values()) <= set(SHAPENET_CATEGORIES)
    assert len(SHAPENET_CATEGORIES) - len(CONTAINED) == 55


def test_items_by_the_sorted_rule(root):
    items = source(root).items()
    assert [i.id for i in items] == [f"{s}/{m}" for s in (CAR, CHAIR) for m in "abcde"]
    assert [i.split for i in items[5:]] == ["train"] * 4 + ["test"]
    assert {(i.category, i.shape) for i in items[:5]} == {("car", m) for m in "abcde"}


def test_a_cellphone_that_is_a_telephone_is_taken_once(tmp_path):
    for model in "abc":
        add_model(tmp_path, PHONE, model, 1)
    for model in "cd":
        add_model(tmp_path, CELLPHONE, model, 1)
    assert [i.id for i in source(tmp_path).items()] == [f"{CELLPHONE}/d"] + [f"{PHONE}/{m}" for m in "abc"]
    alone = source(tmp_path, categories="cellphone").items()
    assert [i.id for i in alone] == [f"{CELLPHONE}/{m}" for m in "cd"]


def write_csv(path: Path, *rows: tuple[str, str, str], bom: bool = False) -> Path:
    lines = ["id,synsetId,subSynsetId,modelId,split"]
    lines += [f"{n},{synset},1,{model},{split}" for n, (synset, model, split) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig" if bom else "utf-8")
    return path


@pytest.mark.parametrize("bom", [False, True])
def test_official_split_puts_the_lost_zero_back(root, bom):
    rows = [
        ("3001627", m, s) for m, s in zip("abcde", ("train", "test", "val", "train", "train"), strict=True)
    ]
    cars = [(CAR, m, "train") for m in "edcba"]
    write_csv(root / "all.csv", *rows, *cars, ("2691156", "plane", "val"), bom=bom)
    items = source(root, "official", categories="car,chair").items()
    assert [i.id for i in items] == [f"{s}/{m}" for s in (CAR, CHAIR) for m in "abcde"]
    assert [i.split for i in items[5:]] == ["train", "test", "val", "train", "train"]


def test_listed_models_that_are_not_there_are_named(root2):
    rows = [("3001627", m, s) for m, s in zip(["a", "b", "zz"], ("train", "val", "test"), strict=True)]
    write_csv(root2 / "all.csv", *rows)
    with pytest.warns(
        UserWarning, match=r"3 models under .*core are not in .*all.csv, the first is c; they are"
    ):
        items = source(root2, "official").items()
    assert [i.id for i in items] == [f"{CHAIR}/{m}" for m in ("a", "b", "zz")]
    with pytest.raises(BadItem, match=r"^not there: .*zz.models.model_normalized\.obj$"):
        source(root2, "official").build(items[2], PrepareOptions())


def test_a_model_that_is_listed_in_another_category_is_no_stranger(tmp_path):
    add_model(tmp_path, PHONE, "a", 2)
    write_csv(tmp_path / "all.csv", ("2992529", "a", "train"), ("4401088", "b", "train"))
    assert [i.id for i in source(tmp_path, "official", categories="telephone").items()] == [f"{PHONE}/b"]


def test_official_split_that_is_not_there(root):
    with pytest.raises(DataError, match=r"looked for .*all\.csv\. It comes with SHREC 2016 .* split=r2n2"):
        source(root, "official").items()


def test_fingerprint_holds_version_and_list_but_no_path(tmp_path, root2):
    rows = [("3001627", m, "train") for m in "abcde"]
    a, b = write_csv(root2 / "all.csv", *rows), write_csv(tmp_path / "mine.csv", *rows)
    identity = source(root2, "official").identity()
    assert identity == source(root2, str(b), version=2).identity()
    assert identity["version"] == 2 and identity["split"].startswith("sha256:")
    write_csv(a, *rows[1:])
    assert source(root2, "official").identity() != identity
    grids = source(root2, voxels="binvox", fine=64).identity()
    assert grids == source(root2, voxels="binvox", fine=32).identity() and grids["fine"] == 128
    assert source(root2, fine=64).identity() != source(root2, fine=32).identity()


def test_unknown_split_and_category_are_named(root):
    with pytest.raises(
        DataError, match="split 'oficial' is neither 'official' nor 'r2n2' nor an existing file"
    ):
        source(root, "oficial").items()
    with pytest.raises(ConfigError, match=r"unknown category 'chiar'\. Did you mean 'chair'"):
        opened(root, categories="chiar")


def test_chosen_categories_must_be_there(root):
    assert {i.category for i in source(root, categories="car").items()} == {"car"}
    with pytest.raises(DataError, match="no models of lamp, mug; there is car, chair"):
        source(root, categories="car,mug,lamp").items()


# The root


def test_versions_are_found_by_looking(root, version):
    assert source(root).identity()["version"] == version
    other = 3 - version
    with pytest.raises(DataError, match=f"holds ShapeNetCore v{version}, asked for was version={other}"):
        source(root, version=other).items()


def test_versions_are_never_mixed(tmp_path):
    add_model(tmp_path, CHAIR, "a", 1)
    add_model(tmp_path, CAR, "a", 2)
    with pytest.raises(DataError, match=r"v1 and of v2, which differ in pose .* version=1 or version=2"):
        source(tmp_path).items()
    items = source(tmp_path, version=2).items()
    with pytest.raises(BadItem, match=r"not there: .*model_normalized.obj, only the mesh of v1"):
        source(tmp_path, version=2).build(items[1], PrepareOptions())
    shutil.rmtree(tmp_path / CAR)
    shutil.copytree(tmp_path / CHAIR / "a", tmp_path / CHAIR / "a" / "models")
    with pytest.raises(DataError, match="v1 and of v2"):
        source(tmp_path).items()


def test_missing_root_says_where_it_looked_and_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        source(tmp_path / "nowhere", "official").identity()
    for part in (
        "<synset>/<model>/model.obj (v1) or <synset>/<model>/models/model_normalized.obj (v2)",
        str(tmp_path / "nowhere"),
        "There is no such folder",
        "https://shapenet.org",
        "huggingface.co",
        "research only",
    ):
        assert part in str(caught.value)


def test_roots_nearby_are_found(root):
    with pytest.raises(DataError, match=f"Did you mean {root}\\?"):
        source(root.parent).items()
    with pytest.raises(DataError, match=f"Did you mean {root}\\?"):
        source(root / CHAIR).items()


def test_archives_that_are_not_unpacked_are_noticed(tmp_path):
    for synset in (CHAIR, CAR):
        (tmp_path / f"{synset}.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=f"2 archives there, such as {CAR}.zip, are not unpacked"):
        source(tmp_path).items()


def test_folders_of_categories_without_models(tmp_path):
    (tmp_path / CHAIR / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="is not there: looked for"):
        source(tmp_path).items()


@pytest.mark.parametrize("config", [{"voxels": "binvox"}, {"images": "screenshots"}])
def test_v1_has_neither_grids_nor_screenshots(tmp_path, config):
    add_model(tmp_path, CHAIR, "a", 1)
    (key,) = config
    with pytest.raises(DataError, match=f"v1 has no files for {key}={config[key]}; v2 has"):
        source(tmp_path, **config).items()


def test_stamp_changes_when_models_arrive(root, version):
    before = source(root).stamp()
    assert before == source(root).stamp() != ""
    add_model(root, CHAIR, "zzz", version)
    assert source(root).stamp() != before
    assert source(root / "absent").stamp() == ""


# Damage


def no_mesh(folder: Path) -> str:
    (folder / LAYOUTS[2].mesh).unlink()
    return r"^not there: .*models.model_normalized\.obj$"


def empty_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    folder.mkdir()
    return r"^not there: .*model_normalized\.obj, the folder is empty$"


def broken_mesh(folder: Path) -> str:
    path = folder / LAYOUTS[2].mesh
    path.write_text(path.read_text(encoding="utf-8").replace("f 1/1", "f 999/1"), encoding="utf-8")
    return r"model_normalized\.obj: "


def flat_mesh(folder: Path) -> str:
    (folder / LAYOUTS[2].mesh).write_text("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", encoding="utf-8")
    return r"model_normalized\.obj: none of its 1 triangles has an area"


@pytest.mark.parametrize("damage", [no_mesh, empty_folder, broken_mesh, flat_mesh])
def test_one_damaged_mesh_costs_its_model_and_is_named(root2, damage):
    reason = damage(root2 / CHAIR / "b")
    store = opened(root2)
    assert [s["id"] for s in store.skipped] == [f"{CHAIR}/b"]
    with pytest.raises(BadItem, match=reason):
        source(root2).build(source(root2).items()[1], PrepareOptions())
    assert len(store) == 4


def no_grid(folder: Path) -> str:
    (folder / LAYOUTS[2].solid).unlink()
    return r"solid\.binvox: No such file"


def small_grid(folder: Path) -> str:
    write_binvox(folder / LAYOUTS[2].solid, np.ones((64, 64, 64), bool))
    return r"solid\.binvox: expected a grid of 128\^3, got \(64, 64, 64\)"


def foreign_grid(folder: Path) -> str:
    write_binvox(folder / LAYOUTS[2].solid, np.ones((128, 128, 128), bool), scale=3.0)
    return r"solid\.binvox: is 3 wide, the longest edge of its mesh 0\.8"


@pytest.mark.parametrize("damage", [no_grid, small_grid, foreign_grid])
def test_damaged_grids_are_named_where_they_are_wanted(root2, damage):
    reason = damage(root2 / CHAIR / "a")
    with pytest.raises(BadItem, match=reason):
        sample_of(root2, voxels="binvox")
    np.testing.assert_array_equal(sample_of(root2).voxels[16], expected(16))


# Options


@pytest.mark.parametrize(
    ("config", "options", "text"),
    [
        (
            {},
            {"resolutions": (48,)},
            r"grids of 128\^3 cannot be pooled to 48\^3; .*another 'fine' gives others",
        ),
        (
            {"voxels": "binvox", "fine": 256},
            {"resolutions": (256,)},
            r"grids of 128\^3 cannot .* divisor of 128$",
        ),
        ({"images": "screenshots"}, {"views": 15}, "has 14 screenshots per model, 15 were asked for"),
        ({"images": "screenshots"}, {"views": 3, "maps": True}, "screenshots have no depth and no normals"),
    ],
)
def test_options_that_cannot_be_honoured(root2, config, options, text):
    with pytest.raises(DataError, match=text):
        source(root2, **config).resolve_options(PrepareOptions(**options))


def test_voxels_come_from_the_finer_grid(root2):
    options = PrepareOptions(resolutions=(12,), views=0, points=0)
    assert source(root2, fine=48).resolve_options(options) == options
    blocks = expected(48).reshape(12, 4, 12, 4, 12, 4).any(axis=(1, 3, 5))
    np.testing.assert_array_equal(sample_of(root2, options, fine=48).voxels[12], blocks)


def test_a_store_of_everything(root2):
    store = opened(root2, options={"views": 2, "points": 40, "maps": True, "image_size": (24, 32)})
    split = store.split("train")
    assert split.provides == ShapeNet.provides
    assert split.image_size == (24, 32)
    assert store.manifest["config"]["version"] == 2
    assert store.manifest["notes"] == {"closed": 5}
    assert opened(root2, voxels="binvox").manifest["notes"] == {}


# Screenshots


def test_screenshots_make_a_store_without_cameras(root2):
    for model in "abcde":
        add_screenshots(root2 / CHAIR / model, 3)
    store = opened(root2, images="screenshots", options={"views": 3, "points": 40, "image_size": (30, 40)})
    split = store.split("test")
    assert split.provides == {"image", "mask", "voxels", "points", "views"}
    assert split.images([0], [[2]])[0, 0, 0, 12, 12] == 20
    np.testing.assert_array_equal(split.voxels([0])[0], expected(16))


# Presets


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_presets_have_settings_that_hold(root2, preset):
    asked = benchmarks.request.settings.settings(preset, "shapenet", [])
    src = ShapeNet(ShapeNetConfig(**asked.data_config), root2)
    assert src.resolve_options(asked.options) == asked.options
    assert asked.model("r3d").decoder.config.resolution in asked.options.resolutions


def test_the_paper_preset_is_the_setting_of_the_r3d_report():
    asked = benchmarks.request.settings.settings("paper", "shapenet", [])
    config = ShapeNetConfig(**asked.data_config)
    assert (config.split, config.voxels, config.fine) == ("official", "mesh", 256)
    assert len(config.categories) == 57
    assert asked.options.image_size == (192, 256) and asked.options.pooling == "max"
    model = asked.model("r3d")
    assert model.decoder.config.resolution == 64 and 64 in asked.options.resolutions
    assert model.preprocess.channels == 1 and model.preprocess.size == (192, 256)
    gray = benchmarks.request.settings.settings("paper", "shapenet", ["prepare.pooling=mean"])
    assert gray.options.pooling == "mean"
