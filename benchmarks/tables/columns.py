"""Columns of the tables: which there are, which were chosen, and how their numbers are printed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.protocols import Protocol
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.cost import cost
from benchmarks.statistics.design import Average
from benchmarks.statistics.rows import ComparedRow, Estimate
from benchmarks.tables.block import NA, NOTHING, Cell, Heading
from zoo.config import ConfigError
from zoo.metrics import Column
from zoo.registry import did_you_mean

ARROWS = {"higher": "↑", "lower": "↓"}
COUNTS = {
    "n": Heading("n", about="instances that were measured"),
    "seeds": Heading("seeds", about="trainings, each from other random numbers"),
    "failed": Heading("failed"),
}
COSTS = {
    "params": Heading("params M", about="parameters, in millions"),
    "train": Heading("train im/s", about="images per second in training"),
    "speed": Heading("im/s", about="images per second in prediction"),
    "memory": Heading("peak MB", about="peak of memory in training, in 10^6 bytes"),
}
"""Chosen by these names, as the protocol's metrics are by theirs."""


def parse_columns(text: str, protocol: Protocol) -> tuple[str, ...]:
    """Columns of a comma-separated list: metrics of the protocol, counts and costs, each once.

    A metric may be named without its convention (`iou` for `iou@val`) where the headline has it, or where it
    is the only one.

    Raises:
        ConfigError: an unknown one, or none.
    """
    found = dict.fromkeys(_column(word.strip(), protocol) for word in text.split(",") if word.strip())
    if not found:
        raise ConfigError(f"--columns names nothing; known: {', '.join(_known(protocol))}")
    return tuple(found)


def _known(protocol: Protocol) -> list[str]:
    return [*(column.name for column in protocol.columns), *COUNTS, *COSTS]


def _column(word: str, protocol: Protocol) -> str:
    known = _known(protocol)
    if word in known:
        return word
    short = [name for name in known if name.partition("@")[0] == word]
    first = [name for name in protocol.headline if name in short]
    if first or len(short) == 1:
        return (first or short)[0]
    near = did_you_mean(word, known)
    raise ConfigError(f"unknown --columns '{word}'.{near} Known: {', '.join(known)}")


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


def metric_heading(column: Column) -> Heading:
    """A metric's heading, with its name, its unit and its worst value behind it."""
    unit = f", {column.unit}" if column.unit else ""
    worst = print_value(column.worst, column)
    return Heading(column_label(column), about=f"{column.name}{unit}; {worst} where a prediction failed")


def print_value(value: float | None, column: Column, sign: str = "") -> str:
    """One stored value as the table prints it."""
    if value is None:
        return NA.text
    text = f"{value * column.display:{sign}.{column.digits}f}"
    return text.replace("-", "−")  # a minus that cannot be taken for a dash


def estimate_cells(
    comparison: Comparison,
    rows: Sequence[ComparedRow],
    column: Column,
    average: Average,
    category: str | None = None,
) -> list[Cell]:
    """Mean and half the interval of each row; the leaders of the place stand out."""
    leading = comparison.leaders.get((average, category, column.name), frozenset())
    cells = []
    for row in rows:
        found = row.means(average) if category is None else row.categories[category]
        cells.append(
            _estimate_cell(found[column.name], column, row.ranked and row.complete and row.name in leading)
        )
    return cells


def _estimate_cell(estimate: Estimate | None, column: Column, leads: bool) -> Cell:
    if estimate is None:
        return NA
    half = "" if estimate.half is None else print_value(estimate.half, column)
    return Cell(print_value(estimate.mean, column), "best" if leads else "", half)


def count_cells(row: ComparedRow) -> dict[str, Cell]:
    """Instances, seeds and failures of a row; what is missing is marked."""
    n = Cell(f"{row.n:,} of {row.n + row.missing:,}", "warn") if row.missing else Cell(f"{row.n:,}")
    seeds = Cell("1 seed" if len(row.seeds) == 1 else str(len(row.seeds))) if row.seeds else NOTHING
    if row.absent:
        seeds = Cell(f"{len(row.seeds)} of {len(row.seeds) + len(row.absent)}", "warn")
    return {"n": n, "seeds": seeds, "failed": Cell(f"{row.n_failed:,}", "warn" if row.n_failed else "")}


def cost_cells(row: ComparedRow) -> dict[str, Cell]:
    """What a row cost."""
    found = cost(row)
    parameters, peak = found["parameters"], found["peak_memory_mb"]
    speeds = [found["train_images_per_second"], found["images_per_second"]]
    train, predict = (NOTHING if v is None else Cell(f"{v:,.0f}" if v >= 100 else f"{v:.1f}") for v in speeds)
    return {
        "params": NOTHING if parameters is None else Cell(f"{parameters / 1e6:.2f}"),
        "train": train,
        "speed": predict,
        "memory": NOTHING if peak is None else Cell(f"{peak:,.0f}"),
    }
