"""Which files a comparison is written as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.tables import table
from benchmarks.tables.latex import to_latex
from benchmarks.tables.outputs import FORMATS, parse_formats, write_outputs
from tests.unit.benchmarks.tables.test_table import _example
from zoo.config import ConfigError


def test_outputs_are_written_whole_and_equal_for_equal_results(tmp_path: Path) -> None:
    paths = write_outputs(_example(), tmp_path / "new" / "out")
    assert [p.name for p in paths] == ["results.json", "table.md", "table.csv", "table.tex"]
    first = [p.read_bytes() for p in paths]
    assert json.loads(first[0]) == json.loads(json.dumps(table.to_json(_example())))
    assert first[0].count(b"\n") < 5000  # thousands of per-instance values share lines
    assert first[1:] == [text(_example()).encode() for text in (table.to_markdown, table.to_csv, to_latex)]
    write_outputs(_example(), tmp_path / "new" / "out")
    assert [p.read_bytes() for p in paths] == first
    assert sorted(p.name for p in (tmp_path / "new" / "out").iterdir()) == sorted(p.name for p in paths)


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    assert [p.name for p in write_outputs(_example(), tmp_path, ("rich", "latex", "html"))] == ["table.tex"]
    assert [p.name for p in tmp_path.iterdir()] == ["table.tex"]


def test_formats_are_names_or_all() -> None:
    assert parse_formats("all") == FORMATS
    assert parse_formats("json, md,json") == ("json", "md")
    with pytest.raises(ConfigError, match=r"unknown --format 'latx'. Did you mean 'latex'\? Known: rich, "):
        parse_formats("md,latx")
    with pytest.raises(ConfigError, match="--format names nothing"):
        parse_formats(" , ")
