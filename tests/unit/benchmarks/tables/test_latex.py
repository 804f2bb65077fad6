"""The LaTeX tables: their structure, what is marked in them, and that nothing can break a document."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.tables.latex import SPECIAL, escape, to_latex
from benchmarks.tables.published import load_published
from tests.unit.benchmarks.tables.test_table import _comparison, _example, _row


def _tabulars(text: str) -> dict[str, str]:
    """Label to what stands between the rules of the tabular."""
    found = re.findall(r"\\begin{table}.*?\\label{tab:([^}]*)}(.*?)\\end{table}", text, flags=re.DOTALL)
    return dict(found)


def _cells(tabular: str) -> list[list[str]]:
    lines = [line for line in tabular.splitlines() if line.endswith("\\\\")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line[:-2])] for line in lines]


def test_each_group_has_its_own_tabular() -> None:
    found = _tabulars(to_latex(_example()))
    assert list(found) == [
        "models",
        "controls",
        "by-category-iou-val",
        "by-category-cd",
        "published-r3d-table1",
    ]
    assert "mean shape" in found["controls"] and "mean shape" not in found["models"]
    assert ".2288" in found["published-r3d-table1"]
    assert not any(".2288" in found[name] for name in ("models", "controls"))
    assert "r3d " in found["models"] and "textbf" not in found["controls"] + found["published-r3d-table1"]


def test_environments_close_and_rows_have_as_many_cells_as_columns() -> None:
    text = to_latex(_example())
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == 5
    for rule in ("\\toprule", "\\bottomrule"):
        assert text.count(rule) == 5
    for name, tabular in _tabulars(text).items():
        match = re.search(r"\\begin{tabular}{([lr]+)}", tabular)
        assert match is not None
        assert {len(line) for line in _cells(tabular)} == {len(match[1])}, name
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_rows_without_a_result_are_named_and_a_limit_is_said() -> None:
    whole = _example()
    info = whole.dataset.model_copy(update={"whole": 4000})
    record = whole.record.model_copy(update={"dataset": info})
    text = to_latex(replace(whole, absent=("drc", "empty"), record=record))
    found = _tabulars(text)
    models, controls = (_cells(found[name]) for name in ("models", "controls"))
    assert models[-1] == ["drc (missing)", *["--"] * (len(models[0]) - 1)]
    assert controls[-1] == ["empty (missing)", *["--"] * (len(controls[0]) - 1)]
    assert text.count("of 4,000 instances (not for publication)") == 3  # at the top and in two captions


def test_best_is_bold_second_underlined_and_the_interval_small() -> None:
    rows = {line[0]: line for line in _cells(_tabulars(to_latex(_example()))["models"])}
    small = r"{\scriptsize\,$\pm$0.030}"
    assert rows["r3d"][1] == rf"\textbf{{0.412}}{small}"
    assert rows["vae\\_gan\\_baseline"][1] == rf"\underline{{0.389}}{small}"
    assert rows["vae\\_gan\\_baseline"][2].startswith(r"\textbf{0.1198}")  # lower is better
    assert rows["psgn"][1] == "--"
    assert rows["r2n2 (incomplete)"][1] == rf"0.500{small}"  # best by number, but not ranked


def test_what_prints_alike_is_marked_alike_and_a_model_alone_is_not() -> None:
    close = _comparison(_row("a", 0.41204, 0.1), _row("b", 0.41196, 0.2), _row("c", 0.3, 0.3))
    found = _cells(_tabulars(to_latex(close))["models"])
    marks = [line[1].partition("{")[0] for line in found[1:]]
    assert marks == ["\\textbf", "\\textbf", "\\underline"]
    assert "textbf" not in to_latex(_comparison(_row("a", 0.4, 0.1)))


def test_categories_without_an_interval_are_marked() -> None:
    tabular = _tabulars(to_latex(_example()))["by-category-iou-val"]
    lines = {line[0]: line for line in _cells(tabular)}
    assert "scriptsize" in lines["chair (32)"][1]
    assert lines[r"lamp $\dagger$ (4)"][1] == r"\textbf{0.392}"
    assert tabular.count("\\midrule") == 2  # heads, categories, averages


@pytest.mark.parametrize(
    "text", ["a_b", "50 % & more", "{x}\\y", "a^2 ~ #3 $5", "<script>", "two\nlines", "−1 ≥ ±2"]
)
def test_text_is_escaped(text: str) -> None:
    found = escape(text)
    bare = re.sub(r"\\text[a-z]+{}|\\[{}$&#%_]|\$[\\^][a-z0-9]+\$|\$-\$", "", found)
    assert not set(bare) & (set(SPECIAL) - {" "})
    assert "\n" not in found


def test_names_and_data_are_escaped_where_they_stand() -> None:
    row = _row("evil_$&%#{}~^\\model", 0.4, 0.1)
    whole = _comparison(row, _row("b", 0.3, 0.2))
    dataset = whole.dataset.model_copy(update={"name": "50%_off\n\\end{document}"})
    text = to_latex(replace(whole, record=whole.record.model_copy(update={"dataset": dataset})))
    assert r"evil\_\$\&\%\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}model" in text
    commands = [line for line in text.splitlines() if not line.startswith("%")]
    assert not any("\\end{document}" in line for line in commands)
    assert text.splitlines()[0].startswith("% ") and "50%_off \\end" in text.splitlines()[0]


def test_quoted_rows_are_grouped_by_protocol_and_named_as_not_comparable() -> None:
    text = to_latex(_example())
    lines = _cells(_tabulars(text)["published-r3d-table1"])
    table = load_published().table("r3d_table1")
    assert [line[0] for line in lines[1:]] == [escape(row.method) for row in table.rows]
    assert "not comparable with what was measured here" in text
    assert _tabulars(text)["published-r3d-table1"].count("\\midrule") == 2


def test_equal_comparisons_give_equal_text() -> None:
    assert to_latex(_example()) == to_latex(_example())
