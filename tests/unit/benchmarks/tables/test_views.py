"""Several views from the command to the tables, at the smallest size, and the tables against made results."""

import csv
import io
import json

import pytest
import yaml
from PIL import Image
from rich.console import Console

from benchmarks.cells import work
from benchmarks.cells.blocks import BLOCK, Blocks
from benchmarks.request.numbers import parse_views
from benchmarks.run import main
from benchmarks.scoring.score import score
from benchmarks.statistics.comparison import compare
from benchmarks.tables.published import load_published
from benchmarks.tables.views import (
    views_blocks,
    views_csv,
    views_json,
    views_rich,
    write_views,
)
from tests.unit.benchmarks.statistics.test_comparison import PROTOCOL, RESAMPLES, _result
from zoo.config import ConfigError

TINY = [
    *("--workers", "0", "--executor", "inline", "--device", "cpu", "--categories", "chair,table"),
    *("--set", "data.train=2", "--set", "data.val=1", "--set", "data.test=2"),
    *("--set", "prepare.views=3", "--set", "prepare.points=1024", "--set", "protocol.points=1024"),
    *("--set", "train.steps=2", "--set", "train.batch_size=2"),
]
SMALL = {
    "summary": "A model that is quickly trained.",
    "citation": "none",
    "follows": "nothing",
    "preprocess": {"size": [48, 48], "channels": 1},
    "encoder": {"name": "cnn", "latent_dim": 8, "widths": [4, 8, 8], "hidden": [16]},
    "decoder": {"name": "voxel_deconv", "width": 8},
    "losses": {"voxel_bce": {}, "kl": {}},
}


# --- the numbers of views


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("1", (1,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("5,1,3", (1, 3, 5)),
        ("1-3, 3 - 4", (1, 2, 3, 4)),
        ("2-2", (2,)),
    ],
)
def test_numbers_of_views(text, views):
    assert parse_views(text) == views


@pytest.mark.parametrize("text", ["", "0", "0-3", "5-1", "1,,3", "one", "-1", "1-2-3", "1.5"])
def test_what_is_no_number_of_views(text):
    with pytest.raises(ConfigError, match=f"like 1, 1-5 or 1,3,5; got '{text}'"):
        parse_views(text)


# --- from the command to the files


def run(folder, *words):
    models = ",".join(str(folder / f"{name}.yaml") for name in ("many", "one"))
    return main(
        ["--models", models, "--out", str(folder / "out"), "--data-root", str(folder / "data"), *TINY, *words]
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run with one and three views."""
    folder = tmp_path_factory.mktemp("views")
    for name, fusion in (("many", {"name": "pool"}), ("one", None)):
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump({**SMALL, "title": name, "fusion": fusion}), encoding="utf-8"
        )
    assert run(folder, "--views", "1,3") == 0
    return folder


def test_writes_table_and_picture(finished):
    out = finished / "out"
    data = json.loads((out / "views.json").read_text(encoding="utf-8"))
    assert {(row["name"], row["views"]) for row in data["rows"]} == {
        ("many", 1),
        ("many", 3),
        ("one", 1),
    }
    assert data["datasets"]["1"]["views"] == "picture 00 of each shape"
    assert data["datasets"]["3"]["views"] == "pictures 00 to 02 of each shape"
    assert len({cell for row in data["rows"] for cell in row["cells"]}) == 3
    text = (out / "views.md").read_text(encoding="utf-8")
    assert "IoU ↑ by number of views" in text and "CD ↓ by number of views" in text
    with Image.open(out / "views.png") as picture:
        assert picture.width > 1000


def test_the_main_table_is_that_of_one_view(finished):
    main_table = json.loads((finished / "out" / "results.json").read_text(encoding="utf-8"))
    assert main_table["dataset"]["views"] == "picture 00 of each shape"
    assert {"many", "one", "mean_shape"} <= {r["name"] for r in main_table["rows"]}
    single = {row["name"]: row for row in main_table["rows"]}
    for row in json.loads((finished / "out" / "views.json").read_text(encoding="utf-8"))["rows"]:
        if row["views"] == 1:
            for metric, estimate in row["instance_mean"].items():
                assert estimate == single[row["name"]]["instance_mean"][metric]


def test_each_model_is_trained_once_and_controls_are_measured_once(finished):
    out = finished / "out"
    assert len([path for path in (out / "runs").iterdir() if path.is_dir()]) == 2
    records = [json.loads(p.read_text(encoding="utf-8")) for p in (out / "cells").glob("*/record.json")]
    assert sorted(r["name"] for r in records if r["kind"] == "model") == [
        "many",
        "many",
        "one",
    ]
    controls = [r["name"] for r in records if r["kind"] == "control"]
    assert len(controls) == len(set(controls)) > 3


def test_what_is_measured_is_not_measured_again(finished, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError("trained or measured again")

    before = {path.name: path.read_bytes() for path in (finished / "out").glob("views.*")}
    with monkeypatch.context() as patch:
        patch.setattr(work, "train", refuse)
        patch.setattr("benchmarks.cells.work.score", refuse)
        assert run(finished, "--views", "1,3") == 0
    assert capsys.readouterr().out.count("measured already") == 2
    assert {path.name: path.read_bytes() for path in (finished / "out").glob("views.*")} == before


def test_a_further_number_of_views_measures_the_same_weights(finished, monkeypatch):
    scored = []

    def noted(predictions, *args, **options):
        scored.extend(p.views for p in predictions.values())
        return score(predictions, *args, **options)

    def weights():
        return {p: p.stat().st_mtime_ns for p in (finished / "out" / "runs").rglob("*.safetensors")}

    before = weights()
    monkeypatch.setattr(work, "score", noted)
    assert run(finished, "--views", "1-3") == 0
    assert scored == [2]
    assert before and weights() == before


def test_more_views_than_are_stored(finished, capsys):
    assert run(finished, "--views", "1-4") == 2
    assert capsys.readouterr().err.strip() == (
        "error: --views asks for 4 pictures of each shape, the prepared 'procedural' holds 3; "
        "ask for fewer, or store more with --set prepare.views=4"
    )


def test_a_model_of_one_view_needs_one_view(finished, capsys):
    assert run(finished, "--views", "2,3") == 2
    assert (
        "model 'one' reads one picture of a shape, but the fewest of --views are 2; add 1"
        in capsys.readouterr().err
    )


def test_bad_numbers_of_views_are_one_clear_line(finished, capsys):
    assert run(finished, "--views", "0") == 2
    assert capsys.readouterr().err.strip().endswith("like 1, 1-5 or 1,3,5; got '0'")


def test_predictions_read_the_first_stored_pictures(tiny_config, tiny_source):
    from zoo.model import build_model

    asked = []

    class Split:
        def __len__(self):
            return 2

        def fetch(self, indices, views):
            asked.append((indices, views))
            return tiny_source.fetch(indices, views)

    model = build_model(tiny_config("fusion={name: pool}"), seed=0).eval()
    found = Blocks(model, {"test": Split()}, views=3).block("test", 0).shapes
    filled = [0, *[1] * (BLOCK - 1)]
    assert asked == [(filled, [[0, 1, 2]] * BLOCK)]
    want = model.predict(tiny_source.fetch(filled, [[0, 1, 2]] * BLOCK)).shapes.split()[:2]
    for one, other in zip(found, want, strict=True):
        assert (one.occupancy == other.occupancy).all()


# --- the tables


def made():
    """r3d measured with one view, r2n2 with one and two."""
    config = {"train": {"views": [1, 5]}}
    results = {
        1: [_result("r3d", iou=0.6, cd=0.1, config=config), _result("r2n2", iou=0.5, cd=0.2, config=config)],
        2: [_result("r2n2", iou=0.7, cd=0.15, config=config)],
    }
    return {k: compare(found, PROTOCOL, resamples=RESAMPLES) for k, found in results.items()}


def test_models_are_rows_and_numbers_of_views_columns():
    iou, cd, _ = views_blocks(made())
    assert [column.text for column in iou.columns] == ["", "1 view", "2 views"]
    shown = [[cell.text.split(" ±")[0].strip() for cell in row] for row in iou.sections[0].rows]
    assert shown == [["r3d", "0.600", "-"], ["r2n2", "0.500", "0.700"]]
    assert [cell.style for cell in iou.sections[0].rows[0]] == ["", "best", "faint"]
    assert cd.sections[0].rows[1][2].text.startswith("0.1500")
    assert "Views in training, at most: r3d 5, r2n2 5." in iou.notes


def test_a_row_without_all_of_its_results_is_marked():
    config = {"train": {"views": [1, 5]}}
    both = [_result("a", 0, 0.5, config=config), _result("b", 0, 0.4, config=config)]
    found = {
        k: compare(results, PROTOCOL, resamples=RESAMPLES, wanted=seeds)
        for k, results, seeds in ((1, both, {"a": [0], "b": [0, 1]}), (2, both[:1], {"a": [0], "b": [0, 1]}))
    }
    block = views_blocks(found)[0]
    rows = {row[0].text: row for row in block.sections[0].rows}
    assert "(incomplete)" in rows["b"][1].text and rows["b"][2].text == "missing"
    assert not any("(incomplete)" in cell.text or cell.text == "missing" for cell in rows["a"])


def test_files_say_the_same():
    rows = list(csv.DictReader(io.StringIO(views_csv(made()))))
    assert [(r["name"], r["views"], float(r["iou@val"])) for r in rows] == [
        ("r3d", "1", pytest.approx(0.6)),
        ("r2n2", "1", pytest.approx(0.5)),
        ("r2n2", "2", pytest.approx(0.7)),
    ]
    data = views_json(made())
    assert [(r["name"], r["views"]) for r in data["rows"]] == [("r3d", 1), ("r2n2", 1), ("r2n2", 2)]
    assert data["rows"][2]["instance_mean"]["cd"]["mean"] == pytest.approx(0.15)
    assert data["rows"][0]["n"] == 8


def test_equal_results_give_equal_bytes(tmp_path):
    written = [write_views(made(), tmp_path / name) for name in ("a", "b")]
    assert [path.name for path in written[0]] == ["views.md", "views.csv", "views.json", "views.png"]
    for one, other in zip(*written, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_the_published_rise_is_quoted_and_not_ranked():
    table = load_published().table("r2n2_views")
    assert [(row.method, row.values) for row in table.rows] == [
        (f"3D-R2N2, {k} view{'s' if k > 1 else ''}", {"iou": text})
        for k, text in enumerate((".560", ".603", ".617", ".624", ".631"), start=1)
    ]
    quoted = views_blocks(made())[-1]
    assert quoted.title.startswith("Published, quoted from the 3D-R2N2 paper, one to five views; not compar")
    assert {cell.style for row in quoted.sections[0].rows for cell in row} <= {"", "faint"}
    assert views_json(made())["published"]["comparable"] is False


def test_fits_a_terminal():
    console = Console(width=80, file=io.StringIO())
    console.print(views_rich(made(), 80))
    text = console.file.getvalue()
    assert "2 views" in text and "3D-R2N2, 5 views" in text
    assert max(map(len, text.splitlines())) <= 80
