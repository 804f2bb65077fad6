"""Files are whole or not there, whatever happens while they are written."""

import os

import pytest

from zoo.files import atomic_folder, write_atomic


def full(_):
    raise OSError("no space left on device")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_atomic(tmp_path / "deep" / "text", "größer\n")
    write_atomic(tmp_path / "bytes", b"\x00\r\n")
    assert (tmp_path / "deep" / "text").read_bytes() == "größer\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\r\n"


def test_a_folder_appears_when_its_block_ends_well(tmp_path):
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "a").read_text() == "1"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("new")
        raise RuntimeError("half way")
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("a", "b"):
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / name).write_text(name)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["b"]
