"""Ships: freighters, warships, tugs, submarines; bow towards +x. The unit is the length of the hull."""

from __future__ import annotations

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import (
    Parts,
    dark,
    darker,
    glass,
    metal,
    paint,
    white,
    wood,
)
from ..primitives import (
    box,
    ellipsoid,
    extrude,
    lathe,
    loft,
    move,
    rod,
    turn,
    wing,
)
from ._hulls import MAST, cabin, drawn_hull


def cargo(draw: Draw, parts: Parts) -> None:
    """Long hull, bridge at one end, containers, hatches, cranes or tank tops."""
    color, house = draw.pick((paint, dark, paint))(draw), white(draw)
    beam, depth = draw.between(0.14, 0.2), draw.between(0.08, 0.12)
    sections, _ = drawn_hull(draw, beam, depth, (0.0, 0.03), (0.12, 0.22), (0.8, 1.0), (0.8, 0.95), 0.03)
    parts.add(loft(sections), color)
    at = draw.between(-0.42, -0.34) if draw.chance(0.8) else 0.2
    wide = beam * draw.between(0.7, 0.95)
    levels = draw.whole(2, 4)
    each = 0.042
    for k in range(levels):
        parts.add(
            box(
                (draw.between(0.07, 0.12), each + 0.01, wide * (1 - 0.06 * k)),
                (at, depth + each * (k + 0.5), 0),
            ),
            house,
        )
    top = depth + each * levels
    parts.add(box((0.06, 0.042, beam * 1.05), (at + 0.01, top + 0.015, 0)), glass(draw))
    parts.add(rod((at - 0.03, top, 0), (at - 0.03, top + draw.between(0.05, 0.1), 0), 0.03), darker(color))
    start, stop = (at + 0.09, 0.36) if at < 0 else (-0.44, at - 0.08)
    kind = draw.pick(("containers", "containers", "hatches", "cranes", "tanks"))
    bays = draw.whole(4, 8)
    step = (stop - start) / bays
    for k in range(bays):
        x = start + (k + 0.5) * step
        if kind == "containers":
            tall = 0.04 * draw.whole(1, 4)
            parts.add(
                box((step * 0.9, tall + 0.01, beam * draw.pick((0.6, 0.95, 0.95))), (x, depth + tall / 2, 0)),
                paint(draw),
            )
        elif kind == "hatches":
            parts.add(box((step * 0.75, 0.045, beam * 0.65), (x, depth + 0.015, 0)), darker(color))
        elif kind == "cranes":
            parts.add(box((step * 0.8, 0.04, beam * 0.65), (x, depth + 0.012, 0)), darker(color))
            if k % 2 == 0:
                parts.add(rod((x, depth, 0), (x, depth + 0.15, 0), 0.027), metal(draw))
                parts.add(
                    rod((x, depth + 0.14, 0), (x + step * 1.1, depth + draw.between(0.1, 0.24), 0), 0.0255),
                    metal(draw),
                )
        else:
            radius = min(step * 0.48, beam * 0.5)
            parts.add(ellipsoid((radius, radius, radius), (x, depth + radius * 0.35, 0), 8, 12), white(draw))


def warship(draw: Draw, parts: Parts) -> None:
    """Slender grey hull, gun turrets, tower and mast; some are flat carriers."""
    gray = metal(draw)
    tone = darker(gray, draw.between(0.7, 0.9))
    beam, depth = draw.between(0.12, 0.17), draw.between(0.07, 0.1)
    sections, deck = drawn_hull(draw, beam, depth, (0.01, 0.05), (0.3, 0.5), (0.6, 0.9), (0.5, 0.8), 0.06)
    parts.add(loft(sections), gray)
    if draw.chance(0.25):
        side = draw.pick((-1, 1))
        parts.add(box((0.98, 0.045, beam * 1.5), (0.0, depth + 0.02, 0), taper=(1, 1.1)), tone)
        island = draw.between(-0.1, 0.1)
        parts.add(box((0.16, 0.12, 0.05), (island, depth + 0.09, side * beam * 0.62)), gray)
        parts.add(
            rod(
                (island, depth + 0.1, side * beam * 0.62), (island, depth + 0.24, side * beam * 0.62), 0.0255
            ),
            tone,
        )
        for k in range(draw.whole(2, 6)):
            x = -0.4 + 0.13 * k
            parts.add(_parked(x, depth + 0.06, -side * beam * 0.3), darker(tone, 0.7))
        return
    house = draw.between(0.28, 0.45)
    y = depth
    for k in range(draw.whole(2, 4)):
        tall = draw.between(0.042, 0.06)
        parts.add(
            box(
                (house * (1 - 0.25 * k), tall + 0.01, beam * (0.72 - 0.1 * k)),
                (-0.02, y + tall / 2, 0),
                taper=(0.95, 0.9),
            ),
            gray,
        )
        y += tall
    parts.add(rod((0.0, y - 0.02, 0), (0.0, y + draw.between(0.08, 0.16), 0), 0.0255), tone)
    parts.add(box((0.042, 0.04, beam * 0.8), (0.0, y + 0.05, 0)), tone)
    for k in range(draw.whole(0, 2)):
        x = -0.1 - 0.09 * k
        parts.add(rod((x, depth, 0), (x - 0.01, y, 0), 0.032, sides=10), tone)
    for x, face in ((0.24, 1), (0.34, 1), (-0.32, -1)):
        if draw.chance(0.75):
            base = deck(x + 0.5)
            parts.add(
                lathe([(0.045, base - 0.02), (0.045, base + 0.03), (0.03, base + 0.045)], 10, (x, 0, 0)), tone
            )
            parts.add(rod((x, base + 0.024, 0), (x + face * 0.11, base + 0.04, 0), 0.0235), tone)


def _parked(x: float, y: float, z: float) -> Mesh:
    """A parked aeroplane: a small flat arrow."""
    return extrude([(0.04, -0.05), (0.06, 0.0), (0.04, 0.05), (-0.05, 0.0)], 0.04, (x, y, z), axis="y")


def tug(draw: Draw, parts: Parts) -> None:
    """Short and high: tug or fishing boat with a wheel house, funnel, derrick."""
    color, house = paint(draw), white(draw) if draw.chance(0.7) else paint(draw)
    beam, depth = draw.between(0.28, 0.38), draw.between(0.15, 0.22)
    sections, deck = drawn_hull(
        draw, beam, depth, (0.06, 0.14), (0.35, 0.5), (0.75, 0.95), (0.4, 0.7), (0.0, 0.06)
    )
    parts.add(loft(sections), color)
    x = draw.between(-0.25, 0.15)
    length, tall = draw.between(0.2, 0.34), draw.between(0.12, 0.2)
    cabin(parts, depth, (length, tall, beam * 0.62), x, house, glass(draw), 0.0, 0.95)
    y = depth + tall
    if draw.chance(0.6):
        upper = draw.between(0.09, 0.13)
        cabin(parts, y, (length * 0.6, upper, beam * 0.5), x + length * 0.1, house, glass(draw), 0.0, 0.95)
        y += upper
    parts.add(box((length * 0.75, 0.038, beam * 0.6), (x + length * 0.08, y, 0)), darker(house))
    if draw.chance(0.6):
        fx = x - length * 0.75
        parts.add(
            rod((fx, depth, 0), (fx - 0.02, y + 0.04, 0), draw.between(0.04, 0.055), sides=10), paint(draw)
        )
    mast = depth + draw.between(0.35, 0.6)
    mx = x - length * 0.35 if draw.chance(0.5) else x + length * 0.7
    parts.add(rod((mx, depth * 0.5, 0), (mx, mast, 0), MAST), wood(draw))
    if draw.chance(0.55):
        parts.add(
            rod((mx, depth + 0.08, 0), (mx - draw.between(0.2, 0.35), mast - 0.06, 0), 0.0255), wood(draw)
        )
    if draw.chance(0.4):
        parts.pair(box((0.55, 0.05, 0.045), (-0.1, deck(0.3) + 0.01, beam * 0.46)), darker(color))


def submarine(draw: Draw, parts: Parts) -> None:
    """Cigar hull, tower, planes and rudders."""
    color = dark(draw) if draw.chance(0.7) else paint(draw)
    radius = draw.between(0.055, 0.09)
    profile = [
        (0.02, -0.5),
        (radius * 0.6, -0.38),
        (radius, -0.2),
        (radius, 0.3),
        (radius * 0.85, 0.42),
        (radius * 0.5, 0.48),
        (0.02, 0.5),
    ]
    parts.add(turn(lathe(profile, 14), "z", -90), color)
    x, tall, length = draw.between(0.02, 0.22), draw.between(0.07, 0.12), draw.between(0.1, 0.18)
    parts.add(
        box((length, tall + radius, 0.05), (x, (tall + radius) / 2, 0), taper=(0.8, 0.85), bevel=0.008), color
    )
    top = radius + tall
    if draw.chance(0.6):
        parts.add(rod((x, top - 0.02, 0), (x, top + draw.between(0.05, 0.1), 0), 0.0255), metal(draw))
    planes = (0.09, 0.07)
    parts.pair(wing((-0.36, 0, -0.001), draw.between(0.1, 0.15), planes, (0.042, 0.038), 0.02), color)
    parts.pair(
        wing(
            (x + 0.03, radius + tall * 0.5, -0.001),
            draw.between(0.08, 0.12),
            (0.06, 0.05),
            (0.04, 0.036),
            0.01,
        ),
        color,
    )
    fin = turn(wing((0, 0, 0), draw.between(0.1, 0.16), planes, (0.045, 0.04), 0.03), "x", -90)
    parts.add(move(fin, (-0.35, 0, 0)), color)
    if draw.chance(0.5):
        parts.add(box((0.4, 0.042, radius * 0.9), (0.05, radius, 0)), darker(color))


STYLES = {
    "cargo": cargo,
    "warship": warship,
    "tug": tug,
    "submarine": submarine,
}
