"""Charts of single instances: how a metric is spread over them, and one model against another on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.drawing import GRID, INK, Plot, style
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow
from benchmarks.tables.blocks import ranking, slug
from benchmarks.tables.columns import column_label
from benchmarks.tables.labels import plot_label
from zoo.metrics import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 30
PANELS = 6
"""Models that are shown against the best one, at most: the next best."""


def by_instance(comparison: Comparison) -> list[Plot]:
    """All charts of instances that this comparison has something for."""
    spread = [distribution(comparison, metric) for metric in comparison.primary]
    return [plot for plot in (*spread, one_against_another(comparison)) if plot is not None]


def distribution(comparison: Comparison, metric: str) -> Plot | None:
    """How many instances score how much, of the models and the strongest control that reads the picture."""
    column = comparison.column(metric)
    standing = next((s for s in comparison.standings if s.metric == metric), None)
    control = None if standing is None else standing.control
    rows = [*comparison.models, *(r for r in comparison.controls if r.name == control)]
    values = {row.name: own for row in rows if len(own := _values(row, metric))}
    if not values:
        return None
    shown = [row for row in rows if row.name in values]
    every = np.concatenate(list(values.values())) * column.display
    low, high = float(every.min()), float(every.max())
    room = 0.0 if high > low else 1.0

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        edges = np.linspace(low - room, high + room, BINS + 1)
        for k, row in enumerate(shown):
            own = values[row.name] * column.display
            counts, _ = np.histogram(own, edges)
            heights = 0.85 * counts / counts.max()
            colour = style(k)["color"] if row.ranked else INK
            axes.stairs(k - heights, edges, baseline=k, fill=True, color=colour, alpha=0.45)
            axes.plot([np.median(own)] * 2, [k, k - 0.85], color=colour, linewidth=1.6)
        names = [row.name if row.ranked else f"{row.title} (control)" for row in shown]
        axes.set_yticks(range(len(shown)), [plot_label(name) for name in names])
        axes.set_ylim(len(shown) - 0.8, -1)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{column.label} ({column.better} is better)")

    return Plot(
        f"distribution-{slug(metric)}",
        f"{column_label(column)} over the instances",
        "How many instances score how much, each row scaled to its own peak; the line is the median. "
        "Means over seeds; failed instances have the worst value.",
        draw,
        1.0 + 0.55 * len(shown),
    )


def one_against_another(comparison: Comparison) -> Plot | None:
    """Every model against the best by the ranking metric, a point for each instance."""
    column = ranking(comparison)
    standing = next((s for s in comparison.standings if s.metric == column.name), None)
    if standing is None:
        return None
    rows = {row.name: row for row in comparison.rows}
    best = rows[standing.best]
    others = [rows[pair.row] for pair in standing.to_best][:PANELS]
    if standing.control is not None and len(others) < PANELS:
        others.append(rows[standing.control])
    if not others:
        return None
    lines = -(-len(others) // 2)
    order = {row.name: k for k, row in enumerate(comparison.models)}

    def draw(figure: Figure) -> None:
        grid = list(figure.subplots(lines, 2, squeeze=False).flat)
        for axes, row in zip(grid, others, strict=False):
            x, y = _pairs(best, row, column)
            ends = [min(x.min(), y.min()), max(x.max(), y.max())]
            axes.plot(ends, ends, color=GRID, linewidth=0.8)
            colour = style(order[row.name])["color"] if row.ranked else INK
            axes.plot(x, y, ".", color=colour, markersize=3, alpha=0.6)
            axes.set_title(plot_label(row.name if row.ranked else row.title), fontsize="medium")
            axes.set_xlabel(plot_label(best.name))
            axes.set_ylabel(column.label)
        for axes in grid[len(others) :]:
            axes.set_axis_off()

    return Plot(
        f"instances-{slug(column.name)}",
        f"{column_label(column)}, instance by instance",
        f"Across: {best.name}; upwards: the model or control that a panel is called by. On the line both are "
        f"equal; {'above' if column.better == 'higher' else 'below'} it the other one is better. Means over "
        "seeds.",
        draw,
        0.4 + 2.3 * lines,
    )


def _values(row: ComparedRow, metric: str) -> np.ndarray:
    """The defined values, means over seeds."""
    own: np.ndarray = row.values[metric].mean(0)
    return own[~np.isnan(own)]


def _pairs(first: ComparedRow, second: ComparedRow, column: Column) -> Sequence[np.ndarray]:
    """Values of both on the instances that both have, as they are printed."""
    both = np.stack([row.values[column.name].mean(0) for row in (first, second)])
    return [*(both[:, ~np.isnan(both).any(0)] * column.display)]
