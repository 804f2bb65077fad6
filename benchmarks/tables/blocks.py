"""The tables of a comparison, as blocks. Pure functions of a `Comparison`: nothing here is laid out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from benchmarks.controls import title_of
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.pairs import ALPHA, PairedRow, Verdict, judge
from benchmarks.statistics.rows import MIN_CLUSTERS, ComparedRow
from benchmarks.statistics.standing import reads_the_picture
from benchmarks.tables import captions
from benchmarks.tables.block import NA, NAMES, NOTHING, Block, Cell, Heading, Section, Style
from benchmarks.tables.columns import (
    ARROWS,
    COSTS,
    COUNTS,
    column_label,
    cost_cells,
    count_cells,
    estimate_cells,
    headline,
    metric_heading,
    print_value,
)
from benchmarks.tables.published import Published, PublishedTable
from zoo.metrics import Column

Names = Literal["name", "title"]
"""What models are called: as they are typed, or as papers print them. Controls have titles alone."""


def main_block(
    comparison: Comparison,
    columns: Sequence[str] | None = None,
    names: Names = "name",
    rows: Sequence[ComparedRow] | None = None,
) -> Block:
    """Models, best first, then controls.

    Args:
        columns: metrics, counts and costs, as `benchmarks.tables.columns.parse_columns` gives them; None for
            the headline and the counts.
        rows: those that are shown, beside models without any result; None for all.
    """
    chosen = _default_columns(comparison) if columns is None else list(columns)
    shown = [*comparison.models, *comparison.controls] if rows is None else rows
    called = row_names(comparison, names)
    metrics = {c.name: c for c in comparison.protocol.columns}
    estimates = {
        name: estimate_cells(comparison, shown, metrics[name], comparison.average)
        for name in chosen
        if name in metrics
    }

    def line(row: ComparedRow) -> tuple[Cell, ...]:
        own = {name: cells[shown.index(row)] for name, cells in estimates.items()}
        own |= count_cells(row) | cost_cells(row)
        return called[row.name], *(own[name] for name in chosen)

    def absent(kind: Literal["model", "control"]) -> list[tuple[Cell, ...]]:
        nothing = [NA if n in metrics else Cell("0", "warn") if n == "n" else NOTHING for n in chosen]
        titles = () if rows is not None and kind == "control" else absent_titles(comparison)[kind]
        return [(Cell(title, "warn"), *nothing) for title in titles]

    info = comparison.dataset
    sections = (
        Section(
            f"models, best {ranking(comparison).label} first",
            (*(line(row) for row in shown if row.ranked), *absent("model")),
        ),
        Section(
            "controls, not ranked", (*(line(row) for row in shown if not row.ranked), *absent("control"))
        ),
    )
    other = COUNTS | COSTS
    heads = (metric_heading(metrics[name]) if name in metrics else other[name] for name in chosen)
    return Block(
        title=f"{comparison.protocol.id} on {info.name} {info.version}, {info.split} split: "
        f"{comparison.extent}, preset {comparison.preset}",
        columns=(NAMES, *heads),
        sections=tuple(s for s in sections if s.rows),
        notes=tuple(captions.notes(comparison)),
        details=tuple(captions.details(comparison)),
        label="main",
    )


def _default_columns(comparison: Comparison) -> list[str]:
    """The headline and the counts, seeds only where something has any."""
    seeded = any(row.seeds or row.absent for row in comparison.rows)
    return [*headline(comparison), *(name for name in COUNTS if name != "seeds" or seeded)]


def summary_rows(comparison: Comparison) -> list[ComparedRow]:
    """The models, the strongest controls that read the picture, and the baseline, which does not.

    All controls where there is neither.
    """
    looking = [row.name for row in comparison.controls if reads_the_picture(row)]
    strongest = {s.control for s in comparison.standings if s.control is not None} or {*looking[:1]}
    wanted = {*strongest, comparison.baseline}
    kept = [row for row in comparison.controls if row.name in wanted]
    return [*comparison.models, *(kept or comparison.controls)]


def costs_block(comparison: Comparison) -> Block | None:
    """What the models cost; None where no record says it."""
    called = row_names(comparison, "name")
    lines = [(called[row.name], *cost_cells(row).values()) for row in comparison.models]
    kept = [k for k in range(1 + len(COSTS)) if any(line[k] != NOTHING for line in lines)]
    if len(kept) < 2:
        return None
    heads = (NAMES, *COSTS.values())
    rows = tuple(tuple(line[k] for k in kept) for line in lines)
    return Block("Costs", tuple(heads[k] for k in kept), (Section("", rows),), label="costs")


def metrics_block(comparison: Comparison) -> Block:
    """Every metric of the protocol, mean and its interval, one line each; for files."""
    average = comparison.average
    lines = tuple(
        (
            Cell(f"{c.name} ({column_label(c)})", about=c.unit),
            *estimate_cells(comparison, comparison.rows, c, average),
        )
        for c in comparison.protocol.columns
    )
    heads = [Heading(cell.text, about=cell.about) for cell in row_names(comparison, "name").values()]
    return Block(
        f"Every metric, {average} mean",
        (Heading("metric", numeric=False), *heads),
        (Section("", lines),),
        label="metrics",
    )


def paired_block(comparison: Comparison) -> Block | None:
    """Differences on the same instances, with intervals and corrected p-values; None without pairs."""
    if not comparison.paired:
        return None
    seeds = any(len(r.records) > 1 for r in comparison.rows)
    return Block(
        "Paired differences on the same instances",
        (
            Heading("row vs reference", numeric=False),
            Heading("metric", numeric=False),
            Heading("difference (95 % interval)"),
            Heading("p (Holm)"),
            Heading("verdict", numeric=False),
            Heading("P(better)"),
        ),
        (Section("", tuple(_pair(comparison, pair) for pair in comparison.paired)),),
        (
            "Interval: both rows on the same resampled shapes"
            + (", training seeds resampled as well." if seeds else ".")
            + f" p: two-sided, signs of whole shapes flipped {comparison.resamples:,} times, Holm's "
            f"correction over the {len(comparison.paired)} lines. 'open': the interval holds 0, or "
            f"p >= {ALPHA:g}. P(better): how often the row beats its reference on an instance drawn at "
            "random, ties half.",
        ),
        label="paired",
    )


def _pair(comparison: Comparison, pair: PairedRow) -> tuple[Cell, ...]:
    column, found, wins = comparison.column(pair.metric), pair.paired, pair.improves
    low, high = (print_value(v, column, "+") for v in (found.low, found.high))
    verdict = judge(pair, column)
    styles: dict[Verdict, Style] = {"better": "best", "worse": "warn", "open": "faint"}
    return (
        Cell(f"{pair.row} vs {pair.against}"),
        Cell(column_label(column)),
        Cell(f"{print_value(found.difference, column, '+')} ({low} to {high})"),
        Cell(f"<{0.001:.3f}" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}"),
        Cell(verdict, styles[verdict]),
        Cell(f"{_percent(wins.mean)} ({_percent(wins.low)} to {_percent(wins.high)})"),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def way_block(comparison: Comparison) -> Block | None:
    """How far each model comes from the mean shape to the truth at its resolution; None without these two."""
    called, rows = row_names(comparison, "name"), []
    for row in comparison.models:
        shares = [comparison.share_of_the_way(row, metric) for metric in comparison.primary]
        if any(share is not None for share in shares):
            rows.append((called[row.name], *(NA if s is None else Cell(_percent(s)) for s in shares)))
    if not rows:
        return None
    labels = (Heading(comparison.column(metric).label) for metric in comparison.primary)
    return Block(
        "Share of the way",
        (Heading("model", numeric=False), *labels),
        (Section("", tuple(rows)),),
        (
            "0 %: the mean shape of training, which sees no picture. 100 %: the truth itself on the models' "
            "grid. Points and meshes, which have no grid, may pass 100 %.",
        ),
        label="way",
    )


def category_block(comparison: Comparison, metric: str, names: Names = "name") -> Block:
    """One metric by category for the models and the baseline, with both averages below."""
    column, called = comparison.column(metric), row_names(comparison, names)
    rows = [*comparison.models, *(r for r in comparison.controls if r.name == comparison.baseline)]
    few = {c for c in comparison.categories if comparison.shapes(c) < MIN_CLUSTERS}
    lines = tuple(
        (
            Cell(f"{category}{' †' * (category in few)}"),
            Cell(f"{n:,}"),
            *estimate_cells(comparison, rows, column, "instance", category),
        )
        for category, n in comparison.categories.items()
    )
    averages = (
        (
            Cell("mean of categories"),
            Cell(str(len(lines))),
            *estimate_cells(comparison, rows, column, "category"),
        ),
        (
            Cell("mean of instances"),
            Cell(f"{len(comparison.instances):,}"),
            *estimate_cells(comparison, rows, column, "instance"),
        ),
    )
    heads = (Heading(called[row.name].text, about=called[row.name].about) for row in rows)
    return Block(
        f"{column_label(column)} by category",
        (Heading("category", numeric=False), COUNTS["n"], *heads),
        (Section("", lines), Section("averages", averages)),
        (f"† fewer than {MIN_CLUSTERS} shapes: too few for an interval, nothing is marked.",) if few else (),
        label=f"by-category-{slug(metric)}",
    )


def published_block(published: Published, table: PublishedTable) -> Block:
    """Quoted numbers under their protocols; nothing in it is ranked."""
    sections, columns = [], published.columns_of(table)
    used = {name: published.protocols[name] for name in dict.fromkeys(row.protocol for row in table.rows)}
    for name, protocol in used.items():
        rows = tuple(
            (
                Cell(row.method),
                *(Cell(row.values[c.name]) if c.name in row.values else NA for c in columns),
                Cell(row.source, "faint", cites=(row.source,)),
            )
            for row in table.rows
            if row.protocol == name
        )
        count = "n not stated" if protocol.n is None else f"n = {protocol.n:,}"
        sections.append(Section(f"{protocol.title}: {protocol.data}, {count}", rows))
    return Block(
        f"Published, quoted from {table.title}; not comparable with the measured tables",
        (
            Heading("method", numeric=False),
            *(Heading(f"{c.label} {ARROWS[c.better]}") for c in columns),
            Heading("source", numeric=False),
        ),
        tuple(sections),
        (
            "Other data, other training and other definitions than above: no row here may be ranked against "
            "a measured one, nor against a row under another heading.",
        ),
        (
            *(f"{p.title}: {p.rules}. Trained on {p.training}." for p in used.values()),
            *(f"{row.method}: {row.note}." for row in table.rows if row.note),
        ),
        label=f"published-{slug(table.name)}",
    )


def blocks(
    comparison: Comparison, published: Published, columns: Sequence[str] | None = None
) -> Iterator[Block]:
    """All tables in the order in which they are shown."""
    yield main_block(comparison, columns)
    optional = (costs_block(comparison), paired_block(comparison), way_block(comparison))
    yield from (block for block in optional if block is not None)
    yield from (category_block(comparison, metric) for metric in comparison.primary)
    yield from (published_block(published, published.table(name)) for name in comparison.protocol.published)


def row_names(comparison: Comparison, names: Names) -> Mapping[str, Cell]:
    """What each row is called, with what it is behind it and the sources of a model.

    A title that two models share is no name: they keep theirs.
    """
    titles = Counter(row.title for row in comparison.rows)
    found = {}
    for row in comparison.rows:
        titled = not row.ranked or (names == "title" and titles[row.title] == 1)
        text = row.title if titled else row.name
        about, cites = captions.definition(row), _citations(row)
        found[row.name] = (
            Cell(text, about=about, cites=cites)
            if row.complete
            else Cell(f"{text} (incomplete)", "warn", about=about, cites=cites)
        )
    return found


def _citations(row: ComparedRow) -> tuple[str, ...]:
    """The sources that a model's config names, separated by semicolons there."""
    said = row.records[0].config.get("citation")
    return tuple(part.strip() for part in said.split(";") if part.strip()) if isinstance(said, str) else ()


def absent_titles(comparison: Comparison) -> dict[Literal["model", "control"], list[str]]:
    """What the rows without any result are called, models and controls."""
    titles = {name: title_of(name) for name in comparison.absent}
    return {
        "model": [f"{name} (missing)" for name, title in titles.items() if title is None],
        "control": [f"{title} (missing)" for title in titles.values() if title is not None],
    }


def ranking(comparison: Comparison) -> Column:
    """The metric by which the models are ranked: the first primary one that some model has."""
    have = [m for m in comparison.primary if any(r.means(comparison.average)[m] for r in comparison.models)]
    return comparison.column((have or comparison.primary)[0])


def slug(text: str) -> str:
    """A text as a name of lower-case letters, digits and hyphens."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
