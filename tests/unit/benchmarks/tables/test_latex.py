"""The LaTeX tables: their structure, what is marked in them, and that nothing can break a document."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.tables.bibliography import address, cite_key, to_bib
from benchmarks.tables.latex import SPECIAL, escape, to_latex
from benchmarks.tables.published import load_published
from tests.helpers.comparisons import example, make_comparison, make_row


def _tabulars(text: str) -> dict[str, str]:
    """Label to what stands between the rules of the tabular."""
    found = re.findall(r"\\begin{table\*?}.*?\\label{tab:([^}]*)}(.*?)\\end{table\*?}", text, flags=re.DOTALL)
    return dict(found)


def _cells(tabular: str) -> list[list[str]]:
    lines = [line for line in tabular.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line[:-2])] for line in lines]


def test_models_and_controls_share_a_tabular_and_quoted_numbers_have_their_own() -> None:
    found = _tabulars(to_latex(example()))
    assert list(found) == ["main", "paired", "by-category-iou-val", "by-category-cd", "published-r3d-table1"]
    models, _, controls = found["main"].partition(r"\emph{controls, not ranked}")
    assert "mean shape" in controls and "mean shape" not in models and "textbf" not in controls
    assert ".2288" in found["published-r3d-table1"] and ".2288" not in found["main"]
    assert "textbf" not in found["published-r3d-table1"]


def test_environments_close_and_rows_have_as_many_cells_as_columns() -> None:
    text = to_latex(example())
    assert len(re.findall(r"\\begin{table\*?}", text)) == len(re.findall(r"\\end{table\*?}", text)) == 5
    for part in ("\\begin{tabular}", "\\end{tabular}", "\\toprule", "\\bottomrule"):
        assert text.count(part) == 5
    for name, tabular in _tabulars(text).items():
        match = re.search(r"\\begin{tabular}{@{}([lr]+)@{}}", tabular)
        assert match is not None
        assert {len(line) for line in _cells(tabular)} == {len(match[1])}, name
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_rows_without_a_result_are_named_and_a_limit_is_said() -> None:
    whole = example()
    info = whole.dataset.model_copy(update={"whole": 4000})
    record = whole.record.model_copy(update={"dataset": info})
    text = to_latex(replace(whole, absent=("drc", "empty"), record=record))
    lines = {line[0]: line for line in _cells(_tabulars(text)["main"])}
    for name in ("drc (missing)", "empty (missing)"):
        assert lines[name][1:] == ["--"] * (len(lines["r3d"]) - 1)
    assert "of 4,000 instances (not for publication)" in text


def test_a_chosen_table_is_narrow_and_has_what_was_chosen_alone() -> None:
    """Three columns of numbers stand in one column of the page, more span both."""
    narrow = to_latex(example(), columns=("iou@val", "cd"))
    main = narrow[narrow.index("\\begin{table}") : narrow.index("\\end{table}")]
    assert "tab:main" in main and {len(line) for line in _cells(main)} == {3}
    assert "mean shape of training" in main and "model resolution" not in main  # the strongest controls alone
    assert (
        "\\begin{table*}"
        in to_latex(example(), columns=("iou@val", "cd", "emd", "failed")).split("tab:main")[0]
    )


def test_titles_stand_for_names_and_sources_are_cited() -> None:
    config = {"citation": "R3D report, appendix; arXiv:1604.00449"}
    titled = make_comparison(
        make_row("r3d_appendix", 0.4, 0.1, title="R3D (appendix)", config=config),
        make_row("a_1", 0.3, 0.2, title="Twice"),
        make_row("a_2", 0.2, 0.3, title="Twice"),
    )
    names = [line[0] for line in _cells(_tabulars(to_latex(titled))["main"])]
    assert names[1:] == [r"R3D (appendix)~\cite{r3d-report,arxiv-1604.00449}", r"a\_1", r"a\_2"]
    text, bib = to_latex(titled), to_bib(titled)
    cited = {
        key for keys in re.findall(r"\\cite{([^}]*)}", text.partition("\n\n")[2]) for key in keys.split(",")
    }
    assert cited == set(re.findall(r"@misc{([^,]*),", bib)) and len(cited) > 2
    assert "  eprint = {1604.00449},\n  archiveprefix = {arXiv},\n" in bib
    assert "author" not in bib.partition("\n")[2]


@pytest.mark.parametrize(
    ("source", "key", "link"),
    [
        ("arXiv:1804.04610, table 3", "arxiv-1804.04610", "https://arxiv.org/abs/1804.04610"),
        (
            "doi:10.1109/CVPR.2018.00034",
            "doi-10.1109-cvpr.2018.00034",
            "https://doi.org/10.1109/CVPR.2018.00034",
        ),
        (
            "README of github.com/hzxie/Pix2Vox",
            "github.com-hzxie-pix2vox",
            "https://github.com/hzxie/Pix2Vox",
        ),
        ("R3D report, table 1", "r3d-report", None),
        ("}\\evil{", "evil", None),
    ],
)
def test_keys_and_addresses_of_sources(source: str, key: str, link: str | None) -> None:
    assert (cite_key(source), address(source)) == (key, link)


def test_leaders_are_bold_and_the_interval_small() -> None:
    rows = {line[0]: line for line in _cells(_tabulars(to_latex(example()))["main"])}
    small = r"{\scriptsize\,$\pm$0.030}"
    assert rows["r3d"][1] == rf"\textbf{{0.412}}{small}"
    assert rows["vae\\_gan\\_baseline"][1] == rf"0.389{small}"
    assert rows["r3d"][2].startswith(r"\textbf{0.1234}")  # not told from the best
    assert rows["vae\\_gan\\_baseline"][2].startswith(r"\textbf{0.1198}")  # lower is better
    assert rows["psgn"][1] == "--"
    assert rows["r2n2 (incomplete)"][1] == rf"0.500{small}"  # best by number, but not ranked


def test_categories_without_an_interval_are_marked() -> None:
    tabular = _tabulars(to_latex(example()))["by-category-iou-val"]
    lines = {line[0]: line for line in _cells(tabular)}
    assert "scriptsize" in lines["chair"][2]
    assert lines[r"lamp $\dagger$"][2] == "0.392"
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
    row = make_row("evil_$&%#{}~^\\model", 0.4, 0.1)
    whole = make_comparison(row, make_row("b", 0.3, 0.2))
    dataset = whole.dataset.model_copy(update={"name": "50%_off\n\\end{document}"})
    text = to_latex(replace(whole, record=whole.record.model_copy(update={"dataset": dataset})))
    assert r"evil\_\$\&\%\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}model" in text
    commands = [line for line in text.splitlines() if not line.startswith("%")]
    assert not any("\\end{document}" in line for line in commands)
    assert text.splitlines()[1].startswith("% ") and "50%_off \\end" in text.splitlines()[1]


def test_quoted_rows_are_grouped_by_protocol_and_named_as_not_comparable() -> None:
    text = to_latex(example())
    lines = _cells(_tabulars(text)["published-r3d-table1"])
    table = load_published().table("r3d_table1")
    assert [line[0] for line in lines[1:]] == [escape(row.method) for row in table.rows]
    assert "not comparable with the measured tables" in text
    assert _tabulars(text)["published-r3d-table1"].count("\\midrule") == 2


def test_equal_comparisons_give_equal_text() -> None:
    assert to_latex(example()) == to_latex(example())
