"""Telephones: keys and screen face +x, upright along y; desk sets lie on their base. The unit is free."""

from __future__ import annotations

from math import atan, degrees, radians, sin

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, metal, paint, white
from ..primitives import (
    box,
    ellipse,
    ellipsoid,
    extrude,
    lathe,
    move,
    rectangle,
    rod,
    tube,
    turn,
)


def _body_color(draw: Draw) -> Color:
    return draw.pick((dark, dark, white, metal, paint))(draw)


def _screen(draw: Draw) -> Color:
    return draw.pick(((0.13, 0.14, 0.17), (0.18, 0.27, 0.42), (0.35, 0.5, 0.4), (0.55, 0.65, 0.7)))


def _plate(
    width: float,
    height: float,
    thick: float,
    radius: float,
    center: tuple[float, float, float] = (0, 0, 0),
    taper: float = 1.0,
) -> Mesh:
    """Rounded slab that stands upright and faces +x."""
    outline = [(y, z) for z, y in rectangle(width, height, radius)][::-1]
    return extrude(outline, thick, center, axis="x", taper=taper)


def _keys(
    parts: Parts,
    draw: Draw,
    x: float,
    low: float,
    high: float,
    width: float,
    rows: int,
    columns: int,
    color: Color,
    rise: float = 0.03,
) -> None:
    """A field of keys on the front plane `x`, between two heights."""
    tall, wide = (high - low) / rows, width / columns
    for i in range(rows):
        for j in range(columns):
            at = (x + rise / 4, low + (i + 0.5) * tall, (j + 0.5) * wide - width / 2)
            parts.add(box((rise, tall * 0.66, wide * 0.7), at), color)


def slab(draw: Draw, parts: Parts) -> None:
    """Touch-screen phone: bare glass, camera bump, maybe a case, a stand or rounded sides."""
    width, thick = draw.between(0.42, 0.62), draw.between(0.055, 0.12)
    color = _body_color(draw)
    round_ = draw.between(0.02, 0.16)
    parts.add(_plate(width, 1.0, thick, round_, taper=draw.between(0.93, 1.0)), color)
    edge = draw.between(0.015, 0.06)
    tall = draw.between(0.7, 0.95)
    parts.add(
        _plate(
            width - 2 * edge, tall, 0.012, max(0.01, round_ - edge), (thick / 2, draw.between(-0.02, 0.02), 0)
        ),
        _screen(draw),
    )
    if tall < 0.85:
        parts.add(
            rod((thick / 2 - 0.01, -0.45, 0), (thick / 2 + 0.012, -0.45, 0), 0.04, sides=12), darker(color)
        )
    kind = draw.pick(("bump", "round", "bar", "plain"))
    back = -thick / 2
    if kind == "bump":
        side = draw.pick((-1, 1))
        parts.add(
            _plate(0.2, 0.24, 0.07, 0.05, (back - 0.015, 0.34, side * (width / 2 - 0.14))), darker(color)
        )
    elif kind == "round":
        parts.add(
            rod((back - 0.05, 0.28, 0), (back + 0.01, 0.28, 0), draw.between(0.1, 0.17), sides=14),
            darker(color),
        )
    elif kind == "bar":
        parts.add(box((0.08, 0.12, width * 0.96), (back - 0.01, 0.3, 0), bevel=0.015), darker(color))
    if draw.chance(0.3):
        parts.add(box((0.036, 0.14, 0.04), (0, 0.15, width / 2 + 0.005)), metal(draw))


def candybar(draw: Draw, parts: Parts) -> None:
    """Keypad and small screen in one thick bar, maybe a stub antenna."""
    width, thick = draw.between(0.34, 0.5), draw.between(0.12, 0.22)
    color = _body_color(draw)
    round_ = draw.between(0.03, 0.2)
    parts.add(_plate(width, 1.0, thick, round_, taper=draw.between(0.85, 0.97)), color)
    split = draw.between(-0.02, 0.15)
    parts.add(
        _plate(width * 0.72, 0.42 - split, 0.02, 0.03, (thick / 2, (split + 0.44) / 2, 0)), _screen(draw)
    )
    tone = draw.pick((white, metal, dark))(draw)
    _keys(
        parts,
        draw,
        thick / 2,
        -0.45,
        split - 0.06,
        width * 0.78,
        draw.whole(3, 5),
        3,
        tone,
        draw.between(0.02, 0.07),
    )
    if draw.chance(0.5):
        radius, high = draw.between(0.032, 0.05), draw.between(0.6, 0.85)
        side = draw.pick((-1, 1))
        parts.add(
            rod((-0.02, 0.4, side * width * 0.33), (-0.02, high, side * width * 0.33), radius, radius * 0.85),
            color,
        )
    if draw.chance(0.4):
        parts.add(_plate(width * 0.85, 0.45, 0.07, 0.04, (-thick / 2 - 0.02, -0.1, 0)), darker(color))


def flip(draw: Draw, parts: Parts) -> None:
    """Two halves on a hinge, open at some angle."""
    width, thick = draw.between(0.42, 0.6), draw.between(0.075, 0.13)
    lower, upper = draw.between(0.5, 0.6), draw.between(0.45, 0.58)
    color, round_ = _body_color(draw), draw.between(0.03, 0.14)
    tone = draw.pick((white, metal, dark))(draw)
    opening = draw.between(-8, 65)  # how far the lid leans towards the viewer
    parts.add(_plate(width, lower, thick, round_, (0, -lower / 2, 0)), color)
    _keys(parts, draw, thick / 2, -lower + 0.06, -0.12, width * 0.8, draw.whole(3, 5), 3, tone)
    for mesh, paint_ in (
        (_plate(width, upper, thick, round_, (0, upper / 2, 0)), color),
        (_plate(width * 0.76, upper * 0.66, 0.02, 0.03, (thick / 2, upper * 0.52, 0)), _screen(draw)),
    ):
        parts.add(turn(mesh, "z", -opening), paint_)
    parts.add(rod((0.01, 0, -width * 0.5), (0.01, 0, width * 0.5), thick * 0.68, sides=10), darker(color))
    if draw.chance(0.4):
        parts.add(
            rod((-0.03, -0.15, width * 0.4), (-0.03, draw.between(0.12, 0.4), width * 0.4), 0.035), color
        )


def slider(draw: Draw, parts: Parts) -> None:
    """Screen half pushed up (or aside) over the half with the keys."""
    width, thick = draw.between(0.4, 0.55), draw.between(0.07, 0.11)
    color, other = _body_color(draw), _body_color(draw)
    half, shift = draw.between(0.64, 0.75), draw.between(0.22, 0.36)
    round_ = draw.between(0.02, 0.12)
    aside = draw.chance(0.35)
    up = (0.0, shift * 0.8) if aside else (shift, 0.0)
    parts.add(_plate(width, half, thick, round_), color)
    parts.add(_plate(width, half, thick, round_, (thick * 0.95, *up)), other)
    parts.add(_plate(width * 0.84, half * 0.72, 0.02, 0.02, (thick * 1.45, up[0], up[1])), _screen(draw))
    if not aside:
        _keys(
            parts,
            draw,
            thick / 2,
            -half / 2 + 0.03,
            -half / 2 + shift - 0.02,
            width * 0.84,
            3,
            4,
            metal(draw),
        )
        parts.add(box((0.025, 0.06, width * 0.4), (thick * 1.45, shift - half * 0.43, 0)), metal(draw))


def _handset(draw: Draw, length: float) -> list[Mesh]:
    """Receiver along z, opening downwards, resting height 0."""
    thick = length * draw.between(0.09, 0.12)
    arch = length * draw.between(0.08, 0.16)
    z = length / 2
    path = [
        (0, 0, -z * 0.82),
        (0, arch, -z * 0.55),
        (0, arch * 1.15, 0),
        (0, arch, z * 0.55),
        (0, 0, z * 0.82),
    ]
    end = thick * draw.between(1.2, 1.7)
    cup = [(end, -end * 1.1), (end, -end * 0.3), (end * 0.6, end * 0.5)]
    return [tube(path, thick * 0.7, 8), lathe(cup, 10, (0, 0, -z * 0.82)), lathe(cup, 10, (0, 0, z * 0.82))]


def desk(draw: Draw, parts: Parts) -> None:
    """Desk set: sloping base with keys or a dial, handset across the top or along the side."""
    color = draw.pick((dark, white, paint, paint))(draw)
    depth, width, tall = draw.between(0.75, 1.0), draw.between(0.7, 1.0), draw.between(0.2, 0.4)
    low = tall * draw.between(0.25, 0.5)
    parts.add(extrude([(depth / 2, 0), (depth / 2, low), (-depth / 2, tall), (-depth / 2, 0)], width), color)
    slope = (tall - low) / depth
    aside = draw.chance(0.5)
    hand = [turn(m, "y", 90) for m in _handset(draw, depth * 1.05)] if aside else _handset(draw, width * 1.1)
    side = draw.pick((-1, 1))
    rise = (low + tall) / 2 + 0.12 if aside else tall + 0.12
    for mesh in hand:
        if aside:
            mesh = turn(mesh, "z", -degrees(atan(slope)))
        at = (0.0, rise, side * (width / 2 - 0.14)) if aside else (-depth * 0.25, rise, 0.0)
        parts.add(move(mesh, at), darker(color, 0.8))
    shift = -side * 0.12 if aside else 0.0
    if draw.chance(0.35):  # dial
        disc = turn(lathe([(0.24, -0.03), (0.24, 0.04), (0.2, 0.06)], 18), "z", -degrees(atan(slope)))
        parts.add(move(disc, (depth * 0.17, low + slope * depth * 0.33, shift)), white(draw))
    else:
        tone = draw.pick((white, metal, dark))(draw)
        for i in range(4):
            for j in range(3):
                x = depth * (0.4 - 0.12 * i)
                y = low + slope * (depth / 2 - x)
                parts.add(
                    box((depth * 0.08, 0.06, width * 0.11), (x, y + 0.005, shift + (j - 1) * width * 0.16)),
                    tone,
                )
    for z in (-0.3, 0.3) if not aside else ():
        parts.add(box((0.12, 0.12, 0.1), (-depth * 0.25, tall - 0.02, z * width)), color)
    if draw.chance(0.3):
        x = -depth * 0.35 if aside else depth * 0.05
        parts.add(box((0.05, 0.2, 0.3), (x, tall + 0.02, shift), shift=(-0.08, 0)), _screen(draw))


def cordless(draw: Draw, parts: Parts) -> None:
    """Handset standing in a cradle, with an antenna."""
    color, base = _body_color(draw), _body_color(draw)
    width, thick = draw.between(0.24, 0.32), draw.between(0.12, 0.18)
    lean, lift = draw.between(0, 22), draw.between(0.06, 0.12)
    tilt = radians(lean)
    pieces = [
        (_plate(width, 1.0, thick, draw.between(0.04, 0.12), (0, 0.5, 0), draw.between(0.85, 0.97)), color)
    ]
    pieces.append((_plate(width * 0.7, 0.2, 0.02, 0.02, (thick / 2, 0.74, 0)), _screen(draw)))
    tone = white(draw)
    for i in range(4):
        for j in range(-1, 2):
            pieces.append(
                (box((0.03, 0.065, width * 0.18), (thick / 2, 0.22 + 0.1 * i, j * width * 0.26)), tone)
            )
    if draw.chance(0.6):
        pieces.append(
            (
                rod((-0.02, 0.95, width * 0.3), (-0.02, draw.between(1.15, 1.4), width * 0.3), 0.035),
                darker(color),
            )
        )
    for mesh, tone in pieces:
        parts.add(move(turn(mesh, "z", lean), (0, lift, 0)), tone)
    foot = draw.between(0.36, 0.5)
    kind = draw.pick(("round", "block", "wedge"))
    tall = draw.between(0.12, 0.22)
    if kind == "round":
        parts.add(
            extrude(
                ellipse(foot * 1.1, foot, 18), tall, (-sin(tilt) * 0.1, tall / 2, 0), axis="y", taper=0.8
            ),
            base,
        )
    elif kind == "block":
        parts.add(box((foot, tall, width * 1.5), (-0.03, tall / 2, 0), bevel=0.03, taper=(0.8, 0.9)), base)
    else:
        outline = [
            (foot * 0.6, 0),
            (foot * 0.6, 0.05),
            (-foot * 0.1, tall),
            (-foot * 0.5, tall * 1.8),
            (-foot * 0.55, 0),
        ]
        parts.add(extrude(outline, width * 1.5), base)


def brick(draw: Draw, parts: Parts) -> None:
    """Early mobile or radio phone: thick block, long antenna, earpiece and mouthpiece bulges."""
    width, thick = draw.between(0.24, 0.34), draw.between(0.2, 0.3)
    color = draw.pick((dark, metal, white))(draw)
    outline = [
        (thick / 2 + 0.04, -0.5),
        (thick / 2, -0.38),
        (thick / 2 - 0.03, 0.1),
        (thick / 2 + 0.05, 0.4),
        (thick / 2, 0.5),
    ]
    outline += [
        (-thick / 2, 0.5),
        (-thick / 2, 0.4),
        (-thick / 2, 0.1),
        (-thick / 2, -0.38),
        (-thick / 2, -0.5),
    ]
    parts.add(extrude(outline, width), color)
    _keys(
        parts,
        draw,
        thick / 2 - 0.03,
        -0.32,
        0.08,
        width * 0.8,
        draw.whole(3, 5),
        3,
        draw.pick((white, metal))(draw),
        0.05,
    )
    parts.add(box((0.02, 0.12, width * 0.6), (thick / 2, 0.24, 0)), _screen(draw))
    side = draw.pick((-1, 1))
    high = draw.between(0.7, 1.05)
    parts.add(
        rod(
            (-thick * 0.25, 0.45, side * width * 0.28),
            (-thick * 0.25, high, side * width * 0.28),
            0.04,
            0.034,
        ),
        dark(draw),
    )
    if draw.chance(0.4):
        parts.add(ellipsoid((0.05, 0.05, 0.05), (-thick * 0.25, high, side * width * 0.28), 5, 8), dark(draw))
    if draw.chance(0.5):
        parts.add(box((0.08, 0.6, width * 0.85), (-thick / 2 - 0.03, -0.12, 0), bevel=0.015), darker(color))


STYLES = {
    "slab": slab,
    "candybar": candybar,
    "flip": flip,
    "slider": slider,
    "desk": desk,
    "cordless": cordless,
    "brick": brick,
}
