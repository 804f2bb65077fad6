"""Files are whole or not there, whatever happens while they are written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.command import explain
from zoo.errors import UserError
from zoo.files import atomic_folder, naming, sweep, try_folder, write_atomic
from zoo.system.text import printable

ROOT = Path(__file__).resolve().parents[3]


def full(_):
    raise OSError("no space left on device")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_atomic(tmp_path / "deep" / "text", "größer\n")
    write_atomic(tmp_path / "bytes", b"\x00\r\n")
    assert (tmp_path / "deep" / "text").read_bytes() == "größer\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\r\n"


def test_a_folder_appears_when_its_block_ends_well(tmp_path):
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("1", encoding="utf-8")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "a").read_text(encoding="utf-8") == "1"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="half way"), atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("new", encoding="utf-8")
        raise RuntimeError("half way")
    assert (tmp_path / "folder" / "a").read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("a", "b"):
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / name).write_text(name, encoding="utf-8")
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["b"]


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["table.md", "a b", "ünï", "a.part.csv", "line\nbreak"])
def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path, monkeypatch, name):
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError) as told:
        write_atomic(tmp_path / name, "text")
    assert told.value.filename == str(tmp_path / name) and told.value.filename2 is None
    assert "No space left on device" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "table.md" / "inside").mkdir(parents=True)
    with pytest.raises(OSError) as told:
        write_atomic(tmp_path / "table.md", "text")
    assert explain(told.value) == f"{tmp_path / 'table.md'}: Is a directory"
    assert [p.name for p in tmp_path.iterdir()] == ["table.md"]


def test_a_full_disk_names_the_folder_that_was_to_be_written(tmp_path):
    with pytest.raises(OSError) as told, atomic_folder(tmp_path / "step-1"):
        no_space()
    assert told.value.filename == str(tmp_path / "step-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_lines_that_are_added_to_a_full_disk_name_their_file():
    full = Path("/dev/full")
    with pytest.raises(OSError) as told, naming(full), full.open("w", encoding="utf-8") as file:
        file.write("line\n")
    assert explain(told.value) == "/dev/full: No space left on device"


@pytest.mark.parametrize("text", ["a \udcff b", "\ud800", "größe \udce9"])
def test_text_that_is_none_is_written_as_its_escape(tmp_path, text):
    write_atomic(tmp_path / "file", text)
    assert (tmp_path / "file").read_text(encoding="utf-8") == printable(text)


def test_a_folder_that_takes_files_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        try_folder(tmp_path / "deep" / "out", ["table.md"])
        assert list((tmp_path / "deep" / "out").iterdir()) == []


def unwritable(folder, how, monkeypatch):
    """What stands in the way of a folder `out`; the place that is named, and why."""
    out = folder / "out"
    if how == "a file":
        out.write_text("", encoding="utf-8")
        return out, "File exists"
    if how == "below a file":
        (folder / "file").write_text("", encoding="utf-8")
        return folder / "file" / "out", "Not a directory"
    if how == "a dangling link":
        out.symlink_to(folder / "nowhere")
        return out, "File exists"
    if how == "a name that is too long":
        return folder / ("x" * 300), "File name too long"
    if how == "a full disk":
        monkeypatch.setattr("zoo.files.TemporaryFile", no_space_there)
        return out, "No space left on device"
    if how == "a folder without permission":
        monkeypatch.setattr("zoo.files.TemporaryFile", no_permission_there)
        return out, "Permission denied"
    if how == "a kernel's own files":
        return Path("/proc/self/out"), "No such file or directory"
    (out / "plots").mkdir(parents=True)
    (out / how).mkdir(parents=True)
    return out / how, "Is a directory"


def no_space_there(dir):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_permission_there(dir):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir / "tmp1234"))


@pytest.mark.parametrize(
    "how",
    [
        *("a file", "below a file", "a dangling link", "a name that is too long", "a full disk"),
        *("a folder without permission", "a kernel's own files"),
        *("table.md", "report.html", "gallery.png", "results.json"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_with_the_mend(tmp_path, monkeypatch, how):
    if how == "a kernel's own files" and not Path("/proc/self").is_dir():
        pytest.skip("no /proc")
    place, why = unwritable(tmp_path, how, monkeypatch)
    folder = place.parent if how.partition(".")[2] else place
    with pytest.raises(UserError) as told:
        try_folder(folder, ["results.json", "table.md", "gallery.png", "report.html"])
    assert str(told.value).startswith(f"cannot write to {place}: {why}; ")
    assert "choose another folder" in str(told.value)


def test_what_a_killed_command_left_is_swept_and_what_lives_stays(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = [f".table.md.{ended.pid}.part", f".x.{os.getpid()}.part", f".a.b.c.{ended.pid}.part"]
    kept = [".rows.csv.1.part", ".step-0000001.ubzkd8hn.part", "table.md", f"table.{ended.pid}.part", ".part"]
    for name in [*gone, *kept]:
        (tmp_path / name).write_text("", encoding="utf-8")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path / "nowhere")


KILLED = """
import os, signal, sys
from pathlib import Path
from zoo.files import write_atomic
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), "new")
"""


def test_a_kill_while_writing_keeps_the_old_file(tmp_path):
    write_atomic(tmp_path / "file", "old")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "file")], cwd=ROOT, check=False)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old" and len(list(tmp_path.iterdir())) == 2
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
