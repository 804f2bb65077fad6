"""The tables: a pure function of a comparison, laid out for terminals, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from benchmarks.controls import CONTROLS
from benchmarks.records.schema import Record
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.pairs import judge
from benchmarks.statistics.rows import Estimate
from benchmarks.tables import captions
from benchmarks.tables.block import Block
from benchmarks.tables.blocks import category_block, main_block, paired_block, published_block, way_block
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.csv import to_csv
from benchmarks.tables.json import OUTPUT_SCHEMA_VERSION, to_json
from benchmarks.tables.latex import to_latex
from benchmarks.tables.markdown import markdown_block, to_markdown
from benchmarks.tables.published import load_published
from benchmarks.tables.rich import _wrap, rich_block, to_rich
from tests.helpers.comparisons import (
    COLUMNS,
    GOLDEN,
    PROTOCOL,
    example,
    make_comparison,
    make_pair,
    make_row,
)
from zoo.config import ConfigError


def _printed(comparison: Comparison, width: int, verbose: bool = True) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None, force_terminal=False)
    console.print(to_rich(comparison, width, verbose=verbose))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("name", ["table_80.txt", "table_160.txt", "table.md"])
def test_the_rendered_tables_are_as_stored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a wanted change: R3D_UPDATE_GOLDEN=1 pytest, and look at the difference before committing it."""
    monkeypatch.setattr(captions, "CONTROLS", ())  # their explanations are tested by themselves
    width = re.findall(r"\d+", name)
    found = _printed(example(), int(width[0])) if width else to_markdown(example())
    path = GOLDEN / name
    if os.environ.get("R3D_UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_lost(width: int) -> None:
    text = _printed(example(), width)
    assert max(map(cell_len, text.splitlines())) <= width
    main = text.partition("Paired differences")[0]
    for value in (
        "0.412 ±0.030",
        "0.1234 ±0.0060",
        "0.0617 ±0.0090",
        "0.0210 ±0.0090" if False else "0.950 ±0.030",
    ):
        assert main.count(value) == 1
    for label in ("IoU ↑", "CD ↓", "EMD ↓", "seeds", "failed", "params M", "im/s", "peak MB"):
        assert label in main


def test_a_wide_terminal_shows_one_grid_a_narrow_one_continues_with_the_names_repeated() -> None:
    def grids(width: int) -> int:
        return _printed(example(), width).partition("Costs")[0].count("models, best IoU first")

    assert grids(160) == 1
    assert grids(80) > 1
    chosen = ("iou@val", "cd", "emd", "params", "train", "speed", "memory")
    text = "\n".join(line.plain for line in rich_block(main_block(example(), chosen), 64))
    *_, numbers, costs = text.split("models, best IoU first")
    assert "vae_gan_baseline" in costs and "812" in costs
    assert "controls" in numbers and "controls" not in costs  # controls have no costs to show


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_the_verdict_over_one_grid_that_fits_a_screen(width: int) -> None:
    """Two models: verdict, models, the strongest control that reads the picture, the mean shape."""
    whole = example()
    rows = [
        make_row("r3d", 0.412, 0.1234),
        make_row("vae_gan_baseline", 0.389, 0.1198),
        make_row("floor", 1.0, 0.01, kind="control", title="ground truth, resampled"),
        make_row("mean_shape", 0.25, 0.21, kind="control", title="mean shape of training"),
        make_row("image_retrieval", 0.45, 0.1, kind="control", title="nearest training image"),
    ]
    text = _printed(replace(whole, rows=tuple(rows)), width, verbose=False)
    lines = text.splitlines()
    assert len(lines) <= 24 and max(map(cell_len, lines)) <= width
    assert lines[0].startswith("r3d is better than vae_gan_baseline by IoU")
    assert text.count("models, best IoU first") == 1
    assert "nearest training image" in text.replace("\n ", " ") and "ground truth" not in text
    assert "--verbose and the files have 1 more control, " in text.replace("\n", " ")
    assert "Paired differences" not in text and "Paired differences" in _printed(whole, width)


def test_columns_may_be_chosen() -> None:
    protocol: Any = SimpleNamespace(columns=COLUMNS, headline=("iou@val", "cd", "emd"))
    assert parse_columns("iou, cd,failed,cd", protocol) == ("iou@val", "cd", "failed")
    with pytest.raises(
        ConfigError, match=r"unknown --columns 'cdd'\. Did you mean 'cd'\? Known: iou@val, cd"
    ):
        parse_columns("cdd", protocol)
    with pytest.raises(ConfigError, match="--columns names nothing; known: iou@val"):
        parse_columns(" , ", protocol)
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(to_rich(example(), 80, columns=("cd", "params")))
    heads = next(line for line in console.file.getvalue().splitlines() if "CD ↓" in line)  # type: ignore[attr-defined]
    assert heads.split() == ["CD", "↓", "params", "M"]
    assert [c.text for c in main_block(example(), ("cd", "n")).columns] == ["", "CD ↓", "n"]


def _heads(block: Block) -> tuple[str, ...]:
    return tuple(column.text for column in block.columns)


def _said(comparison: Comparison) -> tuple[str, ...]:
    block = main_block(comparison)
    return (*block.notes, *block.details, *block.definitions)


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_bold_are_the_leaders_and_nobody_else() -> None:
    text = markdown_block(main_block(example()))
    assert "**0.412 ±0.030**" in _line(
        text, "| r3d "
    )  # not r2n2's .5, which is incomplete, nor a control's .95
    assert "**0.1198 ±0.0060**" in _line(text, "| vae")  # lower is better
    assert "**0.1234 ±0.0060**" in _line(text, "| r3d ")  # the test does not tell it from the best
    assert text.count("**") == 2 * (1 + 2 + 3)


def test_a_stand_in_shows_where_some_row_lacks_a_headline_metric() -> None:
    """Beside it, for every row; where all rows have the metric, the table is as without."""
    protocol = SimpleNamespace(**{**vars(PROTOCOL), "stand_ins": {"iou@val": "cd_sq"}})
    with_points = replace(example(), protocol=protocol)
    grids = replace(with_points, rows=tuple(r for r in with_points.rows if r.name != "psgn"), paired=())
    assert _heads(main_block(with_points))[1:5] == ("IoU ↑", "CD² ×1000 ↓", "CD ↓", "EMD ↓")
    assert _heads(main_block(grids))[1:4] == ("IoU ↑", "CD ↓", "EMD ↓")


def test_a_model_alone_is_not_the_best_of_anything() -> None:
    alone = make_comparison(make_row("r3d", 0.4, 0.1), make_row("mean_shape", 0.2, 0.2, kind="control"))
    assert "**" not in markdown_block(main_block(alone))


def test_nothing_is_bold_where_nobody_leads() -> None:
    close = make_comparison(make_row("a", 0.41204, 0.1), make_row("b", 0.41196, 0.2))
    assert "**" not in markdown_block(main_block(close)) and "textbf" not in to_latex(close)


def test_seeds_failures_and_missing_instances_are_marked() -> None:
    text = markdown_block(main_block(example()))
    lines = [line.removesuffix(" |") for line in text.splitlines() if line.startswith("| ")]
    cells = {line.split(" | ")[0]: line.split(" | ") for line in lines}
    header = lines[0].split(" | ")
    n, seeds, failed = (
        next(k for k, c in enumerate(header) if c == name) for name in ("n", "seeds", "failed")
    )
    assert [cells["| r3d"][k] for k in (n, seeds, failed)] == ["36", "3", "3"]  # one failure in each seed
    assert [cells["| vae\\_gan\\_baseline"][k] for k in (n, seeds, failed)] == ["36", "1 seed", "2"]
    assert [cells["| r2n2 (incomplete)"][k] for k in (n, seeds)] == ["32 of 36", "1 seed"]
    assert cells["| mean shape of training"][seeds] == "-"
    assert "incomplete: instances are missing; the row is neither ranked nor compared." in text
    assert "1 seed: the interval does not know how much another training run would differ." in text
    assert "n/a" in _line(text, "| psgn")


def test_absent_rows_and_seeds_are_marked_and_not_ranked() -> None:
    whole = example()
    best, *others = whole.rows
    found = replace(
        whole, rows=(replace(best, absent=(3, 4)), *others), absent=("drc", "empty"), record=best.records[0]
    )
    text = markdown_block(main_block(found))
    assert " 3 of 5 |" in _line(text, "| r3d (incomplete)") and "**" not in _line(text, "| r3d (incomplete)")
    missing = _line(text, "| drc (missing)")
    assert missing.split(" | ")[1:6] == ["n/a", "n/a", "n/a", "0", "-"]
    models, _, controls = text.partition("controls, not ranked")
    assert missing in models and "| empty (missing)" in controls
    assert "incomplete: instances and training seeds are missing; the row is neither ranked" in text
    assert "missing: asked for, but there is no result." in text
    for width in (60, 80, 160):
        assert "drc (missing)" in _printed(found, width)
    data = to_json(found)
    assert data["absent"] == ["drc", "empty"] and data["rows"][0]["absent_seeds"] == [3, 4]
    assert "(missing)" not in markdown_block(main_block(whole))


def test_a_limited_table_says_so_in_its_title_and_under_it() -> None:
    whole = example()
    info = whole.dataset.model_copy(update={"n": 36, "whole": 4000})
    limited = replace(whole, record=whole.record.model_copy(update={"dataset": info}))
    block = main_block(limited)
    assert "test split: limited to 36 of 4,000 instances (not for publication), preset" in block.title
    assert block.notes[0] == (
        "Limited to 36 of 4,000 instances, drawn evenly over the categories (--limit): a quick look, not for "
        "publication."
    )
    assert to_json(limited)["dataset"]["whole"] == 4000


def test_the_caption_says_what_the_numbers_hang_on() -> None:
    text = _printed(example(), 200)
    for fact in (
        "r3d-v1 on procedural 1, test split: 36 instances, preset quick",
        "Data 5f5f5f5f5f5f5f5f; view: view 0; seeds: 0, 1, 2; device: CPU, 2 cores; nearest neighbours",
        "highest mean IoU on 6 validation instances: r3d 0.35/0.35/0.35, vae_gan_baseline 0.35, r2n2 0.35.",
        "--allow-missing was given: 2 of the data set's items (2 no faces).",
        "bootstrap over shapes within categories, and over training seeds, 10,000 resamples.",
    ):
        assert fact in text


def test_categories_of_one_shape_are_said_to_make_intervals_too_short() -> None:
    whole = example()
    assert not [note for note in _said(whole) if "one shape" in note]
    lonely = replace(whole, instances=(*whole.instances, ("boat-0", 0, "boat")))
    (note,) = (note for note in _said(lonely) if "one shape" in note)
    assert note.startswith("1 of 3 categories")


def test_what_was_left_out_and_what_leaks_is_counted() -> None:
    whole = example()
    info = whole.dataset.model_copy(
        update={"left_out": {"same grid": 12, "known bad item": 1}, "leaks": 1200}
    )
    notes = _said(replace(whole, record=whole.record.model_copy(update={"dataset": info})))
    assert "Left out of the data set on purpose: 1 known bad item, 12 same grid." in notes
    assert any(note.startswith("1,200 of 36 instances show a shape that training") for note in notes)
    assert not any("Left out" in note or "shape that training" in note for note in main_block(whole).notes)


def test_controls_are_explained_where_they_are_shown() -> None:
    explanation = next(c.explanation for c in CONTROLS if c.name == "mean_shape")
    notes = _said(example())
    assert any(explanation in note for note in notes)
    assert not any(
        "retrieval" in note for note in main_block(make_comparison(make_row("r3d", 0.4, 0.1))).notes
    )


@pytest.mark.parametrize(
    ("metric", "low", "high", "p", "verdict"),
    [
        ("iou@val", 0.01, 0.03, 0.04, "better"),
        ("iou@val", -0.03, -0.01, 0.04, "worse"),
        ("cd", 0.01, 0.03, 0.04, "worse"),
        ("cd", -0.03, -0.01, 0.04, "better"),
        ("iou@val", 0.01, 0.03, 0.05, "open"),  # the corrected p decides as well
        ("iou@val", -0.01, 0.03, 0.001, "open"),  # and so does the interval
        ("iou@val", 0.0, 0.03, 0.001, "open"),
    ],
)
def test_a_verdict_needs_interval_and_corrected_p(
    metric: str, low: float, high: float, p: float, verdict: str
) -> None:
    pair = make_pair("a", "b", metric, (low + high) / 2, low, high, p)
    column = next(c for c in COLUMNS if c.name == metric)
    assert judge(pair, column) == verdict


def test_pairs_show_sign_interval_and_small_p() -> None:
    text = _printed(example(), 100)
    assert re.search(r"r3d vs mean_shape +IoU ↑ +\+0\.162 \(\+0\.131 to \+0\.193\) +<0\.001  better", text)
    assert re.search(r"vae_gan_baseline vs r3d +CD ↓ +−0\.0036 \(−0\.0080 to \+0\.0011\) +0\.200  open", text)
    assert paired_block(make_comparison(make_row("r3d", 0.4, 0.1))) is None


def test_share_of_the_way_is_shown_where_both_ends_are_there() -> None:
    """IoU .4 between .2 and .6 is half of it; CD .1 between .3 and .05 is 80 %."""
    rows = [
        make_row("r3d", 0.4, 0.1),
        make_row("mean_shape", 0.2, 0.3, kind="control"),
        make_row("ceiling", 0.6, 0.05, kind="control"),
    ]
    block = way_block(make_comparison(*rows))
    assert block is not None
    assert [[cell.text for cell in row] for row in block.sections[0].rows] == [["r3d", "50 %", "80 %"]]
    assert way_block(make_comparison(*rows[:2])) is None


def test_categories_have_intervals_only_with_enough_shapes_and_both_averages() -> None:
    text = markdown_block(category_block(example(), "iou@val"))
    assert "| chair | 32 | **0.432 ±0.030** | 0.409 ±0.030 | n/a |" in text
    assert "| lamp † | 4 | 0.392 | 0.369 | n/a |" in text
    assert "| mean of categories | 2 | **0.422 ±0.030** |" in text
    assert "| mean of instances | 36 | **0.412 ±0.030** |" in text
    assert "† fewer than 30 shapes" in text
    assert "mean shape of training" in text and "model resolution" not in text


def test_published_rows_stand_apart_with_protocol_data_and_warning() -> None:
    text = _printed(example(), 120)
    measured, _, quoted = text.partition("Published, quoted from Table 1 of the R3D report; not comparable")
    assert ".2288" in quoted and ".2288" not in measured
    assert quoted.index("Pix3D evaluation: Pix3D, photographs of chairs, n = 2,894") < quoted.index(".136")
    assert quoted.index("R3D report: ShapeNetCore, renderings, n = 30") < quoted.index(".2288")
    assert "no row here may be ranked against" in quoted
    block = published_block(load_published(), load_published().table("r3d_table1"))
    assert "**" not in markdown_block(block)


def test_markdown_has_every_metric_and_escapes_what_markdown_would_eat() -> None:
    text = to_markdown(example())
    assert "cd\\_sq (CD² ×1000 ↓)" in text
    assert "15.23" in text  # .1234^2 x 1000: the display factor
    assert "MarrNet\\*" in text and "&lt;0.001" in text
    tables = [block for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) == 7
    for block in tables:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_csv_holds_the_stored_values_unrounded() -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(example()))))
    by_scope = {(line["name"], line["scope"]): line for line in lines}
    row = by_scope["r3d", "instance mean"]
    found = [float(row[f"iou@val{end}"]) for end in ("", "_low", "_high")]
    assert found == [0.412, 0.412 - 0.02, 0.412 + 0.04]
    assert float(row["cd_sq"]) == 0.1234**2  # not times 1000
    assert (row["n"], row["seeds"], row["n_failed"], row["complete"]) == ("36", "3", "3", "1")
    assert by_scope["psgn", "instance mean"]["iou@val"] == ""
    assert by_scope["r2n2", "instance mean"]["complete"] == "0"
    lamp = by_scope["r3d", "lamp"]
    assert (lamp["n"], lamp["iou@val_low"]) == ("4", "")
    assert float(lamp["iou@val"]) == pytest.approx(0.392)
    assert (
        float(row["parameters"]) == 23008426 and by_scope["mean_shape", "instance mean"]["parameters"] == ""
    )
    assert len(lines) == 6 * 4


def test_json_holds_everything_needed_to_compute_again() -> None:
    data = json.loads(json.dumps(to_json(example()), allow_nan=False))
    assert data["schema_version"] == OUTPUT_SCHEMA_VERSION
    row = data["rows"][0]
    assert row["instance_mean"]["iou@val"] == {
        "mean": 0.412,
        "low": 0.412 - 0.02,
        "high": 0.412 + 0.04,
        "n": 36,
    }
    assert row["failures"] == [{"seed": 0, "id": "lamp-1", "view": 0, "reason": "empty"}]
    assert Record.model_validate(row["records"][2]).seed == 2
    assert data["rows"][2]["instance_mean"]["iou@val"] is None
    assert len(data["instances"]) == 36 and data["instances"][-1] == {
        "id": "lamp-3",
        "view": 0,
        "category": "lamp",
    }
    assert np.mean(data["values"]["r3d"]["cd"]) == pytest.approx(0.1234)
    assert data["values"]["psgn"]["iou@val"] == [[None] * 36]
    assert [p["verdict"] for p in data["paired"]] == ["worse", "open", "better", "better"]
    assert data["published"]["comparable"] is False
    assert data["published"]["tables"][0]["rows"][-1]["values"] == {"iou": ".2288", "cd": ".052"}


def test_names_are_broken_at_words_and_nothing_is_lost() -> None:
    lines = _wrap("ground truth at model_resolution_of_everything", 18)
    assert lines == ["ground truth at", " model_resolution_", " of_everything"]
    assert all(cell_len(line) <= 18 for line in lines)
    assert _wrap("x" * 30, 14) == ["x" * 14, " " + "x" * 13, " " + "x" * 3]


def test_bars_are_never_negative() -> None:
    """A percentile interval need not hold the mean, be it by rounding alone."""
    assert Estimate(0.5, 0.25, 0.625, 9).bars == (0.25, 0.125)
    assert Estimate(0.5, 0.6, 0.75, 9).bars == (0.0, 0.25)
    assert Estimate(0.5, 0.25, 0.4, 9).bars == (0.25, 0.0)
    assert Estimate(0.5, None, None, 9).bars == (0.0, 0.0)
