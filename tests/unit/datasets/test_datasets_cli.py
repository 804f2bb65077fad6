from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import DATASETS
from datasets.__main__ import main
from datasets.store import Store
from tests.helpers.fake_dataset import FakeConfig, FakeFiles, FakeSource

SMALL = ["--resolution", "8", "--views", "2", "--points", "10", "--image-size", "40", "30"]


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    DATASETS.names()
    DATASETS.register("fake", config=FakeConfig, cite="nobody")(FakeSource)
    DATASETS.register("fake_files", config=FakeConfig)(FakeFiles)
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "cache"))
    yield
    del DATASETS._entries["fake"], DATASETS._entries["fake_files"]


def prepared(tmp_path: Path) -> Store:
    return Store.open(next((tmp_path / "cache" / "stores").glob("fake*-????????????")))


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "fake   " in out and "r2n2" in out and "Random boxes." in out


def test_info_of_files_that_are_not_given(capsys):
    assert main(["info", "r2n2"]) == 0
    out = capsys.readouterr().out
    for part in ("https://cvgl.stanford.edu/3d-r2n2/", "research only", "ShapeNetVox32.tgz", "--root DIR"):
        assert part in out
    assert "split = r2n2: 'r2n2': 3D-R2N2's rule" in out
    assert "views = 24: Pictures per shape; 0 stores none." in out


def test_info_counts_what_is_there(capsys):
    assert main(["info", "fake", "--set", "train=4"]) == 0
    out = capsys.readouterr().out
    assert ["total", "4", "2", "3"] in [line.split() for line in out.splitlines()]
    assert "store: not prepared with these options; it would lie at" in out


def test_prepare_then_info_verify_and_show(capsys, tmp_path):
    faults = ["--set", "faults.shape03=corrupt"]
    arguments = ["prepare", "fake", "--workers", "0", *SMALL, *faults]
    assert main(arguments) == 2
    assert "1 of 11 items could not be read" in capsys.readouterr().err
    assert main([*arguments, "--allow-missing"]) == 0
    captured = capsys.readouterr()
    assert "fake: 10 items, 1 skipped (reasons in skipped.csv)" in captured.err
    assert "missing: shape03: /data/shape.png: corrupt image" in captured.out
    assert "solids: 3 closed, 1 repaired\n" in captured.out
    store = prepared(tmp_path)
    assert f"fingerprint: {store.fingerprint}" in captured.out
    assert store.split("train").image_size == (40, 30)

    assert main(["info", "fake", *SMALL, *faults]) == 0
    assert f"store: {store.path}, 10 shapes, 1 skipped" in capsys.readouterr().out

    assert main(["verify", "fake", *SMALL, *faults]) == 0
    assert "all well" in capsys.readouterr().out
    with (store.path / "images.npy").open("r+b") as file:
        file.seek(300)
        file.write(b"\0\1\2\3")
    assert main(["verify", str(store.path)]) == 1
    out = capsys.readouterr().out
    assert "1 damaged" in out and "shape00: images damaged" in out


def test_what_is_left_out_is_counted(capsys, monkeypatch):
    monkeypatch.setattr(
        FakeSource, "known_bad", {"shape03": "wrong for everybody", "shape04": "wrong for everybody"}
    )
    assert main(["prepare", "fake", "--workers", "0", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "left out: 2 (wrong for everybody), in " in out
    assert "missing" not in out


def test_options_reach_the_store(tmp_path):
    arguments = ["prepare", "fake", "--workers", "0", *SMALL, "--pooling", "mean", "--leaks", "drop"]
    assert main(arguments) == 0
    options = prepared(tmp_path).manifest["options"]
    assert (options["pooling"], options["leaks"], options["views"]) == ("mean", "drop", 2)


def test_show_draws_a_sheet(capsys, tmp_path):
    target = tmp_path / "sheet.png"
    arguments = ["show", "fake", "--workers", "0", *SMALL, "--maps", "--shapes", "5", "--out", str(target)]
    assert main(arguments) == 0
    with Image.open(target) as sheet:
        # five tiles for each of two views, one row of 40 pixels and a label for each shape
        assert sheet.size == (2 * 5 * (30 + 4), 5 * (40 + 14))
        assert len(np.unique(np.asarray(sheet))) > 50


@pytest.mark.parametrize(
    ("sizes", "asked", "rows"),
    [
        ((3, 1, 1), 8, 5),
        ((3, 1, 1), 4, 4),
        ((10, 1, 1), 8, 8),
        ((1, 10, 1), 8, 8),
        ((1, 1, 10), 12, 12),
        ((1, 2, 1), 1, 1),
        ((4, 4, 4), 3, 3),
        ((9, 0, 1), 8, 8),
        ((0, 0, 5), 9, 5),
        ((2, 2, 0), 3, 3),
    ],
)
def test_show_draws_as_many_rows_as_are_asked_for_and_there(tmp_path, sizes, asked, rows):
    target = tmp_path / "sheet.png"
    counts = [f"{split}={n}" for split, n in zip(("train", "val", "test"), sizes, strict=True)]
    settings = [word for count in counts for word in ("--set", count)]
    small = ["--resolution", "8", "--views", "1", "--points", "0", "--image-size", "20", "20"]
    arguments = ["show", "fake", "--workers", "0", *small, *settings, "--shapes", str(asked)]
    assert main([*arguments, "--out", str(target)]) == 0
    with Image.open(target) as sheet:
        assert sheet.size[1] == rows * (20 + 14)


@pytest.mark.parametrize("count", ["0", "-3"])
def test_show_refuses_a_sheet_without_rows(tmp_path, capsys, count):
    assert main(["show", "fake", *SMALL, "--shapes", count, "--out", str(tmp_path / "sheet.png")]) == 2
    assert f"--shapes must be at least 1, got {count}" in capsys.readouterr().err


def test_verify_names_damaged_files(capsys, tmp_path):
    (tmp_path / "files").mkdir()
    arguments = ["fake_files", "--root", str(tmp_path / "files"), *SMALL]
    assert main(["verify", *arguments]) == 0
    out = capsys.readouterr().out
    assert "all well" in out and "not prepared" in out
    assert main(["verify", *arguments, "--set", "faults.shape02=corrupt"]) == 1
    out = capsys.readouterr().out
    assert f"11 items under {tmp_path / 'files'}: 1 damaged" in out
    assert "shape02: /data/shape.png: corrupt image" in out


def test_verify_survives_what_kills_its_processes(capsys, tmp_path):
    (tmp_path / "files").mkdir()
    arguments = ["fake_files", "--root", str(tmp_path / "files"), *SMALL, "--workers", "2"]
    faults = ["--set", "faults.shape02=segfault", "--set", "faults.shape07=raise"]
    assert main(["verify", *arguments, *faults]) == 1
    out = capsys.readouterr().out
    assert f"11 items under {tmp_path / 'files'}: 2 damaged" in out
    assert "shape02: killed the process that built it, 2 times (signal 11, SIGSEGV)" in out
    assert "shape07: ZeroDivisionError: division by zero in two lines" in out
    assert not list((tmp_path / "cache").glob("stores/*"))


@pytest.mark.parametrize("views", [0, 1])
def test_sheet_without_pictures_or_cameras(tmp_path, monkeypatch, views):
    real = FakeSource.build

    def build(self, item, options):
        sample = real(self, item, options)
        return dataclasses.replace(sample, cameras=None, images=sample.images if views else None)

    monkeypatch.setattr(FakeSource, "build", build)
    target = tmp_path / "sheet.png"
    size = ["--views", str(views), "--shapes", "3", "--out", str(target)]
    assert main(["show", "fake", "--workers", "0", *SMALL, *size]) == 0
    with Image.open(target) as sheet:
        # picture, mask and voxels of 40 x 30, or the voxels alone at their own size
        wide, high = (3 * (30 + 4), 40) if views else (137 + 4, 137)
        assert sheet.size == (wide, 3 * (high + 14))
        assert len(np.unique(np.asarray(sheet))) > 20


def test_rebuild(tmp_path, capsys):
    log = tmp_path / "log"
    for extra in ([], [], ["--rebuild"]):
        assert main(["prepare", "fake", "--workers", "0", *SMALL, "--set", f"log={log}", *extra]) == 0
    assert len(log.read_text(encoding="utf-8").splitlines()) == 22


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["prepar", "fake"], "unknown command 'prepar'. Did you mean 'prepare'? Known: list, info, prepare"),
        (["info", "r2m2"], "unknown dataset 'r2m2'. Did you mean 'r2n2'"),
        (["prepare", "fake", "--set", "tests=1"], "tests: unknown key. Did you mean 'test'"),
        (["prepare", "fake", "--set", "test"], "expected key.path=value"),
        (["prepare", "fake", "--views", "-1"], "views: Input should be greater than or equal to 0, got -1"),
        (["prepare", "fake", "--workers", "0", "--set", "val=0"], "split 'val' is empty"),
        (["prepare", "r2n2"], "'r2n2' needs the folder of its files. How to get it: download"),
        (["verify", "r2n2", "--root", "/nowhere"], "looked for /nowhere/ShapeNetRendering and"),
    ],
)
def test_errors_are_one_line_and_status_2(capsys, arguments, text):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert text in error


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "python -m datasets prepare r2n2 --root" in out and "R3D_CACHE" in out


def test_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasets.__main__.open_dataset", interrupt)
    assert main(["prepare", "fake"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
