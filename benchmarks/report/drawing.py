"""Figures as inline SVG for the page and as PNG for papers, by the same code. Matplotlib, without a display.

The page is light or dark: what is drawn in `INK` takes the colour of the text around it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.tables.labels import any_script

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#15171a"
GRID = "#80848c"
WIDTH = 4.8
"""Inches of a figure: as many points as a telephone has pixels, so that its text is legible there."""
DPI = 300
COLORS = (
    "#3d7ebf",
    "#d9772b",
    "#3f9a58",
    "#c4527a",
    "#7f66c4",
    "#9c8412",
    "#1f9aa3",
    "#a8644a",
    "#6f7f2f",
    "#8a7f8d",
)
"""Colours of the models, in turn: each legible on white and on black."""
MARKERS = "osD^v<>ph*"
"""Marks of the models, in turn: lines stay apart in grey."""


@dataclass(frozen=True)
class Plot:
    """A chart of the report.

    Attributes:
        name: of its PNG; title and caption stand beside it.
        draw: fills an empty figure whose width is `WIDTH`.
        height: inches.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Figure], None]
    height: float


def style(k: int) -> dict[str, Any]:
    """Colour and marker of the k-th model; beyond ten, lines are dashed."""
    dashes = ("-", "--", ":")[k // len(COLORS) % 3]
    return {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)], "linestyle": dashes}


def svg(plot: Plot) -> str:
    """The chart as an SVG element whose ids begin with its name; equal charts give equal text."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    _render(plot, buffer, format="svg", facecolor="none", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{plot.name}-", text)
    return re.sub(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", _short(text))


def png(plot: Plot) -> bytes:
    """The chart for print, black on white."""
    buffer = io.BytesIO()
    _render(plot, buffer, format="png", facecolor="white", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _render(plot: Plot, buffer: io.StringIO | io.BytesIO, **options: Any) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    colored = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    settings: dict[Any, Any] = dict.fromkeys(colored, INK) | {
        "svg.fonttype": "none",
        "svg.hashsalt": plot.name,
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 8.5,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
        "lines.markersize": 4.5,
        "lines.linewidth": 1.3,
        "legend.frameon": False,
        "errorbar.capsize": 0,
    }
    with rc_context(settings):
        figure = Figure(figsize=(WIDTH, plot.height), layout="constrained")
        plot.draw(figure)
        with any_script():
            figure.savefig(buffer, **options)


def _short(text: str) -> str:
    """Coordinates with two decimals of a point: a third of the text, and no difference to see."""
    return re.sub(
        r"(?<=[\s\"LMCQ(,])(-?\d+\.\d{3,})", lambda m: f"{float(m[1]):.2f}".rstrip("0").rstrip("."), text
    )
