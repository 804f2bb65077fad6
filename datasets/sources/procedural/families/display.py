"""Displays: the screen faces +x, wide along z. The unit is about a metre of screen width."""

from __future__ import annotations

from itertools import pairwise
from math import cos, radians, sin

import numpy as np

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, metal, white
from ..primitives import band, box, ellipse, extrude, loft, move, rectangle, rod, tube, turn


def _shell(draw: Draw) -> Color:
    return draw.pick((dark, dark, metal, white))(draw)


def _picture(draw: Draw) -> Color:
    """Colour of the screen: off or lit."""
    return draw.pick(
        ((0.12, 0.13, 0.16), (0.18, 0.2, 0.3), (0.2, 0.4, 0.62), (0.2, 0.45, 0.4), (0.5, 0.55, 0.6))
    )


def _panel(
    parts: Parts,
    draw: Draw,
    width: float,
    height: float,
    middle: float,
    thick: float,
    color: Color,
    lean: float = 0.0,
    x: float = 0.0,
) -> None:
    """Flat screen with a bezel; a bulge behind it in some."""
    bezel = draw.between(0.02, 0.06)
    pieces = [(box((thick, height, width), bevel=draw.pick((0.0, 0.008))), color)]
    pieces.append(
        (
            box((0.01, height - 2 * bezel, width - 2 * bezel), (thick / 2, draw.between(0, bezel / 2), 0)),
            _picture(draw),
        )
    )
    if draw.chance(0.5):
        deep = draw.between(0.04, 0.09)
        bulge = box(
            (deep, height * draw.between(0.4, 0.8), width * draw.between(0.4, 0.8)),
            (-thick / 2 - deep / 2 + 0.005, 0, 0),
            bevel=0.018,
        )
        pieces.append((bulge, darker(color, 0.9)))
    for mesh, tone in pieces:
        parts.add(move(turn(mesh, "z", lean), (x, middle, 0)), tone)


def _foot(parts: Parts, draw: Draw, width: float, color: Color, reach: float) -> None:
    """Plate on the table under a stand: round, square, or a V of two bars."""
    kind, thick = draw.pick(("round", "square", "wedge", "bars")), 0.036
    wide = width * draw.between(0.3, 0.6)
    if kind == "round":
        parts.add(extrude(ellipse(wide, reach, 18), thick, (0, thick / 2, 0), axis="y", taper=0.92), color)
    elif kind == "square":
        parts.add(
            extrude(rectangle(wide, reach, 0.04), thick, (0, thick / 2, 0), axis="y", taper=0.95), color
        )
    elif kind == "wedge":
        parts.add(box((reach, 0.06, wide), (0, 0.03, 0), taper=(0.4, 0.6), shift=(-reach * 0.15, 0)), color)
    else:
        parts.pair(tube([(-0.05, 0.025, 0.0), (reach * 0.6, 0.025, wide * 0.5)], 0.026), color)
        parts.pair(tube([(0.03, 0.025, 0.0), (-reach * 0.5, 0.025, wide * 0.35)], 0.026), color)


def monitor(draw: Draw, parts: Parts) -> None:
    """Flat screen on a neck and a foot; wide, square or turned upright."""
    width, ratio = 1.0, draw.between(1.2, 2.3)
    if draw.chance(0.15):
        width, ratio = 0.65, 0.6
    height, lift = width / ratio, draw.between(0.08, 0.25)
    color, thick = _shell(draw), draw.between(0.037, 0.07)
    _panel(parts, draw, width, height, lift + height / 2, thick, color, draw.between(-2, 12))
    neck = draw.pick(("post", "blade", "arm"))
    back, up = -thick / 2, lift + height * 0.4
    if neck == "post":
        parts.add(rod((back - 0.02, 0.02, 0), (back, up, 0), draw.between(0.028, 0.045)), color)
    elif neck == "blade":
        parts.add(
            box(
                (0.045, up, draw.between(0.08, 0.25)),
                (back - 0.03, up / 2, 0),
                shift=(draw.between(0, 0.03), 0),
            ),
            color,
        )
    else:
        parts.add(tube([(-0.02, 0.02, 0), (-0.16, up * 0.5, 0), (back, up, 0)], 0.035), color)
    _foot(parts, draw, width, color, draw.between(0.24, 0.36))


def television(draw: Draw, parts: Parts) -> None:
    """Wide screen on two feet or a low bar."""
    height, thick = draw.between(0.5, 0.62), draw.between(0.037, 0.09)
    color, lift = _shell(draw), draw.between(0.05, 0.14)
    _panel(parts, draw, 1.0, height, lift + height / 2, thick, color)
    z, reach = draw.between(0.22, 0.44), draw.between(0.18, 0.3)
    kind = draw.pick(("bars", "arches", "plate", "soundbar"))
    if kind == "bars":
        parts.pair(box((reach, 0.036, 0.045), (0, 0.018, z)), color)
        parts.pair(box((0.045, lift + 0.05, 0.04), (0, (lift + 0.05) / 2, z)), color)
    elif kind == "arches":
        path = [(reach / 2, 0.02, z + 0.03), (0.0, lift + 0.03, z - 0.02), (-reach / 2, 0.02, z + 0.03)]
        parts.pair(tube(path, 0.025), color)
    elif kind == "plate":
        parts.add(extrude(rectangle(2 * z, reach, 0.05), 0.037, (0, 0.0185, 0), axis="y"), darker(color))
        parts.add(box((0.05, lift + 0.05, z), (0, (lift + 0.05) / 2, 0)), color)
    else:
        parts.add(box((0.12, lift + 0.02, 2 * z), (0.02, (lift + 0.02) / 2, 0), bevel=0.015), darker(color))
        parts.pair(box((reach, 0.04, 0.06), (0, 0.02, z * 0.8)), color)


def crt(draw: Draw, parts: Parts) -> None:
    """Tube television or monitor: a deep back that narrows."""
    width = 1.0
    height, front, deep = draw.between(0.72, 0.95), draw.between(0.12, 0.3), draw.between(0.45, 0.85)
    color = draw.pick((dark, white, metal))(draw)
    lift = draw.between(0.06, 0.16) if draw.chance(0.6) else 0.0
    y = lift + height / 2
    parts.add(box((front, height, width), (0, y, 0), bevel=draw.between(0.01, 0.05)), color)
    small = draw.between(0.4, 0.7)
    profile = np.array(rectangle(1, 1, 0.12, 2))
    sections = np.empty((3, len(profile), 3))
    for k, (x, factor, drop) in enumerate(
        (
            (-front / 2 - deep, small, 0.12),
            (-front / 2 - deep * 0.35, 0.85, 0.02),
            (-front / 2 + 0.02, 0.93, 0.0),
        )
    ):
        sections[k] = np.stack(
            [
                np.full(len(profile), x),
                profile[:, 0] * height * factor + y - drop * height,
                profile[:, 1] * width * factor,
            ],
            1,
        )
    parts.add(loft(sections), darker(color, 0.9))
    bezel, knob = draw.between(0.06, 0.1), draw.between(0.0, 0.2)
    screen = box((0.03, height - 2 * bezel, width - 2 * bezel - knob), (front / 2, y, -knob / 2), bevel=0.012)
    parts.add(screen, _picture(draw))
    if knob > 0.1:
        for k in range(2):
            place = (front / 2, y + height * (0.28 - 0.2 * k), width / 2 - bezel - knob / 2)
            parts.add(rod((place[0] - 0.01, *place[1:]), (place[0] + 0.04, *place[1:]), 0.045), metal(draw))
    if lift:
        base = draw.between(0.4, 0.6)
        parts.add(
            box((base, lift + 0.05, base * 1.2), (-front / 2, (lift + 0.05) / 2, 0), taper=(0.8, 0.8)), color
        )
    if draw.chance(0.3):
        parts.pair(
            tube(
                [(-0.1, lift + height - 0.02, 0.02), (-0.15, lift + height + draw.between(0.25, 0.4), 0.28)],
                0.03,
            ),
            metal(draw),
        )


def all_in_one(draw: Draw, parts: Parts) -> None:
    """Computer behind the screen: a chin, a thick body, one bent foot; some with a keyboard."""
    height, thick = draw.between(0.68, 0.85), draw.between(0.045, 0.14)
    color, lift = draw.pick((metal, white, dark))(draw), draw.between(0.06, 0.14)
    lean = draw.between(3, 15)
    _panel(parts, draw, 1.0, height, lift + height / 2, thick, color, lean)
    chin = draw.between(0.1, 0.18)
    slope = radians(lean)
    parts.add(
        move(
            turn(box((thick + 0.012, chin, 1.0)), "z", lean),
            (sin(slope) * height * 0.5 * 0.8, lift + chin / 2 - 0.01, 0),
        ),
        metal(draw),
    )
    wide = draw.between(0.2, 0.5)
    foot = [(-thick / 2 - 0.005, height * 0.45 + lift), (-thick / 2 - 0.12, 0.03), (0.16, 0.022)]
    for (x0, y0), (x1, y1) in pairwise(foot):
        angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
        piece = turn(box((float(np.hypot(x1 - x0, y1 - y0)) + 0.03, 0.046, wide)), "z", angle)
        parts.add(move(piece, ((x0 + x1) / 2, (y0 + y1) / 2, 0)), color)
    if draw.chance(0.25):
        parts.add(
            box((0.24, 0.037, draw.between(0.6, 0.85)), (draw.between(0.3, 0.4), 0.0185, 0), taper=(1, 1)),
            darker(color, 0.9),
        )


def laptop(draw: Draw, parts: Parts) -> None:
    """Screen hinged to a flat base."""
    depth, thick = draw.between(0.6, 0.75), draw.between(0.04, 0.07)
    color, opening = _shell(draw), draw.between(2, 45)
    parts.add(extrude(rectangle(1.0, depth, 0.04), thick, (0, thick / 2, 0), axis="y"), color)
    parts.add(box((depth * 0.5, 0.012, 0.9), (-depth * 0.12, thick, 0)), dark(draw))
    parts.add(box((depth * 0.2, 0.012, 0.28), (depth * 0.32, thick, 0)), metal(draw))
    lid = depth * draw.between(0.92, 1.0)
    for mesh, tone in (
        (box((0.04, lid, 1.0), (0, lid / 2, 0)), color),
        (box((0.01, lid - 0.1, 0.92), (0.02, lid / 2, 0)), _picture(draw)),
    ):
        parts.add(move(turn(mesh, "z", opening), (-depth / 2 + 0.02, thick / 2, 0)), tone)


def curved(draw: Draw, parts: Parts) -> None:
    """Wide screen bent round the viewer, V foot."""
    half, height = draw.between(18, 36), draw.between(0.36, 0.5)
    radius, lift, color = 0.5 / sin(radians(half)), draw.between(0.1, 0.2), _shell(draw)
    y = lift + height / 2
    # plan in (z, x): the middle of the arc lies at -x, both ends come forward
    for thick, tall, offset, tone in (
        (0.042, height, 0.0, color),
        (0.01, height - 0.05, -0.022, _picture(draw)),
    ):
        plan = band(
            radius + offset, thick, 270 - half * (1 - thick * 0.02), 270 + half * (1 - thick * 0.02), 12
        )
        parts.add(extrude(plan, tall, (radius, y, 0), axis="y"), tone)
    parts.add(box((0.1, height * 0.4, 0.25), (-0.05, y, 0), bevel=0.02), darker(color))
    parts.add(box((0.05, y, 0.07), (-0.07, y / 2, 0)), color)
    _foot(parts, draw, 1.0, color, draw.between(0.28, 0.4))
    if draw.chance(0.3):  # the ends show how deep the bend is
        parts.pair(box((0.05, height, 0.04), (radius * (1 - cos(radians(half))), y, 0.49)), darker(color))


def dual(draw: Draw, parts: Parts) -> None:
    """Two screens on one stand, side by side at an angle or one above the other."""
    color, thick, lift = _shell(draw), 0.042, draw.between(0.1, 0.2)
    if draw.chance(0.6):
        height, angle = draw.between(0.28, 0.36), draw.between(0, 25)
        sub = Parts()
        _panel(sub, draw, 0.5, height, lift + height / 2, thick, color)
        for side in (-1, 1):
            parts.include(
                sub, (0.25 * sin(radians(angle)), 0, side * 0.255 * cos(radians(angle))), side * angle
            )
        parts.add(box((0.045, 0.05, 0.6), (-0.03, lift + height / 2, 0)), color)
        parts.add(box((0.05, lift + height / 2, 0.06), (-0.045, (lift + height / 2) / 2, 0)), color)
    else:
        height = draw.between(0.34, 0.42)
        for k in range(2):
            _panel(parts, draw, 0.7, height, lift + height * (k + 0.5) + 0.03 * k, thick, color, 4 * k)
        parts.add(rod((-0.045, 0.02, 0), (-0.045, lift + 1.7 * height, 0), 0.035), metal(draw))
    _foot(parts, draw, 0.9, color, draw.between(0.26, 0.36))


STYLES = {
    "monitor": monitor,
    "television": television,
    "crt": crt,
    "all_in_one": all_in_one,
    "laptop": laptop,
    "curved": curved,
    "dual": dual,
}
