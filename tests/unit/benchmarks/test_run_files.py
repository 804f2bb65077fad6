"""The files of the main command: tried before work is spent, written before anything is printed."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from benchmarks.driver import plan, terminal
from benchmarks.records.storage import load, save
from benchmarks.run import main
from tests.unit.benchmarks.test_benchmark_run import TINY
from zoo import files
from zoo.files import write_atomic

ROOT = Path(__file__).resolve().parents[3]
NAME = "vae_gan_baseline"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Words of a command that has finished once, and its folder."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        words = ["--models", NAME, "--out", str(folder / "out"), "--data-root", str(folder / "data"), *TINY]
        assert main(words) == 0
        yield words, folder / "out"


@pytest.fixture
def nothing_is_made(monkeypatch):
    """Neither data nor weights nor numbers."""

    def refuse(*args, **kwargs):
        raise AssertionError("prepared, trained or measured")

    monkeypatch.setattr(plan, "open_dataset", refuse)
    monkeypatch.setattr("benchmarks.cells.work.train", refuse)
    monkeypatch.setattr("benchmarks.cells.work.score", refuse)


def stands_in_the_way(folder: Path, how: str) -> Path:
    """Something that keeps the command from writing into `folder / "out"`: that which is to be named."""
    out = folder / "out"
    if how == "out is a file":
        out.write_text("", encoding="utf-8")
        return out
    if how == "out lies below a file":
        out.write_text("", encoding="utf-8")
        return out / "below"
    if how.endswith("/"):
        (out / how).mkdir(parents=True)
        return out / how.rstrip("/")
    out.mkdir()
    (out / how).write_text("", encoding="utf-8")
    return out / how


@pytest.mark.parametrize(
    "how",
    [
        *("out is a file", "out lies below a file", "cells", "runs", "plots", "table.md/", "table.csv/"),
        *("table.tex/", "results.json/", "gallery.png/", "report.html/", "views.md/"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_made(
    tmp_path, nothing_is_made, how, capsys
):
    place = stands_in_the_way(tmp_path, how)
    out = tmp_path / "out" / "below" if how.endswith("below a file") else tmp_path / "out"
    assert main(["--models", NAME, "--out", str(out), "--data-root", str(tmp_path / "data"), *TINY]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: cannot write to {place}: ") and said.err.count("\n") == 1
    assert "choose another folder" in said.err and said.out == ""


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_whatever_the_system_says_of_the_folder_is_said_first(
    tmp_path, nothing_is_made, monkeypatch, error, capsys
):
    def refuse(dir):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(files, "TemporaryFile", refuse)
    out = tmp_path / "out"
    assert main(["--models", NAME, "--out", str(out), *TINY]) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot write to {out}: {os.strerror(error)}; ")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        *(("results.json", errno.ENOSPC), ("table.md", errno.EACCES), ("table.tex", errno.EROFS)),
        *(("gallery.png", errno.ENOSPC), ("report.html", errno.EDQUOT), ("training.png", errno.EIO)),
    ],
)
def test_a_file_that_cannot_be_written_at_the_end_is_one_line_and_the_table_is_seen(
    finished, monkeypatch, name, error, capsys
):
    def write(path, data):
        if path.name == name:
            raise OSError(error, os.strerror(error), str(path))
        write_atomic(path, data)

    for module in ("benchmarks.tables.outputs", "benchmarks.report", "zoo.visualize"):
        monkeypatch.setattr(f"{module}.write_atomic", write)
    words, out = finished
    assert main([*words, "--format", "all"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert said.err.endswith(f"/{name}: {os.strerror(error)}\n") and str(out) in said.err
    assert "controls, not ranked" in said.out


def test_everything_is_written_before_anything_is_printed(finished, monkeypatch):
    words, out = finished
    names = {"results.json", "table.md", "table.csv", "table.tex", "gallery.png", "report.html"}
    for name in names:
        (out / name).unlink(missing_ok=True)

    def show(*args):
        assert names <= {path.name for path in out.iterdir()}
        raise UnicodeEncodeError("cp1252", "↑", 0, 1, "a terminal that cannot print it")

    monkeypatch.setattr(terminal, "_show", show)
    with pytest.raises(UnicodeEncodeError):
        main([*words, "--format", "all"])


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8"])
def test_a_terminal_of_any_encoding_gets_its_table_and_all_files_are_there(finished, encoding):
    words, out = finished
    (out / "table.md").unlink(missing_ok=True)
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", *words, "--only-cache"],
        env={**os.environ, "PYTHONIOENCODING": encoding, "LANG": "C", "HF_HUB_CACHE": str(out / "none")},
        capture_output=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr.decode(encoding)
    text = result.stdout.decode(encoding)
    assert "controls, not ranked" in text and ("IoU ↑" if encoding == "utf-8" else "IoU ^") in text
    assert "IoU ↑" in (out / "table.md").read_text(encoding="utf-8")


def test_what_a_killed_command_left_half_written_is_swept(finished):
    words, out = finished
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [out / f".table.md.{ended.pid}.part", out / "plots" / f".training.png.{ended.pid}.part"]
    for path in left:
        path.write_text("half", encoding="utf-8")
    assert main([*words, "--format", "md"]) == 0
    assert not any(path.exists() for path in left)


# Rows


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("floor", OSError(errno.ENOSPC, "No space left", "rows.csv"), "OSError: rows.csv: No space left"),
        ("oracle", ValueError("iou = inf; undefined metrics are None"), "ValueError: iou = inf; undefined"),
        (NAME, RuntimeError("[/nothing]"), "RuntimeError: [/nothing]"),
    ],
)
def test_a_row_that_cannot_be_saved_costs_itself(finished, tmp_path, monkeypatch, error, said, name, capsys):
    def broken(record, rows, folder):
        if record.name == name:
            raise error
        return save(record, rows, folder)

    words, finished_out = finished
    (tmp_path / "runs").symlink_to(finished_out / "runs")
    monkeypatch.setattr("benchmarks.cells.work.save", broken)
    status = main([*words, "--models", f"{NAME}", "--out", str(tmp_path), "--format", "rich"])
    text = " ".join(capsys.readouterr().out.split())
    label = f"{name} (seed 0)" if name == NAME else name
    assert status == 1 and f"failed {label}: {said}" in text
    saved = {load(path)[0].name for path in (tmp_path / "cells").iterdir() if (path / "record.json").exists()}
    assert name not in saved and {"empty", "ceiling"} < saved
    assert not [
        p for p in (tmp_path / "cells").glob("*/measured.jsonl") if (p.parent / "record.json").exists()
    ]


@pytest.mark.parametrize("after", [1, 9, 20, 35])
def test_a_command_that_is_stopped_while_it_measures_goes_on_there(finished, tmp_path, monkeypatch, after):
    """What was measured is measured once, and the rows are those of an undisturbed command."""
    from benchmarks.protocols.r3d_v1 import R3DV1

    words, undisturbed = finished
    (tmp_path / "runs").symlink_to(undisturbed / "runs")
    measure, asked = R3DV1.measure, []

    def counted(self, shape, threshold, truth, prepared):
        if len(asked) == after:
            asked.append(None)
            raise KeyboardInterrupt
        asked.append(truth.id)
        return measure(self, shape, threshold, truth, prepared)

    monkeypatch.setattr(R3DV1, "measure", counted)
    words = [*words, "--out", str(tmp_path), "--format", "json"]
    assert main(words) == 130
    assert main(words) == 0
    rows = {
        load(path)[0].name: (path / "rows.csv").read_bytes() for path in (undisturbed / "cells").iterdir()
    }
    made = {load(path)[0].name: (path / "rows.csv").read_bytes() for path in (tmp_path / "cells").iterdir()}
    assert made == rows
    whole = sum(len(load(path)[1]) for path in (undisturbed / "cells").iterdir())
    assert len(asked) - 1 <= whole + len(rows)  # of the instance that was under way, at most, some twice
    assert not list(tmp_path.rglob("measured.jsonl"))
