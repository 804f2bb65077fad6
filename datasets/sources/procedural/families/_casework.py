"""Stands, bodies, fronts, handles and shelves of cabinets."""

from __future__ import annotations

from ....making.draw import Draw
from ..parts import (
    Color,
    Parts,
    darker,
    metal,
)
from ..primitives import (
    box,
    ellipsoid,
    rod,
)


def carcass(parts: Parts, draw: Draw, size: tuple[float, float, float], floor: float, color: Color) -> None:
    """Solid body from `floor` upwards; `size` is depth, height, width."""
    parts.add(box(size, (0, floor + size[1] / 2, 0), bevel=draw.pick((0.0, 0.0, 0.012))), color)


def stand(parts: Parts, draw: Draw, depth: float, width: float, color: Color) -> float:
    """Legs, a plinth or nothing; returns the height of the body's underside."""
    kind = draw.pick(("none", "plinth", "legs", "legs", "runners"))
    leg = max(0.05, 0.045 * width)
    if kind == "plinth":
        height = draw.between(0.05, 0.1)
        parts.add(
            box((depth * 0.88, height + 0.01, width * 0.94), (-0.02, height / 2, 0)), darker(color, 0.5)
        )
    elif kind == "legs":
        height, splay = draw.between(0.1, 0.3), draw.between(0, 0.05)
        x, z = depth / 2 - leg * 0.8, width / 2 - leg * 0.8
        parts.corners(rod((x + splay, 0, z + splay), (x, height + 0.02, z), leg * 0.45, leg * 0.6), color)
    elif kind == "runners":
        height = draw.between(0.08, 0.15)
        parts.pair(box((depth * 0.95, height + 0.01, leg * 1.2), (0, height / 2, width / 2 - leg)), color)
    else:
        height = 0.0
    return height


def _handle(
    parts: Parts, draw: Draw, kind: str, place: tuple[float, float, float], upright: bool, scale: float
) -> None:
    x, y, z = place
    color = metal(draw)
    if kind == "knob":
        parts.add(
            ellipsoid((0.03 * scale, 0.026 * scale, 0.026 * scale), (x + 0.02 * scale, y, z), 4, 8), color
        )
    elif kind == "bar":
        size = (
            (0.035 * scale, 0.16 * scale, 0.025 * scale)
            if upright
            else (0.035 * scale, 0.025 * scale, 0.16 * scale)
        )
        parts.add(box(size, (x + 0.016 * scale, y, z)), color)


def fronts(
    parts: Parts,
    draw: Draw,
    x: float,
    low: tuple[float, float],
    size: tuple[float, float],
    rows: int,
    columns: int,
    color: Color,
    handle: str,
    doors: bool = False,
) -> None:
    """A grid of drawer or door fronts that stand proud of the plane `x`; `low` and `size` are (y, z)."""
    tall, wide = size[0] / rows, size[1] / columns
    proud = 0.035
    for i in range(rows):
        for j in range(columns):
            y, z = low[0] + (i + 0.5) * tall, low[1] + (j + 0.5) * wide
            parts.add(box((2 * proud, tall - 0.03, wide - 0.03), (x, y, z)), color)
            side = 1 if j % 2 == 0 else -1
            at = (
                z + side * (wide / 2 - 0.07)
                if doors and columns > 1
                else z
                if not doors
                else z + wide / 2 - 0.07
            )
            _handle(parts, draw, handle, (x + proud, y, at), doors, min(1.6, 1.0 + size[0] / 2))


def shelves(
    parts: Parts,
    draw: Draw,
    size: tuple[float, float, float],
    floor: float,
    color: Color,
    back: bool,
    rows: int,
    columns: int,
    wall: float,
) -> None:
    """Open case of boards, `wall` thick; `size` is depth, height, width."""
    depth, height, width = size
    parts.pair(box((depth, height, wall), (0, floor + height / 2, width / 2 - wall / 2)), color)
    for k in range(rows + 1):
        y = floor + wall / 2 + (height - wall) * k / rows
        parts.add(box((depth * (1.0 if k in (0, rows) else 0.97), wall, width - wall), (0, y, 0)), color)
    for k in range(1, columns):
        parts.add(
            box(
                (depth * 0.97, height - wall, wall),
                (0, floor + height / 2, (k / columns - 0.5) * (width - wall)),
            ),
            color,
        )
    if back:
        parts.add(
            box((wall, height, width), (-depth / 2 + wall / 2, floor + height / 2, 0)), darker(color, 0.8)
        )
