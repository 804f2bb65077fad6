from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import datasets.prepare
import datasets.store.workers
from datasets import DATASETS, DataError, Item, PrepareOptions
from datasets.prepare import default_cache, open_dataset, prepare
from datasets.store import Store
from tests.helpers.fake_dataset import OPTIONS, FakeConfig, FakeFiles, FakeSource, make
from zoo.config import ConfigError
from zoo.registry import RegistryError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def registered():
    """The fake data sets are in the registry during a test and leave no trace for others."""
    DATASETS.names()
    DATASETS.register("fake", config=FakeConfig)(FakeSource)
    DATASETS.register("fake_files", config=FakeConfig)(FakeFiles)
    yield
    del DATASETS._entries["fake"], DATASETS._entries["fake_files"]


def fake(folder: Path, workers: int = 0, options: PrepareOptions = OPTIONS, **config) -> Store:
    config = FakeConfig(**config)
    return prepare("fake", config, None, options, folder, workers, progress=False, allow_missing=True)


def check_content(store: Store) -> None:
    """Every stored shape is what its source makes, whichever row it got."""
    for name in store.splits:
        split = store.split(name)
        views = list(range(split.num_views))
        for index, shape_id in enumerate(split.ids):
            sample = make(shape_id, OPTIONS)
            np.testing.assert_array_equal(
                split.images([index], [views])[0].transpose(0, 2, 3, 1), sample.images
            )
            for resolution, grid in sample.voxels.items():
                np.testing.assert_array_equal(split.voxels([index], resolution)[0], grid)
            np.testing.assert_array_equal(split.cameras([index], [views])[0], sample.cameras)
            np.testing.assert_array_equal(split.points([index])[0], sample.points)
            assert store.notes[store.ids.index(shape_id)] == sample.note


def built(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()]


def script(folder: Path, **config) -> str:
    """A user's script without a main guard, which is what a spawned worker must not run again."""
    return textwrap.dedent(f"""
        from pathlib import Path
        from datasets import DATASETS
        from datasets.prepare import prepare
        from tests.helpers.fake_dataset import OPTIONS, FakeConfig, FakeSource
        DATASETS.register("fake", config=FakeConfig)(FakeSource)
        config, folder = FakeConfig(**{config!r}), Path({str(folder)!r})
        store = prepare("fake", config, None, OPTIONS, folder, 2, progress=False)
        print(store.fingerprint)
    """)


def start(path: Path, text: str) -> subprocess.Popen:
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_store_holds_what_the_source_makes(tmp_path):
    store = fake(tmp_path, workers=2)
    assert len(store) == 11
    assert store.splits == ("train", "val", "test")
    assert store.split("test").ids == ("shape08", "shape09", "shape10")
    assert store.split("test").categories == ("box", "bar", "box")
    assert store.manifest["counts"]["train"] == {"total": 6, "bar": 3, "box": 3}
    assert store.manifest["options"]["resolutions"] == [8, 16]
    assert store.skipped == []
    assert store.manifest["notes"] == {"closed": 3, "repaired": 1}
    assert store.verify() == []
    check_content(store)
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [store.path.name]
    assert not list(store.path.glob("journal*"))


def test_processes_change_nothing(tmp_path):
    here, there = fake(tmp_path / "a", workers=0), fake(tmp_path / "b", workers=2)
    assert here.fingerprint == there.fingerprint
    assert here.path.name == there.path.name
    # the digests are listed in the order of the ids, so that the order of completion leaves no trace
    assert here.manifest["arrays"] == there.manifest["arrays"]


def test_second_call_builds_nothing(tmp_path):
    log = tmp_path / "log"
    first = fake(tmp_path / "s", log=str(log))
    second = fake(tmp_path / "s", log=str(log))
    assert second.path == first.path
    assert len(built(log)) == 11


def test_rebuild_builds_again(tmp_path):
    log = tmp_path / "log"
    config = FakeConfig(log=str(log))
    for _ in range(2):
        prepare("fake", config, None, OPTIONS, tmp_path / "s", 0, progress=False, rebuild=True)
    assert len(built(log)) == 22


def test_fingerprint_is_stable(monkeypatch):
    # the value travels into checkpoints and results: whoever changes it makes them incomparable
    from datasets.store.writer import fingerprint

    monkeypatch.setattr("datasets.foreign", lambda parts: {})  # as of a data set of ours

    source = FakeSource(FakeConfig(), None)
    assert fingerprint("fake", source, OPTIONS, source.items()) == (
        "602f5f1c5f691e7cd104f7eb6104edbaf98113f0676c7b42782e40c244298021"
    )


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"train": 5}, {}),
        ({"delay": 0.001}, {}),
        ({}, {"views": 2}),
        ({}, {"resolutions": (8,)}),
        ({}, {"points": 0}),
        ({}, {"maps": True}),
        ({}, {"image_size": (7, 6)}),
    ],
)
def test_other_requests_get_another_store(tmp_path, config, options):
    base = fake(tmp_path)
    other = fake(tmp_path, options=OPTIONS.model_copy(update=options), **config)
    assert other.path != base.path
    assert other.fingerprint != base.fingerprint


def test_version_changes_the_fingerprint(tmp_path, monkeypatch):
    first = fake(tmp_path)
    monkeypatch.setattr(FakeSource, "version", "2")
    second = fake(tmp_path)
    assert second.fingerprint != first.fingerprint
    assert second.path != first.path


def test_bad_items_are_skipped_and_named(tmp_path):
    faults = {"shape01": "corrupt", "shape02": "raise", "shape05": "one view"}
    store = fake(tmp_path, faults=faults)
    assert [s["id"] for s in store.skipped] == ["shape01", "shape02", "shape05"]
    reasons = {s["id"]: s["reason"] for s in store.skipped}
    assert reasons["shape01"] == "/data/shape.png: corrupt image"
    assert reasons["shape02"] == "ZeroDivisionError: division by zero in two lines"
    assert reasons["shape05"].startswith("holds images (1, 4, 6, 7), ")
    assert "the other items images (3, 4, 6, 7), " in reasons["shape05"]
    assert store.split("train").ids == ("shape00", "shape03", "shape04")
    assert len(np.load(store.path / "images.npy", mmap_mode="r")) == 8
    check_content(store)
    assert store.verify() == []
    assert store.fingerprint != fake(tmp_path / "whole").fingerprint


def test_missing_items_must_be_allowed(tmp_path):
    def strict():
        return prepare("fake", config, None, OPTIONS, tmp_path / "s", 0, progress=False)

    log = tmp_path / "log"
    config = FakeConfig(faults={"shape01": "corrupt", "shape05": "raise"}, log=str(log))
    expected = (
        r"'fake': 2 of 11 items could not be read; first shape01: /data/shape.png: corrupt image. All of "
        r"them are in (.*skipped\.csv)\. Repair .* --allow-missing"
    )
    with pytest.raises(DataError, match=expected) as error:
        strict()
    listed = Path(re.search(expected, str(error.value))[1]).read_text(encoding="utf-8").splitlines()
    assert listed == [
        "id,category,split,kind,reason",
        "shape01,bar,train,missing,/data/shape.png: corrupt image",
        "shape05,bar,train,missing,ZeroDivisionError: division by zero in two lines",
    ]
    tries = len(log.read_text(encoding="utf-8").splitlines())
    store = fake(tmp_path / "s", **config.model_dump())
    assert len(log.read_text(encoding="utf-8").splitlines()) == tries + 2  # what was built was kept
    assert (store.missing, len(store)) == (2, 9)
    assert (store.path / "skipped.csv").read_text(encoding="utf-8").splitlines() == listed
    with pytest.raises(DataError, match="2 of 11 items could not be read"):
        strict()


def test_known_bad_items_need_no_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(FakeSource, "known_bad", {"shape03": "wrong for everybody", "other": "not here"})
    config = FakeConfig(faults={"shape03": "fatal"})
    store = prepare("fake", config, None, OPTIONS, tmp_path, 0, progress=False)
    assert store.missing == 0
    assert [(s["id"], s["reason"]) for s in store.skipped] == [("shape03", "wrong for everybody")]


@pytest.mark.parametrize("leaks", ["flag", "drop"])
@pytest.mark.sceptic(25)
def test_shapes_in_two_splits(tmp_path, monkeypatch, leaks):
    real = FakeSource.build

    def build(self, item, options):
        """shape08, which tests, gets the voxels of shape02, which trains."""
        twin = Item("shape02", "box", "train")
        sample = real(self, item, options)
        grids = real(self, twin, options).voxels
        return dataclasses.replace(sample, voxels=grids) if item.id == "shape08" else sample

    items = FakeSource(FakeConfig(), None).items()
    named = [dataclasses.replace(i, shape={"shape00": "s", "shape06": "s"}.get(i.id, "")) for i in items]
    monkeypatch.setattr(FakeSource, "items", lambda self: named)
    monkeypatch.setattr(FakeSource, "build", build)
    options = OPTIONS.model_copy(update={"leaks": leaks})
    store = prepare("fake", FakeConfig(), None, options, tmp_path, 0, progress=False)
    found = {
        "shape06": "same shape as shape00 of train",
        "shape08": "same grid as shape02 of train",
    }
    assert store.missing == 0
    if leaks == "flag":
        assert {s["id"]: s["reason"] for s in store.leaks} == found
        assert len(store) == 11 and store.skipped == []
        assert store.shapes[0] == store.shapes[6] == "s"
    else:
        assert {s["id"]: s["reason"] for s in store.skipped} == found
        assert {s["kind"] for s in store.skipped} == {"left out"}
        assert len(store) == 9 and store.leaks == [] and not set(found) & set(store.ids)
        assert store.verify() == []


def test_dying_workers_cost_their_item_only(tmp_path):
    faults = {"shape01": "segfault", "shape04": "exit", "shape09": f"once:{tmp_path / 'marker'}"}
    store = fake(tmp_path / "s", workers=2, faults=faults)
    reasons = {s["id"]: s["reason"] for s in store.skipped}
    assert reasons == {
        "shape01": "killed the process that built it, 2 times (signal 11, SIGSEGV)",
        "shape04": "killed the process that built it, 2 times (exit status 7)",
    }
    assert "shape09" in store.ids  # killed from outside once, and tried again
    check_content(store)


def test_hanging_item_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.prepare, "ITEM_TIMEOUT", 3.0)
    store = fake(tmp_path, workers=1, faults={"shape00": "hang"})
    assert store.skipped[0]["reason"] == "took longer than 3 s and was stopped"
    assert len(store) == 10


def test_worker_deaths_without_end_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.store.workers, "_HOPELESS", 4)
    faults = {f"shape{i:02d}": "exit" for i in range(11)}
    with pytest.raises(DataError, match=r"4 worker processes died before one item was built \(last: exit st"):
        fake(tmp_path, workers=1, faults=faults)


@pytest.mark.parametrize("workers", [0, 2])
def test_data_error_stops_the_run(tmp_path, workers):
    with pytest.raises(DataError, match=r"^the index file is of another version$"):
        fake(tmp_path, workers=workers, faults={"shape03": "fatal"})


def test_all_corrupt_is_an_error(tmp_path):
    faults = {f"shape{i:02d}": "corrupt" for i in range(11)}
    with pytest.raises(DataError, match=r"none of 11 items could be used. First: shape00: /data/shape"):
        fake(tmp_path, faults=faults)
    assert not list(tmp_path.glob("*/manifest.json"))


def test_empty_split_is_found_before_anything_is_built(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(DataError, match=r"split 'val' is empty \(train 6, val 0, test 3\); more shapes"):
        fake(tmp_path / "s", val=0, log=str(log))
    assert not log.exists()


def test_split_emptied_by_skipping_is_an_error(tmp_path):
    faults = {"shape06": "corrupt", "shape07": "corrupt"}
    expected = (
        r"split 'val' is empty after 2 of its items were skipped \(train 6, val 0, test 3\). First: shape06"
    )
    with pytest.raises(DataError, match=expected):
        fake(tmp_path, faults=faults)


def test_splits_that_are_not_required_may_be_empty(tmp_path):
    config = FakeConfig(train=0, val=0)
    store = prepare("fake", config, None, OPTIONS, tmp_path, 0, progress=False, require=("test",))
    assert store.splits == ("test",)
    with pytest.raises(DataError, match="no shapes in split 'train'; there is test"):
        prepare("fake", config, None, OPTIONS, tmp_path, 0, progress=False)


def test_ids_must_be_unique(tmp_path, monkeypatch):
    items = FakeSource(FakeConfig(), None).items()
    monkeypatch.setattr(FakeSource, "items", lambda self: [*items, items[3]])
    with pytest.raises(DataError, match="1 ids appear more than once, first 'shape03'"):
        fake(tmp_path)


def test_killed_run_leaves_no_store_and_is_taken_up(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "s"
    config = {"log": str(log), "delay": 0.2, "train": 20, "val": 5, "test": 5}
    process = start(tmp_path / "user.py", script(folder, **config))
    deadline = time.monotonic() + 60
    while (len(built(log)) if log.exists() else 0) < 6:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not list(folder.glob("*/manifest.json"))
    (partial,) = folder.glob("*.partial")
    lines = [
        json.loads(t)
        for t in (partial / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        if t.endswith("}")
    ]
    finished = [line["item"] for line in lines if "item" in line]
    assert len(finished) >= 2
    # one finished row is damaged by the crash, and the journal's last line is torn
    row = next(line["row"] for line in lines if line.get("item") == finished[0])
    with (partial / "cameras.npy").open("r+b") as file:
        file.seek(256 + row * 3 * 7 * 4)
        file.write(b"\xff\xff")
    with (partial / "journal.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"item": 29, "ro')
    wait_until_gone({int(line.split()[1]) for line in log.read_text(encoding="utf-8").splitlines()})
    log.unlink()

    store = fake(folder, **config)
    expected = {f"shape{i:02d}" for i in range(30)} - {f"shape{i:02d}" for i in finished[1:]}
    assert set(built(log)) == expected
    assert len(store) == 30
    assert store.verify() == []
    check_content(store)
    assert not list(folder.glob("*.partial"))


def wait_until_gone(pids: set[int]) -> None:
    """Workers end by themselves when their parent was killed."""
    deadline = time.monotonic() + 30
    for pid in pids:
        status = Path(f"/proc/{pid}/stat")
        while status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, f"worker {pid} outlived its parent"
            time.sleep(0.05)


@pytest.mark.parametrize("fault", ["compute", "hang"])
def test_a_worker_that_never_ends_ends_with_a_killed_command(tmp_path, fault):
    log = tmp_path / "log"
    process = start(tmp_path / "user.py", script(tmp_path / "s", log=str(log), faults={"shape00": fault}))
    wait_for(log, 2, process)
    process.kill()
    process.communicate()
    wait_until_gone({int(line.split()[1]) for line in log.read_text(encoding="utf-8").splitlines()})
    assert not list((tmp_path / "s").glob("*/manifest.json"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_workers_and_keeps_what_is_done(tmp_path, name):
    """As `zoo.cli.command.run_command` gives it to every command; the same command goes on."""
    log, folder = tmp_path / "log", tmp_path / "s"
    config = {"log": str(log), "delay": 0.2}
    body = textwrap.indent(script(folder, **config), "    ")
    text = (
        f"import sys\nfrom zoo.cli import command\ndef body():\n{body}\nsys.exit(command.run_command(body))\n"
    )
    process = start(tmp_path / "user.py", text)
    wait_for(log, 4, process)
    number = signal.Signals[name]
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, ""), err
    assert "Traceback" not in err and err.strip().endswith("stopped")
    pids = {int(line.split()[1]) for line in log.read_text(encoding="utf-8").splitlines()}
    wait_until_gone(pids)
    finished = len(next(folder.glob("*.partial/journal.jsonl")).read_text(encoding="utf-8").splitlines()) - 2
    assert 1 <= finished < 11
    log.unlink()
    check_content(fake(folder, **config))
    assert len(built(log)) == 11 - finished


def test_who_waits_for_a_store_takes_over_when_its_maker_is_killed(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "s"
    text = script(folder, log=str(log), delay=0.2)
    first = start(tmp_path / "a.py", text)
    wait_for(log, 3, first)
    second = start(tmp_path / "b.py", text)
    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0 and len(out.strip()) == 64, err
    (path,) = (path for path in folder.glob("fake-*") if path.suffix != ".partial")
    check_content(Store.open(path))


def wait_for(log: Path, builds: int, process: subprocess.Popen) -> None:
    """Until a log of `FakeConfig.log` has so many lines."""
    deadline = time.monotonic() + 60
    while (len(built(log)) if log.exists() else 0) < builds:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [-1, -2, -(10**9), 1025, 10**9, 2**63])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_number_of_workers_that_cannot_be(tmp_path, workers, prepared):
    """Said before anything is made, and whether the store is there or not."""
    if prepared:
        fake(tmp_path)
    with pytest.raises(
        DataError, match=rf"--workers must be from 0 \(.*\) to 1024, got {workers}; leave it out"
    ):
        fake(tmp_path, workers=workers)
    assert bool(list(tmp_path.iterdir())) == prepared


def test_partial_store_of_other_items_is_thrown_away(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="another version"):
        fake(tmp_path, faults={"shape05": "fatal"})
    items = FakeSource(FakeConfig(), None).items()
    monkeypatch.setattr(FakeSource, "items", lambda self: items[::-1])
    store = fake(tmp_path, faults={"shape05": "corrupt"})
    assert len(store) == 10
    check_content(store)


def test_full_disk_is_an_error_and_keeps_what_is_done(tmp_path, monkeypatch):
    log, folder = tmp_path / "log", tmp_path / "s"
    write_row, calls = datasets.store.workers.write_row, []

    def full_after_four(*args):
        calls.append(args)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_row(*args)

    monkeypatch.setattr(datasets.store.workers, "write_row", full_after_four)
    with pytest.raises(DataError, match="No space left on device; what is done is kept, the same command"):
        fake(folder, log=str(log))
    monkeypatch.undo()
    log.unlink()
    check_content(fake(folder, log=str(log)))
    assert len(built(log)) == 7


def test_two_at_once_build_once(tmp_path):
    log = tmp_path / "log"
    text = script(tmp_path / "s", log=str(log), delay=0.05)
    first, second = start(tmp_path / "a.py", text), start(tmp_path / "b.py", text)
    (out_a, err_a), (out_b, err_b) = first.communicate(timeout=120), second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), err_a + err_b
    assert out_a == out_b != ""
    assert sorted(built(log)) == [f"shape{i:02d}" for i in range(11)]


def test_workers_load_no_torch_and_run_no_main_module(tmp_path):
    # the script imports torch and has no main guard
    text = "import torch\n" + script(tmp_path / "s", faults={"shape00": "torch", "shape01": "torch"})
    process = start(tmp_path / "user.py", text)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1
    store = Store.open(next((tmp_path / "s").glob("fake-*")))
    assert store.skipped == []


def test_interrupt_ends_the_workers(tmp_path):
    log = tmp_path / "log"
    process = start(tmp_path / "user.py", script(tmp_path / "s", log=str(log), delay=0.5))
    deadline = time.monotonic() + 60
    while not log.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    wait_until_gone({int(line.split()[1]) for line in log.read_text(encoding="utf-8").splitlines()})


def test_cache_folder_from_the_environment(monkeypatch):
    monkeypatch.setenv("R3D_CACHE", "/somewhere")
    assert default_cache() == Path("/somewhere")
    monkeypatch.delenv("R3D_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_cache() == Path("/xdg/r3d-zoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_cache() == Path("/home/me/.cache/r3d-zoo")


def test_open_dataset_puts_stores_where_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "cache"))
    asked = {"options": OPTIONS, "workers": 0, "progress": False}
    cached = open_dataset("fake", **asked)
    assert cached.path.parent == tmp_path / "cache" / "stores"
    assert open_dataset("fake", data_root=tmp_path / "mine", **asked).path.parent == tmp_path / "mine"
    (tmp_path / "files").mkdir()
    files = open_dataset("fake_files", data_root=tmp_path / "files", **asked)
    assert files.path.parent == tmp_path / "cache" / "stores"
    assert not list((tmp_path / "files").iterdir())
    elsewhere = open_dataset(
        "fake_files", data_root=tmp_path / "files", cache_root=tmp_path / "other", **asked
    )
    assert elsewhere.path == tmp_path / "other" / "stores" / files.path.name
    # the folder that files lie in is part of the store's name and no part of the fingerprint
    (tmp_path / "copy").mkdir()
    copy = open_dataset("fake_files", data_root=tmp_path / "copy", **asked)
    assert copy.path != files.path
    assert copy.fingerprint == files.fingerprint


def test_options_may_be_plain_values(tmp_path):
    store = open_dataset(
        "fake",
        data_root=tmp_path,
        options={"resolutions": [8], "views": 2},
        config_overrides={"test": 1},
        workers=0,
        progress=False,
    )
    assert store.resolutions == (8,)
    assert store.split("train").num_views == 2
    assert len(store.split("test")) == 1


def test_errors_name_the_nearest(tmp_path):
    with pytest.raises(RegistryError, match=r"unknown dataset 'fakke'. Did you mean 'fake'"):
        open_dataset("fakke")
    with pytest.raises(ConfigError, match=r"data set 'fake': trian: unknown key. Did you mean 'train'"):
        open_dataset("fake", config_overrides={"trian": 1})
    with pytest.raises(ConfigError, match=r"options of prepare: view: unknown key. Did you mean 'views'"):
        open_dataset("fake", options={"view": 1})
    with pytest.raises(ConfigError, match=r"options of prepare: views: .*greater than or equal to 0, got -1"):
        open_dataset("fake", options={"views": -1})
    with pytest.raises(DataError, match=r"'fake_files' needs the folder of its files. How to get it: it is"):
        open_dataset("fake_files")
    with pytest.raises(DataError, match="absent: not there"):
        open_dataset("fake_files", data_root=tmp_path / "absent", cache_root=tmp_path)


def test_unwritable_cache_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"cannot write to .*; choose another folder with the variable R3D_CACHE"
    ):
        fake(tmp_path / "file" / "cache")


def test_changed_files_are_noticed(tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    (root / "stamp").write_text("monday", encoding="utf-8")
    asked = {"data_root": root, "cache_root": tmp_path, "options": OPTIONS, "workers": 0, "progress": False}
    first = open_dataset("fake_files", **asked)
    (root / "stamp").write_text("tuesday", encoding="utf-8")
    with pytest.warns(UserWarning, match="changed since fake_files-.* was prepared; run `python -m datasets"):
        assert open_dataset("fake_files", **asked).path == first.path
    open_dataset("fake_files", rebuild=True, **asked)
    open_dataset("fake_files", **asked)  # warnings are errors here: the new store is up to date
