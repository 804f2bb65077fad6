"""Airplanes: nose towards +x, wings along z. The unit is the length of the fuselage."""

from __future__ import annotations

import numpy as np

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, glass, metal, paint, white, wood
from ..primitives import box, ellipse, ellipsoid, lathe, loft, move, rod, turn, wing

Pair = tuple[float, float]


def _fuselage(
    parts: Parts,
    color: Color,
    radius: float,
    nose: float,
    tail: float,
    height: float = 1.0,
    lift: float = 0.5,
    tip: float = 0.25,
) -> None:
    """Body of length 1 about the origin.

    Args:
        height: of the body over its width; lift: rise of the tail in radii; tip: size of its end.
    """
    stations = (  # x, factor on the radius, rise of the axis in radii
        (-0.5, tip, lift),
        (-0.5 + 0.45 * tail, max(0.65, tip), lift * 0.45),
        (-0.5 + tail, 1.0, 0.0),
        (0.5 - nose, 1.0, 0.0),
        (0.5 - 0.45 * nose, 0.8, -0.06),
        (0.5 - 0.12 * nose, 0.45, -0.16),
        (0.5, 0.16, -0.2),
    )
    ring = np.array(ellipse(2, 2, 12))
    sections = np.empty((len(stations), 12, 3))
    for k, (x, factor, rise) in enumerate(stations):
        sections[k, :, 0] = x
        sections[k, :, 1] = (ring[:, 0] * factor + rise) * radius * height
        sections[k, :, 2] = ring[:, 1] * factor * radius
    parts.add(loft(sections), color)


def _wings(
    parts: Parts,
    color: Color,
    root: Pair,
    half_span: float,
    chords: Pair,
    sweep: float,
    rise: float = 0.0,
    thickness: float = 0.046,
) -> None:
    """Both wings; `root` is (x, y) of the leading edge. Thick enough to hold together on a 32^3 grid."""
    thick = thickness * max(1.0, 2 * half_span) + 0.06 * abs(rise)  # a slope is a staircase on a grid
    sheet = (thick, thick * 0.9)
    parts.pair(wing((root[0], root[1], -0.001), half_span, chords, sheet, sweep, rise), color)


def _fin(
    parts: Parts,
    color: Color,
    root: Pair,
    height: float,
    chords: Pair,
    sweep: float,
    z: float = 0.0,
    thickness: float = 0.044,
) -> None:
    """Vertical tail; a second one mirrored across the centre line when `z` is not 0."""
    fin = move(
        turn(wing((0, 0, 0), height, chords, (thickness, thickness * 0.9), sweep), "x", -90), (*root, z)
    )
    if z:
        parts.pair(fin, color)
    else:
        parts.add(fin, color)


def _jets(
    parts: Parts, color: Color, center: tuple[float, float, float], radius: float, length: float
) -> None:
    """A pair of nacelles with dark mouths."""
    profile = [(0.62, 0.0), (0.95, 0.45), (1.0, 0.85), (0.86, 1.0)]
    nacelle = turn(lathe([(r * radius, (y - 0.5) * length) for r, y in profile], 10), "z", -90)
    parts.pair(move(nacelle, center), color)
    x, y, z = center
    front = x + length / 2
    parts.pair(rod((front - 0.01, y, z), (front + 0.002, y, z), 0.7 * radius, sides=10), darker(color, 0.25))


def _propeller(parts: Parts, draw: Draw, hub: tuple[float, float, float], radius: float, blades: int) -> None:
    """Spinner and blades in the (y, z) plane."""
    color = dark(draw)
    x, y, z = hub
    parts.add(rod((x - 0.05, y, z), (x + 0.035, y, z), 0.03, 0.012), metal(draw))
    blade = move(box((0.036, radius, 0.046), taper=(1, 0.7)), (0, radius / 2, 0))
    start = draw.between(5, 80)
    for k in range(blades):
        parts.add(move(turn(blade, "x", start + 360 * k / blades), (x, y, z)), color)


def _livery(draw: Draw) -> tuple[Color, Color]:
    body = white(draw) if draw.chance(0.5) else paint(draw)
    return body, metal(draw) if draw.chance(0.6) else darker(body, 0.85)


def _tail(parts: Parts, draw: Draw, color: Color, radius: float, swept: float, top: bool) -> None:
    """Fin and tailplane, low on the body or (`top`) as a T."""
    height = draw.between(0.13, 0.2)
    chord = draw.between(0.12, 0.17)
    _fin(
        parts,
        color,
        (-0.5 + chord + 0.02, radius * 0.3),
        height + radius,
        (chord, chord * 0.6),
        swept * 0.6 + 0.05,
    )
    span = draw.between(0.15, 0.22)
    back = swept * 0.6 + 0.05 if top else 0.0
    y = height + radius * 1.3 - 0.02 if top else radius * 0.5
    _wings(
        parts,
        color,
        (-0.5 + 0.9 * chord - back + 0.02, y),
        span,
        (chord * 0.8, chord * 0.45),
        swept * 0.5,
        0.01,
        0.042,
    )


def airliner(draw: Draw, parts: Parts) -> None:
    """Two or four engines under low swept wings."""
    body, wings = _livery(draw)
    radius = draw.between(0.05, 0.075)
    _fuselage(parts, body, radius, draw.between(0.1, 0.18), draw.between(0.25, 0.4))
    span, sweep, rise = draw.between(0.4, 0.56), draw.between(0.14, 0.28), draw.between(0.0, 0.06)
    root = draw.between(0.16, 0.24)
    x, y = draw.between(0.1, 0.2), -radius * draw.between(0.3, 0.7)
    _wings(parts, wings, (x, y), span, (root, root * draw.between(0.3, 0.45)), sweep, rise)
    _tail(parts, draw, darker(paint(draw)), radius, sweep, top=False)
    engine = draw.between(0.028, 0.042)
    places = (0.33, 0.62) if draw.chance(0.35) else (draw.between(0.3, 0.42),)
    for place in places:
        low = y + rise * place - engine * 1.25
        _jets(
            parts,
            metal(draw),
            (x - sweep * place + 0.02, low, span * place),
            engine,
            draw.between(0.11, 0.16),
        )
    parts.add(box((0.05, radius * 0.35, radius * 1.3), (0.5 - 0.1, radius * 0.5, 0)), glass(draw))


def tail_jet(draw: Draw, parts: Parts) -> None:
    """Engines at the rear of the fuselage, often a T tail."""
    body, wings = _livery(draw)
    radius = draw.between(0.05, 0.07)
    _fuselage(parts, body, radius, draw.between(0.12, 0.22), draw.between(0.25, 0.35))
    root, sweep, span = draw.between(0.16, 0.24), draw.between(0.1, 0.24), draw.between(0.34, 0.5)
    _wings(
        parts,
        wings,
        (draw.between(0.0, 0.1), -radius * 0.6),
        span,
        (root, root * 0.4),
        sweep,
        draw.between(0, 0.05),
    )
    _tail(parts, draw, wings, radius, sweep, top=draw.chance(0.8))
    engine = draw.between(0.03, 0.042)
    _jets(parts, metal(draw), (-0.24, radius * 0.35, radius + engine * 0.7), engine, draw.between(0.14, 0.2))
    parts.add(box((0.05, radius * 0.35, radius * 1.3), (0.5 - 0.12, radius * 0.5, 0)), glass(draw))


def propeller(draw: Draw, parts: Parts) -> None:
    """Light aeroplane: straight wing on top or below, one propeller, fixed wheels."""
    body, wings = _livery(draw)
    radius = draw.between(0.06, 0.09)
    high = draw.chance(0.6)
    _fuselage(
        parts, body, radius, draw.between(0.1, 0.2), draw.between(0.45, 0.6), draw.between(1.0, 1.3), 0.3
    )
    span, chord = draw.between(0.5, 0.72), draw.between(0.15, 0.21)
    y = radius * 1.2 if high else -radius * 0.7
    x = draw.between(0.2, 0.28)
    rise = 0.0 if high else draw.between(0.03, 0.09)
    _wings(parts, wings, (x, y), span, (chord, chord * draw.between(0.6, 1.0)), draw.between(0, 0.03), rise)
    parts.add(
        box((0.2, radius * 0.9, radius * 1.4), (0.12, radius, 0), taper=(0.7, 0.8), bevel=0.01), glass(draw)
    )
    _tail(parts, draw, paint(draw), radius * 0.8, 0.05, top=False)
    _propeller(parts, draw, (0.52, -0.2 * radius, 0), draw.between(0.13, 0.18), draw.pick((2, 2, 3)))
    wheel_z, wheel_y = draw.between(0.09, 0.14), -radius - draw.between(0.06, 0.1)
    strut = metal(draw)
    parts.pair(rod((0.15, -radius * 0.6, radius * 0.4), (0.15, wheel_y, wheel_z), 0.023), strut)
    parts.pair(
        rod((0.15, wheel_y, wheel_z - 0.022), (0.15, wheel_y, wheel_z + 0.022), 0.042, sides=10), dark(draw)
    )
    if high and draw.chance(0.7):
        parts.pair(rod((x - 0.08, -radius * 0.5, radius * 0.5), (x - 0.08, y, span * 0.5), 0.022), strut)
    else:
        parts.add(rod((0.4, wheel_y, -0.02), (0.4, wheel_y, 0.02), 0.036, sides=10), dark(draw))
        parts.add(rod((0.4, -radius * 0.5, 0), (0.4, wheel_y, 0), 0.022), strut)


def twin(draw: Draw, parts: Parts) -> None:
    """Transport with a propeller on each wing, sometimes two."""
    body, wings = _livery(draw)
    radius = draw.between(0.06, 0.085)
    _fuselage(parts, body, radius, draw.between(0.12, 0.2), draw.between(0.35, 0.5))
    high = draw.chance(0.5)
    span, chord = draw.between(0.5, 0.65), draw.between(0.13, 0.18)
    x, y = draw.between(0.1, 0.18), radius * 0.8 if high else -radius * 0.5
    _wings(parts, wings, (x, y), span, (chord, chord * 0.55), draw.between(0.0, 0.05), draw.between(0, 0.03))
    _tail(parts, draw, paint(draw), radius, 0.06, top=draw.chance(0.4))
    engine = metal(draw) if draw.chance(0.5) else darker(body)
    for place in (0.3, 0.58) if draw.chance(0.3) else (draw.between(0.3, 0.4),):
        z, blade = span * place, draw.between(0.08, 0.11)
        parts.pair(move(_pod(draw), (x + 0.01, y, z)), engine)
        start = draw.between(5, 80)
        for k in range(3):
            sheet = move(box((0.036, blade, 0.042)), (0, blade / 2, 0))
            parts.pair(move(turn(sheet, "x", start + 120 * k), (x + 0.1, y, z)), dark(draw))


def _pod(draw: Draw) -> Mesh:
    length, radius = draw.between(0.18, 0.24), draw.between(0.03, 0.04)
    profile = [(0.4 * radius, -length / 2), (radius, 0.0), (radius, 0.07), (0.4 * radius, 0.1)]
    return turn(lathe(profile, 10), "z", -90)


def fighter(draw: Draw, parts: Parts) -> None:
    """Pointed nose, delta or trapezoid wings, one or two fins, air intakes."""
    body = darker(paint(draw), 0.8) if draw.chance(0.5) else metal(draw)
    radius = draw.between(0.05, 0.065)
    nose = draw.between(0.35, 0.45)
    rings = [(-0.5, 0.75), (-0.35, 1.0), (0.5 - nose, 1.0), (0.5 - nose * 0.5, 0.7), (0.49, 0.16)]
    hull = turn(lathe([(r * radius, x) for x, r in rings], 12), "z", -90)
    parts.add(hull, body)
    parts.add(rod((-0.52, 0, 0), (-0.49, 0, 0), radius * 0.6), darker(body, 0.3))
    root, sweep = draw.between(0.35, 0.55), draw.between(0.25, 0.42)
    span = draw.between(0.24, 0.36)
    _wings(parts, body, (draw.between(0.02, 0.12), 0), span, (root, root * draw.between(0.1, 0.25)), sweep)
    height, chord = draw.between(0.15, 0.22), draw.between(0.16, 0.22)
    twin_fin = draw.between(0.04, 0.07) if draw.chance(0.5) else 0.0
    _fin(
        parts,
        darker(body),
        (-0.3, radius * 0.4),
        height,
        (chord, chord * 0.45),
        draw.between(0.08, 0.16),
        twin_fin,
    )
    if draw.chance(0.7):
        _wings(parts, darker(body), (-0.34, 0), draw.between(0.16, 0.2), (0.14, 0.07), 0.08)
    else:  # canards
        _wings(parts, darker(body), (0.28, 0.01), draw.between(0.12, 0.16), (0.11, 0.05), 0.07)
    intake = draw.between(0.25, 0.4)
    parts.pair(
        box((intake, radius * 1.1, 0.05), (0.02, -radius * 0.2, radius * 1.05), bevel=0.012),
        darker(body, 0.85),
    )
    parts.add(
        ellipsoid((draw.between(0.1, 0.14), radius * 0.8, radius * 0.65), (0.2, radius * 0.7, 0)), glass(draw)
    )
    if draw.chance(0.5):
        parts.pair(rod((-0.25, -0.03, span * 0.62), (0.0, -0.03, span * 0.62), 0.024, 0.012), white(draw))


def biplane(draw: Draw, parts: Parts) -> None:
    """Two wings above each other, struts, propeller, wheels."""
    body = paint(draw)
    radius = draw.between(0.065, 0.085)
    _fuselage(parts, body, radius, draw.between(0.06, 0.1), draw.between(0.5, 0.65), 1.1, 0.2)
    span, chord, gap = draw.between(0.46, 0.6), draw.between(0.16, 0.22), draw.between(0.18, 0.24)
    x, low = draw.between(0.26, 0.32), -radius * 0.8
    color = paint(draw)
    _wings(parts, color, (x, low), span * draw.between(0.8, 1.0), (chord, chord), 0.0, 0.0)
    _wings(parts, color, (x + draw.between(0, 0.06), low + gap), span, (chord, chord), 0.0, 0.0)
    strut = wood(draw)
    for fx in (0.04, chord - 0.05):
        for fz in (0.09, span * 0.72):
            parts.pair(rod((x - fx, low, fz), (x - fx + 0.02, low + gap, fz), 0.022, sides=6), strut)
    _tail(parts, draw, color, radius * 0.7, 0.03, top=False)
    _propeller(parts, draw, (0.52, -0.2 * radius, 0), draw.between(0.15, 0.19), 2)
    axle = low - draw.between(0.09, 0.12)
    parts.pair(rod((x - 0.05, axle, 0.12), (x - 0.05, axle, 0.16), 0.055, sides=10), dark(draw))
    parts.pair(rod((x - 0.05, axle, -0.001), (x - 0.05, axle, 0.13), 0.022, sides=6), strut)
    parts.pair(rod((x - 0.05, axle, 0.1), (x - 0.05, low, 0.04), 0.022, sides=6), strut)


def glider(draw: Draw, parts: Parts) -> None:
    """Slender body and very long straight wings; some with a V tail."""
    body = white(draw) if draw.chance(0.7) else paint(draw)
    span, chord = draw.between(0.6, 0.85), draw.between(0.12, 0.17)
    wide = 2 * span  # the longest edge, which decides how thick everything must be
    radius = draw.between(0.034, 0.042) * wide
    _fuselage(parts, body, radius, draw.between(0.25, 0.35), draw.between(0.4, 0.5), 1.1, 0.3, 0.72)
    x = draw.between(0.08, 0.16)
    root = (x, radius * draw.between(-0.2, 0.6))
    _wings(
        parts, body, root, span, (chord, chord * 0.65), draw.between(0, 0.04), draw.between(0.0, 0.08), 0.044
    )
    parts.add(ellipsoid((0.13, radius * 0.8, radius * 0.75), (0.26, radius * 0.5, 0)), glass(draw))
    tail = draw.between(0.1, 0.13)
    if draw.chance(0.3):
        _wings(parts, body, (-0.36, radius * 0.2), 0.22, (tail, tail * 0.8), 0.05, 0.18, 0.044 * wide)
    else:
        height = draw.between(0.15, 0.2)
        _fin(parts, paint(draw), (-0.36, 0), height, (tail * 1.2, tail), 0.03, thickness=0.044 * wide)
        _wings(
            parts,
            body,
            (-0.38, height - 0.02 if draw.chance(0.6) else 0.02),
            0.22,
            (tail, tail * 0.8),
            0.02,
            0.0,
            0.042 * wide,
        )


STYLES = {
    "airliner": airliner,
    "tail_jet": tail_jet,
    "propeller": propeller,
    "twin": twin,
    "fighter": fighter,
    "biplane": biplane,
    "glider": glider,
}
