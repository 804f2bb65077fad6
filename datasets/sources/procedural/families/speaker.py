"""Loudspeakers: the cones face +x. The unit is about the height of a box."""

from __future__ import annotations

import numpy as np

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import Color, Parts, dark, darker, metal, paint, white, wood
from ..primitives import (
    box,
    ellipse,
    ellipsoid,
    extrude,
    lathe,
    loft,
    move,
    rectangle,
    rod,
    tube,
    turn,
)


def _box_color(draw: Draw) -> Color:
    return draw.pick((wood, dark, dark, white, paint))(draw)


def _forward(mesh: Mesh, x: float, y: float, z: float = 0.0) -> Mesh:
    """A lathe about y turned to point along +x, its origin moved to (x, y, z)."""
    return move(turn(mesh, "z", -90), (x, y, z))


def _module(depth: float, low: float, high: float, width: float, hole: float, deep: float) -> Mesh:
    """Box whose front has a round conical recess of radius `hole`: one piece, not convex."""
    sides = 16
    tall = high - low
    circle = np.array(ellipse(2, 2, sides))  # (y, z) is counter-clockwise against +x
    scale = 1 / np.abs(circle).max(1, keepdims=True)
    square = circle * scale * np.array([tall / 2, width / 2])
    corner = np.abs(circle[:, 0] * circle[:, 1])  # nearest ring points become the box's corners
    for sy in (-1, 1):
        for sz in (-1, 1):
            quadrant = np.where((np.sign(circle) == (sy, sz)).all(1), corner, -1)
            square[int(np.argmax(np.round(quadrant, 6)))] = (sy * tall / 2, sz * width / 2)
    radius = min(hole, 0.46 * min(tall, width))
    rings = (
        (-depth / 2, square),
        (depth / 2, square),
        (depth / 2, circle * radius),
        (depth / 2 - deep, circle * radius * 0.4),
    )
    sections = np.empty((4, sides, 3))
    for k, (x, ring) in enumerate(rings):
        sections[k, :, 0] = x
        sections[k, :, 1:] = ring
    return move(loft(sections), (0, (low + high) / 2, 0))


def _cone(parts: Parts, draw: Draw, x: float, y: float, radius: float, z: float = 0.0) -> None:
    """Driver that stands proud of the front: surround, sunken membrane, dust cap."""
    edge = max(0.25 * radius, 0.012)
    ring = [
        (radius - edge, -0.02),
        (radius, -0.02),
        (radius, 0.016),
        (radius - edge * 0.5, 0.03),
        (radius - edge, 0.016),
    ]
    parts.add(_forward(lathe(ring, 14, around=True), x, y, z), dark(draw))
    parts.add(
        _forward(lathe([(radius - edge * 0.6, -0.01), (radius - edge * 0.6, 0.006)], 14), x, y, z),
        metal(draw),
    )
    parts.add(
        _forward(ellipsoid((radius * 0.35, 0.03, radius * 0.35), (0, 0, 0), 4, 10), x, y, z), dark(draw)
    )


def _drivers(
    parts: Parts, draw: Draw, depth: float, width: float, low: float, high: float, count: int, color: Color
) -> None:
    """A column of `count` drivers, growing downwards; each recessed in its own piece of the box."""
    weights = [1.0 + draw.between(0.0, 0.9) * (count - 1 - k) for k in range(count)]
    total, y = sum(weights), low
    for k, weight in enumerate(weights):
        tall = (high - low) * weight / total
        radius = min(0.44 * width, 0.44 * tall) * (
            draw.between(0.7, 1.0) if k < count - 1 or count == 1 else draw.between(0.45, 0.8)
        )
        deep = min(draw.between(0.3, 0.8) * radius, 0.6 * depth)
        parts.add(_module(depth, y, y + tall, width, radius, deep), color)
        if draw.chance(0.75):
            middle = depth / 2 - deep
            cap = ellipsoid((radius * 0.35, deep * 0.6, radius * 0.35), (0, 0, 0), 4, 10)
            parts.add(_forward(cap, middle, y + tall / 2), dark(draw))
        y += tall


def bookshelf(draw: Draw, parts: Parts) -> None:
    """Box with one or two drivers, recessed or proud."""
    width, depth = draw.between(0.5, 0.95), draw.between(0.45, 0.9)
    color = _box_color(draw)
    if draw.chance(0.6):
        _drivers(parts, draw, depth, width, 0.0, 1.0, draw.whole(1, 2), color)
    else:
        parts.add(box((depth, 1.0, width), (0, 0.5, 0), bevel=draw.between(0.0, 0.06)), color)
        big = width * draw.between(0.3, 0.42)
        _cone(parts, draw, depth / 2, draw.between(0.3, 0.36), big * 0.9)
        _cone(parts, draw, depth / 2, draw.between(0.74, 0.8), big * draw.between(0.35, 0.6))
    if draw.chance(0.3):
        parts.corners(
            rod((depth * 0.38, -0.06, width * 0.38), (depth * 0.38, 0.01, width * 0.38), 0.04), dark(draw)
        )


def tower(draw: Draw, parts: Parts) -> None:
    """Tall and slender with three to five drivers, on a plinth or spikes."""
    width, depth = draw.between(0.18, 0.32), draw.between(0.22, 0.42)
    color = _box_color(draw)
    low = max(0.0, draw.between(-0.1, 0.3))
    if low > 0.0:
        parts.add(box((depth, low + 0.01, width), (0, low / 2, 0)), color)
    if draw.chance(0.65):
        _drivers(parts, draw, depth, width, low, 1.0, draw.whole(2, 4), color)
    else:
        parts.add(
            box(
                (depth, 1.0 - low, width),
                (0, (1 + low) / 2, 0),
                bevel=0.02,
                taper=(draw.between(0.6, 1), draw.between(0.7, 1)),
            ),
            color,
        )
        for k in range(draw.whole(2, 4)):
            _cone(
                parts, draw, depth / 2 * (0.97 - 0.03 * k), 0.92 - 0.2 * k, width * draw.between(0.25, 0.42)
            )
    if draw.chance(0.6):
        over = draw.between(1.1, 1.6)
        parts.add(box((depth * over, 0.042, width * over), (0, 0.0, 0), bevel=0.008), dark(draw))


def cylinder(draw: Draw, parts: Parts) -> None:
    """Round column or pot with a grille, a light ring or cut-outs."""
    radius, color = draw.between(0.18, 0.48), draw.pick((dark, white, metal, paint))(draw)
    kind = draw.pick(("pot", "ring", "waist", "cone"))
    cloth = darker(color, draw.between(0.6, 0.9))
    if kind == "pot":
        parts.add(lathe([(radius * 0.9, 0), (radius, 0.04), (radius, 0.96), (radius * 0.9, 1.0)], 18), cloth)
        parts.add(lathe([(radius * 0.8, 0.99), (radius * 0.75, 1.03)], 18), color)
    elif kind == "ring":
        groove = draw.between(0.15, 0.3)
        parts.add(
            lathe(
                [
                    (radius, 0),
                    (radius, 1 - groove),
                    (radius * 0.6, 1 - groove),
                    (radius * 0.6, 0.93),
                    (radius, 0.93),
                    (radius, 1.0),
                ],
                18,
            ),
            color,
        )
    elif kind == "waist":
        waist = draw.between(0.5, 0.8)
        parts.add(
            lathe([(radius, 0), (radius * waist, 0.45), (radius * waist, 0.55), (radius * 0.9, 1.0)], 18),
            color,
        )
    else:
        parts.add(lathe([(radius, 0), (radius, 0.1), (radius * draw.between(0.3, 0.7), 1.0)], 18), color)
    if draw.chance(0.6):
        _cone(parts, draw, radius * 0.9, draw.between(0.3, 0.6), min(radius * 0.65, 0.22))
    if draw.chance(0.35):
        foot = 0.08
        parts.around(rod((radius * 0.7, -foot, 0), (radius * 0.6, 0.01, 0), 0.04), 3, dark(draw), 10)


def rounded(draw: Draw, parts: Parts) -> None:
    """Egg, ball or pill on a stand."""
    wide, tall, deep = draw.between(0.35, 0.5), draw.between(0.38, 0.5), draw.between(0.3, 0.5)
    color, lift = draw.pick((white, dark, paint))(draw), draw.between(0.05, 0.3)
    y = lift + tall
    kind = draw.pick(("egg", "pill", "ring"))
    if kind == "egg":
        parts.add(ellipsoid((deep, tall, wide), (0, y, 0), 10, 16), color)
        x = deep * 0.86
    elif kind == "pill":
        outline = [(yy, zz) for zz, yy in rectangle(2 * wide, 2 * tall, draw.between(0.2, 0.45), 5)][::-1]
        parts.add(extrude(outline, deep, (0, y, 0), axis="x"), color)
        x = deep / 2 - 0.02
    else:
        loop = [
            (0.55, -deep * 0.5),
            (0.95, -deep * 0.35),
            (1.0, 0.0),
            (0.95, deep * 0.35),
            (0.55, deep * 0.5),
        ]
        parts.add(_forward(lathe([(r * tall, h) for r, h in loop], 18, around=True), 0, y), color)
        parts.add(rod((-0.06, y, 0), (0.06, y, 0), tall * 0.62, sides=16), dark(draw))
        x = 0.05
    radius = min(wide, tall) * draw.between(0.4, 0.6)
    parts.add(
        _forward(lathe([(radius, -0.08), (radius, 0.05), (radius * 0.85, 0.06)], 16), x, y), darker(color)
    )
    parts.add(
        _forward(ellipsoid((radius * 0.4, 0.07, radius * 0.4), (0, 0, 0), 5, 10), x + 0.05, y), metal(draw)
    )
    if draw.chance(0.5):
        parts.add(lathe([(0.28, 0), (0.28, 0.036), (0.05, 0.06), (0.05, lift + 0.1)], 14), metal(draw))
    else:
        parts.around(rod((0.3, 0, 0), (0.12, lift + tall * 0.35, 0), 0.035), 3, metal(draw), 40)


def satellite(draw: Draw, parts: Parts) -> None:
    """Small box high on a thin stand."""
    color, steel = _box_color(draw), metal(draw)
    wide, tall, deep = draw.between(0.14, 0.26), draw.between(0.2, 0.36), draw.between(0.12, 0.24)
    stem = draw.pick(("post", "posts", "blade"))
    low = 1 - tall
    foot = draw.between(0.14, 0.22)
    if draw.chance(0.5):
        parts.add(lathe([(foot, 0), (foot, 0.036)], 16), steel)
    else:
        parts.add(box((foot * 2, 0.037, foot * 1.7), (0, 0.0185, 0)), steel)
    if stem == "post":
        parts.add(rod((0, 0.01, 0), (0, low + 0.02, 0), 0.027), steel)
    elif stem == "posts":
        parts.corners(box((0.04, low, 0.04), (deep * 0.35, low / 2 + 0.01, wide * 0.35)), steel)
    else:
        parts.add(box((0.045, low, wide * 0.7), (0, low / 2 + 0.01, 0)), steel)
    plate = 0.037
    parts.add(box((deep, plate, wide), (0, low, 0)), steel)
    if draw.chance(0.6):
        _drivers(parts, draw, deep, wide, low, 1.0, draw.whole(1, 2), color)
    else:
        parts.add(box((deep, tall, wide), (0, 1 - tall / 2, 0), bevel=0.02), color)
        _cone(parts, draw, deep / 2, low + tall * 0.35, wide * 0.36)
        _cone(parts, draw, deep / 2, low + tall * 0.78, wide * 0.2)


def amplifier(draw: Draw, parts: Parts) -> None:
    """Guitar cabinet, stage monitor or public-address box: four cones, a wedge, a horn."""
    color = dark(draw)
    kind = draw.pick(("stack", "wedge", "horn"))
    if kind == "stack":
        width, depth = draw.between(0.85, 1.1), draw.between(0.35, 0.6)
        for sz in (-1, 1):
            for k in range(2):
                module = _module(depth, 0.5 * k, 0.5 * (k + 1), width / 2, 0.2, 0.1)
                parts.add(move(module, (0, 0, sz * width / 4)), color)
                parts.add(
                    _forward(
                        ellipsoid((0.08, 0.06, 0.08), (0, 0, 0), 4, 10),
                        depth / 2 - 0.1,
                        0.25 + 0.5 * k,
                        sz * width / 4,
                    ),
                    metal(draw),
                )
        if draw.chance(0.6):
            parts.add(
                box((depth * 0.8, 0.28, width * 0.95), (-0.02, 1.14, 0), taper=(0.85, 1)), darker(paint(draw))
            )
    elif kind == "wedge":
        width, depth = draw.between(0.9, 1.3), draw.between(0.7, 0.9)
        outline = [
            (depth / 2, 0),
            (depth / 2, 0.15),
            (-depth * 0.1, 0.62),
            (-depth / 2, 0.62),
            (-depth / 2, 0),
        ]
        parts.add(extrude(outline, width), color)
        slope = float(np.degrees(np.arctan2(0.47, 0.6 * depth)))
        for z, radius in ((-width * 0.2, 0.22), (width * 0.28, 0.12)):
            disc = turn(lathe([(radius, -0.03), (radius, 0.03), (radius * 0.7, 0.035)], 16), "z", -slope)
            parts.add(move(disc, (depth * 0.2, 0.385, z)), metal(draw))
    else:
        width, depth = draw.between(0.55, 0.7), draw.between(0.45, 0.6)
        parts.add(box((depth, 1.0, width), (0, 0.5, 0), taper=(0.9, 0.95)), color)
        _cone(parts, draw, depth / 2 - 0.02, 0.32, width * 0.4)
        mouth = draw.between(0.16, 0.24)
        flare = box((0.14, mouth, width * 0.45), (0, 0, 0))
        parts.add(move(flare, (depth / 2 - 0.03, 0.76, 0)), metal(draw))
        parts.pair(
            tube(
                [
                    (-0.1, 0.4, width / 2 - 0.02),
                    (-0.1, 0.45, width / 2 + 0.05),
                    (-0.1, 0.6, width / 2 + 0.05),
                    (-0.1, 0.65, width / 2 - 0.02),
                ],
                0.03,
            ),
            metal(draw),
        )
    if draw.chance(0.3):
        parts.add(box((0.05, 0.05, 0.3), (0, 1.02 if kind != "wedge" else 0.64, 0)), metal(draw))


def soundbar(draw: Draw, parts: Parts) -> None:
    """Low and wide: bar, portable radio with a handle, or a boom box."""
    color, width = _box_color(draw), 1.0
    kind = draw.pick(("bar", "radio", "boom"))
    if kind == "bar":
        tall, deep = draw.between(0.09, 0.18), draw.between(0.1, 0.2)
        outline = rectangle(deep, tall, draw.between(0.01, 0.06))
        parts.add(extrude(outline, width, (0, tall / 2, 0)), color)
        for k in range(draw.whole(2, 5)):
            _cone(
                parts,
                draw,
                deep / 2 - 0.005,
                tall / 2,
                tall * 0.38,
                (k + 0.5) / 5 - 0.5 if draw.chance(0.2) else 0.4 - 0.2 * k,
            )
    elif kind == "radio":
        tall, deep = draw.between(0.5, 0.68), draw.between(0.22, 0.35)
        parts.add(box((deep, tall, width), (0, tall / 2, 0), bevel=0.04), color)
        _cone(parts, draw, deep / 2, tall / 2, tall * draw.between(0.3, 0.4), -0.22)
        parts.add(box((0.05, tall * 0.4, 0.3), (deep / 2, tall * 0.62, 0.26)), metal(draw))
        parts.add(
            tube(
                [
                    (0, tall - 0.02, 0.4),
                    (0, tall + 0.14, 0.36),
                    (0, tall + 0.14, -0.36),
                    (0, tall - 0.02, -0.4),
                ],
                0.026,
            ),
            metal(draw),
        )
    else:
        tall, deep = draw.between(0.42, 0.55), draw.between(0.2, 0.3)
        for z in (-1, 1):
            parts.add(move(_module(deep, 0, tall, 0.36, 0.17, 0.08), (0, 0, z * 0.32)), color)
            parts.add(
                _forward(
                    ellipsoid((0.08, 0.06, 0.08), (0, 0, 0), 4, 10), deep / 2 - 0.07, tall / 2, z * 0.32
                ),
                metal(draw),
            )
        parts.add(box((deep * 0.9, tall * 0.95, 0.3), (0, tall / 2, 0)), darker(metal(draw)))
        if draw.chance(0.6):
            parts.add(
                tube(
                    [
                        (0, tall - 0.02, 0.44),
                        (0, tall + 0.12, 0.44),
                        (0, tall + 0.12, -0.44),
                        (0, tall - 0.02, -0.44),
                    ],
                    0.026,
                ),
                dark(draw),
            )


STYLES = {
    "bookshelf": bookshelf,
    "tower": tower,
    "cylinder": cylinder,
    "rounded": rounded,
    "satellite": satellite,
    "amplifier": amplifier,
    "soundbar": soundbar,
}
