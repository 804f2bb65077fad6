"""Lamps: upright along y; those with a head look towards +x. The unit is about the height of the lamp."""

from __future__ import annotations

from math import cos, radians, sin

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import Color, Parts, dark, fabric, metal, paint, white, wood
from ..primitives import box, ellipsoid, extrude, lathe, move, rectangle, rod, tube, turn

STEM = 0.0255
"""Least radius of a stem on the axis: wide enough for the four middle columns of a 32^3 grid."""


def _frame_color(draw: Draw) -> Color:
    return draw.pick((metal, dark, wood, white))(draw)


def _shade_color(draw: Draw) -> Color:
    return draw.pick((white, white, fabric, paint))(draw)


def _shade(draw: Draw, low: float, high: float, wide: float) -> Mesh:
    """Shade about the axis between two heights: cone, drum, bell or globe; hollow below if wide enough."""
    kind = draw.pick(("cone", "cone", "drum", "bell", "globe", "empire"))
    tall = high - low
    if kind == "globe":
        return ellipsoid((wide, tall / 2, wide), (0, (low + high) / 2, 0), 8, 14)
    top = {"cone": draw.between(0.35, 0.7), "drum": 1.0, "bell": 0.35, "empire": draw.between(0.2, 0.35)}[
        kind
    ]
    outer = [(wide, low), (wide * (1 + top) / 2, (low + high) / 2), (wide * top, high)]
    if kind == "bell":
        outer = [
            (wide, low),
            (wide * 0.62, low + tall * 0.35),
            (wide * 0.45, low + tall * 0.75),
            (wide * top, high),
        ]
    wall = 0.042
    if wide < 0.14 or draw.chance(0.4):
        return lathe(outer, 16)
    inner = [(max(r - wall, 0.01), y) for r, y in outer[:-1]] + [(max(wide * top - wall, 0.01), high - wall)]
    # one profile up the outside, over the top and back down the inside: open below
    return lathe([*outer, (0.004, high), (0.004, high - wall), *inner[-2::-1]], 16, around=True)


def _base(draw: Draw, wide: float) -> list[tuple[float, float]]:
    """Profile of a foot: disc, dome or step, ending at the stem."""
    kind = draw.pick(("disc", "dome", "step", "cone"))
    if kind == "disc":
        return [(wide, 0), (wide, 0.036), (STEM * 1.2, 0.045)]
    if kind == "dome":
        return [(wide, 0), (wide * 0.92, 0.025), (wide * 0.6, 0.055), (STEM, 0.075)]
    if kind == "step":
        return [(wide, 0), (wide, 0.03), (wide * 0.6, 0.034), (wide * 0.6, 0.065), (STEM, 0.07)]
    return [(wide, 0), (wide * 0.5, 0.06), (STEM, draw.between(0.12, 0.25))]


def floor(draw: Draw, parts: Parts) -> None:
    """Standing lamp: foot, thin stem, shade or bowl on top."""
    color = _frame_color(draw)
    tall, wide = draw.between(0.18, 0.32), draw.between(0.13, 0.25)
    profile = [*_base(draw, draw.between(0.11, 0.2)), (STEM, 0.98)]
    if draw.chance(0.35):
        y = draw.between(0.3, 0.6)
        profile = [*profile[:-1], (STEM, y), (STEM * 1.9, y + 0.02), (STEM, y + 0.06), profile[-1]]
    parts.add(lathe(profile, 12), color)
    if draw.chance(0.25):  # a bowl that lights the ceiling
        bowl = [
            (0.03, 0.9),
            (wide * 0.75, 0.94),
            (wide, 1.0),
            (wide - 0.045, 1.0),
            (wide * 0.6, 0.97),
            (0.012, 0.94),
        ]
        parts.add(lathe(bowl, 16), _shade_color(draw))
    else:
        parts.add(_shade(draw, 1 - tall, 1.0, wide), _shade_color(draw))
    if draw.chance(0.15):  # a little table on the way up
        y = draw.between(0.35, 0.5)
        parts.add(lathe([(0.18, y), (0.18, y + 0.036)], 14), wood(draw))


def table(draw: Draw, parts: Parts) -> None:
    """Turned, bellied or stacked base and a large shade."""
    body, foot = draw.between(0.08, 0.2), draw.between(0.09, 0.18)
    neck, low = draw.between(0.5, 0.62), draw.between(0.48, 0.58)
    color = draw.pick((paint, metal, wood, white))(draw)
    kind = draw.pick(("vase", "gourd", "column", "block", "spindle"))
    if kind == "vase":
        profile = [
            (foot, 0),
            (foot, 0.03),
            (body * 0.7, 0.06),
            (body, neck * 0.5),
            (body * 0.6, neck * 0.85),
            (0.035, neck),
        ]
    elif kind == "gourd":
        profile = [
            (foot, 0),
            (body, 0.1),
            (body, neck * 0.35),
            (body * 0.4, neck * 0.55),
            (body * 0.65, neck * 0.75),
            (0.035, neck),
        ]
    elif kind == "column":
        profile = [(foot, 0), (foot, 0.04), (body * 0.45, 0.06), (body * 0.4, neck * 0.95), (0.035, neck)]
    elif kind == "spindle":
        profile = [(foot, 0), (foot * 0.9, 0.04)]
        for k in range(draw.whole(2, 4)):
            y = 0.06 + (neck - 0.06) * k / 4
            profile += [(0.035, y), (body * draw.between(0.4, 0.9), y + 0.05), (0.035, y + 0.1)]
        profile.append((0.035, neck))
    else:
        parts.add(
            box(
                (body * 1.6, neck, body * 1.6),
                (0, neck / 2, 0),
                taper=(draw.between(0.5, 1.0),) * 2,
                bevel=0.02,
            ),
            color,
        )
        profile = [(foot * 0.9, 0), (foot * 0.9, 0.036)]
    parts.add(lathe(profile, 14), color)
    shade, high = draw.between(0.22, 0.36), draw.between(0.86, 1.0)
    parts.add(rod((0, neck * 0.9, 0), (0, high - 0.02, 0), 0.03), metal(draw))
    if draw.chance(0.2):
        box_shade = box(
            (shade * 1.5, high - low, shade * 1.5),
            (0, (low + high) / 2, 0),
            taper=(draw.between(0.5, 1),) * 2,
        )
        parts.add(box_shade, _shade_color(draw))
    else:
        parts.add(_shade(draw, low, high, shade), _shade_color(draw))


def desk(draw: Draw, parts: Parts) -> None:
    """Two arms on joints with a conical or a long head."""
    color, foot = draw.pick((dark, metal, paint))(draw), draw.between(0.11, 0.17)
    if draw.chance(0.7):
        parts.add(lathe([(foot, 0), (foot, 0.04), (0.04, 0.06)], 14), color)
    else:
        parts.add(extrude(rectangle(foot * 2, foot * 1.6, 0.03), 0.04, (0, 0.02, 0), axis="y"), color)
    lower, upper = draw.between(0.36, 0.5), draw.between(0.3, 0.5)
    a, b = radians(draw.between(95, 130)), radians(draw.between(5, 55))
    elbow = (lower * cos(a), 0.05 + lower * sin(a), 0.0)
    tip = (elbow[0] + upper * cos(b), elbow[1] + upper * sin(b), 0.0)
    radius = draw.between(0.024, 0.03)
    parts.add(tube([(0, 0.03, 0), elbow], radius, 8), color)
    parts.add(tube([elbow, tip], radius, 8), color)
    parts.add(rod((elbow[0], elbow[1], -0.035), (elbow[0], elbow[1], 0.035), 0.035), dark(draw))
    tilt = draw.between(20, 70)
    if draw.chance(0.75):
        wide, tall = draw.between(0.09, 0.14), draw.between(0.14, 0.22)
        profile = [(wide, -tall), (wide * 0.8, -tall * 0.6), (0.045, -0.03), (0.035, 0.04)]
        head = turn(lathe(profile, 14), "z", tilt)
        parts.add(move(head, tip), color)
        bulb = turn(ellipsoid((0.045, 0.045, 0.045), (0, -tall, 0), 5, 8), "z", tilt)
        parts.add(move(bulb, tip), (0.95, 0.93, 0.8))
    else:
        bar = turn(box((draw.between(0.25, 0.4), 0.05, draw.between(0.06, 0.1)), (0.1, 0, 0)), "z", tilt - 55)
        parts.add(move(bar, tip), color)


def pendant(draw: Draw, parts: Parts) -> None:
    """Hanging lamp: ceiling rose, cord, one shade."""
    drop = draw.between(0.3, 0.75)
    rose, color = draw.between(0.06, 0.1), _frame_color(draw)
    parts.add(lathe([(0.03, 0.955), (rose, 0.965), (rose, 1.0)], 12), color)
    parts.add(rod((0, drop - 0.05, 0), (0, 0.98, 0), STEM), color)
    wide = draw.between(0.15, 0.36)
    tall = min(drop, wide * draw.between(0.6, 1.6))
    kind = draw.pick(("shade", "shade", "dome", "rings", "cage"))
    low = drop - tall
    if kind == "shade":
        parts.add(_shade(draw, low, drop, wide), _shade_color(draw))
    elif kind == "dome":
        wall = 0.042
        angles = [radians(a) for a in (5, 30, 55, 80)]
        outer = [(wide * cos(a), drop - tall + tall * sin(a)) for a in angles]
        inner = [((wide - wall) * cos(a), drop - tall + (tall - wall) * sin(a)) for a in angles]
        parts.add(lathe([*outer, *inner[::-1]], 16, around=True), _shade_color(draw))
        parts.add(lathe([(0.07, drop - 0.07), (0.03, drop + 0.03)], 10), color)
    elif kind == "rings":
        for k in range(3):
            r = wide * (1 - 0.25 * k)
            y = low + tall * k / 3
            ring = lathe([(r - 0.05, y), (r, y), (r, y + 0.05), (r - 0.05, y + 0.05)], 16, around=True)
            parts.add(ring, color)
            parts.around(box((r, 0.04, 0.04), (r / 2, y + 0.025, 0)), 3, color, 20)
        parts.add(rod((0, low, 0), (0, drop, 0), STEM), color)
    else:
        parts.add(
            ellipsoid((wide * 0.5, tall * 0.4, wide * 0.5), (0, low + tall * 0.5, 0), 6, 10),
            (0.95, 0.93, 0.8),
        )
        rib = [
            (0.01, drop, 0),
            (wide * 0.9, drop - tall * 0.25, 0),
            (wide * 0.9, low + tall * 0.25, 0),
            (0.01, low, 0),
        ]
        parts.around(tube(rib, 0.024), draw.whole(4, 6), color, 13)


def tripod(draw: Draw, parts: Parts) -> None:
    """Three legs under a drum."""
    color, top = draw.pick((wood, wood, metal))(draw), draw.between(0.62, 0.72)
    reach = draw.between(0.2, 0.3)
    bend = draw.chance(0.3)
    path = [(reach, 0, 0), (0.05 if bend else reach * 0.5, top * 0.5, 0), (0.02, top, 0)]
    parts.around(tube(path, 0.025, 8), 3, color, draw.between(5, 115))
    parts.add(lathe([(0.05, top - 0.03), (0.05, top + 0.03)], 10), metal(draw))
    parts.add(rod((0, top, 0), (0, 0.98, 0), STEM), metal(draw))
    parts.add(_shade(draw, draw.between(0.68, 0.74), 1.0, draw.between(0.17, 0.26)), _shade_color(draw))
    if draw.chance(0.3):
        y = top * 0.35
        r = 0.05 + reach * 0.5
        parts.add(lathe([(r - 0.04, y), (r, y), (r, y + 0.04), (r - 0.04, y + 0.04)], 14, around=True), color)


def arc(draw: Draw, parts: Parts) -> None:
    """A bow from a heavy foot, with the shade hanging from its end."""
    color, reach = metal(draw), draw.between(0.5, 0.8)
    foot = draw.between(0.11, 0.16)
    if draw.chance(0.5):
        parts.add(lathe([(foot, 0), (foot, 0.05), (0.03, 0.06)], 14, (-reach / 2, 0, 0)), dark(draw))
    else:
        parts.add(box((foot * 1.8, 0.08, foot * 1.8), (-reach / 2, 0.04, 0), bevel=0.01), white(draw))
    straight = draw.between(0.2, 0.5)
    rise, stop = 0.97 - straight, draw.between(150, 172)
    path = [(-reach / 2, 0.03, 0.0), (-reach / 2, straight, 0.0)]
    for k in range(1, 9):
        angle = radians(180 - stop * k / 8)
        path.append((reach / 2 * cos(angle), straight + rise * sin(angle), 0.0))
    parts.add(tube(path, 0.0255, 8), color)
    x, y = path[-1][:2]
    wide = draw.between(0.1, 0.17)
    tall = wide * draw.between(0.8, 1.5)
    parts.add(move(_shade(draw, y - tall, y + 0.02, wide), (x, 0, 0)), _shade_color(draw))


def chandelier(draw: Draw, parts: Parts) -> None:
    """Arms round a hanging or standing column, each with a candle or a cup."""
    count, reach = draw.whole(3, 6), draw.between(0.28, 0.48)
    color, light = draw.pick((metal, dark, wood))(draw), (0.93, 0.9, 0.78)
    hanging = draw.chance(0.7)
    low = draw.between(0.25, 0.45) if hanging else 0.55
    y0 = 0.0 if hanging else -0.35
    body = [
        (0.03, y0 + 0.02),
        (0.08, low * 0.3),
        (0.03, low * 0.55),
        (0.06, low * 0.8),
        (STEM, low),
        (STEM, 1.0 if hanging else 0.6),
    ]
    if not hanging:
        body = [(0.16, y0), (0.16, y0 + 0.036), (STEM, y0 + 0.06), *body[1:]]
    parts.add(lathe(body, 12), color)
    if hanging:
        parts.add(lathe([(0.03, 0.95), (0.08, 0.965), (0.08, 1.0)], 12), color)
    sag, tip = draw.between(0.02, 0.12), low * draw.between(0.3, 0.8)
    arm = [
        (0, low * 0.35, 0),
        (reach * 0.5, low * 0.35 - sag, 0),
        (reach * 0.92, low * 0.35, 0),
        (reach, tip, 0),
    ]
    start = draw.between(5, 85)
    parts.around(tube(arm, 0.0255, 8), count, color, start)
    cup = draw.between(0.05, 0.09)
    if draw.chance(0.5):
        bulb = rod((reach, tip, 0), (reach, tip + draw.between(0.1, 0.18), 0), 0.03)
    else:
        bulb = lathe([(0.035, tip), (cup, tip + cup * 1.2), (cup * 1.15, tip + cup * 1.5)], 10, (reach, 0, 0))
    parts.around(bulb, count, light, start)


def lantern(draw: Draw, parts: Parts) -> None:
    """Street or carriage lamp: a glazed cage with a hat, on a post or on a bracket."""
    color, pane = dark(draw), (0.9, 0.88, 0.75)
    post = draw.chance(0.6)
    wide, tall = draw.between(0.1, 0.16), draw.between(0.2, 0.3)
    low = draw.between(0.55, 0.7) if post else draw.between(0.15, 0.3)
    square = draw.chance(0.5)
    small = draw.between(0.6, 0.9)
    sides = 4 if square else draw.pick((6, 12))
    parts.add(lathe([(wide * small, low), (wide, low + tall)], sides), pane)
    parts.add(
        lathe(
            [
                (wide * 1.25, low + tall - 0.005),
                (wide * 0.35, low + tall + wide * 0.9),
                (0.03, low + tall + wide * 1.3),
            ],
            sides,
        ),
        color,
    )
    parts.add(lathe([(wide * small * 1.1, low - 0.035), (wide * small * 1.1, low + 0.005)], sides), color)
    if post:
        foot = draw.between(0.08, 0.14)
        profile = [
            (foot, 0),
            (foot, 0.05),
            (foot * 0.5, 0.12),
            (0.033, 0.2),
            (STEM * 1.25, low - 0.06),
            (0.06, low),
        ]
        parts.add(lathe(profile, 12), color)
    else:  # on a wall at -x
        reach = wide + draw.between(0.1, 0.25)
        top = low + tall + wide
        parts.add(box((0.045, draw.between(0.25, 0.4), 0.12), (-reach, top, 0), bevel=0.01), color)
        parts.add(
            tube(
                [(-reach, top, 0), (-reach * 0.5, top + 0.16, 0), (0, top + 0.14, 0), (0, top - 0.02, 0)],
                0.026,
                8,
            ),
            color,
        )


STYLES = {
    "floor": floor,
    "table": table,
    "desk": desk,
    "pendant": pendant,
    "tripod": tripod,
    "arc": arc,
    "chandelier": chandelier,
    "lantern": lantern,
}
