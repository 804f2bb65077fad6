from __future__ import annotations

import hashlib
import json
import lzma
import os
import pickle
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from datasets import DataError, PrepareOptions
from datasets.formats.binvox import write_binvox
from datasets.making.sample import muted_color
from datasets.prepare import open_dataset
from datasets.sources.r2n2 import R2N2, R2N2Config
from datasets.sources.vox32 import Vox32, Vox32Config
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

CHAIR, CAR = "03001627", "02958343"
IDS = [f"{CAR}/{model}" for model in "abcdefghij"] + [f"{CHAIR}/{model}" for model in "klmnopqrst"]
OPTIONS = PrepareOptions(views=2, image_size=(48, 48))


def angle(number: int) -> np.ndarray:
    """An L that lies along x and stands at the front (+x), with a bump on its left side (-z): no symmetry."""
    grid = np.zeros((32, 32, 32), bool)
    grid[4:28, 2:8, 10:22] = True
    grid[22:28, 8:26, 10:22] = True
    grid[4 + number % 10 : 12 + number % 10, 2 : 8 + number // 10, 4:10] = True
    return grid


GRIDS = {name: angle(number) for number, name in enumerate(IDS)}
GRIDS[f"{CHAIR}/s"] = GRIDS[f"{CHAIR}/k"]
"""By 3D-R2N2's rule the last two of ten test: this test shape is a training shape too."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def packed(folder: Path, ids=IDS, compress: bool = True, rows: np.ndarray | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("\n".join(ids), encoding="utf-8")
    if rows is None:
        rows = np.stack([np.packbits(GRIDS[i]) for i in ids])
    np.save(folder / "occupancy.npy", rows)
    if compress:
        raw = (folder / "occupancy.npy").read_bytes()
        (folder / "occupancy.npy").unlink()
        (folder / "occupancy.npy.xz").write_bytes(lzma.compress(raw))
    return folder


def tree(folder: Path, ids=IDS) -> Path:
    for name in ids:
        (folder / name).mkdir(parents=True)
        write_binvox(folder / name / "model.binvox", GRIDS[name], (-0.3, -0.4, -0.1), 0.8)
    return folder


def source(root: Path, **config) -> Vox32:
    return Vox32(Vox32Config(**config), root)


def opened(root: Path, workers: int = 0, options=None, allow_missing=False, **config):
    return open_dataset(
        "vox32",
        data_root=root,
        config_overrides=config,
        options={"views": 0} if options is None else options,
        workers=workers,
        progress=False,
        allow_missing=allow_missing,
    )


FORMS = {
    "packed": lambda at: packed(at, compress=False),
    "compressed": packed,
    "packed below": lambda at: packed(at / "vox32").parent,
    "tree": tree,
    "tree below": lambda at: tree(at / "ShapeNetVox32").parent,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_shapes(tmp_path, form):
    src = source(FORMS[form](tmp_path / "data"))
    items = src.items()
    assert [i.id for i in items] == sorted(IDS)
    assert [i.split for i in items if i.category == "chair"] == ["train"] * 8 + ["test"] * 2
    assert {i.id: i.shape for i in items}[f"{CAR}/a"] == "a"
    for item in items:
        sample = src.build(item, src.resolve_options(PrepareOptions(views=0)))
        np.testing.assert_array_equal(sample.voxels[32], GRIDS[item.id])
        assert sample.images is None and sample.cameras is None and sample.points is None


def test_cells_are_those_of_the_r2n2_loader(tmp_path):
    tree(tmp_path / "data" / "ShapeNetVox32")
    (tmp_path / "data" / "ShapeNetRendering" / CHAIR / "k" / "rendering").mkdir(parents=True)
    views = "".join(f"{15 * v} 27 0 0.8 25\n" for v in range(24))
    (
        tmp_path / "data" / "ShapeNetRendering" / CHAIR / "k" / "rendering" / "rendering_metadata.txt"
    ).write_text(views, encoding="utf-8")
    src, other = source(tmp_path / "data"), R2N2(R2N2Config(), tmp_path / "data")
    item = next(i for i in other.items() if i.id == f"{CHAIR}/k")
    assert item in src.items()
    none = PrepareOptions(views=0)
    np.testing.assert_array_equal(src.build(item, none).voxels[32], other.build(item, none).voxels[32])


@pytest.mark.parametrize("smoothing", [True, False])
def test_pictures_show_the_voxels(tmp_path, smoothing):
    src = source(packed(tmp_path / "data"), smoothing=smoothing)
    options = src.resolve_options(PrepareOptions(views=6, image_size=(137, 137), maps=True))
    item = src.items()[3]
    sample = src.build(item, options)
    assert sample.images.shape == (6, 137, 137, 4) and sample.normals.shape == (6, 137, 137, 3)
    for image, row, depth in zip(sample.images, sample.cameras, sample.depth, strict=True):
        camera = Camera.from_row(row)
        assert 25 <= camera.elevation < 30
        drawn = render(marching_cubes(sample.voxels[32], 0.5), camera, (137, 137)).mask
        seen = image[..., 3] >= 128
        assert (drawn & seen).sum() / (drawn | seen).sum() >= (0.9 if smoothing else 0.99)
        mirrored = render(marching_cubes(sample.voxels[32][:, :, ::-1], 0.5), camera, (137, 137)).mask
        assert (mirrored & seen).sum() / (mirrored | seen).sum() < (drawn & seen).sum() / (drawn | seen).sum()
        assert np.isfinite(depth[image[..., 3] == 255]).all() and np.isinf(depth[image[..., 3] == 0]).all()


def test_pictures_depend_on_seed_and_id_alone(tmp_path):
    data = packed(tmp_path / "data")
    item = source(data).items()[0]
    first = source(data).build(item, OPTIONS)
    fewer = source(data, categories="car", train=3).build(item, OPTIONS.model_copy(update={"views": 1}))
    np.testing.assert_array_equal(first.images[:1], fewer.images)
    np.testing.assert_array_equal(first.cameras[:1], fewer.cameras)
    other = source(data, seed=1).build(item, OPTIONS)
    assert not np.array_equal(first.cameras, other.cameras)


def test_colours_are_muted_and_differ():
    colors = np.stack([muted_color(0, str(i)) for i in range(300)])
    assert colors.min() >= 0.36 and colors.max() <= 0.935
    assert ((colors.max(1) - colors.min(1)) <= 0.2 * colors.mean(1) / 0.9).all()
    assert colors.mean(1).std() > 0.1
    assert (colors.mean(0).max() - colors.mean(0).min()) < 0.02  # grey on the whole


def test_limits_choose_and_keep(tmp_path):
    data = packed(tmp_path / "data")
    few = source(data, train=3, test=1).items()
    counts = Counter((i.split, i.category) for i in few)
    wanted = {("train", "car"): 3, ("train", "chair"): 3, ("test", "car"): 1, ("test", "chair"): 1}
    assert counts == wanted | {("val", "car"): 1}
    assert set(few) <= set(source(data).items()) and few == sorted(few, key=lambda i: i.id)
    assert set(few) < set(source(data, train=5, test=2).items())
    assert few == source(data, train=3, test=1).items() != source(data, train=3, test=1, seed=1).items()
    assert [i.split for i in source(data, train=2, val=0, test=0).items()] == ["train"] * 4


def test_splits_without_shapes_by_choice_may_be_empty(tmp_path):
    store = opened(packed(tmp_path / "data"), train=0, val=0)
    assert store.splits == ("test",) and len(store) == 4
    path = tmp_path / "list.json"
    path.write_text(
        json.dumps([{"taxonomy_id": CHAIR, "train": ["k"], "val": [], "test": ["l"]}]), encoding="utf-8"
    )
    with pytest.raises(DataError, match="split 'val' is empty"):
        opened(tmp_path / "data", split=str(path))
    assert len(opened(tmp_path / "data", split=str(path), val=0)) == 2


def test_store_without_pictures(tmp_path):
    store = opened(packed(tmp_path / "data"), workers=2)
    assert store.manifest["options"]["points"] == 0
    assert store.split("train").provides == {"voxels"}
    assert store.verify() == []
    held = {i.id: i.split for i in store.items}
    for name in store.splits:
        split = store.split(name)
        for index, grid in enumerate(split.voxels(range(len(split)))):
            np.testing.assert_array_equal(grid, GRIDS[split.ids[index]])
            assert held[split.ids[index]] == name


def test_leaks_are_dropped_unless_asked_for(tmp_path):
    data = packed(tmp_path / "data")
    leak, reason = f"{CHAIR}/s", f"same grid as {CHAIR}/k of train"
    store = opened(data)
    assert len(store) == 19 and leak not in store.ids and store.leaks == []
    assert [(s["id"], s["reason"]) for s in store.skipped] == [(leak, reason)]
    assert store.missing == 0
    flagged = opened(data, options={"views": 0, "leaks": "flag"})
    assert leak in flagged.ids and [(s["id"], s["reason"]) for s in flagged.leaks] == [(leak, reason)]
    assert flagged.path != store.path


def test_what_equals_a_shape_that_was_not_chosen_stays(tmp_path):
    data = packed(tmp_path / "data")
    seed = next(
        seed
        for seed in range(50)
        for ids in [{i.id for i in source(data, train=1, test=1, seed=seed).items()}]
        if f"{CHAIR}/s" in ids and f"{CHAIR}/k" not in ids
    )
    store = opened(data, train=1, test=1, seed=seed)
    assert f"{CHAIR}/s" in store.ids and store.skipped == []


def test_store_with_pictures_by_processes(tmp_path):
    data = packed(tmp_path / "data")
    options = {"views": 2, "image_size": (20, 24)}
    store = opened(data, workers=2, options=options, train=1, test=1)
    src = source(data, train=1, test=1)
    split = store.split("train")
    assert split.provides == {"image", "mask", "voxels", "camera", "views"}
    item = next(i for i in src.items() if i.id == split.ids[0])
    sample = src.build(item, src.resolve_options(PrepareOptions(**options)))
    np.testing.assert_array_equal(split.images([0], [[0, 1]])[0].transpose(0, 2, 3, 1), sample.images)


def test_coarser_grids(tmp_path):
    src = source(packed(tmp_path / "data"))
    item = src.items()[0]
    blocks = GRIDS[item.id].reshape(8, 4, 8, 4, 8, 4)
    pooled = src.build(item, PrepareOptions(resolutions=(8,), views=0)).voxels[8]
    np.testing.assert_array_equal(pooled, blocks.any(axis=(1, 3, 5)))
    shares = src.build(item, PrepareOptions(resolutions=(8,), views=0, pooling="mean")).voxels[8]
    np.testing.assert_array_equal(shares, np.rint(blocks.mean(axis=(1, 3, 5)) * 255))
    with pytest.raises(
        DataError, match=r"holds grids of 32\^3 and cannot give 64\^3; ask for 32, 16, 8 or 4"
    ):
        src.resolve_options(PrepareOptions(resolutions=(64,)))


def test_only_paths_travel_to_workers(tmp_path):
    src = source(packed(tmp_path / "data"))
    src.build(src.items()[0], OPTIONS)
    assert len(pickle.dumps(src)) < 1000
    again = pickle.loads(pickle.dumps(src))
    np.testing.assert_array_equal(again.build(src.items()[1], OPTIONS).voxels[32], GRIDS[src.items()[1].id])


def test_unpacked_once_by_content(tmp_path, cache, capsys):
    data = packed(tmp_path / "data")
    digest = hashlib.sha256((data / "occupancy.npy.xz").read_bytes()).hexdigest()
    copy = cache / f"vox32-{digest[:12]}" / "occupancy.npy"
    src = source(data)
    src.build(src.items()[0], OPTIONS)
    assert f"unpacking {data / 'occupancy.npy.xz'} into {copy.parent}, once" in capsys.readouterr().err
    np.testing.assert_array_equal(np.load(copy), np.stack([np.packbits(GRIDS[i]) for i in IDS]))
    before = copy.stat().st_mtime_ns
    moved = data.rename(tmp_path / "elsewhere")
    source(moved).build(src.items()[0], OPTIONS)
    assert copy.stat().st_mtime_ns == before and capsys.readouterr().err == ""
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{copy}: 82,047 bytes, expected 82,048; delete it"):
        source(moved).build(src.items()[0], OPTIONS)


def test_many_at_once_unpack_once(tmp_path, cache):
    """The copy is written under a lock, and appears when it is whole."""
    data = packed(tmp_path / "data")
    source_items = source(data).items()
    with ThreadPoolExecutor(4) as pool:
        grids = list(
            pool.map(lambda i: source(data).build(i, PrepareOptions(views=0)).voxels[32], source_items)
        )
    for item, grid in zip(source_items, grids, strict=True):
        np.testing.assert_array_equal(grid, GRIDS[item.id])
    assert len([p for p in cache.iterdir() if not p.name.endswith(".lock")]) == 1


def rows_of(count: int = len(IDS), width: int = 4096, dtype=np.uint8) -> np.ndarray:
    return np.ones((count, width), dtype)


def truncated(folder: Path) -> None:
    file = folder / "occupancy.npy.xz"
    file.write_bytes(file.read_bytes()[:-40])


def flipped(folder: Path) -> None:
    file = folder / "occupancy.npy.xz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)


def bomb(folder: Path) -> None:
    """16 MB of zeros behind an array of the right size; a few kilobytes compressed."""
    file = folder / "occupancy.npy.xz"
    raw = lzma.decompress(file.read_bytes())
    file.write_bytes(lzma.compress(raw + bytes(16 << 20)))


def short(folder: Path) -> None:
    file = folder / "occupancy.npy.xz"
    file.write_bytes(lzma.compress(lzma.decompress(file.read_bytes())[:-4096]))


def no_array(folder: Path) -> None:
    (folder / "occupancy.npy.xz").write_bytes(lzma.compress(b"PK\x03\x04 anything"))


def impossible_header(folder: Path) -> None:
    raw = lzma.decompress((folder / "occupancy.npy.xz").read_bytes())
    (folder / "occupancy.npy.xz").write_bytes(lzma.compress(raw.replace(b"(20, 4096), }", b"(20, 4096", 1)))


def no_xz(folder: Path) -> None:
    (folder / "occupancy.npy.xz").write_bytes(b"<html>not found</html>")


def empty(folder: Path) -> None:
    (folder / "occupancy.npy.xz").write_bytes(b"")


def of_shape(*args, **kwargs):
    return lambda folder: packed(folder, rows=rows_of(*args, **kwargs))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (truncated, "damaged or truncated: Compressed file ended"),
        (flipped, "damaged or truncated: Corrupt input data"),
        (bomb, "unpacks to more than its header says"),
        (short, "unpacks to 4,096 bytes less than its header says"),
        (no_array, "no .npy array"),
        (impossible_header, "no .npy array"),
        (no_xz, "damaged or truncated: Input format not supported"),
        (empty, "no .npy array: Compressed file ended"),
        (
            of_shape(count=19),
            r"holds uint8 \(19, 4096\); ids.txt and grids of 32\^3 bits ask for .*\(20, 4096\)",
        ),
        (of_shape(width=512), r"holds uint8 \(20, 512\)"),
        (of_shape(dtype=np.bool_), r"holds bool \(20, 4096\)"),
        (of_shape(dtype=object), r"holds object \(20, 4096\)"),
    ],
)
def test_damaged_arrays_are_named(tmp_path, cache, damage, text):
    data = packed(tmp_path / "data")
    damage(data)
    with pytest.raises(DataError, match=text) as caught:
        opened(data)
    assert str(data / "occupancy.npy.xz") in str(caught.value)
    assert list(cache.glob("vox32-*")) == []  # no copy is left


def test_damage_that_a_process_finds_ends_the_run(tmp_path):
    data = packed(tmp_path / "data")
    truncated(data)
    with pytest.raises(DataError, match="xz: damaged or truncated"):
        opened(data, workers=2)


def test_bombs_are_stopped_early(tmp_path, cache, monkeypatch):
    data = packed(tmp_path / "data")
    bomb(data)
    written = []
    monkeypatch.setattr("datasets.formats.packed._CHUNK", 1 << 16)
    monkeypatch.setattr(
        lzma.LZMAFile, "read", lambda self, n, read=lzma.LZMAFile.read: written.append(n) or read(self, n)
    )
    with pytest.raises(DataError, match="unpacks to more"):
        opened(data)
    assert sum(written) < 1 << 20


@pytest.mark.parametrize("tail", [b"more", b""])
def test_plain_arrays_are_checked_too(tmp_path, tail):
    data = packed(tmp_path / "data", compress=False)
    raw = (data / "occupancy.npy").read_bytes()
    (data / "occupancy.npy").write_bytes(raw + tail if tail else raw[:-1])
    with pytest.raises(DataError, match=r"occupancy.npy: 82,\d{3} bytes, expected 82,048; get it again"):
        opened(data)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xfe", "no list of ids"),
        (b"02958343/a\n\n02958343/b", "line 2: empty; every row needs a name of its own"),
        (b"02958343/a\n02958343/b\n02958343/a", "line 3: '02958343/a' is also line 1"),
        (b"", "no shapes of airplane, .*; there is nothing"),
        (b"00000000/a", "no shapes of airplane, .*; there is 00000000"),
        (None, "No such file or directory; it names the rows of occupancy.npy.xz"),
    ],
)
def test_bad_lists_of_ids_are_named(tmp_path, content, text):
    data = packed(tmp_path / "data")
    if content is None:
        (data / "ids.txt").unlink()
    else:
        (data / "ids.txt").write_bytes(content)
    with pytest.raises(DataError, match=text) as caught:
        source(data).items()
    assert str(data / "ids.txt") in str(caught.value)


def test_one_bad_item_costs_itself(tmp_path):
    rows = np.stack([np.packbits(GRIDS[i]) for i in IDS])
    rows[IDS.index(f"{CAR}/b")] = 0
    store = opened(packed(tmp_path / "packed", rows=rows), allow_missing=True)
    assert [s["reason"] for s in store.skipped if s["id"] == f"{CAR}/b"] == [
        f"{tmp_path / 'packed' / 'occupancy.npy.xz'}: row of {CAR}/b: no occupied cell"
    ]
    root = tree(tmp_path / "tree")
    write_binvox(root / CAR / "b" / "model.binvox", np.zeros((32, 32, 32)))
    write_binvox(root / CAR / "c" / "model.binvox", np.ones((16, 16, 16)))
    (root / CAR / "d" / "model.binvox").write_bytes(b"#binvox 1\n")
    (root / CAR / "e" / "model.binvox").unlink()
    store = opened(root, allow_missing=True)
    reasons = {s["id"]: s["reason"] for s in store.skipped if "same grid" not in s["reason"]}
    assert store.missing == 4 and list(reasons) == [f"{CAR}/{m}" for m in "bcde"]
    for model, text in zip(
        "bcde", ("no occupied cell", "expected a grid of 32^3", "truncated", "not there"), strict=True
    ):
        assert text in reasons[f"{CAR}/{model}"]
        assert str(root / CAR / model / "model.binvox") in reasons[f"{CAR}/{model}"]


@pytest.mark.parametrize("form", ["packed", "tree"])
def test_split_by_list_file(tmp_path, form):
    data = FORMS[form](tmp_path / "data")
    lists = {"train": ["k", "l"], "val": ["m"], "test": ["n", "zz"]}
    known_bad = {
        "taxonomy_id": "04090263",
        "train": ["4a32519f44dc84aabafe26e2eb69ebf4"],
        "val": [],
        "test": [],
    }
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"taxonomy_id": CHAIR, **lists}, known_bad]), encoding="utf-8")
    with pytest.raises(DataError, match="1 of 6 items could not be read; first 03001627/zz: not there"):
        opened(data, split=str(path))
    store = opened(data, split=str(path), allow_missing=True)
    assert {i.id: i.split for i in store.items} == {
        f"{CHAIR}/k": "train",
        f"{CHAIR}/l": "train",
        f"{CHAIR}/m": "val",
        f"{CHAIR}/n": "test",
    }
    assert store.missing == 1 and store.manifest["config"]["split"].startswith("sha256:")
    assert "its mesh is empty" in [s["reason"] for s in store.skipped][1]
    with pytest.raises(DataError, match="split 'pix2vox' is neither 'r2n2' nor an existing file"):
        opened(data, split="pix2vox")


def test_missing_root_says_where_it_looked_and_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        source(tmp_path / "nowhere").items()
    message = str(caught.value)
    for part in (str(tmp_path / "nowhere"), "occupancy.npy(.xz)", "ShapeNetVox32.tgz", "research only"):
        assert part in message
    assert "Did you mean" not in message
    assert source(tmp_path / "nowhere").stamp() == ""


def test_hints_at_neighbours(tmp_path):
    packed(tmp_path / "above" / "inner" / "vox32")
    tree(tmp_path / "tree")
    for root, meant in (
        (tmp_path / "above", tmp_path / "above" / "inner"),
        (tmp_path / "tree" / CAR, tmp_path / "tree"),
    ):
        with pytest.raises(DataError, match=re.escape(f"Did you mean {meant}?")):
            source(root).items()


def test_category_folders_of_another_data_set_are_not_taken(tmp_path):
    (tmp_path / CHAIR / "k").mkdir(parents=True)
    (tmp_path / CHAIR / "k" / "model.obj").touch()
    with pytest.raises(DataError, match="data set 'vox32' is not there"):
        source(tmp_path).items()


@pytest.mark.parametrize("form", ["compressed", "tree"])
def test_stamp_changes_with_the_files(tmp_path, form):
    data = FORMS[form](tmp_path / "data")
    before = source(data).stamp()
    assert before == source(data).stamp() != ""
    os.utime(data / ("ids.txt" if form == "compressed" else CHAIR), (1, 1))
    assert source(data).stamp() != before
