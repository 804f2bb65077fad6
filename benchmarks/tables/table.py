"""The comparison as tables: in a terminal, as Markdown, CSV and JSON. Pure functions of a `Comparison`.

A `Block` is one table as text cells, with headings between its rows and notes under it. Blocks are made
once and laid out twice: for a terminal of a given width, where columns that do not fit continue below with
the row names repeated, and as Markdown.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from benchmarks.controls import CONTROLS, title_of
from benchmarks.scoring.failures import Kind, kind_of
from benchmarks.statistics.comparison import MIN_CLUSTERS, ComparedRow, Comparison, Estimate, PairedRow
from benchmarks.tables.labels import csv_text
from benchmarks.tables.published import Published, PublishedTable, load_published
from zoo.metrics import Column
from zoo.system.text import printable

OUTPUT_SCHEMA_VERSION = 2
"""Of `results.json`."""

COUNTS = ("n", "seeds", "failed")
COSTS = ("params M", "train im/s", "im/s", "peak MB")
ARROWS = {"higher": "↑", "lower": "↓"}
ALPHA = 0.05
MARKDOWN = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`*_[]|$~"}, "<": "&lt;", "&": "&amp;"})
"""What stands for a character with which Markdown says something, also that of GitHub."""
EXAMPLES = 3
"""So many failures of a kind are told with their reasons under the main table."""
GAP = 2

Style = Literal["", "best", "faint", "warn"]
RICH_STYLES: dict[Style, str] = {"": "", "best": "bold green", "faint": "dim", "warn": "yellow"}


@dataclass(frozen=True)
class Cell:
    """Text in a table, in one line, and whether it stands out."""

    text: str
    style: Style = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))


@dataclass(frozen=True)
class Section:
    """Rows under a common heading."""

    heading: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Block:
    """One table. The first column names the rows and is repeated wherever the table is continued."""

    title: str
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()


def main_block(comparison: Comparison) -> Block:
    """Models, best first, then controls: headline metrics, counts and costs; of these what some row has."""
    columns = [find_column(comparison, name) for name in headline(comparison)]
    rows, average = comparison.rows, comparison.average
    shown = [estimate_cells(rows, c, [r.means(average)[c.name] for r in rows]) for c in columns]
    lines = [
        (_name(row), *metrics, *_counts(row), *_costs(row))
        for row, *metrics in zip(rows, *shown, strict=True)
    ]
    labels = ("", *map(column_label, columns), *COUNTS, *COSTS)
    absent = _absent_lines(comparison, len(columns))
    everything = [*lines, *absent["model"], *absent["control"]]
    kept = [k for k in range(len(labels)) if any(line[k] != _NONE for line in everything)]

    def section(heading: str, own: Sequence[tuple[Cell, ...]]) -> Section:
        return Section(heading, tuple(tuple(line[k] for k in kept) for line in own))

    split = len(comparison.models)
    have = [m for m in comparison.primary if any(row.means(average)[m] for row in comparison.models)]
    ranking, info = find_column(comparison, (have or comparison.primary)[0]), comparison.dataset
    sections = (
        section(f"models, best {ranking.label} first", (*lines[:split], *absent["model"])),
        section("controls, not ranked", (*lines[split:], *absent["control"])),
    )
    return Block(
        title=f"{comparison.protocol.id} on {info.name} {info.version}, {info.split} split: "
        f"{comparison.extent}, preset {comparison.preset}",
        columns=tuple(labels[k] for k in kept),
        sections=tuple(s for s in sections if s.rows),
        notes=tuple(_captions(comparison)),
    )


def metrics_block(comparison: Comparison) -> Block:
    """Every metric of the protocol, mean and its interval, one line each; for files."""
    average = comparison.average
    lines = tuple(
        (
            Cell(f"{c.name} ({column_label(c)})"),
            *estimate_cells(comparison.rows, c, [r.means(average)[c.name] for r in comparison.rows]),
        )
        for c in comparison.protocol.columns
    )
    names = [_name(row).text for row in comparison.rows]
    return Block(f"Every metric, {average} mean", ("metric", *names), (Section("", lines),))


def paired_block(comparison: Comparison) -> Block | None:
    """Differences on the same instances, with intervals and corrected p-values; None without pairs."""
    if not comparison.paired:
        return None
    rows = []
    for pair in comparison.paired:
        column, found, wins = find_column(comparison, pair.metric), pair.paired, pair.improves
        low, high = (_number(v, column, "+") for v in (found.low, found.high))
        verdict = judge(pair, column)
        difference = f"{_number(found.difference, column, '+')} ({low} to {high})"
        p = f"<{0.001:.3f}" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}"
        style: Style = {"better": "best", "worse": "warn"}.get(verdict, "faint")  # type: ignore[assignment]
        rows.append(
            (
                Cell(f"{pair.row} vs {pair.against}"),
                Cell(column_label(column)),
                Cell(difference),
                Cell(p),
                Cell(verdict, style),
                Cell(f"{_percent(wins.mean)} ({_percent(wins.low)} to {_percent(wins.high)})"),
            )
        )
    return Block(
        "Paired differences on the same instances",
        ("row vs reference", "metric", "difference (95 % interval)", "p (Holm)", "verdict", "P(better)"),
        (Section("", tuple(rows)),),
        (
            "Interval: both rows on the same resampled shapes"
            + (
                ", training seeds resampled as well."
                if any(len(r.records) > 1 for r in comparison.rows)
                else "."
            )
            + f" p: two-sided, signs of whole shapes flipped {comparison.resamples:,} times, Holm's "
            f"correction over the {len(rows)} lines. 'open': the interval holds 0, or p >= {ALPHA:g}. "
            "P(better): how often the row beats its reference on an instance drawn at random, ties half.",
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def way_block(comparison: Comparison) -> Block | None:
    """How far each model comes from the mean shape to the truth at its resolution; None without these two."""
    rows = []
    for row in comparison.models:
        shares = [comparison.share_of_the_way(row, metric) for metric in comparison.primary]
        if any(share is not None for share in shares):
            cells = (
                _NA if s is None else Cell(f"{s:.0%}".replace("%", " %").replace("-", "−")) for s in shares
            )
            rows.append((_name(row), *cells))
    if not rows:
        return None
    return Block(
        "Share of the way",
        ("model", *(find_column(comparison, metric).label for metric in comparison.primary)),
        (Section("", tuple(rows)),),
        (
            "0 %: the mean shape of training, which sees no picture. 100 %: the truth itself on the models' "
            "grid. Points and meshes, which have no grid, may pass 100 %.",
        ),
    )


def judge(pair: PairedRow, column: Column) -> Literal["better", "worse", "open"]:
    """'better' or 'worse' only where the interval excludes 0 and the corrected p is below 5 %."""
    if pair.p_holm >= ALPHA or pair.paired.low <= 0 <= pair.paired.high:
        return "open"
    return "better" if (pair.paired.difference > 0) == (column.better == "higher") else "worse"


def category_block(comparison: Comparison, metric: str) -> Block:
    """One metric by category for the models and the baseline, with both averages below."""
    column = find_column(comparison, metric)
    rows = [*comparison.models, *(r for r in comparison.controls if r.name == comparison.baseline)]

    def line(name: str, n: str, estimates: Sequence[Estimate | None]) -> tuple[Cell, ...]:
        return Cell(name), Cell(n), *estimate_cells(rows, column, estimates)

    shapes = {category: _shapes(comparison, category) for category in comparison.categories}
    few = any(k < MIN_CLUSTERS for k in shapes.values())
    lines = tuple(
        line(
            f"{c}{'' if shapes[c] >= MIN_CLUSTERS else ' †'}", str(n), [r.categories[c][metric] for r in rows]
        )
        for c, n in comparison.categories.items()
    )
    averages = (
        line("mean of categories", str(len(lines)), [r.category_mean[metric] for r in rows]),
        line("mean of instances", str(len(comparison.instances)), [r.instance_mean[metric] for r in rows]),
    )
    return Block(
        f"{column_label(column)} by category",
        ("category", "n", *(_name(row).text for row in rows)),
        (Section("", lines), Section("averages", averages)),
        (f"† fewer than {MIN_CLUSTERS} shapes: too few for an interval.",) if few else (),
    )


def published_block(published: Published, table: PublishedTable) -> Block:
    """Quoted numbers under their protocols; nothing in it is ranked."""
    sections, columns = [], published.columns_of(table)
    for name in dict.fromkeys(row.protocol for row in table.rows):
        protocol = published.protocols[name]
        rows = tuple(
            (
                Cell(row.method),
                *(Cell(row.values[c.name]) if c.name in row.values else _NA for c in columns),
                Cell(row.source, "faint"),
            )
            for row in table.rows
            if row.protocol == name
        )
        count = "n not stated" if protocol.n is None else f"n = {protocol.n:,}"
        sections.append(Section(f"{protocol.title}: {protocol.data}, {count}", rows))
    used = [published.protocols[name] for name in dict.fromkeys(row.protocol for row in table.rows)]
    return Block(
        f"Published, quoted from {table.title}; not comparable with the measured tables",
        ("method", *(f"{c.label} {ARROWS[c.better]}" for c in columns), "source"),
        tuple(sections),
        (
            "Other data, other training and other definitions than above: no row here may be ranked against "
            "a measured one, nor against a row under another heading.",
            *(f"{p.title}: {p.rules}. Trained on {p.training}." for p in used),
            *(f"{row.method}: {row.note}." for row in table.rows if row.note),
        ),
    )


def blocks(comparison: Comparison, published: Published | None = None) -> list[Block]:
    """The tables in the order in which they are shown."""
    published = load_published() if published is None else published
    return [
        main_block(comparison),
        *(block for block in (paired_block(comparison), way_block(comparison)) if block is not None),
        *(category_block(comparison, metric) for metric in comparison.primary),
        *(published_block(published, published.table(name)) for name in comparison.protocol.published),
    ]


def to_rich(comparison: Comparison, width: int, published: Published | None = None) -> RenderableType:
    """All tables for a terminal of `width` columns."""
    parts: list[RenderableType] = []
    for block in blocks(comparison, published):
        parts += [*rich_block(block, width), Text("")]
    return Group(*parts)


def rich_block(block: Block, width: int) -> list[Text]:
    """Lines of a block; columns that do not fit are continued below the others."""
    everything = [row for section in block.sections for row in section.rows]
    natural = [
        max(cell_len(printable(label)), *(cell_len(row[i].text) for row in everything))
        for i, label in enumerate(block.columns)
    ]
    first, others = natural[0], sum(natural[1:]) + GAP * (len(natural) - 1)
    if first + others > width:  # numbers before names: names are wrapped, down to a quarter of the width
        least = min(first, max(14, width // 4), width - max(natural[1:]) - GAP)
        first = max(least, width - others, 8)  # a column wider than the terminal leaves nothing
    groups: list[list[int]] = [[]]
    used = first
    for i, w in enumerate(natural[1:], start=1):
        if groups[-1] and used + GAP + w > width:
            groups.append([])
            used = first
        groups[-1].append(i)
        used += GAP + w
    lines = [Text(printable(block.title), style="bold")]
    for group in groups:
        lines += _grid(block, group, [first, *natural[1:]], continued=group is not groups[0])
    return lines + [Text(printable(note), style="dim") for note in block.notes]


def _grid(block: Block, group: Sequence[int], widths: Sequence[int], continued: bool) -> list[Text]:
    """Some columns of a block; where it is continued, rows that have nothing to say there are left out."""
    total = widths[0] + sum(GAP + widths[i] for i in group)

    def line(cells: Sequence[Cell], style: str = "") -> list[Text]:
        name = _wrap(cells[0].text, widths[0])
        out = Text(style=style, no_wrap=True, overflow="ignore")
        out.append(_pad(name[0], widths[0]), RICH_STYLES[cells[0].style])
        for i in group:
            padded = _pad(cells[i].text, widths[i], right=is_number(block, i))
            out.append(" " * GAP)
            out.append(padded, RICH_STYLES[cells[i].style])
        rest = [Text(part, style=RICH_STYLES[cells[0].style], no_wrap=True) for part in name[1:]]
        out.rstrip()
        return [out, *rest]

    lines = [*line([Cell(c) for c in block.columns], "bold"), Text("─" * total, style="dim", no_wrap=True)]
    for section in block.sections:
        rows = [row for row in section.rows if not continued or any(row[i] != _NONE for i in group)]
        if rows and section.heading:
            lines.append(
                Text(printable(section.heading), style="italic dim", no_wrap=True, overflow="ellipsis")
            )
        for row in rows:
            lines += line(row)
    return [*lines, Text("─" * total, style="dim", no_wrap=True)]


def to_markdown(comparison: Comparison, published: Published | None = None) -> str:
    """All tables as a Markdown document, with every metric of the protocol."""
    shown = blocks(comparison, published)
    shown.insert(1, metrics_block(comparison))
    return "# Comparison\n\n" + "\n".join(markdown_block(block) for block in shown)


def markdown_block(block: Block) -> str:
    """A heading, a pipe table (best in bold) and the notes as a list."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def text(cell: Cell) -> str:
        escaped = cell.text.strip().translate(MARKDOWN)
        return f"**{escaped}**" if cell.style == "best" else escaped

    rule = ["---:" if is_number(block, i) else ":---" for i in range(len(block.columns))]
    lines = [f"## {text(Cell(block.title))}", "", line(text(Cell(c)) for c in block.columns), line(rule)]
    for section in block.sections:
        if section.heading:
            lines.append(line([f"*{text(Cell(section.heading))}*", *[""] * (len(block.columns) - 1)]))
        lines += [line(map(text, row)) for row in section.rows]
    notes = [f"- {text(Cell(note))}" for note in block.notes]
    return "\n".join([*lines, "", *notes, ""] if notes else [*lines, ""])


def to_csv(comparison: Comparison) -> str:
    """One line per row and scope (`instance mean`, `category mean`, or a category): metrics as stored."""
    names = [column.name for column in comparison.protocol.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["name", "kind", "scope", "n", "complete", "seeds", "n_failed"]
    cost = ["parameters", "train_images_per_second", "images_per_second", "peak_memory_mb"]
    writer.writerow([*head, *(f"{m}{suffix}" for m in names for suffix in ("", "_low", "_high")), *cost])
    for row in comparison.rows:
        scopes = {"instance mean": row.instance_mean, "category mean": row.category_mean, **row.categories}
        for scope, estimates in scopes.items():
            n = comparison.categories[scope] if scope in row.categories else row.n
            numbers = [v for m in names for v in triple(estimates[m])]
            texts = [csv_text(text) for text in (row.name, row.kind, scope)]
            facts = [*texts, n, int(row.complete), len(row.seeds), row.n_failed]
            writer.writerow([*facts, *numbers, *(_cost(row)[c] for c in cost)])
    return out.getvalue()


def to_json(comparison: Comparison, published: Published | None = None) -> dict[str, Any]:
    """Everything: what was run, every estimate, every per-instance value, the quoted rows."""
    published = load_published() if published is None else published
    protocol = comparison.protocol

    def estimates(found: dict[str, Estimate | None]) -> dict[str, Any]:
        return {
            m: None if e is None else {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n}
            for m, e in found.items()
        }

    def row(r: ComparedRow) -> dict[str, Any]:
        return {
            "name": r.name,
            "title": r.title,
            "kind": r.kind,
            "complete": r.complete,
            "n": r.n,
            "missing": r.missing,
            "seeds": list(r.seeds),
            "absent_seeds": list(r.absent),
            "n_failed": r.n_failed,
            "cost": _cost(r),
            "instance_mean": estimates(r.instance_mean),
            "category_mean": estimates(r.category_mean),
            "categories": {c: estimates(found) for c, found in r.categories.items()},
            "share_of_the_way": {m: comparison.share_of_the_way(r, m) for m in comparison.primary},
            "failures": [dict(zip(("seed", "id", "view", "reason"), f, strict=True)) for f in r.failures],
            "records": [record.model_dump(mode="json") for record in r.records],
        }

    return {
        "schema_version": OUTPUT_SCHEMA_VERSION,
        "protocol": comparison.record.protocol.model_dump(mode="json"),
        "description": protocol.describe(),
        "dataset": comparison.dataset.model_dump(mode="json"),
        "preset": comparison.preset,
        "columns": [
            {"name": c.name, "label": c.label, "better": c.better, "worst": c.worst, "unit": c.unit}
            for c in protocol.columns
        ],
        "statistics": {"interval": "95 % percentile", "resamples": comparison.resamples, "seed": 0},
        "rows": [row(r) for r in comparison.rows],
        "absent": list(comparison.absent),
        "reference": comparison.reference,
        "baseline": comparison.baseline,
        "paired": [
            {
                "row": pair.row,
                "against": pair.against,
                "metric": pair.metric,
                "difference": pair.paired.difference,
                "low": pair.paired.low,
                "high": pair.paired.high,
                "p": pair.paired.p,
                "p_holm": pair.p_holm,
                "n": pair.paired.n,
                "improves": {k: getattr(pair.improves, k) for k in ("mean", "low", "high")},
                "verdict": judge(pair, find_column(comparison, pair.metric)),
            }
            for pair in comparison.paired
        ],
        "published": {
            "comparable": False,
            "protocols": {k: p.model_dump(mode="json") for k, p in published.protocols.items()},
            "tables": [published.table(name).model_dump(mode="json") for name in protocol.published],
        },
        "instances": [{"id": i, "view": v, "category": c} for i, v, c in comparison.instances],
        "values": {
            r.name: {
                m: [[None if math.isnan(x) else float(x) for x in seed] for seed in v]
                for m, v in r.values.items()
            }
            for r in comparison.rows
        },
    }


_NA = Cell("n/a", "faint")
_NONE = Cell("-", "faint")


def find_column(comparison: Comparison, name: str) -> Column:
    """The protocol's column of a metric."""
    return next(c for c in comparison.protocol.columns if c.name == name)


def headline(comparison: Comparison) -> list[str]:
    """The protocol's headline; with the stand-in of each metric that some row does not have, beside it."""
    stand_ins = comparison.protocol.stand_ins
    names: list[str] = []
    for name in comparison.protocol.headline:
        names.append(name)
        if name in stand_ins and any(row.instance_mean[name] is None for row in comparison.rows):
            names.append(stand_ins[name])
    return names


def column_label(column: Column) -> str:
    """How a metric stands in a heading, with the direction that is better."""
    return f"{column.label} {ARROWS[column.better]}"


def is_ranked(row: ComparedRow) -> bool:
    """Whether a row takes part in what is best."""
    return row.ranked and row.complete


def _name(row: ComparedRow) -> Cell:
    name = row.name if row.ranked else row.title
    return Cell(name) if row.complete else Cell(f"{name} (incomplete)", "warn")


def _number(value: float, column: Column, sign: str = "") -> str:
    text = f"{value * column.display:{sign}.{column.digits}f}"
    return text.replace("-", "−")  # a minus that cannot be taken for a dash


def print_value(value: float | None, column: Column) -> str:
    """One stored value as the table prints it."""
    return "n/a" if value is None else _number(value, column)


def estimate_cells(
    rows: Sequence[ComparedRow], column: Column, estimates: Sequence[Estimate | None]
) -> list[Cell]:
    """Mean ± half the interval of each row; the best printed mean of two or more ranked models stands out."""
    ranked = [e.mean for row, e in zip(rows, estimates, strict=True) if e is not None and is_ranked(row)]
    best = None
    if len(ranked) > 1:
        best = _number(max(ranked) if column.better == "higher" else min(ranked), column)
    cells = []
    for row, e in zip(rows, estimates, strict=True):
        if e is None:
            cells.append(_NA)
            continue
        text = _number(e.mean, column)
        # without an interval as wide as with one: means stand under means
        half = " " * (2 + len(text)) if e.half is None else f" ±{_number(e.half, column)}"
        cells.append(Cell(text + half, "best" if text == best and is_ranked(row) else ""))
    return cells


def _counts(row: ComparedRow) -> tuple[Cell, ...]:
    n = Cell(f"{row.n:,} of {row.n + row.missing:,}", "warn") if row.missing else Cell(f"{row.n:,}")
    seeds = Cell("1 seed" if len(row.seeds) == 1 else str(len(row.seeds))) if row.seeds else _NONE
    if row.absent:
        seeds = Cell(f"{len(row.seeds)} of {len(row.seeds) + len(row.absent)}", "warn")
    return n, seeds, Cell(f"{row.n_failed:,}", "warn" if row.n_failed else "")


def absent_titles(comparison: Comparison) -> dict[Literal["model", "control"], list[str]]:
    """What the rows without any result are called, models and controls."""
    titles = {name: title_of(name) for name in comparison.absent}
    return {
        "model": [f"{name} (missing)" for name, title in titles.items() if title is None],
        "control": [f"{title} (missing)" for title in titles.values() if title is not None],
    }


def _absent_lines(comparison: Comparison, metrics: int) -> dict[str, list[tuple[Cell, ...]]]:
    """A line for each row without any result, with nothing but its name in it."""
    nothing = (*[_NA] * metrics, Cell("0", "warn"), *[_NONE] * (len(COUNTS) + len(COSTS) - 1))
    return {
        kind: [(Cell(title, "warn"), *nothing) for title in titles]
        for kind, titles in absent_titles(comparison).items()
    }


def _cost(row: ComparedRow) -> dict[str, float | None]:
    """Speeds are means over seeds, the peak is the highest."""
    train = [r.train for r in row.records if r.train is not None]
    predict = [r.inference.images_per_second for r in row.records if r.inference is not None]
    peaks = [t.peak_memory_mb for t in train if t.peak_memory_mb is not None]
    return {
        "parameters": row.records[0].parameters,
        "train_seconds": sum(t.seconds for t in train) / len(train) if train else None,
        "train_images_per_second": sum(t.images_per_second for t in train) / len(train) if train else None,
        "images_per_second": sum(predict) / len(predict) if predict else None,
        "peak_memory_mb": max(peaks) if peaks else None,
    }


def _costs(row: ComparedRow) -> tuple[Cell, ...]:
    cost = _cost(row)
    parameters = cost["parameters"]
    speeds = [cost["train_images_per_second"], cost["images_per_second"]]
    peak = cost["peak_memory_mb"]
    return (
        _NONE if parameters is None else Cell(f"{parameters / 1e6:.2f}"),
        *(_NONE if v is None else Cell(f"{v:,.0f}" if v >= 100 else f"{v:.1f}") for v in speeds),
        _NONE if peak is None else Cell(f"{peak:,.0f}"),
    )


def _shapes(comparison: Comparison, category: str) -> int:
    return len({i for i, _, c in comparison.instances if c == category})


def triple(estimate: Estimate | None) -> tuple[float | str, ...]:
    """Mean, low and high for a CSV file; empty where there is nothing."""
    if estimate is None:
        return "", "", ""
    return tuple("" if v is None else float(v) for v in (estimate.mean, estimate.low, estimate.high))


def _captions(comparison: Comparison) -> list[str]:
    """What has to be known to read the main table."""
    info, records = comparison.dataset, [r for row in comparison.rows for r in row.records]
    devices = sorted({r.device for r in records})
    backends = sorted({r.neighbours for r in records})
    chosen = sorted({r.threshold.chosen for r in records if r.threshold is not None and r.kind != "control"})
    values = [
        f"{row.name} {'/'.join(f'{r.threshold.value:g}' for r in row.records if r.threshold is not None)}"
        for row in comparison.models
        if any(r.threshold is not None for r in row.records)
    ]
    seeds = sorted({seed for row in comparison.models for seed in row.seeds})
    single = sum(_shapes(comparison, category) == 1 for category in comparison.categories)
    lines = [
        *(
            [
                f"Limited to {info.n:,} of {info.whole:,} instances, drawn evenly over the categories "
                f"(--limit): a quick look, not for publication."
            ]
            if info.whole is not None
            else []
        ),
        *(
            ["Means are those of the categories' means, as this protocol has it."]
            * (comparison.average != "instance")
        ),
        f"± is half of a 95 % interval: bootstrap over shapes within categories, {comparison.resamples:,} "
        "resamples" + (", and over training seeds where there are several." if len(seeds) > 1 else "."),
        f"Data {info.fingerprint[:16]}; view: {info.views}; seeds: {', '.join(map(str, seeds)) or 'none'}; "
        f"device: {' and '.join(devices)}; nearest neighbours: {' and '.join(backends)}.",
    ]
    if values:
        lines.append(f"Occupancy threshold: {'; '.join(chosen)}: {', '.join(values)}.")
    if info.skipped:
        lines.append(
            f"Missing, because they could not be read and --allow-missing was given: "
            f"{sum(info.skipped.values()):,} of the data set's items ({_counted(info.skipped)})."
        )
    if info.left_out:
        lines.append(f"Left out of the data set on purpose: {_counted(info.left_out)}.")
    if info.leaks:
        lines.append(
            f"{info.leaks:,} of {info.n:,} instances show a shape that training or validation holds too, by "
            "name or by an equal grid (--allow-leaks); --set prepare.leaks=drop leaves them out."
        )
    if single:
        lines.append(
            f"{single} of {len(comparison.categories)} categories have one shape: drawing within them "
            "changes nothing, so the intervals are too short."
        )
    if any(len(row.seeds) == 1 for row in comparison.models):
        lines.append("1 seed: the interval does not know how much another training run would differ.")
    lack = {
        "instances": any(row.missing for row in comparison.rows),
        "training seeds": any(row.absent for row in comparison.rows),
    }
    if any(lack.values()):
        what = " and ".join(name for name, lacking in lack.items() if lacking)
        lines.append(f"incomplete: {what} are missing; the row is neither ranked nor compared.")
    if comparison.absent:
        lines.append("missing: asked for, but there is no result.")
    lines += [f"Look: the predictions of {r.name} {hint}" for r in records for hint in r.hints]
    lines += _failures(comparison)
    known = {control.name: control.explanation for control in CONTROLS}
    for row in comparison.controls:
        # of the controls that depend on what is compared, only their records know
        if said := known.get(row.name) or row.records[0].config.get("explanation"):
            lines.append(f"{row.title}: {said}.")
    return [*lines, *comparison.notes]


def _failures(comparison: Comparison) -> list[str]:
    """What failed, by what it was; the reasons of what was there and could not be used."""
    words: dict[Kind, str] = {
        "unreadable": "files that could not be read",
        "unmeasurable": "shapes that could not be measured",
    }
    found: dict[Kind, list[str]] = {kind: [] for kind in words}
    for row in comparison.rows:
        for _, id, _, reason in row.failures:
            if (kind := kind_of(reason)) in words:
                found[kind].append(f"{row.name}, {id}: {reason}")
    lines = []
    if sum(row.n_failed for row in comparison.rows) > sum(map(len, found.values())):
        lines.append("failed: empty or missing predictions, over all seeds; they count with the worst value.")
    for kind, examples in found.items():
        if examples:
            lines.append(
                f"failed: {len(examples):,} {words[kind]}, over all seeds; they count with the worst value: "
                + "; ".join(examples[:EXAMPLES])
                + ("; ..." if len(examples) > EXAMPLES else ".")
            )
    return lines


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items()))


def is_number(block: Block, column: int) -> bool:
    """Columns of numbers are aligned to the right: every cell begins like one or says that there is none."""
    cells = [row[column].text for section in block.sections for row in section.rows]
    return column > 0 and all(text[:1] in "0123456789+−.<-" or text == "n/a" for text in cells)


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces and underscores where possible."""
    lines = []
    while cell_len(text) > width:
        cut = max(text.rfind(" ", 1, width + 1), text.rfind("_", 1, width) + 1)
        cut = cut if cut > 0 else width
        lines.append(text[:cut].rstrip())
        text = " " + text[cut:].lstrip()
    return [*lines, text]
