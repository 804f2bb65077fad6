from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks.speed.binvox import measure as speed
from benchmarks.speed.binvox.__main__ import main
from datasets.formats.binvox import write_binvox


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["binvox", *arguments])
    main()


def test_made_solids_are_read_by_each_reader(tmp_path, monkeypatch, capsys):
    path = tmp_path / "record.json"
    run(monkeypatch, "--resolutions", "8", "16", "--shapes", "2", "--turns", "2", "--json", str(path))
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = record["rows"]
    assert [(r["files"], r["count"]) for r in rows[::4]] == [("8^3", 2), ("16^3", 2)]
    readers = ["trimesh", "dense", "dense, then packbits", "packed"]
    assert [r["reader"] for r in rows] == readers * 2
    assert rows[0]["ratio_to_trimesh"] == rows[4]["ratio_to_trimesh"] == 1
    assert all(r["milliseconds_per_file"] > 0 for r in rows)
    assert "trimesh" in record["versions"]
    assert "2 x 16^3" in capsys.readouterr().out


def test_files_of_ones_own(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine" / "deep"
    folder.mkdir(parents=True)
    write_binvox(folder / "a.binvox", np.ones((4, 4, 4), bool))
    run(monkeypatch, "--root", str(tmp_path / "mine"), "--turns", "1")
    assert "1 x mine" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"no \.binvox file in it"):
        run(monkeypatch, "--root", str(folder / "absent"))


def test_readers_that_differ_are_not_compared(tmp_path, monkeypatch):
    write_binvox(tmp_path / "a.binvox", np.ones((4, 4, 4), bool))
    right = speed.read_binvox_packed

    def wrong(path):
        packed = right(path)
        packed.bits[0] ^= 1
        return packed

    monkeypatch.setattr(speed, "read_binvox_packed", wrong)
    with pytest.raises(SystemExit, match=r"a\.binvox: read_binvox_packed and trimesh differ"):
        speed.measure("x", [tmp_path / "a.binvox"], 1)
