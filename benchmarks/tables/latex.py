r"""The tables for a paper: LaTeX tabulars with booktabs, narrow enough for the page.

Leaders are bold, half the interval is small. The text needs ``\usepackage{booktabs}`` and nothing else; the
keys that are cited lie in `table.bib` beside it (`benchmarks.tables.bibliography`).
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.bibliography import cite_key
from benchmarks.tables.block import NA, NOTHING, Block, Cell, Section
from benchmarks.tables.blocks import category_block, main_block, paired_block, published_block, summary_rows
from benchmarks.tables.columns import COUNTS, headline
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.verdict import verdict
from zoo.system.text import printable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "²": r"$^2$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "†": r"$\dagger$",
    "≥": r"$\geq$",
    "√": r"$\surd$",
}
BARE = "--"
COLUMN = 3
"""Columns of numbers that fit one column of a two-column page; wider tables span both."""


def escape(text: str) -> str:
    """Text as LaTeX prints it; what cannot be printed becomes a space."""
    return "".join(SPECIAL.get(c, c if c.isprintable() else " ") for c in text)


def to_latex(
    comparison: Comparison, published: Published | None = None, columns: Sequence[str] | None = None
) -> str:
    """The verdict as a comment; models and controls, pairs, primary metrics by category, quoted numbers.

    Args:
        columns: of the main table, as `benchmarks.tables.columns.parse_columns` gives them, for one that fits
            a column: with the strongest controls alone. None for the headline and all controls.
    """
    failed = any(row.n_failed for row in comparison.rows)
    chosen = columns or [*headline(comparison), *(name for name in COUNTS if name == "failed" and failed)]
    published = load_published() if published is None else published
    main = main_block(comparison, chosen, "title", summary_rows(comparison) if columns else None)
    shown = [main, paired_block(comparison)]
    shown += [category_block(comparison, metric, "title") for metric in comparison.primary]
    shown += [published_block(published, published.table(name)) for name in comparison.protocol.published]
    head = [
        verdict(comparison),
        main.title,
        f"data {comparison.dataset.fingerprint}",
        "needs \\usepackage{booktabs}; what is \\cite'd lies in table.bib",
    ]
    comments = "\n".join(f"% {printable(' '.join(line.split()))}" for line in head)
    return "\n\n".join([comments, *(latex_block(block) for block in shown if block is not None)]) + "\n"


def latex_block(block: Block) -> str:
    """A floating table with the block's notes in its caption."""
    wide = "*" * (len(block.columns) - 1 > COLUMN)
    caption = " ".join([f"{block.title}.", *block.notes])
    alignment = "".join("r" if column.numeric else "l" for column in block.columns)
    bodies = "\n\\midrule\n".join("\n".join(_section(block, section)) for section in block.sections)
    return "\n".join(
        [
            f"\\begin{{table{wide}}}[t]",
            "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{escape(caption)}}}",
            f"\\label{{tab:{block.label}}}",
            f"\\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
            "\\toprule",
            _line([escape(column.text) for column in block.columns]),
            "\\midrule",
            bodies,
            "\\bottomrule",
            "\\end{tabular}",
            f"\\end{{table{wide}}}",
        ]
    )


def _section(block: Block, section: Section) -> list[str]:
    lines = [_line([_cell(cell) for cell in row]) for row in section.rows]
    if not section.heading:
        return lines
    heading = f"\\multicolumn{{{len(block.columns)}}}{{@{{}}l}}{{\\emph{{{escape(section.heading)}}}}}"
    return [_line([heading]), *lines]


def _cell(cell: Cell) -> str:
    if cell.text in (NA.text, NOTHING.text):
        return BARE
    text = escape(cell.text)
    if cell.style == "best":
        text = f"\\textbf{{{text}}}"
    if cell.half:
        text += f"{{\\scriptsize\\,$\\pm${escape(cell.half)}}}"
    if cell.cites:
        text += f"~\\cite{{{','.join(map(cite_key, cell.cites))}}}"
    return text


def _line(cells: Sequence[str]) -> str:
    # [ or * at its beginning would be an argument of the rule or of the \\ before
    return "{}" * cells[0].startswith(("[", "*")) + " & ".join(cells) + " \\\\"
