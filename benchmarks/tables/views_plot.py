"""The primary metrics over the number of views, as a picture. Matplotlib is loaded when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.labels import any_script, plot_label

MARKERS = "osD^v<>ph*"
"""One for each model, in turn: lines stay apart in gray."""


def plot(by_views: Mapping[int, Comparison]) -> bytes:
    """A PNG with a panel for each primary metric: means and 95 % intervals of every model.

    Args:
        by_views: number of views to the comparison of what was measured with it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator

    first = next(iter(by_views.values()))
    names = dict.fromkeys(row.name for comparison in by_views.values() for row in comparison.models)
    figure = Figure(figsize=(4.6 * len(first.primary), 3.8), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)  # draws without a display
    for axes, metric in zip(
        figure.subplots(1, len(first.primary), squeeze=False)[0], first.primary, strict=True
    ):
        for k, name in enumerate(names):
            points = [
                (views, row.instance_mean[metric])
                for views, comparison in by_views.items()
                for row in comparison.models
                if row.name == name
            ]
            known = [(views, e) for views, e in points if e is not None]
            if not known:
                continue
            means = [e.mean for _, e in known]
            axes.errorbar(
                [views for views, _ in known],
                means,
                yerr=list(zip(*(e.bars for _, e in known), strict=True)),
                marker=MARKERS[k % len(MARKERS)],
                capsize=3,
                label=plot_label(name),
            )
        column = first.column(metric)
        axes.set_xlabel("views")
        axes.set_ylabel(f"{column.label} ({column.better} is better)")
        axes.xaxis.set_major_locator(FixedLocator(list(by_views)))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    title = f"{first.dataset.name}, {first.dataset.split} split, preset {first.preset}"
    figure.suptitle(plot_label(title), fontsize="medium")
    buffer = io.BytesIO()
    with any_script():
        canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
