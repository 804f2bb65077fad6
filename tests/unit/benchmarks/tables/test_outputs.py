"""Which files a comparison is written as."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.tables.bibliography import to_bib
from benchmarks.tables.csv import to_csv
from benchmarks.tables.json import to_json
from benchmarks.tables.latex import to_latex
from benchmarks.tables.markdown import to_markdown
from benchmarks.tables.outputs import FORMATS, parse_formats, write_outputs
from benchmarks.tables.verdict import verdict
from tests.helpers.comparisons import example
from zoo.config import ConfigError


def test_outputs_are_written_whole_and_equal_for_equal_results(tmp_path: Path) -> None:
    paths = write_outputs(example(), tmp_path / "new" / "out")
    assert [p.name for p in paths] == ["results.json", "table.md", "table.csv", "table.tex", "table.bib"]
    first = [p.read_bytes() for p in paths]
    assert json.loads(first[0]) == json.loads(json.dumps(to_json(example())))
    assert first[0].count(b"\n") < 5000  # thousands of per-instance values share lines
    assert first[1:] == [text(example()).encode() for text in (to_markdown, to_csv, to_latex, to_bib)]
    write_outputs(example(), tmp_path / "new" / "out")
    assert [p.read_bytes() for p in paths] == first
    assert sorted(p.name for p in (tmp_path / "new" / "out").iterdir()) == sorted(p.name for p in paths)


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    assert [p.name for p in write_outputs(example(), tmp_path, ("rich", "latex", "html"))] == [
        "table.tex",
        "table.bib",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.bib", "table.tex"]


def test_formats_are_names_or_all() -> None:
    assert parse_formats("all") == FORMATS
    assert parse_formats("json, md,json") == ("json", "md")
    with pytest.raises(ConfigError, match=r"unknown --format 'latx'. Did you mean 'latex'\? Known: rich, "):
        parse_formats("md,latx")
    with pytest.raises(ConfigError, match="--format names nothing"):
        parse_formats(" , ")


def test_the_first_line_of_every_file_is_the_verdict(tmp_path: Path) -> None:
    """But of the CSV, which begins with its header: there every row says how it stands."""
    write_outputs(example(), tmp_path)
    said = verdict(example())
    first = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in tmp_path.iterdir()}
    assert first["table.md"].replace("\\", "") == said
    assert first["table.tex"] == f"% {said}"
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["verdict"] == said
    rows = csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines())
    words = {row["name"]: row["verdict"] for row in rows if row["scope"] == "instance mean"}
    assert words["r3d"] == "best by iou@val"
    assert words["vae_gan_baseline"] == "worse than r3d by iou@val"
    assert words["psgn"] == "worse than vae_gan_baseline by cd"
    assert words["r2n2"] == words["mean_shape"] == ""
