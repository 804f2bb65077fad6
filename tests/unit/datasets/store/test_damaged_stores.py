"""Stores that something has happened to: what is read is what was written, or an error with the mend."""

from __future__ import annotations

import copy
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import datasets.store.row_checks
from datasets import DataError
from datasets.prepare import prepare
from datasets.store import Store
from datasets.store.manifest import seal
from datasets.store.rows import HEADER
from tests.helpers.fake_dataset import OPTIONS as FAKE
from tests.helpers.fake_dataset import FakeConfig, make
from tests.unit.datasets.store.test_store import OPTIONS, SOURCE, write_store
from tests.unit.datasets.test_prepare import check_content, fake, registered  # noqa: F401 - a fixture
from zoo.training.sampler import LoadError
from zoo.training.trainer import train

FIELDS = ["images", "voxels_5", "voxels_8", "cameras", "points", "depth", "normals"]
ALL = [[0, 1, 2]]


@pytest.fixture
def store(tmp_path) -> Store:
    return write_store(tmp_path / "store", [make(item.id, OPTIONS) for item in SOURCE.items()], OPTIONS)


def flip(path: Path, place: int) -> None:
    """Turn one bit of a file over."""
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 16]))


def row_size(store: Store, name: str) -> int:
    shape = store.manifest["arrays"][name]["shape"][1:]
    return math.prod(shape) * np.dtype(store.manifest["arrays"][name]["dtype"]).itemsize


def damage(store: Store, name: str, item: int, share: float) -> None:
    """Turn over a bit of an item's row, so far behind its beginning."""
    size = row_size(store, name)
    flip(store.path / f"{name}.npy", HEADER + int(store._rows[item]) * size + int(share * size))


def read(split, name: str, index: int, views: list[list[int]] = ALL):
    """What a split gives of an array, as training does where it can."""
    if name == "images":
        return split.images([index], views)
    if name == "cameras":
        return split.cameras([index], views)
    if name == "points":
        return split.points([index])
    if name.startswith("voxels"):
        return split.voxels([index], int(name.removeprefix("voxels_")))
    return getattr(split.fetch([index], views), name).numpy()


# --- a flipped bit


@pytest.mark.parametrize("share", [0.0, 0.37, 0.5, 0.999])
@pytest.mark.parametrize("name", FIELDS)
def test_a_flipped_bit_is_noticed_when_it_is_read(store, name, share):
    whole = {index: read(store.split("train", 8), name, index) for index in (0, 1)}
    damage(store, name, 1, share)
    split = Store.open(store.path).split("train", 8)
    np.testing.assert_array_equal(read(split, name, 0), whole[0])
    with pytest.raises(
        DataError, match=rf"{name}.npy: 'shape01'.* is damaged, .* delete the folder {store.path} and run the"
    ):
        read(split, name, 1)


@pytest.mark.parametrize("name", ["images", "cameras", "depth", "normals"])
def test_a_view_is_checked_without_the_others(store, name):
    damage(store, name, 2, 0.5)  # of three views the middle one
    split = Store.open(store.path).split(
        "train", 8, [{"cameras": "camera"}.get(name, name)] * (name != "images")
    )
    split.fetch([2], [[0, 2]])
    with pytest.raises(DataError, match=rf"{name}.npy: 'shape02', view 1 is damaged"):
        split.fetch([0, 2], [[1, 2], [0, 1]])
    split.fetch([2], [[2, 0]])


@pytest.mark.parametrize("name", FIELDS)
def test_a_store_of_before_views_had_sums_is_checked_row_by_row(store, name):
    """They were written without; they stay readable, and their rows have digests all the same."""
    before = read(store.split("train", 8), name, 1)
    manifest = {k: v for k, v in store.manifest.items() if k not in ("sha256", "views_sha256")}
    (store.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (store.path / "view_sums.npy").unlink()
    old = Store.open(store.path)
    assert old.verify() == []
    np.testing.assert_array_equal(read(old.split("train", 8), name, 1), before)
    damage(store, name, 1, 0.999)
    with pytest.raises(DataError, match=rf"{name}.npy: 'shape01' is damaged"):
        read(Store.open(store.path).split("train", 8), name, 1, [[0, 1]])


def test_what_was_read_before_is_not_compared_again(store, monkeypatch):
    split = store.split("train", 8)
    first = split.fetch([0, 3], [[0, 1], [2, 2]])

    def never(data):
        raise AssertionError("compared twice")

    monkeypatch.setattr(datasets.store.row_checks, "digest", never)
    monkeypatch.setattr(datasets.store.row_checks, "view_sum", never)
    again = store.split("train", 8).fetch([3, 0], [[2, 2], [1, 0]])
    assert torch.equal(again.image[1].flip(0), first.image[0])
    with pytest.raises(AssertionError):
        split.fetch([1], [[0]])


def test_many_threads_find_the_same(store):
    damage(store, "images", 1, 0.1)
    split = Store.open(store.path).split("train", 8)

    def outcome(turn: int) -> bool:
        try:
            split.fetch([turn % 5], [[0]])
        except DataError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, range(100))) == [turn % 5 != 1 for turn in range(100)]


def test_a_damaged_row_stops_the_training_that_reads_it(tmp_path, tiny_config):
    options = OPTIONS.model_copy(update={"resolutions": (32,), "image_size": (16, 16), "maps": False})
    samples = [make(item.id, options) for item in SOURCE.items()]
    store = write_store(tmp_path / "store", samples, options)
    damage(store, "voxels_32", 3, 0.5)
    split = Store.open(store.path).split("train")
    expected = (
        rf"step [0-2] could not read .*shape03.*voxels_32.npy: 'shape03' is damaged.*delete .*{store.path}"
    )
    with pytest.raises(LoadError, match=expected):
        train(tiny_config(), split, tmp_path / "run", seed=0, device=torch.device("cpu"))


# --- files of another kind, size or place


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + path.read_bytes()[8:])


def lying(path: Path) -> None:
    """A header that promises petabytes."""
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"'shape': (9", b"'shape': (9" + b"9" * 15, 1)[: len(raw)])


FILES = [*(f"{name}.npy" for name in FIELDS), "digests.npy", "view_sums.npy", "items.json", "manifest.json"]


@pytest.mark.parametrize("harm", [cut, grown, empty, gone, folder, foreign, lying])
@pytest.mark.parametrize("name", FILES)
def test_files_of_another_kind_are_named(store, name, harm):
    if harm is lying and not name.endswith(".npy"):
        pytest.skip("no array")
    harm(store.path / name)
    with pytest.raises(DataError, match=rf"{store.path}/?.*[;,] delete the folder and prepare"):
        # the digests are opened by the first who reads
        Store.open(store.path).split("train", 8).fetch([0], [[0]])


@pytest.mark.parametrize("place", [0, 6, 8, 12, 40, 90, 200, 255])
@pytest.mark.parametrize("name", ["images", "voxels_8", "points"])
def test_headers_are_those_that_were_written(store, name, place):
    flip(store.path / f"{name}.npy", place)
    with pytest.raises(DataError, match=rf"{name}.npy: has another header than an array of \(9, .*delete"):
        Store.open(store.path)


def put(*keys, value):
    """A change of a manifest or an index at one place."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def drop(key):
    return lambda content: content.pop(key)


HUGE = 10**300
MANIFESTS = [
    put("dataset", value=3), put("version", value=None), put("config", value=[]), put("options", value="all"),
    put("provides", value="image"), put("provides", value=[1]), put("fingerprint", value="abc"),
    put("fingerprint", value=7), put("missing", value=-1), put("missing", value="2"),
    put("missing", value=1e300),
    put("skipped", value=3), put("skipped", value=[3]), put("skipped", value=[{"id": "a"}]),
    put("leaks", value=[{"id": 1}]), put("notes", value=["closed"]), put("notes", value={"closed": -1}),
    put("counts", value={"train": 3}), put("stamp", value=0), put("items_sha256", value=None),
    put("arrays", value={}), put("arrays", value=[]), put("arrays", "images", value=3),
    put("arrays", "images", "dtype", value="|O"), put("arrays", "images", "dtype", value="<c16"),
    put("arrays", "images", "shape", value=[]), put("arrays", "images", "shape", value=[9]),
    put("arrays", "images", "shape", value=[9, 3, 4, 6, -7]),
    put("arrays", "images", "shape", value=[HUGE] * 5),
    put("arrays", "images", "shape", value=[9, 3, 4, 6, 7.5]), put("arrays", "images", "shape", value=None),
    put("arrays", "images", "shape", value=[9, 3, 4, 7, 6]), put("arrays", "images", "bytes", value=HUGE),
    put("arrays", "images", "bytes", value=-768), put("arrays", "images", "bytes", value=float("nan")),
    put("arrays", "points", "shape", value=[9, 3, 20]), put("arrays", "voxels_8", "shape", value=[9, 65]),
    put("arrays", "cameras", "sha256", value="0"), put("arrays", "../../x", value={}),
    put("arrays", "voxels_99999", value=None), put("views_sha256", value="no"), put("more", value=1),
    drop("arrays"), drop("items_sha256"), drop("provides"), drop("fingerprint"), drop("missing"),
    drop("leaks"),
]  # fmt: skip


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("change", MANIFESTS, ids=range(len(MANIFESTS)))
def test_manifests_with_wrong_values(store, change, sealed):
    manifest = copy.deepcopy(store.manifest)
    change(manifest)
    (store.path / "manifest.json").write_text(
        json.dumps(seal(manifest) if sealed else manifest), encoding="utf-8"
    )
    with pytest.raises(DataError, match=rf"{store.path}/manifest.json: .*; delete the folder and prepare"):
        Store.open(store.path)


@pytest.mark.parametrize(
    "key", ["dataset", "version", "fingerprint", "counts", "notes", "licence", "options"]
)
def test_a_manifest_with_another_value_is_noticed(store, key):
    text = (store.path / "manifest.json").read_text(encoding="utf-8")
    place = text.index(f'"{key}"') + len(key) + 3
    place = next(i for i in range(place, len(text)) if text[i].isalnum())
    changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    (store.path / "manifest.json").write_text(changed, encoding="utf-8")
    with pytest.raises(DataError, match=rf"{store.path}/manifest.json: .*delete the folder"):
        Store.open(store.path)


def test_a_manifest_nested_without_end(store):
    (store.path / "manifest.json").write_text('{"a":' * 300_000, encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest.json: not a manifest: nested too deeply; .*; delete"):
        Store.open(store.path)


INDICES = [
    put("id", value=3), put("id", value=[]), put("id", 0, value=7), put("id", 0, value="shape01"), drop("id"),
    put("row", 0, value=-1), put("row", 0, value=9), put("row", 0, value=1.0), put("row", 0, value=HUGE),
    put("row", 0, value=None), put("row", 0, value=3), put("split", 0, value="trian"),
    put("split", value="train"),
    put("note", value=[]), put("shape", 2, value=None), drop("category"), put("more", value=[]),
]  # fmt: skip


@pytest.mark.parametrize("change", INDICES, ids=range(len(INDICES)))
def test_indices_with_wrong_values(store, change):
    """Even where somebody has made the sums fit."""
    items = json.loads((store.path / "items.json").read_text(encoding="utf-8"))
    change(items)
    text = json.dumps(items)
    (store.path / "items.json").write_text(text, encoding="utf-8")
    manifest = store.manifest | {
        "items_sha256": datasets.store.row_checks.hashlib.sha256(text.encode()).hexdigest()
    }
    (store.path / "manifest.json").write_text(json.dumps(seal(manifest)), encoding="utf-8")
    with pytest.raises(DataError, match=rf"{store.path}/items.json: .*; delete the folder and prepare"):
        Store.open(store.path)


def test_verify_names_damaged_sums_of_views(store):
    flip(store.path / "view_sums.npy", HEADER + 5)
    (problem,) = store.verify()
    assert problem.startswith(f"{store.path}/view_sums.npy: does not match the manifest; delete the folder")


# --- unfinished stores


CONFIG = FakeConfig(train=6, val=2, test=3, faults={"shape09": "fatal"})


@pytest.fixture
def partial(tmp_path) -> Path:
    """What a prepare that stopped at the tenth of eleven items has left."""
    with pytest.raises(DataError, match="another version"):
        prepare("fake", CONFIG, None, FAKE, tmp_path, 0, progress=False)
    (found,) = tmp_path.glob("*.partial")
    assert len((found / "journal.jsonl").read_text(encoding="utf-8").splitlines()) == 2 + 9
    return found


@pytest.fixture
def whole(partial, monkeypatch):
    """``whole()``: the store once the same command has gone on and the data set is mended, checked."""
    monkeypatch.setattr("tests.helpers.fake_dataset.misbehave", lambda fault: None)

    def finish() -> Store:
        made = prepare("fake", CONFIG, None, FAKE, partial.parent, 0, progress=False)
        assert len(made) == 11 and made.verify() == []
        for name in made.splits:
            split = made.split(name, 8)
            for index, shape_id in enumerate(split.ids):
                sample = make(shape_id, FAKE)
                np.testing.assert_array_equal(split.voxels([index])[0], sample.voxels[8])
                np.testing.assert_array_equal(split.points([index])[0], sample.points)
        return made

    return finish


def edit(number: int, change):
    """A change of one line of a journal, as text."""

    def harm(folder: Path) -> None:
        lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        lines[number] = change(lines[number])
        (folder / "journal.jsonl").write_text("".join(lines), encoding="utf-8")

    return harm


def swapped(line: str) -> str:
    """The row of one item under another's number: every digest fits, and the shape would be the wrong one."""
    content = json.loads(line)
    return json.dumps(content | {"item": content["item"] + 1}) + "\n"


TEXTS = ("null", "[]", "3", "{}", '"item"')
JOURNALS = {
    **{f"line {n} torn": edit(n, lambda line: line[: len(line) // 2] + "\n") for n in (0, 1, 2, 6, 10)},
    **{f"line {n} gone": edit(n, lambda line: "") for n in (0, 1, 2, 10)},
    **{f"line {n} twice": edit(n, lambda line: line * 2) for n in (0, 1, 2, 10)},
    **{f"{text} in line {n}": edit(n, lambda _, text=text: text + "\n") for n in (1, 5) for text in TEXTS},
    "no item": edit(4, lambda line: line.replace('"item"', '"itme"')),
    "another item": edit(4, swapped),
    "an item that is none": edit(4, lambda line: line.replace('"item": 2', '"item": -2')),
    "a row that is none": edit(4, lambda line: line.replace('"row": 2', '"row": 1e300')),
    "a layout that is none": edit(1, lambda line: line.replace("[3, 7]", "[3, -7]")),
    "a layout of another size": edit(1, lambda line: line.replace("[3, 7]", "[3, 8]")),
    "digests of nothing": edit(3, lambda line: line.replace('"digests": {', '"digests": null, "x": {')),
    "nested": edit(3, lambda line: "[" * 100_000 + "\n"),
    "bytes": lambda folder: (folder / "journal.jsonl").write_bytes(b"\xff\xfe\n" * 40),
    "empty": lambda folder: (folder / "journal.jsonl").write_bytes(b""),
    "no journal": lambda folder: (folder / "journal.jsonl").unlink(),
    "a folder": lambda folder: ((folder / "journal.jsonl").unlink(), (folder / "journal.jsonl").mkdir()),
    "no array": lambda folder: (folder / "points.npy").unlink(),
    "an array that is a folder": lambda folder: (
        (folder / "points.npy").unlink(),
        (folder / "points.npy").mkdir(),
    ),
    "an array cut short": lambda folder: cut(folder / "points.npy"),
    "an array of another kind": lambda folder: foreign(folder / "images.npy"),
    "a row flipped": lambda folder: flip(folder / "images.npy", HEADER + 5),
    "a file in its place": lambda folder: (
        shutil.rmtree(folder),
        folder.write_text("mine", encoding="utf-8"),
    ),
    "a journal of before lines had sums": lambda folder: (folder / "journal.jsonl").write_text(
        "".join(
            json.dumps({k: v for k, v in json.loads(line).items() if k != "sum"}) + "\n"
            for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        ),
        encoding="utf-8",
    ),
}


@pytest.mark.parametrize("harm", JOURNALS.values(), ids=JOURNALS)
def test_an_unfinished_store_is_finished_whatever_has_become_of_it(partial, whole, harm):
    harm(partial)
    assert whole().path == partial.with_suffix("")


@pytest.mark.parametrize("kind", ["folder", "file", "empty folder", "link"])
def test_something_else_in_the_place_of_a_store_is_named_before_anything_is_built(
    tmp_path, monkeypatch, kind
):
    path = fake(tmp_path / "a").path
    if kind == "folder":
        (path / "manifest.json").unlink()
    else:
        shutil.rmtree(path)
        {"file": path.touch, "empty folder": path.mkdir, "link": lambda: path.symlink_to("nowhere")}[kind]()
    with monkeypatch.context() as no_building:
        no_building.setattr("datasets.prepare._build", lambda *args: pytest.fail("built for nothing"))
        with pytest.raises(DataError, match=rf"{path}: no store, there is no manifest.json in it; delete it"):
            fake(tmp_path / "a")
    prepare("fake", FakeConfig(), None, FAKE, tmp_path / "a", 0, progress=False, rebuild=True)
    check_content(fake(tmp_path / "a"))
