"""Names, categories and ids that speak a language of some output: what each output makes of them.

`zoo.names` refuses some of them as names of models and rows; categories and ids are a data set's own.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from benchmarks.gallery.picture import gallery
from benchmarks.report.plots import every_plot
from benchmarks.statistics.comparison import compare
from benchmarks.studies.classify import __main__ as classify
from benchmarks.studies.overfit import __main__ as overfit
from benchmarks.studies.pose import __main__ as pose
from benchmarks.tables.csv import to_csv
from benchmarks.tables.labels import csv_text, plot_label
from benchmarks.tables.latex import to_latex
from benchmarks.tables.markdown import to_markdown
from benchmarks.tables.outputs import write_outputs
from benchmarks.tables.views import views_csv, write_views
from tests.helpers.comparisons import make_comparison, make_row
from tests.unit.benchmarks.gallery.test_gallery import _block, _case
from tests.unit.benchmarks.report.test_report import CURVES, _written
from tests.unit.benchmarks.statistics.test_comparison import PROTOCOL, RESAMPLES, _result
from tests.unit.benchmarks.tables.test_table import _printed
from zoo.__main__ import main as zoo
from zoo.system.text import printable

HOSTILE = [
    "two\nlines",
    "tab\tand\rreturn",
    "\x1b[31mred\x1b[0m",
    "=1+1",
    "-2+3",
    "@SUM(A1)",
    "＝1+1",
    "  =1+1",
    "\t=1+1",
    "[/x][bold]",
    "$\\frac{$",
    "$a$ and $b$",
    "_hidden",
    "</script><b>&amp;",
    "a|b|c",
    "`code` *and* [link](http://x)",
    "\\input{/etc/passwd}",
    "[3pt] & \\\\ %",
    "*{2}{l}",
    ":smile:",
    "模型 🚗",
    "\u202eright to left",
    "x" * 300,
]


def comparison(text):
    """One whose model, category, data set and instances are called so."""
    rows = [make_row(text, 0.4, 0.1, n_failed=1), make_row("b", 0.3, 0.2)]
    own = [{text: row.categories["chair"], "lamp": row.categories["lamp"]} for row in rows]
    rows = [replace(row, categories=found) for row, found in zip(rows, own, strict=True)]
    rows[0] = replace(rows[0], failures=((0, text, 0, f"reason {text}"),))
    whole = make_comparison(*rows)
    dataset = whole.dataset.model_copy(update={"name": text})
    instances = tuple((f"{text}{i}", v, text if c == "chair" else c) for i, v, c in whole.instances)
    return replace(whole, instances=instances, record=whole.record.model_copy(update={"dataset": dataset}))


@pytest.mark.parametrize("text", HOSTILE)
def test_in_a_terminal(text):
    found = _printed(comparison(text), 400)
    assert printable(text).strip() in found
    assert all(line.isprintable() for line in found.splitlines())


@pytest.mark.parametrize("text", HOSTILE)
def test_in_markdown(text):
    found = to_markdown(comparison(text))
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", found, re.MULTILINE)]
    assert len(tables) >= 4
    for table in tables:  # as many cells in every line
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table}) == 1
    bare = re.sub(r"\\[\\`*_\[\]|$~]", "", found)
    assert "<" not in found and "[link](" not in bare and "`" not in bare and "\x1b" not in found
    assert not any(part in bare for part in ("$a$", "*and*"))


@pytest.mark.parametrize("text", HOSTILE)
def test_in_csv(text):
    rows = list(csv.reader(io.StringIO(to_csv(comparison(text)))))
    names, scopes = {row[0] for row in rows[1:]}, {row[2] for row in rows[1:]}
    assert csv_text(text) in names and csv_text(text) in scopes and len({len(row) for row in rows}) == 1
    for row in rows:
        for cell in row:
            number = re.fullmatch(r"-?[\d.e+-]+", cell)
            assert number or not cell.lstrip().startswith(tuple("=+-@＝＋－＠")), cell
            assert "\n" not in cell and "\t" not in cell
    assert csv_text(text).removeprefix("'") == printable(text)


def test_numbers_of_a_csv_stay_numbers():
    rows = list(
        csv.DictReader(
            io.StringIO(to_csv(make_comparison(make_row("a", 0.01, 0.1), make_row("b", 0.3, 0.2))))
        )
    )
    assert min(float(row["iou@val_low"]) for row in rows if row["iou@val_low"]) < 0


@pytest.mark.parametrize("text", HOSTILE)
def test_in_json_as_it_is(text, tmp_path):
    (path,) = write_outputs(comparison(text), tmp_path, ("json",))
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["rows"][0]["name"] == text and data["dataset"]["name"] == text
    assert text in data["rows"][0]["categories"] and data["instances"][0]["id"] == f"{text}chair-0"


@pytest.mark.parametrize("text", HOSTILE)
def test_in_latex(text):
    found = to_latex(comparison(text))
    lines = found.splitlines()
    body = "\n".join(line for line in lines if not line.startswith("%"))
    assert "\\input" not in body and "\\frac" not in body
    for before, line in pairwise(lines):
        if before.endswith("\\\\") or before.endswith("rule"):
            assert not line.startswith(("[", "*"))  # else an argument of what stands before
    rows = [line for line in lines if line.endswith(" \\\\") and "multicolumn" not in line]
    assert {len(re.split(r"(?<!\\)&", line)) for line in rows} <= {2, 3, 4, 5, 6, 7}
    bare = re.sub(r"\\[{}]", "", body)
    assert bare.count("{") == bare.count("}") and "\x1b" not in found and "\u202e" not in body


@pytest.mark.parametrize("text", HOSTILE)
def test_in_the_report(text, tmp_path):
    found, page = _written(comparison(text), tmp_path)
    assert found.island("comparison")["rows"][0]["name"] == text
    assert sum(tag == "script" for tag, _ in found.tags) == 7  # none of them the text's own
    cells = {cell.strip() for table in found.tables for row in table for cell in row}
    assert printable(text).strip() in cells
    assert "\x1b" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_in_charts(text):
    """As it is, and in the legend: not read as mathematics, not hidden, not over several lines."""
    for plot in every_plot(comparison(text), [replace(CURVES[0], model=text)]):
        figure = Figure(figsize=(4.8, plot.height))
        FigureCanvasAgg(figure)
        plot.draw(figure)
        labels = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
        labels += [t.get_text() for axes in figure.axes for t in (axes.title, *axes.get_yticklabels())]
        assert any(label.strip().startswith(plot_label(text).strip()) for label in labels), plot.name
    drawn = Figure().text(0, 0, plot_label(text))
    assert drawn._preprocess_math(drawn.get_text()) == (plot_label(text).replace("\\$", "$"), False)


@pytest.mark.parametrize("text", HOSTILE)
def test_in_the_gallery(text, tmp_path):
    path = tmp_path / "gallery.png"
    case = _case(_block(3, 12), id=text, category=text, predictions={})
    gallery(path, [case], {text: text}, caption=text)
    with Image.open(path) as picture:
        assert picture.width > 300


@pytest.mark.parametrize("text", HOSTILE)
def test_by_views(text, tmp_path):
    config = {"train": {"views": [1, 2]}}
    found = {
        k: compare([_result(text, iou=0.1 * k, config=config)], PROTOCOL, resamples=RESAMPLES) for k in (1, 2)
    }
    written = write_views(found, tmp_path)
    assert all(path.stat().st_size for path in written)
    rows = list(csv.reader(io.StringIO(views_csv(found))))
    assert [row[0] for row in rows[1:]] == [csv_text(text)] * 2
    assert json.loads((tmp_path / "views.json").read_text(encoding="utf-8"))["rows"][0]["name"] == text


@pytest.mark.parametrize("text", ["[/x]", "[bold]a[/bold]", ":smile:", "[link=x]y", "\\[a]"])
def test_models_and_parts_are_shown_as_they_are_called(text, tmp_path, tiny_data, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    path = tmp_path / "model.yaml"
    texts = dict.fromkeys(("title", "summary", "citation", "follows", "licence"), f"a {text} b")
    path.write_text(json.dumps({**tiny_data, **texts, "departs": [text]}), encoding="utf-8")
    assert zoo(["show", str(path)]) == 0
    assert capsys.readouterr().out.count(text) == 6
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    assert zoo(["list", "models"]) == 0
    assert f"a {text} b" in capsys.readouterr().out


def test_the_card_of_a_part_shows_whole_types(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert zoo(["show", "cnn"]) == 0
    assert "tuple[int, ...]" in capsys.readouterr().out


@pytest.mark.parametrize("command", [pose, overfit, classify])
def test_commands_print_texts_as_they_are(command, monkeypatch):
    consoles = []
    measure = command.__name__.replace("__main__", "measure")
    monkeypatch.setattr(f"{measure}.run", lambda args, console: consoles.append(console) or 0)
    needed = {pose: ["folder"]}.get(command, [])
    assert command.main(needed) == 0
    (console,) = consoles
    assert isinstance(console, Console)
    with console.capture() as said:
        console.print("[/x] :smile: [bold]")
    assert said.get().strip() == "[/x] :smile: [bold]"
