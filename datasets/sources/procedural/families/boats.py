"""Boats: sailing, motor and rowing boats, yachts; bow towards +x. The unit is the length of the hull."""

from __future__ import annotations

import numpy as np

from ....making.draw import Draw
from ..parts import (
    Parts,
    dark,
    darker,
    fabric,
    glass,
    metal,
    paint,
    white,
    wood,
)
from ..primitives import (
    box,
    extrude,
    loft,
    move,
    rod,
    tube,
    turn,
)
from ._hulls import MAST, cabin, drawn_hull, hull_color, open_hull


def sailboat(draw: Draw, parts: Parts) -> None:
    """Mast with boom and sails, keel fin below in some."""
    color, deck_color = hull_color(draw), wood(draw)
    beam, depth = draw.between(0.22, 0.32), draw.between(0.09, 0.14)
    sections, _ = drawn_hull(draw, beam, depth, (0.02, 0.06), (0.4, 0.6), (0.5, 0.8), (0.2, 0.5))
    parts.add(loft(sections), color)
    if draw.chance(0.7):
        parts.add(
            box(
                (draw.between(0.2, 0.35), 0.06, beam * 0.5),
                (draw.between(-0.08, 0.05), depth + 0.02, 0),
                taper=(0.8, 0.8),
            ),
            deck_color,
        )
    x, tall = draw.between(0.02, 0.14), draw.between(0.75, 1.25)
    thick = 0.037 * max(1.0, tall + depth + 0.1)
    mast = MAST * max(1.0, tall + depth + 0.1)
    parts.add(rod((x, depth * 0.5, 0), (x, depth + tall, 0), mast), metal(draw))
    boom = draw.between(0.3, 0.48)
    y = depth + draw.between(0.08, 0.13)
    parts.add(rod((x, y, 0), (x - boom, y, 0), mast), metal(draw))
    cloth = white(draw) if draw.chance(0.7) else paint(draw)
    kind = draw.pick(("both", "both", "main", "none", "gaff"))
    swing = draw.between(-12, 12)
    if kind in ("both", "main"):
        main = extrude([(-boom, 0), (0, 0), (0, tall * 0.93), (-0.03, tall * 0.93)], thick)
        parts.add(move(turn(main, "y", swing), (x, y, 0)), cloth)
    elif kind == "gaff":
        main = extrude([(-boom, 0), (0, 0), (0, tall * 0.6), (-boom * 0.85, tall * 0.85)], thick)
        parts.add(move(turn(main, "y", swing), (x, y, 0)), cloth)
    if kind == "both":
        fore = 0.46 - x
        jib = extrude(
            [(0.02, 0), (fore, 0), (0.05, tall * draw.between(0.55, 0.85)), (0.02, tall * 0.5)], thick
        )
        parts.add(move(turn(jib, "y", -swing * 0.5), (x, depth + 0.05, 0)), cloth)
    if draw.chance(0.4):
        fin = draw.between(0.1, 0.18)
        parts.add(box((0.2, fin, 0.045), (0, -fin / 2 + 0.02, 0), taper=(1.4, 1)), darker(color))


def motorboat(draw: Draw, parts: Parts) -> None:
    """Open cockpit, windscreen, outboard motor or inboard; some with a small roof."""
    color = hull_color(draw)
    beam, depth = draw.between(0.3, 0.4), draw.between(0.11, 0.16)
    sections, _ = drawn_hull(draw, beam, depth, (0.02, 0.07), (0.4, 0.55), (0.85, 1.0), (0.3, 0.7), 0.1)
    cut = int(np.searchsorted(sections[:, 3, 0], 0.1))
    parts.add(loft(open_hull(sections[: cut + 1], 0.05, 0.05)), color)
    parts.add(loft(sections[cut:]), color)
    stern = sections[0, 3, 2] * -1.9
    parts.add(box((0.045, depth * 0.9, stern), (-0.475, depth * 0.52, 0)), color)
    x = float(sections[cut, 3, 0])
    tall = draw.between(0.06, 0.1)
    parts.add(
        box(
            (0.045, tall + 0.03, beam * 0.8),
            (x + 0.02, depth + tall / 2, 0),
            shift=(-draw.between(0.03, 0.09), 0),
            taper=(1, 0.85),
        ),
        glass(draw),
    )
    seats = fabric(draw) if draw.chance(0.5) else white(draw)
    for k in range(draw.whole(1, 2)):
        at = x - 0.16 - 0.2 * k
        if draw.chance(0.5):
            parts.pair(box((0.1, 0.06, beam * 0.24), (at, 0.07, beam * 0.2)), seats)
            parts.pair(box((0.042, 0.12, beam * 0.24), (at - 0.05, 0.13, beam * 0.2)), seats)
        else:
            parts.add(box((0.1, 0.07, beam * 0.7), (at, 0.07, 0)), seats)
    if draw.chance(0.65):
        z = 0.0 if draw.chance(0.7) else beam * 0.2
        motor = [
            box((0.12, 0.1, 0.08), (-0.53, depth + 0.04, z), bevel=0.02),
            box((0.05, depth + 0.06, 0.048), (-0.525, depth * 0.4, z)),
        ]
        for mesh in motor:
            if z:
                parts.pair(mesh, dark(draw))
            else:
                parts.add(mesh, dark(draw))
    if draw.chance(0.3):
        roof = depth + draw.between(0.2, 0.28)
        parts.add(box((0.3, 0.038, beam * 0.85), (x - 0.12, roof, 0)), white(draw))
        for at in (x, x - 0.24):
            parts.pair(rod((at, depth - 0.02, beam * 0.46), (at, roof, beam * 0.38), 0.0225), metal(draw))


def canoe(draw: Draw, parts: Parts) -> None:
    """Open boat: canoe or kayak pointed at both ends, rowing boat or gondola with thwarts and oars."""
    color = wood(draw) if draw.chance(0.55) else paint(draw)
    beam, depth = draw.between(0.2, 0.36), draw.between(0.1, 0.15)
    lift = draw.between(0.02, 0.1)
    pointed = draw.chance(0.6)
    n = 11
    sections = np.empty((n, 8, 3))
    for k in range(n):
        t = k / (n - 1)
        s = abs(2 * t - 1)
        share = max(0.12, 1 - s**2.2) if pointed or t > 0.5 else max(0.6, 1 - 0.4 * s**2)
        half, top = beam / 2 * share, depth + lift * s**2.5
        low = 0.35 * lift * s**3
        right = [
            (low, half * 0.35),
            (low + 0.2 * depth, half * 0.72),
            (low + 0.55 * depth, half * 0.95),
            (top, half),
        ]
        sections[k, :, 0] = t - 0.5
        sections[k, :, 1:] = [(y, -z) for y, z in right] + right[::-1]
    wall = 0.045
    parts.add(loft(open_hull(sections, wall, 0.045)), color)
    for k in range(draw.whole(1, 4)):
        x = -0.25 + 0.5 * (k + 0.5) / 4 + draw.between(-0.03, 0.03)
        parts.add(box((0.06, 0.036, beam * 0.86), (x, depth * 0.75, 0)), wood(draw))
    if draw.chance(0.4):  # decked ends, as a kayak
        for side in (-1, 1):
            parts.add(
                box((0.2, 0.04, beam * 0.5), (side * 0.36, depth * 0.9 + lift * 0.3, 0), taper=(1, 0.5)),
                darker(color),
            )
    if draw.chance(0.35):
        spread = draw.between(0.35, 0.5)
        parts.pair(rod((0.0, depth + 0.02, beam * 0.25), (-0.06, depth * 0.4, spread), 0.0235), wood(draw))
        parts.pair(box((0.06, 0.04, 0.12), (-0.06, depth * 0.38, spread)), wood(draw))


def yacht(draw: Draw, parts: Parts) -> None:
    """Decks in tiers that step back, raked windows, maybe a mast and a bathing platform."""
    color, house, pane = white(draw) if draw.chance(0.7) else paint(draw), white(draw), glass(draw)
    beam, depth = draw.between(0.2, 0.28), draw.between(0.1, 0.15)
    sections, deck = drawn_hull(
        draw, beam, depth, (0.02, 0.06), (0.35, 0.55), (0.8, 1.0), (0.4, 0.75), (0.06, 0.14)
    )
    parts.add(loft(sections), color)
    back, front = -draw.between(0.3, 0.42), draw.between(0.1, 0.24)
    y, wide = depth, beam * 0.85
    for _ in range(draw.whole(1, 3)):
        tall = draw.between(0.055, 0.08)
        cabin(
            parts,
            y,
            (front - back, tall, wide),
            (front + back) / 2,
            house,
            pane,
            draw.between(0.01, 0.04),
            draw.between(0.78, 0.95),
        )
        y += tall
        back += draw.between(0.02, 0.12)
        front -= draw.between(0.08, 0.16)
        wide *= draw.between(0.8, 0.95)
        if front - back < 0.12:
            break
    if draw.chance(0.6):
        x = (front + back) / 2
        arch = [
            (x, y - 0.02, wide * 0.4),
            (x - 0.04, y + 0.07, wide * 0.3),
            (x - 0.04, y + 0.07, -wide * 0.3),
            (x, y - 0.02, -wide * 0.4),
        ]
        parts.add(tube(arch, 0.0245), house)
    if draw.chance(0.4):
        parts.add(box((0.1, 0.04, beam * 0.8), (-0.53, 0.04, 0)), wood(draw))
    if draw.chance(0.3):
        parts.add(rod((0.3, deck(0.8) - 0.02, 0), (0.3, deck(0.8) + 0.08, 0), MAST), metal(draw))


STYLES = {
    "sailboat": sailboat,
    "motorboat": motorboat,
    "canoe": canoe,
    "yacht": yacht,
}
