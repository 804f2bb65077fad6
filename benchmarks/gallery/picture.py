"""A picture of what the numbers mean: input, ground truth and every model's prediction, side by side.

The shown cases are not hand-picked. They are the best, the median and the worst instances of one
reference model by one metric (`choose_cases`), so that every other model is seen on cases it did not
choose. Predictions are drawn as the surface that was scored, at the frozen threshold.

Drawn by the zoo's own renderer and Pillow: no display, no window system, no plotting server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.geometry.camera import Camera
from zoo.shapes import Shape
from zoo.visualize import FAINT, INK, PALETTE, PAPER, RULE, TILE, TRUTH, Font, put_text, strip, write_png

GROUPS = ("best", "median", "worst")
VIEWS = ((35.0, 20.0), (125.0, 20.0), (215.0, 50.0))
"""Azimuth and elevation in degrees; where the input's own camera is known, it replaces the first."""

GAP, LINE = 10, 18


@dataclass(frozen=True)
class Drawn:
    """One prediction and its scores."""

    shape: Shape
    level: float = 0.5
    """Occupancy probability at which it was scored."""
    scores: Mapping[str, str] = field(default_factory=dict)
    """What is printed under it: a metric's label to its value."""
    maps: Sequence[np.ndarray] = ()
    """Small pictures under it, as `Case.image`: the 2.5D maps that it was made from."""


@dataclass(frozen=True)
class Case:
    """One instance to show.

    Attributes:
        group: heading under which it stands, one of `GROUPS`.
        image: uint8 (H, W, 3) or (H, W, 4) with straight alpha, as stored, before any preprocessing; None
            where the picture is not known.
        predictions: column name to prediction; a missing name leaves the column blank.
        camera: the input's camera; the first view then looks from there.
    """

    id: str
    category: str
    group: str
    image: np.ndarray | None
    truth: Shape
    predictions: Mapping[str, Drawn]
    camera: Camera | None = None


def choose_cases(
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    better: Literal["higher", "lower"] = "higher",
    per_group: int = 2,
) -> list[tuple[str, str, int | None]]:
    """(group, id, view) of the best, median and worst instances by one metric of one model.

    Instances where the metric is None are left out; ties are broken by id, so that the choice is the
    same on every machine. With fewer than 3 x `per_group` instances each appears once, best ones first.

    Raises:
        ValueError: no instance has the metric.
    """
    scored = [row for row in rows if row[metric] is not None]
    if not scored:
        raise ValueError(f"no instance has a value of {metric}: cannot choose cases by it")
    sign = -1.0 if better == "higher" else 1.0
    scored.sort(key=lambda row: (sign * row[metric], row["id"], -1 if row["view"] is None else row["view"]))
    n = len(scored)
    middle = max((n - per_group) // 2, 0)
    wanted = {
        "best": range(per_group),
        "worst": range(n - 1, n - 1 - per_group, -1),
        "median": range(middle, middle + per_group),
    }
    chosen: dict[int, str] = {}
    for group, places in wanted.items():
        for place in places:
            if 0 <= place < n:
                chosen.setdefault(place, group)
    order = sorted(chosen, key=lambda place: (GROUPS.index(chosen[place]), place))
    return [(chosen[i], scored[i]["id"], scored[i]["view"]) for i in order]


def gallery(
    path: Path,
    cases: Sequence[Case],
    columns: Mapping[str, str],
    caption: str = "",
    views: Sequence[tuple[float, float]] = VIEWS,
    tile: int = 128,
) -> None:
    """Write the picture as a PNG, atomically.

    Args:
        path: of the PNG.
        cases: in the order in which they are to appear, equal groups together.
        columns: name of each model (key of `Case.predictions`) to its heading; may be empty.
        caption: under the picture, wrapped: by which metric of which model the cases were chosen.
        views: azimuth and elevation (degrees) of the drawings of each shape.
        tile: edge of one drawing in pixels.

    Raises:
        ValueError: there is no case, or an image has a wrong shape or type.
    """
    if not cases:
        raise ValueError("a gallery needs at least one case")
    wide = tile * len(views)
    pictured = any(case.image is not None for case in cases)
    left = [GAP, GAP + pictured * (GAP + tile)]  # input where there is one, truth, then one per model
    for _ in columns:
        left.append(left[-1] + wide + 2 * GAP)
    width = left[-1] + wide + GAP
    maps = max((len(drawn.maps) for case in cases for drawn in case.predictions.values()), default=0)
    small = min(tile // 2, wide // max(maps, 1))  # side by side, within their column
    block = tile + LINE + max(LINE, small * (maps > 0)) + GAP
    headings = 1 + sum(a.group != b.group for a, b in pairwise(cases))
    title, text = ImageFont.load_default(size=14), ImageFont.load_default(size=12)
    under = _lines(caption, text, width - 2 * GAP)
    height = GAP + LINE + GAP + len(cases) * block + headings * (LINE + GAP) + GAP + LINE * len(under)
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)

    for k, (x, name) in enumerate(zip(left, ["input", "ground truth", *columns.values()], strict=True)):
        if k or pictured:
            put_text(draw, (x, GAP), name, title, INK, wide if k else tile)
    y = GAP + LINE + GAP // 2
    group = None
    for case in cases:
        if case.group != group:
            group = case.group
            draw.line([(GAP, y), (width - GAP, y)], fill=RULE)
            put_text(draw, (GAP, y + GAP // 2), group, title, FAINT, width)
            y += LINE + GAP
        _draw_case(canvas, case, y, left, columns, views, tile, small)
        y += block
    for k, line in enumerate(under):
        put_text(draw, (GAP, y + GAP // 2 + k * LINE), line, text, FAINT, width - 2 * GAP)
    write_png(path, canvas)


def _draw_case(
    canvas: Image.Image,
    case: Case,
    y: int,
    left: Sequence[int],
    columns: Iterable[str],
    views: Sequence[tuple[float, float]],
    tile: int,
    small: int,
) -> None:
    """One line of the picture: input, truth, and what each model makes of it, with its scores and maps.

    Args:
        y: of its upper edge; left: x of each column's left edge.
        small: edge of one map in pixels.
    """
    draw, text, wide = ImageDraw.Draw(canvas), ImageFont.load_default(size=12), tile * len(views)
    if case.image is not None:
        canvas.paste(_input(case.image, tile), (left[0], y))
    put_text(draw, (left[0], y + tile + 3), case.category, text, INK, tile)
    put_text(draw, (left[0], y + tile + 1 + LINE), case.id, text, FAINT, tile + GAP + wide)
    angles = list(views)
    if case.camera is not None:
        angles[0] = (case.camera.azimuth, case.camera.elevation)
    canvas.paste(strip(case.truth, 0.5, TRUTH, angles, tile), (left[1], y))
    for i, name in enumerate(columns):
        drawn = case.predictions.get(name)
        if drawn is None:
            continue
        views_of = strip(drawn.shape, drawn.level, PALETTE[i % len(PALETTE)], angles, tile)
        canvas.paste(views_of, (left[2 + i], y))
        put_text(draw, (left[2 + i], y + tile + 3), _scores(drawn), text, INK, wide)
        for k, image in enumerate(drawn.maps):
            canvas.paste(_input(image, small), (left[2 + i] + k * small, y + tile + LINE + 2))


def _scores(drawn: Drawn) -> str:
    return "   ".join(f"{label} {value}" for label, value in drawn.scores.items())


def _input(image: np.ndarray, tile: int) -> Image.Image:
    """The picture on a plain tile, aspect ratio kept."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4):
        raise ValueError(f"an input image must be uint8 (H, W, 3 or 4), got {image.dtype} {image.shape}")
    picture = Image.fromarray(image).convert("RGBA")
    scale = tile / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.BICUBIC if scale < 1 else Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (tile, tile), TILE)
    canvas.paste(picture, ((tile - size[0]) // 2, (tile - size[1]) // 2), picture)
    return canvas


def _lines(text: str, font: Font, width: int) -> list[str]:
    """The words of a text in lines that fit into the width."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
