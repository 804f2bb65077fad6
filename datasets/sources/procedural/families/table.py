"""Tables: long along z, the user sits at +x. Lengths are in metres."""

from __future__ import annotations

from ....making.draw import Draw
from ..parts import Color, Parts, darker, glass, metal, surface, white, wood
from ..primitives import box, ellipse, extrude, lathe, rectangle, rod, tube


def _top(
    parts: Parts, draw: Draw, depth: float, length: float, height: float, color: Color, round_: float = 0.0
) -> float:
    """Table top whose upper side is at `height`; returns its thickness, at least a cell of a 32^3 grid."""
    thick = max(draw.between(0.03, 0.06), 0.037 * max(depth, length, height))
    outline = rectangle(length, depth, round_, 4)
    parts.add(
        extrude(outline, thick, (0, height - thick / 2, 0), axis="y", taper=draw.pick((1.0, 1.0, 0.97))),
        color,
    )
    return thick


def _leg(draw: Draw, length: float) -> float:
    return max(draw.between(0.05, 0.09), 0.045 * length)


def four_leg(draw: Draw, parts: Parts) -> None:
    """Dining or side table; square, tapered, turned or splayed legs, maybe an apron and stretchers."""
    depth, length, height = draw.between(0.6, 1.0), draw.between(0.7, 1.9), draw.between(0.68, 0.8)
    color = surface(draw)
    frame = color if draw.chance(0.6) else surface(draw)
    round_ = draw.between(0.05, 0.5) * depth if draw.chance(0.4) else 0.0
    thick = _top(parts, draw, depth, length, height, color, round_)
    leg = _leg(draw, max(length, height))
    inset = max(draw.between(0.0, 0.14), 0.32 * round_)  # keeps the legs under rounded corners
    x, z = depth / 2 - leg / 2 - inset, length / 2 - leg / 2 - inset
    splay = draw.between(0.03, 0.12) if draw.chance(0.3) else 0.0
    under = height - thick + 0.01
    kind = draw.pick(("square", "tapered", "round", "turned"))
    if kind in ("square", "tapered"):
        small = 1.0 if kind == "square" else draw.between(1.1, 1.5)
        parts.corners(
            box(
                (leg, under, leg),
                (x + splay, under / 2, z + splay),
                taper=(small, small),
                shift=(-splay, -splay),
            ),
            frame,
        )
    elif kind == "round":
        parts.corners(rod((x + splay, 0, z + splay), (x, under, z), leg * 0.52, leg * 0.6), frame)
    else:
        r = leg * 0.55
        profile = [
            (r, 0),
            (r, 0.1),
            (1.5 * r, 0.2),
            (r, 0.32),
            (1.15 * r, under * 0.7),
            (1.7 * r, under * 0.78),
            (1.5 * r, under),
        ]
        parts.corners(lathe(profile, 8, (x, 0, z)), frame)
    if draw.chance(0.5):
        apron = draw.between(0.06, 0.13)
        y = under - apron / 2
        parts.pair(box((leg * 0.8, apron, 2 * z), (x, y, 0)), frame, axis="x")
        parts.pair(box((2 * x, apron, leg * 0.8), (0, y, z)), frame)
    if draw.chance(0.3):
        y = draw.between(0.1, 0.2)
        out = splay * (1 - y / under)
        parts.pair(box((2 * (x + out), leg * 0.8, leg * 0.8), (0, y, z + out)), frame)
        parts.add(box((leg * 0.8, leg * 0.8, 2 * (z + out)), (0, y, 0)), frame)


def pedestal(draw: Draw, parts: Parts) -> None:
    """Round, oval or square top on one column with a disc, a dome or feet."""
    height, width = draw.between(0.65, 1.05), draw.between(0.6, 1.2)
    length = width * (draw.between(1.2, 1.7) if draw.chance(0.3) else 1.0)
    color, base = surface(draw), surface(draw)
    thick = max(draw.between(0.03, 0.05), 0.038 * max(length, height))
    outline = ellipse(length, width, 20) if draw.chance(0.75) else rectangle(length, width, 0.05)
    parts.add(extrude(outline, thick, (0, height - thick / 2, 0), axis="y"), color)
    column = max(draw.between(0.03, 0.07), 0.026 * length)
    foot = width * draw.between(0.25, 0.36)
    kind = draw.pick(("disc", "cone", "feet", "drum", "tulip"))
    if kind == "disc":
        parts.add(lathe([(foot, 0), (foot, 0.035), (column, 0.06), (column, height - thick / 2)], 16), base)
    elif kind == "cone":
        parts.add(
            lathe([(foot, 0), (column * 1.2, height * 0.5), (foot * 0.7, height - thick / 2)], 14), base
        )
    elif kind == "drum":
        parts.add(lathe([(foot, 0), (foot, height * 0.3), (foot * 0.8, height - thick / 2)], 14), base)
    elif kind == "tulip":
        profile = [
            (foot, 0),
            (foot * 0.6, 0.05),
            (column, 0.2),
            (column, height * 0.65),
            (foot * 0.5, height - thick / 2),
        ]
        parts.add(lathe(profile, 14), base)
    else:
        bulge = draw.between(1.2, 2.0)
        profile = [
            (column, 0.08),
            (column * bulge, height * 0.3),
            (column, height * 0.5),
            (column * 1.3, height - thick / 2),
        ]
        parts.add(lathe(profile, 12), base)
        curve = [(0, height * 0.28, 0), (foot * 0.6, height * 0.16, 0), (foot * 1.15, column * 0.6, 0)]
        parts.around(tube(curve, max(column * 0.7, 0.026)), draw.pick((3, 4)), base, draw.between(10, 80))


def trestle(draw: Draw, parts: Parts) -> None:
    """A-frames, crossed legs or T-shaped ends joined by a beam."""
    depth, length, height = draw.between(0.65, 1.0), draw.between(1.2, 2.0), draw.between(0.7, 0.78)
    color = wood(draw)
    frame = color if draw.chance(0.5) else metal(draw)
    thick = _top(parts, draw, depth, length, height, color)
    bar, z, under = _leg(draw, length), length * draw.between(0.28, 0.42), height - thick / 2
    kind = draw.pick(("a", "x", "t", "hoop"))
    x = depth * draw.between(0.36, 0.46)
    if kind == "a":
        parts.corners(tube([(x, 0, z), (0.05, under, z)], bar * 0.52), frame)
        parts.pair(box((x * 1.2, bar, bar), (0, under * 0.4, z)), frame)
    elif kind == "x":
        for side in (-1, 1):
            parts.pair(tube([(side * x, 0, z), (-side * x, under, z)], bar * 0.52), frame)
    elif kind == "t":
        parts.pair(box((2 * x, bar, bar * 1.3), (0, bar / 2, z)), frame)
        parts.pair(box((depth * 0.25, under, bar), (0, under / 2, z)), frame)
        parts.pair(box((2 * x * 0.8, bar, bar), (0, under - bar / 2, z)), frame)
    else:
        parts.pair(
            tube([(x, under, z), (x, bar / 2, z), (-x, bar / 2, z), (-x, under, z)], bar * 0.52), frame
        )
    if kind != "hoop" or draw.chance(0.4):
        y = {"a": under * 0.4, "x": under * 0.5, "t": under * draw.between(0.25, 0.6), "hoop": bar / 2}[kind]
        parts.add(box((bar, bar, 2 * z), (0, y, 0)), frame)


def coffee(draw: Draw, parts: Parts) -> None:
    """Low, with a shelf, a drawer box or a block under the top."""
    depth, length, height = draw.between(0.5, 0.9), draw.between(0.8, 1.4), draw.between(0.32, 0.5)
    color = surface(draw)
    round_ = draw.between(0.1, 0.5) * depth if draw.chance(0.35) else 0.0
    thick = _top(parts, draw, depth, length, height, color, round_)
    leg = _leg(draw, length)
    inset = leg / 2 + max(0.02, 0.32 * round_)  # keeps the legs under rounded corners
    x, z, under = depth / 2 - inset, length / 2 - inset, height - thick + 0.01
    kind = draw.pick(("shelf", "drawer", "block", "panels", "slats"))
    if kind == "block":
        size = (depth * draw.between(0.5, 0.85), under, length * draw.between(0.4, 0.85))
        parts.add(box(size, (0, under / 2, 0), taper=(draw.between(0.7, 1.1),) * 2), darker(color))
        return
    if kind == "panels":
        parts.pair(box((depth * 0.95, under, leg), (0, under / 2, z)), color)
        parts.add(box((depth * 0.9, 0.04 * length, 2 * z), (0, under * draw.between(0.3, 0.5), 0)), color)
        return
    if draw.chance(0.3):
        parts.corners(rod((x, 0, z), (x - 0.03, under, z - 0.03), leg * 0.52), color)
    else:
        parts.corners(box((leg, under, leg), (x, under / 2, z)), color)
    y = height * draw.between(0.25, 0.4)
    if kind == "shelf":
        parts.add(box((2 * x, 0.04 * length, 2 * z), (0, y, 0)), darker(color, 0.9))
    elif kind == "drawer":
        tall = draw.between(0.1, 0.16)
        parts.add(box((2 * x, tall, 2 * z), (0, under - tall / 2, 0)), darker(color, 0.85))
    else:
        for k in range(3):
            parts.add(box((0.05 * length, 0.04 * length, 2 * z), ((k - 1) * x * 0.75, y, 0)), color)
        parts.pair(box((2 * x, 0.045 * length, leg), (0, y, z)), color)


def glass_top(draw: Draw, parts: Parts) -> None:
    """Glass plate on crossed steel legs, a ring or two arches."""
    height, length = draw.between(0.4, 0.78), draw.between(0.8, 1.5)
    depth = length * draw.between(0.55, 1.0)
    steel = metal(draw)
    thick = 0.037 * length
    outline = (
        ellipse(length, depth, 20) if draw.chance(0.5) else rectangle(length, depth, draw.between(0.02, 0.2))
    )
    parts.add(extrude(outline, thick, (0, height - thick / 2, 0), axis="y"), glass(draw))
    radius = max(0.026, 0.025 * length)
    x, z = depth * 0.36, length * 0.34
    kind = draw.pick(("cross", "arches", "spider", "crossed_planes"))
    if kind == "cross":
        for side in (-1, 1):
            parts.add(rod((side * x, 0, z), (-side * x, height - thick / 2, -z), radius), steel)
            parts.add(rod((side * x, 0, -z), (-side * x, height - thick / 2, z), radius), steel)
    elif kind == "arches":
        path = [
            (x, 0, z),
            (x * 0.8, height * 0.75, z),
            (x * 0.4, height - thick, z),
            (-x * 0.4, height - thick, z),
            (-x * 0.8, height * 0.75, z),
            (-x, 0, z),
        ]
        parts.pair(tube(path, radius), steel)
        parts.add(rod((0, height - thick, -z), (0, height - thick, z), radius), steel)
    elif kind == "spider":
        path = [(0.05, height - thick, 0), (x * 0.5, height * 0.5, 0), (x * 1.15, radius, 0)]
        parts.around(tube(path, radius), draw.whole(3, 5), steel, draw.between(10, 80))
        parts.add(lathe([(0.1, height - thick - 0.03), (0.1, height - thick / 2)], 12), steel)
    else:
        wall, turned = 0.045 * length, white(draw)
        parts.add(box((wall, height - thick / 2, 2 * z), (0, (height - thick / 2) / 2, 0)), turned)
        parts.add(box((2 * x, height - thick / 2, wall), (0, (height - thick / 2) / 2, 0)), turned)


def desk(draw: Draw, parts: Parts) -> None:
    """Drawers on one or both sides, or legs on one; maybe a screen or a shelf above."""
    depth, length, height = draw.between(0.5, 0.8), draw.between(1.0, 1.8), draw.between(0.7, 0.78)
    color = surface(draw)
    front = darker(color, 0.85)
    thick = _top(parts, draw, depth, length, height, color)
    wide = length * draw.between(0.22, 0.32)
    floor = draw.between(0.0, 0.12)
    tall, leg = height - thick - floor + 0.01, _leg(draw, length)
    sides = draw.pick(((-1,), (1,), (-1, 1)))
    for side in (-1, 1):
        z = side * (length / 2 - wide / 2 - 0.01)
        if side in sides:
            parts.add(box((depth * 0.94, tall, wide), (0, floor + tall / 2, z)), color)
            count = draw.whole(1, 4)
            for k in range(count):
                y = floor + tall * (k + 0.5) / count
                parts.add(box((0.05, tall / count * 0.86, wide * 0.9), (depth * 0.47, y, z)), front)
                parts.add(box((0.04, 0.03, wide * 0.35), (depth * 0.47 + 0.035, y, z)), metal(draw))
            if floor > 0.02:
                for x in (-1, 1):
                    for dz in (-1, 1):
                        parts.add(
                            box(
                                (leg, floor + 0.02, leg),
                                (x * depth * 0.4, floor / 2 + 0.01, z + dz * wide * 0.38),
                            ),
                            color,
                        )
        elif draw.chance(0.5):
            parts.add(
                box(
                    (depth * 0.94, height - thick / 2, leg),
                    (0, (height - thick / 2) / 2, side * (length / 2 - leg / 2 - 0.01)),
                ),
                color,
            )
        else:
            for x in (-1, 1):
                parts.add(
                    box(
                        (leg, height - thick / 2, leg),
                        (x * (depth / 2 - leg), (height - thick / 2) / 2, side * (length / 2 - leg)),
                    ),
                    color,
                )
    if draw.chance(0.5):
        panel = height * draw.between(0.3, 0.8)
        parts.add(box((leg, panel, length * 0.95), (-depth * 0.35, height - thick / 2 - panel / 2, 0)), color)
    if draw.chance(0.3):  # hutch
        rise = draw.between(0.25, 0.5)
        parts.pair(
            box((depth * 0.4, rise, leg), (-depth * 0.29, height + rise / 2 - 0.01, length / 2 - leg)), color
        )
        parts.add(box((depth * 0.4, leg, length * 0.97), (-depth * 0.29, height + rise, 0)), color)


def parsons(draw: Draw, parts: Parts) -> None:
    """Console, nest or cube: panels instead of legs."""
    depth, length, height = draw.between(0.35, 0.7), draw.between(0.5, 1.5), draw.between(0.45, 0.85)
    color = surface(draw)
    wall = max(draw.between(0.05, 0.1), 0.045 * max(length, height))
    parts.add(box((depth, wall, length), (0, height - wall / 2, 0)), color)
    lean = draw.between(0.0, 0.12) if draw.chance(0.4) else 0.0
    parts.pair(
        box(
            (depth, height - wall / 2, wall),
            (0, (height - wall / 2) / 2, length / 2 - wall / 2 - lean),
            shift=(0, lean),
        ),
        color,
    )
    kind = draw.pick(("open", "back", "bottom", "shelf", "nest"))
    if kind == "back":
        parts.add(box((wall, height, length), (-depth / 2 + wall / 2, height / 2, 0)), darker(color, 0.9))
    elif kind == "bottom":
        parts.add(box((depth, wall, length - 2 * lean), (0, wall / 2, 0)), color)
    elif kind == "shelf":
        parts.add(box((depth, wall, length - wall), (0, height * draw.between(0.35, 0.6), 0)), color)
    elif kind == "nest":
        low, short = height * 0.72, length - 2 * wall - 2 * lean + 0.02
        parts.add(box((depth, wall, short), (depth * 0.35, low, 0)), darker(color))
        parts.pair(box((depth, low, wall), (depth * 0.35, low / 2, short / 2 - wall / 2)), darker(color))


STYLES = {
    "four_leg": four_leg,
    "pedestal": pedestal,
    "trestle": trestle,
    "coffee": coffee,
    "glass_top": glass_top,
    "desk": desk,
    "parsons": parsons,
}
