from __future__ import annotations

import os
import pickle
import re
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import trimesh
from PIL import Image

from datasets import BadItem, DataError, Item, PrepareOptions
from datasets.__main__ import main as datasets_command
from datasets.formats.binvox import write_binvox
from datasets.making.axes import Axes
from datasets.prepare import open_dataset
from datasets.sources.folder import Folder, FolderConfig
from datasets.splits import drawn_rule
from zoo.config import ConfigError
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

BASE = ((-0.5, -0.25, -0.25), (0.5, 0.0, 0.25))
TOWER = ((0.25, 0.0, -0.25), (0.5, 0.25, 0.25))
BUMP = ((-0.5, 0.0, -0.25), (-0.25, 0.125, 0.0))
"""An L that lies along x and stands at the front (+x), with a bump at its back, to the left (-z)."""

OPTIONS = PrepareOptions(resolutions=(32,), views=2, image_size=(40, 48), points=200)

LAYOUTS = {
    # name of the file, settings, and where the file has our x, y and z; written out by hand
    "obj": ("a.obj", {}, lambda x, y, z: (x, y, z)),
    "glb looks along z": ("a.glb", {}, lambda x, y, z: (-z, y, x)),
    "gltf looks along z": ("a.gltf", {}, lambda x, y, z: (-z, y, x)),
    "glb as the user says": ("a.glb", {"front": "x"}, lambda x, y, z: (x, y, z)),
    "stl, z up": ("a.stl", {"up": "z"}, lambda x, y, z: (x, -z, y)),
    "ply of Blender": ("a.ply", {"up": "z", "front": "-y"}, lambda x, y, z: (-z, -x, y)),
    "glb, z up": ("a.GLB", {"up": "z"}, lambda x, y, z: (x, -z, y)),
    "off, backwards": ("a.off", {"front": "-x"}, lambda x, y, z: (-x, y, -z)),
    "obj, front -z": ("a.obj", {"front": "-z"}, lambda x, y, z: (z, y, -x)),
}


def cells(*boxes, resolution: int = 32) -> np.ndarray:
    grid = np.zeros((resolution,) * 3, bool)
    for low, high in boxes:
        grid[
            tuple(
                slice(round((a + 0.5) * resolution), round((b + 0.5) * resolution))
                for a, b in zip(low, high, strict=True)
            )
        ] = True
    return grid


def shape(
    *boxes, place=lambda x, y, z: (x, y, z), scale: float = 3.0, shift=(5.0, 1.0, -2.0)
) -> trimesh.Trimesh:
    parts = [trimesh.creation.box(bounds=box) for box in boxes]
    mesh = trimesh.util.concatenate(parts)
    moved = np.stack(place(*mesh.vertices.T), 1) * scale + shift
    turned = np.linalg.det(np.stack(place(*np.eye(3)), 1))
    assert turned == pytest.approx(1)
    return trimesh.Trimesh(moved, mesh.faces, process=False)


def add_mesh(root: Path, name: str, *boxes, **how) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh = shape(*(boxes or (BASE, TOWER, BUMP)), **how)
    if path.suffix.lower() == ".gltf":
        for file, data in trimesh.exchange.gltf.export_gltf(mesh.scene()).items():
            (path.parent / (path.name if file.endswith(".gltf") else file)).write_bytes(data)
    else:
        path.write_bytes(
            trimesh.exchange.export.export_mesh(mesh, None, file_type=path.suffix.lower()[1:]).encode()
            if path.suffix.lower() in (".obj", ".off")
            else mesh.export(file_type=path.suffix.lower()[1:])
        )
    return path


def add_picture(path: Path, size=(30, 20), color=(200, 40, 10), alpha: int | None = 0) -> Path:
    """One colour with a border of half transparent, where `alpha` is given; opaque without alpha for None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.empty((size[1], size[0], 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = color, 255
    if alpha is not None:
        pixels[:4, :, 3] = alpha
    image = Image.fromarray(pixels)
    (image if alpha is not None else image.convert("RGB")).save(path)
    return path


@pytest.fixture
def root(tmp_path) -> Path:
    """Eight chairs, four tables in folders, and a lone shape; all different."""
    for n, name in enumerate(
        [*(f"chair/c{i}" for i in range(8)), *(f"table/t{i}" for i in range(4)), "lone"]
    ):
        add_mesh(
            tmp_path / "data" / "meshes",
            f"{name}.obj",
            BASE,
            TOWER,
            ((-0.5, 0, -0.25), (0, 0.02 * n + 0.01, 0)),
        )
    return tmp_path / "data"


def source(root: Path, **config) -> Folder:
    return Folder(FolderConfig(**config), root)


def opened(root: Path, workers: int = 0, allow_missing=False, options=None, **config):
    return open_dataset(
        "folder",
        data_root=root,
        cache_root=root.parent / "cache",
        config_overrides=config,
        options={"views": 1, "image_size": (24, 24), "points": 50} | (options or {}),
        workers=workers,
        progress=False,
        allow_missing=allow_missing,
    )


def only(src: Folder) -> Item:
    (item,) = src.items()
    return item


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_kind_of_file_lands_in_the_canonical_frame(tmp_path, layout):
    name, config, place = LAYOUTS[layout]
    add_mesh(tmp_path / "meshes", name, place=place)
    src = source(tmp_path, **config)
    options = src.resolve_options(PrepareOptions(resolutions=(32, 64), views=4, image_size=(137, 137)))
    sample = src.build(only(src), options)
    for resolution in (32, 64):
        np.testing.assert_array_equal(
            sample.voxels[resolution], cells(BASE, TOWER, BUMP, resolution=resolution)
        )
    np.testing.assert_allclose(sample.points.min(0), [-0.5, -0.25, -0.25], atol=0.01)
    np.testing.assert_allclose(sample.points.max(0), [0.5, 0.25, 0.25], atol=0.01)
    for image, row in zip(sample.images, sample.cameras, strict=True):
        drawn = render(marching_cubes(sample.voxels[64], 0.5), Camera.from_row(row), (137, 137)).mask
        seen = image[..., 3] >= 128
        assert (drawn & seen).sum() / (drawn | seen).sum() >= 0.95
    assert sample.note == "closed"


@pytest.mark.parametrize("layout", [n for n, (name, _, _) in LAYOUTS.items() if "gl" not in name])
def test_grids_land_in_the_canonical_frame(tmp_path, layout):
    _, config, place = LAYOUTS[layout]
    # in a part of the file's grid, off its middle
    grid = np.zeros((64, 64, 64), bool)
    ours = np.argwhere(cells(BASE, TOWER, BUMP))
    file = np.stack(place(*(ours.T + 0.5 - 16)), 1) + np.array([36, 23, 46]) - 0.5
    grid[tuple(np.rint(file).astype(int).T)] = True
    (tmp_path / "voxels").mkdir()
    write_binvox(tmp_path / "voxels" / "a.binvox", grid, (3.0, 4.0, 5.0), 17.0)
    src = source(tmp_path, **config)
    options = src.resolve_options(PrepareOptions(resolutions=(32,), views=3, image_size=(137, 137)))
    sample = src.build(only(src), options)
    np.testing.assert_array_equal(sample.voxels[32], cells(BASE, TOWER, BUMP))
    assert sample.points is None and sample.note == "" and options.points == 0
    for image, row in zip(sample.images, sample.cameras, strict=True):
        drawn = render(marching_cubes(sample.voxels[32], 0.5), Camera.from_row(row), (137, 137)).mask
        seen = image[..., 3] >= 128
        assert (drawn & seen).sum() / (drawn | seen).sum() >= 0.9


def test_axes_turn_and_never_mirror():
    names = [f"{sign}{axis}" for axis in "xyz" for sign in ("", "-")]
    for up in names:
        for front in names:
            if front[-1] == up[-1]:
                with pytest.raises(ValueError, match="must be another axis"):
                    Axes(front, up)
                continue
            matrix = Axes(front, up).matrix()
            assert round(np.linalg.det(matrix)) == 1
            unit = dict(zip(("x", "y", "z"), np.eye(3), strict=True))
            for name, ours in ((front, [1, 0, 0]), (up, [0, 1, 0])):
                direction = unit[name[-1]] * (-1 if name[0] == "-" else 1)
                np.testing.assert_array_equal(matrix @ direction, ours)
            # grids turn as meshes do
            cell = np.array([1, 2, 0])
            grid = np.zeros((4, 4, 4))
            grid[tuple(cell)] = 1
            where = np.argwhere(Axes(front, up).grid(grid))[0]
            np.testing.assert_array_equal(where - 1.5, matrix @ (cell - 1.5))


def test_settings_that_name_one_axis_twice():
    with pytest.raises(ValueError, match="front '-y' must be another axis than up 'y'"):
        FolderConfig(front="-y")
    with pytest.raises(ConfigError, match="front"):
        opened(Path("/nowhere"), front="w")


def test_ids_categories_and_splits(root):
    items = source(root).items()
    assert [i.id for i in items] == sorted(
        [*(f"chair/c{i}" for i in range(8)), *(f"table/t{i}" for i in range(4)), "lone"]
    )
    assert Counter(i.category for i in items) == {"chair": 8, "table": 4, "object": 1}
    assert {i.split for i in items} == {"train", "val", "test"}
    assert source(root).items() == items != source(root, seed=1).items()
    chairs = source(root, categories="chair,object").items()
    assert chairs == [i for i in items if i.category != "table"]
    with pytest.raises(
        DataError,
        match="no category 'chiar'. Did you mean 'chair'? There is chair, object, table".replace("?", r"\?"),
    ):
        source(root, categories="chiar").items()


def test_the_root_itself_may_hold_the_meshes(root):
    inside = source(root / "meshes").items()
    assert inside == source(root).items()


def test_store_counts_solids(root):
    hole = shape(BASE, TOWER)
    trimesh.Trimesh(hole.vertices, hole.faces[1:], process=False).export(root / "meshes" / "open.stl")
    plane = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], [[0, 2, 1], [0, 3, 2]])
    plane.export(root / "meshes" / "plane.off")
    store = opened(root, workers=2)
    assert store.manifest["notes"] == {"closed": 13, "repaired": 1, "shell": 1}
    assert store.notes[store.ids.index("open")] == "repaired"
    assert store.split("train").provides == {"image", "mask", "voxels", "points", "camera", "views"}
    assert store.verify() == []


def test_pictures_and_points_depend_on_seed_and_id_alone(root):
    item = source(root).items()[4]
    one, two, other = (
        source(root, **config).build(item, OPTIONS) for config in ({}, {"categories": "chair"}, {"seed": 1})
    )
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.points, two.points)
    assert not np.array_equal(one.cameras, other.cameras)


def test_resolutions_are_pooled_from_the_fine_grid(tmp_path):
    rod = ((-0.5, -0.002, -0.002), (0.5, 0.002, 0.002))
    add_mesh(
        tmp_path / "meshes",
        "a.obj",
        ((-0.5, -0.5, -0.5), (-0.4, 0.5, 0.5)),
        rod,
        ((0.4, -0.5, -0.5), (0.5, 0.5, 0.5)),
    )
    src = source(tmp_path, fine=256)
    kept = src.build(only(src), src.resolve_options(PrepareOptions(resolutions=(16,), views=0))).voxels[16]
    assert kept[:, 7:9, 7:9].any((1, 2)).all()
    share = src.build(only(src), PrepareOptions(resolutions=(16,), views=0, pooling="mean")).voxels[16]
    assert share.dtype == np.uint8 and 0 < share[8].max() < 30
    with pytest.raises(
        DataError, match=r"grids of 128\^3 cannot be pooled to 48\^3; ask for a divisor of 128, or set"
    ):
        source(tmp_path).resolve_options(PrepareOptions(resolutions=(48,)))


# Pictures of the user's own


def test_own_pictures_with_alpha(root):
    names = [i.id for i in source(root).items()]
    for n, name in enumerate(names):
        for view in range(2 + n % 2):
            add_picture(root / "images" / name / f"{view}.png", color=(10 * n, view, 7))
    src = source(root)
    options = src.resolve_options(PrepareOptions(image_size=(40, 40), points=60))
    assert options.views == 2
    store = opened(root, workers=2, options={"views": 2, "image_size": (40, 40), "points": 60})
    split = store.split("train")
    assert split.provides == {"image", "mask", "voxels", "points", "views"}
    images = split.images([0], [[0, 1]])[0]
    n = names.index(split.ids[0])
    for view in range(2):
        # 30 x 20 pixels fill the width of 40; the rest of the height is transparent
        assert images[view, :, 20, 20].tolist() == [10 * n, view, 7, 255]
        assert (images[view, 3, :6] == 0).all() and (images[view, 3, 33:] == 0).all()
    with pytest.raises(DataError, match="pictures have no depth and no normals; leave out 'maps'"):
        src.resolve_options(PrepareOptions(maps=True))


@pytest.mark.parametrize("kind", ["jpg", "webp", "JPEG", "png"])
def test_own_pictures_without_alpha_are_no_masks(tmp_path, kind):
    add_mesh(tmp_path / "meshes", "a.obj")
    add_picture(tmp_path / "images" / "a" / f"front.{kind}", alpha=None)
    src = source(tmp_path)
    options = src.resolve_options(PrepareOptions(image_size=(20, 30)))
    item = only(src)
    assert src.provides == {"image", "voxels", "points", "views"}
    image = src.build(item, options).images[0]
    assert image.shape == (20, 30, 4) and (image[..., 3] == 255).all()
    np.testing.assert_allclose(image[10, 15, :3], (200, 40, 10), atol=12)


def test_one_opaque_picture_and_nothing_is_a_mask(tmp_path):
    for name, alpha in (("a", 0), ("b", 0), ("c", None)):
        add_mesh(tmp_path / "meshes", f"{name}.obj")
        add_picture(tmp_path / "images" / f"{name}.png", alpha=alpha)
    src = source(tmp_path)
    items = src.items()
    assert "mask" not in src.provides
    assert (
        src.build(items[0], OPTIONS.model_copy(update={"views": 1})).images[0, ..., 3].min() == 0
    )  # kept all the same
    (tmp_path / "images" / "c.png").unlink()
    add_picture(tmp_path / "images" / "c.png", alpha=255)
    src = source(tmp_path)
    items = src.items()
    assert "mask" in src.provides
    with pytest.raises(
        BadItem, match=r"c.png: has alpha, but no transparent pixel; cut the object out, or say masks"
    ):
        src.build(items[2], OPTIONS.model_copy(update={"views": 1}))
    src = source(tmp_path, masks=False)
    src.items()
    assert "mask" not in src.provides
    assert src.build(items[2], OPTIONS.model_copy(update={"views": 1})).images[0, ..., 3].max() == 255


def with_pictures(root: Path, **counts: int) -> Path:
    """Shapes with so many pictures each; the red of a picture is its number."""
    for name, count in counts.items():
        add_mesh(root / "meshes", f"{name}.obj")
        for n in range(count):
            add_picture(root / "images" / name / f"{n}.png", color=(10 * n, 0, 0))
    return root


@pytest.mark.parametrize(
    ("counts", "config", "asked", "views", "said"),
    [
        (
            {"a": 4, "b": 4, "c": 4, "d": 1},
            {},
            None,
            4,
            "1 shapes have fewer, .*: 'd' has 1. min_views=4 does",
        ),
        ({"a": 4, "b": 4, "c": 1}, {}, None, 4, "the store holds 4 pictures of each .*: 'c' has 1"),
        ({"a": 4, "b": 1}, {}, None, 4, "'b' has 1.* and 1 views are what all of them have"),
        ({"a": 1, "b": 1, "c": 9}, {}, None, 1, ""),
        ({"a": 3, "b": 1, "c": 5}, {}, None, 3, "'b' has 1"),
        ({"a": 3, "b": 3, "c": 5}, {}, None, 3, ""),
        ({"a": 5, "b": 5, "c": 5}, {}, 2, 2, ""),
        ({"a": 5, "b": 5, "c": 1}, {}, 1, 1, ""),
        ({"a": 5, "b": 5, "c": 3}, {}, 2, 2, ""),
        ({"a": 3, "b": 1, "c": 5}, {}, 4, 3, "4 views were asked for, but more than half .* no more than 3"),
        ({"a": 5, "b": 5, "c": 1}, {"min_views": 2}, None, 5, ""),
        (
            {"a": 3, "b": 1, "c": 5},
            {"min_views": 2},
            None,
            5,
            "1 shapes have fewer, .*: 'a' has 3. min_views=5",
        ),
        ({"a": 0, "b": 2, "c": 2}, {}, None, 2, ""),
    ],
)
def test_one_shape_does_not_decide_how_many_views_all_have(
    tmp_path, recwarn, counts, config, asked, views, said
):
    src = source(with_pictures(tmp_path, **counts), **config)
    options = src.resolve_options(PrepareOptions() if asked is None else PrepareOptions(views=asked))
    assert options.views == views
    warned = " ".join(str(warning.message) for warning in recwarn)
    assert re.search(said, warned) if said else not warned


def test_pictures_of_a_shape_with_fewer_come_again_in_turn(tmp_path):
    src = source(with_pictures(tmp_path, a=5, b=2, c=5))
    with pytest.warns(UserWarning, match="'b' has 2"):
        options = src.resolve_options(PrepareOptions(points=10, image_size=(30, 30)))
    images = src.build(src.items()[1], options).images
    assert images[:, 15, 15, 0].tolist() == [0, 10, 0, 10, 0]


def test_shapes_with_too_few_pictures_are_missing(tmp_path):
    src = source(with_pictures(tmp_path, a=3, b=1, c=3), min_views=2)
    options = src.resolve_options(PrepareOptions(points=10))
    a, b, _ = src.items()
    assert src.build(a, options).images.shape[0] == 3
    with pytest.raises(BadItem, match=f"{tmp_path / 'images' / 'b'}: 1 pictures, wanted are 2"):
        src.build(b, options)
    with pytest.raises(
        DataError, match=r"no shape has 6 pictures; 'a' has 3, looked for were a.png and a/\*.png"
    ):
        source(tmp_path, min_views=6).resolve_options(PrepareOptions())
    none = source(tmp_path).resolve_options(PrepareOptions(views=0, points=10))
    assert none.views == 0 and source(tmp_path).build(a, none).images is None


def test_pictures_beside_and_inside_in_the_order_of_their_names(tmp_path):
    add_mesh(tmp_path / "meshes", "a.obj")
    for n, name in enumerate(("a.png", "a/10.png", "a/2.png", "a/.hidden.png", "a/notes.txt")):
        add_picture((tmp_path / "images" / name).with_suffix(".png"), color=(n, 0, 0))
    (tmp_path / "images" / "a" / "notes.png").rename(tmp_path / "images" / "a" / "notes.txt")
    src = source(tmp_path)
    images = src.build(only(src), src.resolve_options(PrepareOptions(image_size=(30, 30)))).images
    assert images[:, 15, 15, 0].tolist() == [0, 1, 2]


def test_grids_with_own_pictures(tmp_path):
    (tmp_path / "voxels").mkdir()
    write_binvox(tmp_path / "voxels" / "a.binvox", cells(BASE, TOWER, BUMP))
    add_picture(tmp_path / "images" / "a.png")
    src = source(tmp_path)
    sample = src.build(only(src), src.resolve_options(PrepareOptions(image_size=(30, 30))))
    assert src.provides == {"image", "mask", "voxels", "views"}
    assert sample.images.shape == (1, 30, 30, 4) and sample.cameras is None and sample.points is None


# The index


def write_index(root: Path, text: str) -> Path:
    (root / "index.csv").write_text(text, encoding="utf-8")
    return root / "index.csv"


def test_index_decides(root):
    write_index(
        root,
        "\ufeffsplit, note ,id,category\ntest,x,chair/c0,\nval,,lone,lamp\ntrain,,table/t1,\ntest,,gone,\n",
    )
    with pytest.warns(
        UserWarning, match=r"10 shapes under .* are not in .*, the first is chair/c1; they are no part"
    ):
        items = source(root).items()
    assert items == [
        Item("chair/c0", "chair", "test"),
        Item("gone", "object", "test"),
        Item("lone", "lamp", "val"),
        Item("table/t1", "table", "train"),
    ]
    with (
        pytest.warns(UserWarning, match="not in"),
        pytest.raises(DataError, match=r"1 of 4 items .* gone: not there: .*gone with .obj or .off"),
    ):
        opened(root)
    with pytest.warns(UserWarning, match="not in"):
        store = opened(root, allow_missing=True)
    assert store.ids == ("chair/c0", "lone", "table/t1") and store.missing == 1


def test_index_without_splits_takes_the_rule(root):
    names = [i.id for i in source(root).items()]
    write_index(root, "id\n" + "\n".join(names))
    assert {i.id: i.split for i in source(root).items()} == drawn_rule(names, "folder", 0)
    write_index(root, "id,split\n" + "\n".join(f"{n},{'test' if n == 'lone' else ''}" for n in names))
    assert {i.id: i.split for i in source(root).items()} == drawn_rule(names, "folder", 0) | {"lone": "test"}


def test_a_data_set_for_testing_alone(root):
    write_index(root, "id,split\n" + "\n".join(f"{i.id},test" for i in source(root).items()))
    store = opened(root)
    assert store.splits == ("test",) and len(store) == 13


def test_index_enters_by_its_content(root):
    names = [i.id for i in source(root).items()]
    index = write_index(root, "id\n" + "\n".join(names))
    first, stamp = source(root).identity(), source(root).stamp()
    assert first["index"].startswith("sha256:")
    os.utime(index, (1, 1))
    assert source(root).identity() == first and source(root).stamp() != stamp
    write_index(root, "id\n" + "\n".join(names[:-1]))
    assert source(root).identity() != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: must name the columns, separated by commas, 'id' among them; it says ''"),
        ("name,split\na,test\n", "line 1: .* it says 'name,split'"),
        ("id;split\na;test\n", "line 1: .* it says 'id;split'"),
        (
            "id,split\na,test\nb,tset\n",
            "line 3: unknown split 'tset'. Did you mean 'test'. Splits are train, val, test",
        ),
        ("id,split\na,test\nb,val\na,train\n", "line 4: id 'a' is also in line 2"),
        ("id,split\n,test\n", "line 2: id '' is no name of a shape"),
        ("id\n../../etc/passwd\n", "line 2: id '../../etc/passwd' is no name of a shape"),
        ("id\n/etc/passwd\n", "line 2: id '/etc/passwd' is no name"),
        ('id\n"a\0b"\n', "line 2: id '.*' is no name of a shape"),
    ],
)
def test_bad_indices_are_named_with_their_line(root, text, message):
    path = write_index(root, text)
    with pytest.raises(DataError, match=message) as caught:
        source(root).items()
    assert str(path) in str(caught.value)


def test_index_that_is_no_text(root):
    (root / "index.csv").write_bytes(b"id\n\xff\xfe\x00\n")
    with pytest.raises(DataError, match="no table"):
        source(root).items()


NFC, NFD = normalize("NFC", "chaise dorée"), normalize("NFD", "chaise dorée")

SPELLINGS = {
    # the file of the shape, the picture, and the id in the index; '' for no index
    "ending of the picture": ("a.obj", "a.JPG", ""),
    "ending of another kind": ("a.obj", "a.WebP", ""),
    "endings of all": ("a.OBJ", "a/01.JPEG", "a"),
    "macOS unpacked the mesh": (f"{NFD}.obj", f"{NFC}.png", NFC),
    "macOS unpacked the pictures": (f"{NFC}.obj", f"{NFD}/1.png", NFC),
    "macOS wrote the index": (f"{NFC}.obj", f"{NFC}.png", NFD),
    "letter case of the picture": ("Chair/A.obj", "chair/a.png", ""),
    "letter case of the index": ("Chair/A.obj", "Chair/A/1.png", "chair/a"),
    "a folder for each shape": ("a/model.obj", "a/1.png", ""),
    "a folder, and the index has the id": ("a/model.obj", "a.png", "a"),
    "as ShapeNet": ("c/a/models/model_normalized.obj", "c/a/1.png", "c/a"),
    "any file in a folder, by the index": ("a/whatever.obj", "a/1.png", "a"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_that_mean_the_same(tmp_path, spelling):
    mesh, picture, index = SPELLINGS[spelling]
    add_mesh(tmp_path / "meshes", mesh)
    add_picture(tmp_path / "images" / picture, color=(7, 0, 0), alpha=None)
    if index:
        (tmp_path / "index.csv").write_text(f"id,category\n{index},thing\n", encoding="utf-8")
    src = source(tmp_path)
    item = only(src)
    assert item.id == (normalize("NFC", index) if index else normalize("NFC", mesh.rpartition(".")[0]))
    options = src.resolve_options(PrepareOptions(image_size=(20, 30), points=10))
    sample = src.build(item, options)
    assert options.views == 1 and abs(int(sample.images[0, 10, 15, 0]) - 7) < 5
    np.testing.assert_array_equal(sample.voxels[32], cells(BASE, TOWER, BUMP))


@pytest.mark.parametrize("names", [("Meshes", "Images", "Index.csv"), ("MESHES", "IMAGES", "INDEX.CSV")])
def test_folders_of_the_layout_in_any_letter_case(tmp_path, names):
    meshes, images, index = (tmp_path / name for name in names)
    add_mesh(meshes, "a.obj")
    add_picture(images / "a.png")
    index.write_text("id,category,split\na,thing,test\n", encoding="utf-8")
    src = source(tmp_path)
    assert only(src) == Item("a", "thing", "test") and src.layout.has_pictures
    assert src.resolve_options(PrepareOptions()).views == 1 and src.identity()["index"] and src.stamp()
    if not (tmp_path / "images").exists():
        add_picture(tmp_path / "iMages" / "a.png")
        with pytest.raises(DataError, match="only one of them can be images; rename the other"):
            source(tmp_path).items()


def test_categories_in_either_unicode_form(tmp_path):
    for folder in (NFD, "b"):
        add_mesh(tmp_path / "meshes", f"{folder}/a.obj")
    for form in (NFC, NFD):
        assert [i.category for i in source(tmp_path, categories=form).items()] == [NFC]


def test_letter_case_that_may_mean_two_things(tmp_path):
    for name in ("a.obj", "A.obj", "b.obj"):
        add_mesh(tmp_path / "meshes", name)
    if len(list((tmp_path / "meshes").iterdir())) < 3:
        pytest.skip("this file system does not tell letter case")
    for name in ("A.png", "B.png"):
        add_picture(tmp_path / "images" / name)
    src = source(tmp_path)
    assert [len(src.layout.pictures(i.id)) for i in src.items()] == [1, 0, 1]
    assert [i.id for i in src.items()] == ["A", "a", "b"]


def test_two_files_of_one_name_in_two_forms(tmp_path):
    for name in (NFC, NFD):
        add_mesh(tmp_path / "meshes", f"{name}.obj")
    if len(list((tmp_path / "meshes").iterdir())) < 2:
        pytest.skip("this file system takes both for one name")
    src = source(tmp_path)
    with pytest.raises(BadItem, match="one shape in 2 files; keep one") as error:
        src.build(only(src), OPTIONS)
    assert NFC in str(error.value) and NFD in str(error.value)


def test_the_only_shape_of_a_category_does_not_take_its_pictures(tmp_path):
    add_mesh(tmp_path / "meshes", "chair/a.obj")
    add_mesh(tmp_path / "meshes", "table/b.obj")
    add_picture(tmp_path / "images" / "chair" / "x.png")
    add_picture(tmp_path / "images" / "table" / "b.png")
    src = source(tmp_path)
    with pytest.warns(UserWarning, match="1 pictures are left aside, .* belong to no shape .*: chair/x.png"):
        items = src.items()
    assert [len(src.layout.pictures(i.id)) for i in items] == [0, 1]


def test_pictures_that_are_left_aside_are_named(tmp_path):
    add_mesh(tmp_path / "meshes", "a.obj")
    for name in ("a.png", "b.png", "c/1.png", "c/2.png", "d.bmp", "a/1.TIF", "e/1.gif"):
        add_picture(tmp_path / "images" / name, alpha=None)
    with pytest.warns(
        UserWarning, match=r"6 pictures are left aside, .* or are not of png, .*: .* and 1 more"
    ):
        source(tmp_path).items()


def test_linked_folders_and_files(tmp_path):
    add_mesh(tmp_path / "elsewhere", "a.obj")
    add_picture(tmp_path / "pictures" / "a" / "1.png")
    (tmp_path / "data/meshes").mkdir(parents=True)
    (tmp_path / "data/meshes/chair").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/images").symlink_to(tmp_path / "links")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/chair").symlink_to(tmp_path / "pictures")
    (tmp_path / "pictures/again").symlink_to(tmp_path / "links")
    src = source(tmp_path / "data")
    assert only(src) == Item("chair/a", "chair", drawn_rule(["chair/a"], "folder", 0)["chair/a"])
    assert len(src.layout.pictures("chair/a")) == 1


UNREAD = [
    "x.dae",
    "x.FBX",
    "x.3ds",
    "chair/x.usdz",
    "x.ply.gz",
    "x.blend",
    "x.step",
    "x.pcd",
    "x.xyz",
    "x.vtk",
]


@pytest.mark.parametrize("name", [*UNREAD, "x.binvox", "x.npz"])
def test_shapes_of_a_kind_that_is_not_read_are_named(root, name, capsys):
    file = root / "meshes" / name
    file.touch()
    words = f"1 files of a kind that is not read: {name}; convert them to .obj, .off"
    with pytest.warns(UserWarning, match=re.escape(words)):
        items = source(root).items()
    assert len(items) == 13
    with pytest.warns(UserWarning, match="not read"):
        status = datasets_command(
            ["verify", "folder", "--root", str(root), "--workers", "0", "--views", "0", "--points", "0"]
        )
    said = capsys.readouterr().out
    assert status == 1 and "all well" not in said
    assert "13 items" in said and "1 files of a kind that is not read" in said and str(file) in said


@pytest.mark.parametrize(
    "name", ["lone.blend", "lone.obj.gz", "notes.txt", "lone.mtl", ".x.dae", "chair/c0.npz"]
)
def test_what_a_program_keeps_beside_what_it_exported_is_no_loss(root, name):
    (root / "meshes" / name).touch()
    assert source(root).unread() == [] and len(source(root).items()) == 13


def test_grids_have_kinds_that_are_not_read_too(tmp_path):
    (tmp_path / "voxels").mkdir()
    write_binvox(tmp_path / "voxels" / "a.binvox", cells(BASE, TOWER, BUMP))
    for name in ("b.npz", "c.mat", "d.obj", "e.vox"):
        (tmp_path / "voxels" / name).touch()
    with pytest.warns(
        UserWarning, match="4 files of a kind that is not read: b.npz, c.mat, d.obj, e.vox; convert"
    ):
        assert only(source(tmp_path)).id == "a"


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path):
    (tmp_path / "meshes").mkdir()
    for k in range(8):
        (tmp_path / "meshes" / f"{k}.dae").touch()
    with pytest.raises(
        DataError, match=r"no shapes in .* 8 files of a kind that is not read: 0.dae, .* 3 more"
    ):
        source(tmp_path).items()


def test_an_index_that_names_a_shape_of_another_kind(root):
    (root / "meshes" / "x.dae").touch()
    (root / "meshes" / "y.dae").touch()
    write_index(root, "id,split\nlone,test\nx,test\n")
    src = source(root)
    with pytest.warns(UserWarning, match="12 shapes under .* are not in"):
        items = src.items()
    assert src.unread() == []  # y is asked for by nobody
    with pytest.raises(
        BadItem, match=r"not there: .*x with .obj or .*; there is x.dae, of a kind that is not"
    ):
        src.build(items[1], OPTIONS)


# Which way one shape looks


@pytest.mark.parametrize("layout", [n for n, (_, config, _) in LAYOUTS.items() if config])
def test_the_index_says_which_way_a_shape_looks(tmp_path, layout):
    name, config, place = LAYOUTS[layout]
    add_mesh(tmp_path / "meshes", name, place=place)
    add_mesh(tmp_path / "meshes", "other.obj")
    write_index(tmp_path, f"id,up,front\na,{config.get('up', '')},{config.get('front', '')}\nother,,\n")
    src = source(tmp_path)
    for item in src.items():
        sample = src.build(item, PrepareOptions(views=0, points=0))
        np.testing.assert_array_equal(sample.voxels[32], cells(BASE, TOWER, BUMP))


def test_the_index_goes_before_the_configuration(tmp_path):
    add_mesh(tmp_path / "meshes", "a.obj")
    add_mesh(tmp_path / "meshes", "b.ply", place=LAYOUTS["ply of Blender"][2])
    write_index(tmp_path, "id,up,front\na,y,x\nb,,\n")
    src = source(tmp_path, up="z", front="-y")
    for item in src.items():
        sample = src.build(item, PrepareOptions(views=0, points=0))
        np.testing.assert_array_equal(sample.voxels[32], cells(BASE, TOWER, BUMP))
    plain = source(tmp_path).identity()
    assert plain["axes"] == "of each shape"
    write_index(tmp_path, "id,up,front\na,,\nb,,\n")
    assert "axes" not in source(tmp_path).identity()  # the key of a store that was always read so


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,w,", "line 2: unknown up 'w'. Axes are y, z"),
        ("a,-y,", "line 2: unknown up '-y'.* Axes are y, z"),
        ("a,,up", "line 2: unknown front 'up'.* Axes are x, -x, y"),
        ("a,,+x", "line 2: unknown front"),
        ("a,,Z", "line 2: unknown front 'Z'"),
    ],
)
def test_axes_of_an_index_that_are_none(tmp_path, row, message):
    add_mesh(tmp_path / "meshes", "a.obj")
    path = write_index(tmp_path, f"id,up,front\n{row}\n")
    with pytest.raises(DataError, match=message) as error:
        source(tmp_path).items()
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("row", "config"), [("a,y,-y", {}), ("a,z,", {"front": "z"}), ("a,,y", {})])
def test_axes_that_are_one(tmp_path, row, config):
    add_mesh(tmp_path / "meshes", "a.obj")
    path = write_index(tmp_path, f"id,up,front\n{row}\n")
    src = source(tmp_path, **config)
    with pytest.raises(BadItem, match=r"line 2: front '-?[yz]' must be another axis than up '[yz]'") as error:
        src.build(only(src), OPTIONS)
    assert str(path) in str(error.value)


# Splits that are empty


def test_an_empty_split_says_how_to_fill_it_or_to_do_without(tmp_path):
    for name in ("chair/a", "table/b"):
        add_mesh(tmp_path / "meshes", f"{name}.obj")
    with pytest.raises(
        DataError, match=r"is empty .* index.csv .* 'test' for all makes .* for testing alone"
    ):
        opened(tmp_path)
    write_index(tmp_path, "id,split\nchair/a,train\ntable/b,test\n")
    store = opened(tmp_path, categories="table")  # of what is wanted, all has a split
    assert store.splits == ("test",)
    for name in ("train", "val"):
        with pytest.raises(
            DataError, match=r"no shapes in split .*; there is test. It is for testing alone: train"
        ):
            store.split(name)


# What else lies in folders


def test_one_bad_file_costs_its_shape(root):
    meshes = root / "meshes"
    (meshes / "chair" / "broken.glb").write_bytes(b"glTF and nothing more")
    (meshes / "chair" / "empty.obj").touch()
    (meshes / "chair" / "dot.obj").write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", encoding="utf-8")
    add_mesh(meshes, "chair/c0.STL")
    (meshes / "lost.obj").symlink_to(root / "nowhere.obj")
    (meshes / "texture.png").write_bytes(b"not looked at")
    add_mesh(meshes, ".hidden/a.obj")
    with pytest.raises(DataError, match="5 of 17 items could not be read"):
        opened(root)
    store = opened(root, allow_missing=True)
    reasons = {s["id"]: s["reason"] for s in store.skipped}
    assert sorted(reasons) == ["chair/broken", "chair/c0", "chair/dot", "chair/empty", "lost"]
    assert (
        reasons["chair/c0"]
        == f"{meshes / 'chair' / 'c0.STL'} and {meshes / 'chair' / 'c0.obj'}: one shape in 2 files; keep one"
    )
    for name in ("broken.glb", "empty.obj", "dot.obj"):
        assert str(meshes / "chair" / name) in reasons[f"chair/{name.partition('.')[0]}"]
    assert "No such file" in reasons["lost"]


@pytest.mark.parametrize(
    ("grid", "options", "text"),
    [
        (np.zeros((8, 8, 8)), {}, "an empty grid"),
        (np.ones((8, 8, 4)), {}, r"cube \(R, R, R\), got \(8, 8, 4\)"),
        (np.ones((8, 8, 8)), {"resolutions": (32,)}, "cannot pool 8 cells per edge to 32"),
    ],
)
def test_bad_grids_are_named(tmp_path, grid, options, text):
    (tmp_path / "voxels").mkdir()
    write_binvox(tmp_path / "voxels" / "a.binvox", grid)
    src = source(tmp_path)
    with pytest.raises(BadItem, match=text) as caught:
        src.build(only(src), PrepareOptions(**({"resolutions": (8,), "views": 0} | options)))
    assert str(tmp_path / "voxels" / "a.binvox") in str(caught.value)


def test_bad_pictures_are_named(tmp_path):
    add_mesh(tmp_path / "meshes", "a.obj")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"\x89PNG\r\n")
    src = source(tmp_path)
    options = src.resolve_options(OPTIONS.model_copy(update={"views": 1}))
    with pytest.raises(BadItem, match=r"images/a.png: "):
        src.build(only(src), options)
    assert "mask" in src.provides  # as for those that can be read


def test_links_to_folders_are_followed_but_not_in_circles(root):
    (root / "meshes" / "again").symlink_to(root / "meshes" / "table")
    (root / "meshes" / "table" / "up").symlink_to(root / "meshes")
    names = [i.id for i in source(root).items()]
    assert [n for n in names if n.startswith("again/") and "up" not in n] == [f"again/t{i}" for i in range(4)]
    assert len(names) == len(set(names)) == 17


def test_names_that_are_no_text(tmp_path):
    add_mesh(tmp_path / "meshes", "a.obj")
    strange = os.fsencode(tmp_path / "meshes") + b"/\xff.obj"
    try:
        os.link(os.fsencode(tmp_path / "meshes" / "a.obj"), strange)
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 alone: {error}")
    src = source(tmp_path)
    items = src.items()
    assert [i.id for i in items] == ["\\xff", "a"]
    assert src.build(items[0], OPTIONS).voxels[32].any()


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    add_picture(tmp_path / "pictures" / "images" / "a.png")
    for name in ("nowhere", "empty", "pictures"):
        src = source(tmp_path / name)
        with pytest.raises(
            DataError, match=f"no shapes in {tmp_path / name}. How to get it: give as the root a folder"
        ):
            src.items()
    assert source(tmp_path / "nowhere").stamp() == ""


def test_root_one_level_too_high(root):
    with pytest.raises(DataError, match=f"no shapes in {root.parent}. Did you mean {root}"):
        source(root.parent).items()


def test_meshes_and_voxels_at_once(root):
    (root / "voxels").mkdir()
    with pytest.raises(DataError, match="holds meshes/ and voxels/; keep one of them, or rename the other"):
        source(root).items()


def test_what_is_found_travels_to_workers(root):
    src = source(root)
    items = src.items()
    again = pickle.loads(pickle.dumps(src))
    np.testing.assert_array_equal(again.build(items[0], OPTIONS).images, src.build(items[0], OPTIONS).images)


def test_stamp_changes_with_the_files(root):
    add_picture(root / "images" / "lone.png")
    before = source(root).stamp()
    assert before == source(root).stamp() != ""
    stamps = {before}
    for file in (root / "meshes" / "lone.obj", root / "images" / "lone.png"):
        os.utime(file, (1, 1))
        stamps.add(source(root).stamp())
    add_mesh(root / "meshes", "new.obj")
    assert len(stamps | {source(root).stamp()}) == 4


# The rule


def test_every_shape_draws_its_own_split():
    names = [f"s{i}" for i in range(2000)]
    split = drawn_rule(names, "folder", 0)
    shares = {s: n / 2000 for s, n in Counter(split.values()).items()}
    assert (
        abs(shares["train"] - 0.7) < 0.04
        and abs(shares["val"] - 0.1) < 0.03
        and abs(shares["test"] - 0.2) < 0.03
    )
    some = drawn_rule(names[500:900], "folder", 0)
    assert some == {name: split[name] for name in names[500:900]}
    assert drawn_rule(names[::-1], "folder", 0) == split != drawn_rule(names, "folder", 1)


@pytest.mark.parametrize("count", range(8))
def test_three_shapes_fill_all_splits(count):
    for seed in range(40):
        split = drawn_rule([f"s{i}" for i in range(count)], seed)
        assert len(split) == count
        if count >= 3:
            assert set(split.values()) == {"train", "val", "test"}
