from __future__ import annotations

import json
import multiprocessing
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import BadItem, DataError, Item, PrepareOptions, Sample
from datasets.splits import drawn_evenly
from datasets.store import Store, StoreSplit
from datasets.store.manifest import seal
from datasets.store.rows import HEADER, layout_of, pack, write_row
from datasets.store.workers import Outcome
from datasets.store.writer import StoreWriter
from tests.helpers.fake_dataset import FakeConfig, FakeSource, make
from zoo.types import Batch, Source

OPTIONS = PrepareOptions(resolutions=(5, 8), image_size=(6, 7), views=3, points=20, maps=True)
CPU = torch.device("cpu")
SOURCE = FakeSource(FakeConfig(train=5, val=2, test=2), None)


def write_store(path: Path, samples: list[Sample], options: PrepareOptions, backwards: bool = True) -> Store:
    """A store whose rows lie in another order than its ids."""
    items = SOURCE.items()[: len(samples)]
    writer = StoreWriter(path, SOURCE, items, options)
    for index in range(len(samples))[:: -1 if backwards else 1]:
        rows = pack(samples[index], options)
        row = writer.place(layout_of(rows))
        writer.record(Outcome(index, row, write_row(writer.folder, row, rows)))
    writer.finish("fake", "")
    return Store.open(path)


@pytest.fixture
def samples() -> list[Sample]:
    return [make(item.id, OPTIONS) for item in SOURCE.items()]


@pytest.fixture
def store(tmp_path, samples) -> Store:
    return write_store(tmp_path / "store", samples, OPTIONS)


def test_fetch_gives_the_arrays(store, samples):
    split = store.split("train", resolution=8)
    indices, views = [3, 0, 3], [[2, 0], [1, 1], [0, 2]]
    batch = split.fetch(indices, views).to(CPU)
    assert isinstance(batch, Batch)
    assert batch.ids == ("shape03", "shape00", "shape03")
    for b, (index, chosen) in enumerate(zip(indices, views, strict=True)):
        sample = samples[index]
        image = batch.image[b].permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(image, sample.images[chosen])
        np.testing.assert_array_equal(batch.voxels[b].numpy(), sample.voxels[8].astype(np.float32))
        np.testing.assert_array_equal(batch.points[b].numpy(), sample.points)
        np.testing.assert_array_equal(batch.camera[b].numpy(), sample.cameras[chosen])
        depth = batch.depth[b].numpy()
        assert np.isinf(depth[:, 0]).all()
        np.testing.assert_allclose(depth[:, 1:], sample.depth[chosen][:, 1:], rtol=2**-11)
        normals = batch.normals[b].permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(normals, sample.normals[chosen], atol=0.5 / 127 + 1e-6)
    assert batch.image.dtype == torch.uint8
    assert batch.voxels.dtype == batch.depth.dtype == batch.normals.dtype == torch.float32
    np.testing.assert_array_equal(batch.mask.numpy(), batch.image[:, :, 3].numpy() >= 128)


def test_a_fetched_batch_is_as_small_as_in_the_store(store, samples):
    """It crosses the bus packed; only `Batch.to` makes floats of it."""
    batch = store.split("train", resolution=8).fetch([1, 0], [[0], [2]])
    assert batch.voxels.dtype == batch.image.dtype == torch.uint8
    assert batch.depth.dtype == torch.float16
    assert batch.normals.dtype == torch.int8
    packed = np.stack([np.packbits(samples[i].voxels[8], axis=2) for i in (1, 0)])
    np.testing.assert_array_equal(batch.voxels.numpy(), packed)
    assert store.split("train", resolution=5).fetch([1], [[0]]).voxels.dtype == torch.bool


def test_fractional_voxels(tmp_path, samples):
    """A store may hold 255 times the occupancy instead of bits."""
    rng = np.random.default_rng(0)
    grids = rng.integers(0, 256, (len(samples), 8, 8, 8), dtype=np.uint8)
    shares = [replace(s, voxels=s.voxels | {8: grid}) for s, grid in zip(samples, grids, strict=True)]
    split = write_store(tmp_path / "store", shares, OPTIONS).split("train", resolution=8)
    batch = split.fetch([4, 2], [[0], [1]])
    np.testing.assert_array_equal(batch.voxels.numpy(), grids[[4, 2]])
    decoded = batch.to(CPU).voxels
    assert decoded.dtype == torch.float32
    np.testing.assert_array_equal(decoded.numpy(), grids[[4, 2]] / np.float32(255))
    np.testing.assert_array_equal(split.voxels([4, 2]), decoded.numpy())


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.data())
def test_any_grid_survives(tmp_path_factory, resolution, data):
    bits = data.draw(st.binary(min_size=resolution**3, max_size=resolution**3))
    grid = (np.frombuffer(bits, np.uint8) % 2 == 1).reshape((resolution,) * 3)
    grid[0, 0, 0] = True
    options = PrepareOptions(resolutions=(resolution,), image_size=(2, 2), views=1, points=0)
    base = make("x", options)
    store = write_store(
        tmp_path_factory.mktemp("s") / "s", [Sample(base.images, {resolution: grid}, base.cameras)], options
    )
    split = store.split("train")
    np.testing.assert_array_equal(split.voxels([0])[0], grid)
    np.testing.assert_array_equal(split.fetch([0], [[0]]).to(CPU).voxels[0].numpy(), grid)


def test_a_fetched_batch_is_a_copy(store):
    split = store.split("train")
    batch = split.fetch([0], [[0]])
    for tensor in (batch.image, batch.voxels, batch.points, batch.camera):
        tensor.zero_()
    assert store.verify() == []
    assert split.fetch([0], [[0]]).voxels.sum() > 0


def test_split_is_a_source(store):
    split = store.split("val")
    assert isinstance(split, Source)
    assert isinstance(split, StoreSplit)
    assert (len(split), split.num_views, split.image_size, split.resolution) == (2, 3, (6, 7), 5)
    assert split.ids == ("shape05", "shape06")
    assert split.categories == ("bar", "box")
    assert split.provides == {"image", "mask", "voxels", "points", "camera", "depth", "normals"}
    assert len(split.fingerprint) == 64
    assert split.fingerprint != store.split("test").fingerprint


def test_fields_limit_what_is_read(store):
    split = store.split("train", fields=["voxels"])
    assert split.provides == {"image", "mask", "voxels"}
    batch = split.fetch([0], [[0]])
    assert batch.voxels is not None
    assert (batch.points, batch.camera, batch.depth, batch.normals) == (None,) * 4
    with pytest.raises(DataError, match="does not hold sketch; it holds camera, depth, image, mask"):
        store.split("train", fields=["sketch"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 45), st.randoms())
def test_a_few_items_are_drawn_evenly_over_the_categories(of, count, rng):
    ids, categories = [f"item-{k}" for k in range(len(of))], [str(c) for c in of]
    chosen = drawn_evenly(ids, categories, count)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(count, len(of))
    taken, there = Counter(categories[k] for k in chosen), Counter(categories)
    for category, number in there.items():  # nobody has two more than a category that has any left
        assert taken[category] == number or taken[category] >= max(taken.values(), default=0) - 1
    assert set(chosen) <= set(drawn_evenly(ids, categories, count + 1))
    order = rng.sample(range(len(of)), len(of))
    again = drawn_evenly([ids[k] for k in order], [categories[k] for k in order], count)
    assert {order[k] for k in again} == set(chosen)


def test_a_limited_split_is_another_one_with_the_same_items(store):
    whole, some = store.split("train"), store.split("train", limit=2)
    assert (len(whole), whole.whole, len(some), some.whole) == (5, 5, 2, 5)
    assert set(some.ids) < set(whole.ids) and some.fingerprint != whole.fingerprint
    places = [whole.ids.index(i) for i in some.ids]
    np.testing.assert_array_equal(some.voxels([0, 1], 8), whole.voxels(places, 8))
    assert some.categories == tuple(whole.categories[k] for k in places)
    copy = pickle.loads(pickle.dumps(some))
    assert (copy.ids, copy.fingerprint) == (some.ids, some.fingerprint)
    assert store.split("train", limit=9).fingerprint == whole.fingerprint


def test_numpy_accessors(store, samples):
    split = store.split("test")
    np.testing.assert_array_equal(split.voxels([1, 0], 5), [samples[8].voxels[5], samples[7].voxels[5]])
    assert split.voxels([0]).dtype == np.bool_
    assert split.voxels([0], 8).shape == (1, 8, 8, 8)
    np.testing.assert_array_equal(split.images([1], [[2]])[0, 0], samples[8].images[2].transpose(2, 0, 1))
    np.testing.assert_array_equal(split.points([1])[0], samples[8].points)
    np.testing.assert_array_equal(split.cameras([1], [[1]])[0, 0], samples[8].cameras[1])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda s: s.split("trian"),
            DataError,
            "no shapes in split 'trian'; there is train, val, test. Did you",
        ),
        (lambda s: s.split("train", 64), DataError, r"no voxels at 64\^3; stored are \(5, 8\). Prepare the"),
        (lambda s: s.split("train").voxels([0], 6), DataError, r"no voxels at 6\^3"),
        (lambda s: s.split("train").fetch([5], [[0]]), IndexError, "index 5 outside 0...4 of split 'train'"),
        (lambda s: s.split("train").fetch([-1], [[0]]), IndexError, "index -1 outside"),
        (lambda s: s.split("train").fetch([0], [[3]]), IndexError, "view 3 outside 0...2"),
        (lambda s: s.split("train").fetch([2**70], [[0]]), IndexError, f"index {2**70} outside 0...4"),
        (lambda s: s.split("train").voxels([-(2**70)]), IndexError, f"index {-(2**70)} outside 0...4"),
        (lambda s: s.split("train").voxels([2**63]), IndexError, f"index {2**63} outside 0...4"),
        (lambda s: s.split("train").voxels([1.5]), IndexError, "index 1.5 outside 0...4"),
        (lambda s: s.split("train").images([0], [[2**64]]), IndexError, f"view {2**64} outside 0...2"),
        (lambda s: s.split("train").fetch([0, 1], [[0], [0, 1]]), ValueError, "equally long lists of views"),
        (lambda s: s.split("train").fetch([0, 1], [[0]]), ValueError, "2 samples need as many"),
    ],
)
def test_wrong_requests(store, call, error, text):
    with pytest.raises(error, match=text):
        call(store)


def test_store_without_points_says_so(tmp_path):
    options = OPTIONS.model_copy(update={"points": 0, "maps": False})
    store = write_store(tmp_path / "s", [make(i.id, options) for i in SOURCE.items()], options)
    split = store.split("train")
    assert split.provides == {"image", "mask", "voxels", "camera"}
    assert split.fetch([0], [[0]]).points is None
    with pytest.raises(
        DataError, match="holds no surface points; 'fake' has no meshes, or was prepared with"
    ):
        split.points([0])


def test_pickling_carries_no_data(store):
    split = store.split("train", resolution=8, fields=["voxels"])
    data = pickle.dumps(split)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert (again.ids, again.provides, again.resolution) == (split.ids, split.provides, 8)
    np.testing.assert_array_equal(again.voxels([2]), split.voxels([2]))
    assert pickle.loads(pickle.dumps(store)).fingerprint == store.fingerprint


def test_pickle_of_a_replaced_store_is_refused(store):
    data = pickle.dumps(store)
    manifest = json.loads((store.path / "manifest.json").read_text(encoding="utf-8"))
    manifest["fingerprint"] = "0" * 64
    (store.path / "manifest.json").write_text(json.dumps(seal(manifest)), encoding="utf-8")
    with pytest.raises(DataError, match="was replaced while it was in use"):
        pickle.loads(data)


def test_many_readers_at_once(store):
    split = store.split("train", resolution=8)
    expected = [split.fetch([i], [[i % 3]]) for i in range(5)]

    def read(turn: int) -> bool:
        i = turn % 5
        batch = split.fetch([i], [[i % 3]])
        return torch.equal(batch.image, expected[i].image) and torch.equal(batch.voxels, expected[i].voxels)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        grids = processes.map(split.voxels, [[i] for i in range(5)])
    for i, grid in enumerate(grids):
        np.testing.assert_array_equal(grid, split.voxels([i]))


def test_opening_reads_no_data(store):
    # damage that only `verify` may notice
    with (store.path / "images.npy").open("r+b") as file:
        file.seek(HEADER)
        file.write(b"\0" * 64)
    assert len(Store.open(store.path)) == 9


def test_verify_names_the_damaged_shape(store):
    row = store._rows[4]
    nbytes = 20 * 3 * 4
    with (store.path / "points.npy").open("r+b") as file:
        file.seek(HEADER + row * nbytes)
        file.write(b"\x12\x34")
    assert store.verify() == [f"shape04: points damaged (row {row} of points.npy)"]


def test_verify_notices_changed_digests(store):
    digests = np.load(store.path / "digests.npy")
    digests[0, 0] ^= 1
    np.save(store.path / "digests.npy", digests)
    assert store.verify() == ["digests.npy: hashes of 'images' do not match the manifest"]
    np.save(store.path / "digests.npy", digests[1:])
    with pytest.raises(DataError, match=r"holds \(8, 7, 16\), expected \(9, 7\)"):
        store.verify()


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda p: truncate(p / "voxels_8.npy"),
            r"voxels_8.npy: has 831 bytes, the manifest says 832 bytes; del",
        ),
        (lambda p: (p / "cameras.npy").unlink(), "cameras.npy: is missing, the manifest says"),
        (
            lambda p: (p / "manifest.json").unlink(),
            "manifest.json: No such file .*; this is no complete store",
        ),
        (lambda p: (p / "manifest.json").write_text("{", encoding="utf-8"), "manifest.json: not a manifest"),
        (lambda p: (p / "manifest.json").write_text("[]", encoding="utf-8"), "manifest.json: not a manifest"),
        (
            lambda p: (p / "manifest.json").write_text('{"format": 0}', encoding="utf-8"),
            "store format 0, this version reads 2",
        ),
        (lambda p: (p / "items.json").unlink(), "items.json: No such file"),
        (
            lambda p: (p / "items.json").write_text("{}", encoding="utf-8"),
            "items.json: does not match the manifest",
        ),
    ],
)
def test_damaged_stores_are_not_opened(store, damage, text):
    damage(store.path)
    with pytest.raises(DataError, match=text):
        Store.open(store.path)


def test_arrays_are_plain_npy_files(store, samples):
    images = np.load(store.path / "images.npy")
    assert images.shape == (9, 3, 4, 6, 7)
    # written backwards on purpose
    np.testing.assert_array_equal(images[0], samples[8].images.transpose(0, 3, 1, 2))
    assert np.load(store.path / "voxels_5.npy").shape == (9, 16)


def test_row_order_leaves_no_trace(tmp_path, samples):
    one = write_store(tmp_path / "one", samples, OPTIONS, backwards=True)
    two = write_store(tmp_path / "two", samples, OPTIONS, backwards=False)
    assert one.manifest == two.manifest | {"items_sha256": one.manifest["items_sha256"]}
    assert one.split("train").fingerprint == two.split("train").fingerprint


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": np.zeros((3, 6, 7, 3), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((3, 6, 7, 4), np.float32)}, "images must be uint8"),
        ({"voxels": {5: np.ones((5, 5, 5), bool)}}, r"voxels at \[5\], asked for were \[5, 8\]"),
        ({"voxels": {5: np.ones((5, 5, 5), bool), 8: np.ones((8, 8, 8))}}, "must be a bool or uint8 cube"),
        (
            {"voxels": {5: np.zeros((5, 5, 5), bool), 8: np.ones((8, 8, 8), bool)}},
            r"the 5\^3 grid has no occ",
        ),
        ({"cameras": np.zeros((3, 5), np.float32)}, r"cameras must be \(3, 7\), got \(3, 5\)"),
        ({"cameras": np.full((3, 7), np.nan, np.float32)}, "cameras hold NaN"),
        ({"points": np.full((20, 3), np.inf, np.float32)}, "points hold NaN or infinity"),
        (
            {"points": np.full((20, 3), 0.51, np.float32)},
            "points leave the unit cube: largest coordinate 0.5100",
        ),
        ({"depth": np.zeros((3, 6, 6), np.float32)}, "depth must be"),
        ({"depth": np.full((3, 6, 7), np.nan, np.float32)}, "without NaN"),
        ({"normals": np.zeros((3, 6, 7), np.float32)}, "normals must be"),
    ],
)
def test_samples_that_break_their_promise(samples, change, text):
    base = {name: getattr(samples[0], name) for name in Sample.__dataclass_fields__}
    with pytest.raises(BadItem, match=text):
        pack(Sample(**(base | change)), OPTIONS)


def test_items_come_back(store):
    assert store.items[5] == Item("shape05", "bar", "val")
    assert store.items == SOURCE.items()
