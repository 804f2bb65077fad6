"""Benches: long along z, the sitter looks towards +x. Lengths are in metres."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, fabric, metal, surface, white, wood
from ..primitives import band, box, extrude, move, rectangle, rod, tube, turn


def _size(draw: Draw) -> tuple[float, float, float]:
    """Depth, height of the seat, length."""
    return draw.between(0.36, 0.52), draw.between(0.4, 0.48), draw.between(1.0, 1.8)


def _rows(
    parts: Parts,
    draw: Draw,
    color: Color,
    low: tuple[float, float],
    high: tuple[float, float],
    count: int,
    length: float,
) -> None:
    """`count` boards along z, side by side from one point of the (x, y) plane to another."""
    (x0, y0), (x1, y1) = low, high
    run = np.hypot(x1 - x0, y1 - y0)
    angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
    thick = max(0.05, 0.036 * length)
    wide = run / count * (draw.between(0.68, 0.85) if count > 1 else 1.0)
    for k in range(count):
        t = (k + 0.5) / count
        board = turn(box((wide, thick, length)), "z", angle)
        parts.add(move(board, (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t, 0)), color)


def park(draw: Draw, parts: Parts) -> None:
    """Slats on cast side frames, with a back and maybe arm rests."""
    depth, height, length = _size(draw)
    color, frame = wood(draw), dark(draw) if draw.chance(0.6) else metal(draw)
    bar = max(0.05, 0.043 * length)
    _rows(
        parts,
        draw,
        color,
        (-depth / 2, height),
        (depth / 2, height + draw.between(0, 0.04)),
        draw.whole(2, 4),
        length,
    )
    lean, tall = draw.between(0.05, 0.16), draw.between(0.32, 0.5)
    base = (-depth / 2 - 0.02, height + 0.08)
    _rows(parts, draw, color, base, (base[0] - lean, height + tall), draw.whole(1, 3), length)
    z = length / 2 * draw.between(0.72, 0.95)
    splay = draw.between(0, 0.06)
    side = [(depth / 2 + splay, 0), (depth / 2 - 0.05, height - 0.02), (-depth / 2, height - 0.02)]
    places = (-z, 0.0, z) if length > 1.5 and draw.chance(0.5) else (-z, z)
    for at in places:
        parts.add(tube([(x, y, at) for x, y in side], bar * 0.6), frame)
        rear = [
            (-depth / 2 - splay, 0, at),
            (-depth / 2, height, at),
            (base[0] - lean - 0.04, height + tall, at),
        ]
        parts.add(tube(rear, bar * 0.6), frame)
    if draw.chance(0.55):
        rise = height + draw.between(0.18, 0.25)
        arm = [(depth / 2 - 0.04, height, z), (depth / 2 - 0.02, rise, z), (-depth / 2 - 0.08, rise, z)]
        parts.pair(tube(arm, bar * 0.58), frame)


def backless(draw: Draw, parts: Parts) -> None:
    """A plank or slats on slab, crossed, square or hoop legs."""
    depth, height, length = _size(draw)
    color = surface(draw)
    frame = color if draw.chance(0.5) else metal(draw)
    thick = max(draw.between(0.05, 0.09), 0.04 * length)
    if draw.chance(0.55):
        parts.add(box((depth, thick, length), (0, height - thick / 2, 0), bevel=draw.between(0, 0.02)), color)
    else:
        _rows(
            parts,
            draw,
            color,
            (-depth / 2, height - 0.02),
            (depth / 2, height - 0.02),
            draw.whole(2, 4),
            length,
        )
        parts.pair(
            box((depth * 0.95, 0.04 * length + 0.02, 0.04 * length), (0, height - 0.05, length * 0.36)), frame
        )
    z, bar = length / 2 * draw.between(0.65, 0.92), max(0.06, 0.047 * length)
    kind = draw.pick(("slab", "cross", "square", "hoop", "trestle"))
    if kind == "slab":
        parts.pair(
            box(
                (depth * draw.between(0.7, 0.95), height - 0.02, bar),
                (0, height / 2 - 0.01, z),
                taper=(draw.between(0.8, 1), 1),
            ),
            frame,
        )
    elif kind == "cross":
        for side in (-1, 1):
            parts.pair(
                tube([(side * depth / 2, 0, z), (-side * depth / 2, height - 0.03, z)], bar * 0.55), frame
            )
    elif kind == "square":
        parts.corners(
            box((bar, height - 0.02, bar), (depth / 2 - bar / 2, height / 2 - 0.01, z - bar / 2)), frame
        )
    elif kind == "hoop":
        x = depth / 2 - bar / 2
        parts.pair(
            tube(
                [(x, height - 0.03, z), (x, bar / 2, z), (-x, bar / 2, z), (-x, height - 0.03, z)], bar * 0.55
            ),
            frame,
        )
    else:
        parts.pair(box((depth * 0.3, height, bar), (0, height / 2, z)), frame)
        parts.pair(box((depth * 0.9, bar, bar), (0, bar / 2, z)), frame)
    if kind in ("slab", "cross", "trestle") and draw.chance(0.5):
        parts.add(box((bar, bar, 2 * z), (0, height * 0.5, 0)), frame)


def pew(draw: Draw, parts: Parts) -> None:
    """Solid seat and back between side panels."""
    depth, height, length = _size(draw)
    color = wood(draw) if draw.chance(0.8) else white(draw)
    thick = max(0.055, 0.037 * length)
    tall = height + draw.between(0.35, 0.55)
    parts.add(box((depth, thick, length), (0, height - thick / 2, 0)), color)
    parts.add(
        box(
            (thick, tall - 0.1, length),
            (-depth / 2 + thick / 2, (tall + 0.1) / 2, 0),
            shift=(-draw.between(0, 0.08), 0),
        ),
        color,
    )
    arm = height + draw.between(-0.01, 0.25)
    top = tall if draw.chance(0.4) else arm
    back, front = -depth / 2 - 0.06, depth / 2 + 0.02
    side = [
        (front, 0),
        (front, arm * 0.8),
        (front - 0.06, arm),
        (back + 0.16, arm),
        (back + 0.12, top),
        (back, top),
        (back, 0.3),
        (back, 0),
    ]
    parts.pair(extrude(side, thick, (0, 0, length / 2 + thick / 2 - 0.01)), darker(color, 0.9))
    if draw.chance(0.4):
        parts.add(box((thick, height - 0.05, length), (depth * 0.25, height / 2, 0)), darker(color))
    if draw.chance(0.35):
        parts.add(
            box((depth * 0.9, 0.06, length * 0.97), (0.03, height + 0.025, 0), bevel=0.02), fabric(draw)
        )


def stone(draw: Draw, parts: Parts) -> None:
    """Thick slab on blocks, straight or curved in plan."""
    depth, height, length = draw.between(0.36, 0.55), draw.between(0.38, 0.5), draw.between(0.9, 1.7)
    color = metal(draw) if draw.chance(0.7) else white(draw)
    thick = draw.between(0.08, 0.15)
    block = (depth * draw.between(0.6, 0.9), height - thick + 0.01, draw.between(0.15, 0.3))
    if draw.chance(0.5):
        half = draw.between(20, 55)
        radius = length / 2 / sin(radians(half))
        plan = band(radius, depth, 90 - half, 90 + half, 10)  # (z, x), hollow side towards -x
        top = extrude(plan, thick, (-radius, height - thick / 2, 0), axis="y")
        parts.add(top, color)
        at = radians(half * 0.75)
        foot = turn(box(block), "y", -half * 0.75)
        parts.pair(move(foot, (radius * (cos(at) - 1), block[1] / 2, radius * sin(at))), darker(color))
        if draw.chance(0.5):
            parts.add(box(block, (0, block[1] / 2, 0)), darker(color))
    else:
        parts.add(box((depth, thick, length), (0, height - thick / 2, 0), bevel=draw.between(0, 0.03)), color)
        place = (length / 2 - block[2] / 2) * draw.between(0.7, 1.0)
        parts.pair(box(block, (0, block[1] / 2, place), taper=(draw.between(0.7, 1), 1)), darker(color))
        if draw.chance(0.35):
            parts.add(
                box(
                    (0.1, draw.between(0.3, 0.5), length * 0.98),
                    (-depth / 2 + 0.05, height + 0.15, 0),
                    bevel=0.02,
                ),
                color,
            )


def garden(draw: Draw, parts: Parts) -> None:
    """Wooden bench with upright spindles or a panel in the back and flat arms."""
    depth, height, length = _size(draw)
    color = wood(draw) if draw.chance(0.7) else white(draw)
    post = max(0.06, 0.043 * length)
    z, x = length / 2 - post / 2, depth / 2 - post / 2
    tall = height + draw.between(0.38, 0.55)
    _rows(parts, draw, color, (-depth / 2, height), (depth / 2, height), draw.whole(1, 3), length)
    parts.pair(box((post, tall, post), (-x, tall / 2, z)), color)
    rise = height + draw.between(0.18, 0.25)
    parts.pair(box((post, rise, post), (x, rise / 2, z)), color)
    parts.pair(box((depth, post, post * 1.2), (0, rise, z)), color)
    parts.add(box((post, post, length), (-x, height + 0.08, 0)), color)
    rail = draw.between(0.07, 0.12)
    parts.add(box((post, rail, length), (-x, tall - rail / 2, 0)), color)
    count = draw.whole(3, 8)
    for k in range(count):
        at = (k + 0.5) / count * 2 - 1
        parts.add(
            box((post, tall - height - 0.08, post), (-x, (tall + height) / 2, at * (z - post / 2))), color
        )
    parts.pair(box((depth, post, post), (0, height - 0.04, z)), color)
    if draw.chance(0.5):
        parts.add(box((post, post, length), (draw.pick((0, x)), height - 0.1, 0)), color)


def picnic(draw: Draw, parts: Parts) -> None:
    """Table and two benches in one piece."""
    length, height = draw.between(1.3, 1.8), draw.between(0.7, 0.78)
    color = wood(draw)
    frame = color if draw.chance(0.6) else metal(draw)
    top, reach, seat = draw.between(0.6, 0.8), draw.between(0.62, 0.75), draw.between(0.42, 0.46)
    thick = 0.036 * length
    parts.add(box((top, thick, length), (0, height, 0)), color)
    parts.pair(box((draw.between(0.24, 0.3), thick, length), (reach, seat, 0)), color, axis="x")
    z, bar = length * draw.between(0.28, 0.38), 0.048 * length
    parts.pair(box((2 * reach, bar, bar), (0, seat - 0.05, z)), frame)
    if draw.chance(0.6):
        parts.corners(tube([(reach * 0.75, 0, z), (top * 0.3, height, z)], bar * 0.55), frame)
    else:
        parts.pair(box((top * 0.5, height, bar), (0, height / 2, z)), frame)


def chest(draw: Draw, parts: Parts) -> None:
    """Upholstered or boxed bench: ottoman on feet, storage chest with a back."""
    depth, height, length = draw.between(0.4, 0.55), draw.between(0.4, 0.5), draw.between(0.9, 1.5)
    color, cloth = surface(draw), fabric(draw)
    foot = draw.between(0.08, 0.2)
    pad = draw.between(0.08, 0.14)
    body = draw.between(0.06, height - foot - pad + 0.04)
    parts.add(box((depth, body, length), (0, height - pad - body / 2 + 0.01, 0)), color)
    outline = rectangle(length, depth, draw.between(0.02, 0.24))
    parts.add(extrude(outline, pad, (0, height - pad / 2, 0), axis="y", taper=0.96), cloth)
    leg = max(0.055, 0.042 * length)
    parts.corners(
        rod(
            (depth / 2 - leg, 0, length / 2 - leg),
            (depth / 2 - leg, height - pad, length / 2 - leg),
            leg * 0.55,
        ),
        color,
    )
    kind = draw.pick(("none", "none", "back", "ends"))
    if kind == "back":
        tall = draw.between(0.35, 0.5)
        parts.add(
            box(
                (0.08, tall + 0.1, length),
                (-depth / 2 + 0.04, height + tall / 2 - 0.05, 0),
                bevel=0.02,
                shift=(-0.06, 0),
            ),
            cloth,
        )
    elif kind == "ends":
        rise = draw.between(0.15, 0.3)
        parts.pair(
            box((depth, rise + 0.1, 0.08), (0, height + rise / 2 - 0.05, length / 2 - 0.04), shift=(0, 0.07)),
            cloth,
        )


STYLES = {
    "park": park,
    "backless": backless,
    "pew": pew,
    "stone": stone,
    "garden": garden,
    "picnic": picnic,
    "chest": chest,
}
