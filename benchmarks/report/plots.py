"""The charts of the report, each a function of a comparison: None where it has nothing to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report.drawing import GRID, INK, Plot, style
from benchmarks.report.instance_plots import by_instance
from benchmarks.report.training import Curve
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow, Estimate
from benchmarks.tables.blocks import slug
from benchmarks.tables.columns import column_label
from benchmarks.tables.labels import plot_label
from zoo.metrics import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("F-score", "precision", "recall")
"""Curves of the chart over distance, see `Column.curve`."""


def every_plot(comparison: Comparison, curves: Sequence[Curve]) -> list[Plot]:
    """All charts that this comparison has something for, in the order of the page."""
    found = [
        *(by_category(comparison, metric) for metric in comparison.primary),
        *by_instance(comparison),
        two_metrics(comparison),
        iou_over_threshold(comparison),
        fscore_over_distance(comparison),
        training(comparison, curves),
    ]
    return [plot for plot in found if plot is not None]


def label(row: ComparedRow) -> str:
    """A row's name as matplotlib takes it, and whether it is incomplete."""
    return plot_label(row.name if row.complete else f"{row.name} (incomplete)")


def by_category(comparison: Comparison, metric: str) -> Plot | None:
    """One metric of every model by category, with intervals where there are enough shapes."""
    column = comparison.column(metric)
    rows = [(k, row) for k, row in enumerate(comparison.models) if row.instance_mean[metric] is not None]
    if not rows:
        return None
    names = list(comparison.categories)
    control = next((s.control for s in comparison.standings if s.metric == metric), None)
    beside = next((row for row in comparison.controls if row.name == control), None)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (k, row) in enumerate(rows):
            shift = 0.72 * ((place + 0.5) / len(rows) - 0.5)
            known = [(y + shift, e) for y, c in enumerate(names) if (e := row.categories[c][metric])]
            axes.errorbar(
                [e.mean * column.display for _, e in known],
                [y for y, _ in known],
                xerr=_bars([e for _, e in known], column),
                label=label(row),
                **_mark(k),
            )
        if beside is not None:
            places = [(e.mean, y) for y, c in enumerate(names) if (e := beside.categories[c][metric])]
            x = [mean * column.display for mean, _ in places]
            title = plot_label(f"{beside.title} (control)")
            axes.plot(x, [y for _, y in places], "|", color=INK, markersize=12, label=title)
        for y in range(1, len(names)):
            axes.axhline(y - 0.5, color=GRID, linewidth=0.5, alpha=0.5)
        axes.set_yticks(
            range(len(names)), [plot_label(f"{c} ({n:,})") for c, n in comparison.categories.items()]
        )
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(_axis(column))
        _legend(figure, axes, len(rows) + (beside is not None))

    return Plot(
        f"categories-{slug(metric)}",
        f"{column_label(column)} by category",
        "Mean over the instances of a category (their number in brackets) and its 95 % interval, "
        "where there are enough shapes for one."
        + " Upright strokes: the strongest control that reads the picture."
        * (beside is not None),
        draw,
        1.0 + len(names) * max(0.3, 0.1 * len(rows)) + 0.16 * _lines(len(rows) + 1),
    )


def two_metrics(comparison: Comparison) -> Plot | None:
    """The first two primary metrics of the models that have both."""
    if len(comparison.primary) < 2:
        return None
    y, x = comparison.primary[:2]
    both = {row.name: [row.means(comparison.average)[m] for m in (x, y)] for row in comparison.rows}
    have = [(k, row) for k, row in enumerate(comparison.models) if all(both[row.name])]
    if not have:
        return None
    lack = [row.name for row in comparison.models if not any(row is r for _, r in have)]
    columns = comparison.column(x), comparison.column(y)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for k, row in have:
            first, second = both[row.name]
            assert first is not None and second is not None
            axes.errorbar(
                [first.mean * columns[0].display],
                [second.mean * columns[1].display],
                xerr=_bars([first], columns[0]),
                yerr=_bars([second], columns[1]),
                label=label(row),
                **_mark(k),
            )
        base = next((r for r in comparison.controls if r.name == comparison.baseline), None)
        if base is not None and all(both[base.name]):
            place = [e.mean * c.display for e, c in zip(both[base.name], columns, strict=True) if e]
            axes.plot(*place, "x", color=INK, label=plot_label(f"{base.title} (control)"), linestyle="none")
        axes.set_xlabel(_axis(columns[0]))
        axes.set_ylabel(_axis(columns[1]))
        _legend(figure, axes, len(have) + 1)

    without = f" Without {columns[1].label} or {columns[0].label}: {', '.join(lack)}." if lack else ""
    return Plot(
        f"{slug(x)}-against-{slug(y)}",
        f"{columns[0].label} against {columns[1].label}",
        f"{comparison.average.capitalize()} means with 95 % intervals.{without}",
        draw,
        3.2 + 0.16 * _lines(len(have) + 1),
    )


def iou_over_threshold(comparison: Comparison) -> Plot | None:
    """Mean IoU at every threshold of the protocol, with the frozen one of every seed."""
    rows = [(k, row) for k, row in enumerate(comparison.models) if row.records[0].iou_curve]
    if not rows:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for k, row in rows:
            curves = [np.array(r.iou_curve) for r in row.records]
            look = style(k)
            marker = look.pop("marker")
            axes.plot(curves[0][:, 0], np.mean([c[:, 1] for c in curves], 0), **look)
            chosen = [(r.threshold.value, c) for r, c in zip(row.records, curves, strict=True) if r.threshold]
            places = [t for t, _ in chosen]
            heights = [float(np.interp(t, c[:, 0], c[:, 1])) for t, c in chosen]
            axes.plot(places, heights, marker, color=look["color"], label=label(row), markersize=6)
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("occupancy threshold")
        axes.set_ylabel("mean IoU")
        _legend(figure, axes, len(rows))

    return Plot(
        "iou-threshold",
        "IoU over the occupancy threshold",
        "Mean over the test instances (and over seeds). The mark is the threshold that was chosen on "
        "validation instances and frozen, one for each seed; a curve that is higher elsewhere was not "
        "looked at to choose it.",
        draw,
        3.2 + 0.16 * _lines(len(rows)),
    )


def fscore_over_distance(comparison: Comparison) -> Plot | None:
    """F-score, precision and recall of every model over the distance that counts as near."""
    found: dict[str, dict[float, str]] = {}
    for column in comparison.protocol.columns:
        if column.curve is not None:
            found.setdefault(column.curve[0], {})[column.curve[1]] = column.name
    if max(map(len, found.values()), default=0) < 2:
        return None
    parts = [name for name in PANELS if name in found]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(2, 2, sharey=True).flat
        for axes, part in zip(grid, parts, strict=False):
            for k, row in enumerate(comparison.models):
                means = row.means(comparison.average)
                known = [(r, e) for r, name in sorted(found[part].items()) if (e := means[name])]
                if known:
                    look = style(k)
                    axes.plot(
                        [r for r, _ in known],
                        [e.mean for _, e in known],
                        **look,
                        label=label(row),
                    )
            axes.set_title(part, fontsize="medium")
            axes.set_xlabel("distance, % of longest edge")
            axes.set_ylim(0, 1)
            axes.set_xlim(left=0)
        rest = list(figure.axes)[len(parts) :]
        for axes in rest:
            axes.set_axis_off()
        rest[0].legend(*figure.axes[0].get_legend_handles_labels(), loc="upper left", fontsize="small")

    return Plot(
        "fscore-distance",
        "F-score over distance",
        "Share of predicted points near the truth (precision), of true points near the prediction (recall), "
        f"and their harmonic mean, each of an instance; {comparison.average} means.",
        draw,
        max(4.2, 2.1 + 0.17 * len(comparison.models)),
    )


def training(comparison: Comparison, curves: Sequence[Curve]) -> Plot | None:
    """The total loss of every run over its steps, a panel for each model."""
    order = {row.name: k for k, row in enumerate(comparison.models)}
    shown = {name: [c for c in curves if c.model == name] for name in order}
    panels = {name: own for name, own in shown.items() if own}
    if not panels:
        return None
    rows = -(-len(panels) // 2)

    def draw(figure: Figure) -> None:
        grid = list(figure.subplots(rows, 2, squeeze=False).flat)
        for axes, (name, own) in zip(grid, panels.items(), strict=False):
            for curve in own:
                look = style(order[name])
                axes.plot(curve.steps, curve.losses, color=look["color"], linewidth=1, alpha=0.8)
            _draw_validation(axes, own, style(order[name])["color"])
            for step in own[0].stages[1:]:
                axes.axvline(step, color=INK, linewidth=0.6, linestyle=":")
            losses = [loss for curve in own for loss in curve.losses]
            if 0 < min(losses) < max(losses) / 10:
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_formatter("")
            axes.set_title(plot_label(name), fontsize="medium")
            axes.set_xlabel("step")
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        grid[0].set_ylabel("training loss")

    return Plot("training", "Training", _caption(shown), draw, 0.4 + 1.7 * rows)


def _caption(shown: Mapping[str, Sequence[Curve]]) -> str:
    """What the panels of `training` show, by model."""
    drawn = [own for own in shown.values() if own]
    absent = [name for name, own in shown.items() if not own]
    several = any(len(own) > 1 for own in drawn)
    stages = any(len(curve.stages) > 1 for own in drawn for curve in own)
    caption = "Total loss of the logged steps" + (", one line for each seed." if several else ".")
    caption += " Losses of different models are different sums: only shapes of curves compare."
    caption += " Dotted: a new stage begins, with its own losses." * stages
    validated = any(curve.validated for own in drawn for curve in own)
    caption += " Dashed, on the right: validation while training, on a sample of its split." * validated
    caption += f" No training log: {', '.join(absent)}." if absent else ""
    return caption


def _draw_validation(axes: Axes, curves: Sequence[Curve], color: str) -> None:
    """What validation found while a model trained, on an axis of its own."""
    if not any(curve.validated for curve in curves):
        return
    right = axes.twinx()
    for curve in curves:
        if curve.validated:
            steps, values = zip(*curve.validated, strict=True)
            right.plot(steps, values, color=color, linewidth=1, linestyle="--", marker=".", markersize=4)
    metric = next(curve.metric for curve in curves if curve.validated)
    right.set_ylabel({"iou": "validation IoU", "cd": "validation CD"}[metric])


def _mark(k: int) -> dict[str, Any]:
    return style(k) | {"linestyle": "none", "elinewidth": 1}


def _bars(estimates: Sequence[Estimate], column: Column) -> list[tuple[float, ...]]:
    """How far intervals reach below, and how far above."""
    reach = [[side * column.display for side in e.bars] for e in estimates]
    return list(zip(*reach, strict=True))


def _axis(column: Column) -> str:
    return f"{column.label} ({column.better} is better)"


def _legend(figure: Figure, axes: Axes, entries: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(3, entries),
        fontsize="small",
        handletextpad=0.4,
    )


def _lines(entries: int) -> int:
    return -(-entries // 3)
