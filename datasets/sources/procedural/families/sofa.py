"""Sofas: long along z, the sitter looks towards +x. Lengths are in metres."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin

from ....making.draw import Draw
from ..parts import Color, Parts, darker, fabric, metal, wood
from ..primitives import band, box, extrude, move, rod, turn


def _feet(parts: Parts, draw: Draw, places: Sequence[tuple[float, float]]) -> float:
    """Short legs under the given (x, z), or a plinth flat on the floor; returns the body's underside."""
    if draw.chance(0.35):
        return 0.0
    height, radius = draw.between(0.08, 0.17), draw.between(0.045, 0.055)
    color = wood(draw) if draw.chance(0.6) else metal(draw)
    square = draw.chance(0.5)
    for x, z in places:
        if square:
            parts.add(box((radius * 1.8, height + 0.02, radius * 1.8), (x, height / 2 + 0.01, z)), color)
        else:
            parts.add(rod((x, 0, z), (x, height + 0.02, z), radius * 0.9, radius * 1.1), color)
    return height


def _cushions(
    parts: Parts,
    count: int,
    center: tuple[float, float],
    size: tuple[float, float],
    length: float,
    color: Color,
    lean: float = 0.0,
    middle: float = 0.0,
) -> None:
    """A row of cushions along z: `center` and `size` in the (x, y) plane."""
    each = length / count
    for k in range(count):
        pad = box((size[0], size[1], each * 0.97), bevel=0.3 * min(size))
        parts.add(move(turn(pad, "z", lean), (*center, middle + (k - (count - 1) / 2) * each)), color)


def _arm_pair(
    parts: Parts, draw: Draw, depth: float, low: float, seat: float, length: float, color: Color, kind: str
) -> None:
    """Both arms, standing outside a seat that is `length` long."""
    width, rise = draw.between(0.12, 0.26), seat + draw.between(0.12, 0.25)
    z = length / 2 + width / 2 - 0.01
    if kind == "box":
        deep = depth * draw.between(0.85, 1.0)
        parts.pair(
            box(
                (deep, rise - low, width),
                (-depth / 2 + deep / 2, (rise + low) / 2, z),
                bevel=draw.between(0.01, 0.05),
            ),
            color,
        )
    elif kind == "rolled":
        parts.pair(box((depth * 0.95, rise - low, width * 0.7), (-0.02, (rise + low) / 2, z)), color)
        parts.pair(
            rod((-depth / 2, rise, z + 0.03), (depth / 2, rise, z + 0.03), width * 0.62, sides=12), color
        )
    elif kind == "sloped":
        outline = [(depth / 2, low), (depth / 2, seat + 0.03), (-depth / 2, rise + 0.15), (-depth / 2, low)]
        parts.pair(extrude(outline, width * 0.8, (0, 0, z - width * 0.1)), color)
    else:  # a frame of bars
        bar = 0.085
        parts.pair(box((depth, bar, bar), (0, rise, z - width / 2 + bar / 2)), color)
        parts.pair(box((bar, rise, bar), (depth / 2 - bar / 2, rise / 2, z - width / 2 + bar / 2)), color)
        parts.pair(box((bar, rise, bar), (-depth / 2 + bar / 2, rise / 2, z - width / 2 + bar / 2)), color)


def _body(draw: Draw) -> tuple[float, float, float, float]:
    """Depth, height of the seat, height of the back over the seat, slope of the back."""
    return draw.between(0.75, 1.0), draw.between(0.36, 0.46), draw.between(0.3, 0.52), draw.between(3, 14)


def standard(draw: Draw, parts: Parts) -> None:
    """Two to four seats with loose cushions."""
    depth, seat, tall, lean = _body(draw)
    count = draw.whole(2, 4)
    length = count * draw.between(0.55, 0.7)
    color = fabric(draw)
    cloth = darker(color, draw.between(0.75, 1.1))
    x, z = depth / 2 - 0.08, length / 2 - 0.05
    low = _feet(parts, draw, [(x, z), (-x, z), (x, -z), (-x, -z)])
    pad = draw.between(0.12, 0.18)
    parts.add(
        box((depth, seat - pad - low + 0.02, length), (0, (seat - pad + low + 0.02) / 2, 0), bevel=0.01),
        color,
    )
    _cushions(parts, count, (0.05, seat - pad / 2), (depth - 0.1, pad), length, cloth)
    back = box((0.18, tall + seat - low - 0.06, length), (0, (tall + seat - low - 0.06) / 2, 0), bevel=0.03)
    parts.add(move(turn(back, "z", lean * 0.5), (-depth / 2 + 0.09, low + 0.02, 0)), color)
    if draw.chance(0.7):
        _cushions(
            parts,
            count,
            (-depth / 2 + 0.22, seat + tall * 0.45),
            (0.17, tall * draw.between(0.75, 1.1)),
            length,
            cloth,
            lean,
        )
    kind = draw.pick(("box", "box", "rolled", "sloped", "frame", "none"))
    if kind != "none":
        _arm_pair(parts, draw, depth, low, seat, length, color, kind)


def loveseat(draw: Draw, parts: Parts) -> None:
    """Two seats, one solid rounded piece with a shaped back."""
    depth, seat, tall, lean = _body(draw)
    length, color = draw.between(1.0, 1.3), fabric(draw)
    x, z = depth / 2 - 0.1, length / 2 + 0.02
    low = _feet(parts, draw, [(x, z), (-x, z), (x, -z), (-x, -z)])
    parts.add(box((depth, seat - low, length + 0.1), (0, (seat + low) / 2, 0), bevel=0.05), color)
    half = length / 2 + 0.1
    hump = draw.between(0.0, 0.3) * tall
    top = seat + tall
    outline = [(low + 0.05, half), (top - hump, half), (top - hump * 0.25, half * 0.5), (top, 0.001)]
    outline += [(y, -z0) for y, z0 in outline[::-1]]
    # the ring starts at one foot and ends at the other, so rungs run across
    panel = extrude(outline[::-1], 0.17, axis="x")
    parts.add(move(turn(panel, "z", lean * 0.6, (0, low, 0)), (-depth / 2 + 0.09, 0, 0)), color)
    _cushions(
        parts, draw.pick((1, 2)), (0.06, seat + 0.03), (depth * 0.8, 0.12), length - 0.05, darker(color, 0.85)
    )
    _arm_pair(parts, draw, depth, low, seat, length, color, draw.pick(("rolled", "box", "sloped")))


def corner(draw: Draw, parts: Parts) -> None:
    """L-shaped: a second row of seats towards +x at one end."""
    depth, seat, tall, _ = _body(draw)
    length, wing = draw.between(1.9, 2.6), draw.between(1.3, 2.0)
    color = fabric(draw)
    cloth = darker(color, draw.between(0.8, 1.05))
    side = draw.pick((-1, 1))
    z_end = length / 2
    x_back, pad = -depth / 2, draw.between(0.12, 0.17)
    feet = [
        (x_back + 0.1, z_end - 0.1),
        (x_back + 0.1, -z_end + 0.1),
        (depth / 2 - 0.1, -side * (z_end - 0.1)),
        (x_back + wing - 0.1, side * (z_end - 0.1)),
        (x_back + wing - 0.1, side * (z_end - depth + 0.1)),
    ]
    low = _feet(parts, draw, feet)
    base = seat - pad + 0.02
    parts.add(box((depth, base - low, length), (0, (base + low) / 2, 0)), color)
    middle = side * (z_end - depth / 2)
    parts.add(box((wing, base - low, depth), (x_back + wing / 2, (base + low) / 2, middle)), color)
    count = draw.whole(2, 3)
    rest = length - depth
    _cushions(
        parts, count, (0.06, seat - pad / 2), (depth - 0.12, pad), rest, cloth, middle=-side * depth / 2
    )
    parts.add(
        box(
            (wing - 0.15, pad, depth - 0.12),
            (x_back + 0.15 + (wing - 0.15) / 2, seat - pad / 2, middle - side * 0.06),
            bevel=0.04,
        ),
        cloth,
    )
    high = seat + tall
    parts.add(box((0.2, high - low, length), (x_back + 0.1, (high + low) / 2, 0), bevel=0.03), color)
    parts.add(
        box(
            (wing * draw.between(0.7, 1.0), high - low, 0.2),
            (x_back + wing * 0.35, (high + low) / 2, side * (z_end - 0.1)),
            bevel=0.03,
        ),
        color,
    )
    if draw.chance(0.6):
        rise = seat + draw.between(0.12, 0.22)
        parts.add(
            box((depth, rise - low, 0.18), (0, (rise + low) / 2, -side * (z_end + 0.08)), bevel=0.03), color
        )
    if draw.chance(0.6):
        _cushions(
            parts,
            count,
            (x_back + 0.26, seat + tall * 0.4),
            (0.15, tall * 0.75),
            rest,
            cloth,
            10,
            -side * depth / 2,
        )


def chaise(draw: Draw, parts: Parts) -> None:
    """A sofa of two or three seats with one seat drawn out to lie on."""
    depth, seat, tall, lean = _body(draw)
    length, color = draw.between(1.8, 2.5), fabric(draw)
    cloth, side = darker(color, draw.between(0.8, 1.05)), draw.pick((-1, 1))
    wide, reach = draw.between(0.65, 0.85), draw.between(0.5, 0.85)
    x, z = depth / 2 - 0.08, length / 2 - 0.08
    low = _feet(
        parts,
        draw,
        [(-x, z), (-x, -z), (x, -side * z), (x + reach, side * z), (x + reach, side * (z - wide + 0.16))],
    )
    pad = draw.between(0.12, 0.17)
    base = seat - pad + 0.02
    parts.add(box((depth, base - low, length), (0, (base + low) / 2, 0)), color)
    at = side * (length / 2 - wide / 2)
    parts.add(box((depth + reach, base - low, wide), (reach / 2, (base + low) / 2, at)), color)
    parts.add(
        box((depth + reach - 0.1, pad, wide * 0.97), (reach / 2 + 0.05, seat - pad / 2, at), bevel=0.045),
        cloth,
    )
    _cushions(
        parts,
        draw.whole(1, 2),
        (0.05, seat - pad / 2),
        (depth - 0.1, pad),
        length - wide,
        cloth,
        middle=-side * wide / 2,
    )
    parts.add(
        box(
            (0.18, seat + tall - low, length),
            (-depth / 2 + 0.09, (seat + tall + low) / 2, 0),
            bevel=0.03,
            shift=(-0.05, 0),
        ),
        color,
    )
    if draw.chance(0.7):
        _cushions(
            parts,
            draw.whole(2, 3),
            (-depth / 2 + 0.22, seat + tall * 0.4),
            (0.16, tall * 0.8),
            length,
            cloth,
            lean,
        )
    _arm_pair(parts, draw, depth, low, seat, length, color, draw.pick(("box", "rolled", "sloped")))


def chesterfield(draw: Draw, parts: Parts) -> None:
    """Arms and back of one height with rolled edges."""
    depth, seat, _, _ = _body(draw)
    length, color = draw.between(1.4, 2.3), fabric(draw)
    rise, roll = seat + draw.between(0.22, 0.32), draw.between(0.09, 0.14)
    x, z = depth / 2 - 0.1, length / 2
    low = _feet(parts, draw, [(x, z), (-x, z), (x, -z), (-x, -z)])
    parts.add(box((depth, seat - low - 0.08, length + 0.1), (0, (seat + low - 0.08) / 2, 0)), color)
    _cushions(
        parts, draw.whole(2, 3), (0.08, seat - 0.06), (depth - 0.15, 0.16), length - 0.05, darker(color, 0.85)
    )
    parts.add(box((0.16, rise - low, length + 0.2), (-depth / 2 + 0.08, (rise + low) / 2, 0)), color)
    parts.add(
        rod(
            (-depth / 2 + 0.05, rise, -length / 2 - 0.12),
            (-depth / 2 + 0.05, rise, length / 2 + 0.12),
            roll,
            sides=12,
        ),
        color,
    )
    parts.pair(box((depth, rise - low, 0.16), (0, (rise + low) / 2, z + 0.05)), color)
    parts.pair(rod((-depth / 2, rise, z + 0.08), (depth / 2, rise, z + 0.08), roll, sides=12), color)


def daybed(draw: Draw, parts: Parts) -> None:
    """Low mattress on a frame, with one or two ends or a bolster."""
    depth, length, seat = draw.between(0.7, 0.95), draw.between(1.7, 2.1), draw.between(0.36, 0.46)
    frame, cloth = wood(draw) if draw.chance(0.6) else metal(draw), fabric(draw)
    x, z = depth / 2 - 0.06, length / 2 - 0.06
    pad, leg = draw.between(0.12, 0.2), draw.between(0.08, 0.11)
    parts.corners(box((leg, seat - pad + 0.02, leg), (x, (seat - pad + 0.02) / 2, z)), frame)
    parts.add(box((depth, 0.09, length), (0, seat - pad - 0.02, 0)), frame)
    parts.add(box((depth * 0.97, pad, length * 0.98), (0, seat - pad / 2, 0), bevel=0.04), cloth)
    kind = draw.pick(("end", "ends", "bolsters", "back"))
    rise = draw.between(0.2, 0.4)
    if kind in ("end", "ends"):
        panel = box(
            (depth, rise + 0.1, 0.09),
            (0, seat + rise / 2 - 0.05, length / 2),
            shift=(0, draw.between(0, 0.18)),
        )
        if kind == "ends":
            parts.pair(panel, frame)
        else:
            parts.add(panel, frame)
    if kind == "back":
        parts.add(
            box(
                (0.1, rise + 0.1, length * draw.between(0.5, 1.0)),
                (-x, seat + rise / 2 - 0.05, 0),
                bevel=0.02,
            ),
            frame,
        )
    if kind in ("bolsters", "back"):
        radius = draw.between(0.09, 0.13)
        parts.pair(
            rod(
                (-x, seat + radius * 0.8, length / 2 - radius),
                (x, seat + radius * 0.8, length / 2 - radius),
                radius,
                sides=12,
            ),
            darker(cloth),
        )


def curved(draw: Draw, parts: Parts) -> None:
    """Seat and back along an arc that opens towards +x."""
    half, radius = draw.between(35, 75), draw.between(1.1, 1.6)
    depth, seat, tall, _ = _body(draw)
    color = fabric(draw)
    cloth = darker(color, draw.between(0.8, 1.05))
    ends = 270 - half, 270 + half  # (z, x): 270 degrees points to -x
    places = [(radius * -cos(radians(a)), radius * sin(radians(a))) for a in (-half * 0.9, 0, half * 0.9)]
    low = _feet(parts, draw, places)
    pad = draw.between(0.13, 0.18)
    for k, (lo, hi, width, shift, tone) in enumerate(
        (
            (low, seat - pad + 0.02, depth, 0.0, color),
            (seat - pad, seat, depth * 0.9, -0.05, cloth),
            (low, seat + tall, 0.2, depth / 2 - 0.1, color),
        )
    ):
        plan = band(radius + shift, width, *ends, 12 - 2 * (k == 1))
        parts.add(extrude(plan, hi - lo, (0, (hi + lo) / 2, 0), axis="y"), tone)
    if draw.chance(0.5):
        rise = seat + draw.between(0.1, 0.2)
        arm = turn(box((depth, rise - low, 0.18)), "y", -half)
        at = radians(half)
        parts.pair(move(arm, (-radius * cos(at), (rise + low) / 2, radius * sin(at))), color)


def bench_sofa(draw: Draw, parts: Parts) -> None:
    """Thin cushions on an open frame of wood or steel."""
    depth, seat, tall, lean = _body(draw)
    length, frame, cloth = (
        draw.between(1.3, 2.1),
        wood(draw) if draw.chance(0.5) else metal(draw),
        fabric(draw),
    )
    bar = max(0.07, 0.043 * length)
    x, z = depth / 2 - bar / 2, length / 2 - bar / 2
    rise = seat + draw.between(0.14, 0.24)
    parts.corners(box((bar, rise, bar), (x, rise / 2, z)), frame)
    parts.pair(box((depth, bar, bar), (0, rise, z)), frame)
    parts.pair(box((depth, bar, bar), (0, seat - 0.17, z)), frame)
    parts.pair(box((bar, bar, length), (x, seat - 0.17, 0)), frame, axis="x")
    count = draw.whole(2, 3)
    _cushions(parts, count, (0.02, seat - 0.07), (depth - 0.05, 0.15), length - 2 * bar, cloth)
    _cushions(
        parts, count, (-depth / 2 + 0.13, seat + tall * 0.5), (0.14, tall), length - 2 * bar, cloth, lean
    )
    parts.add(box((bar, bar, length), (-x - 0.03, seat + tall * 0.6, 0)), frame)
    parts.pair(box((bar, tall * 0.6 + 0.05, bar), (-x - 0.015, seat + tall * 0.3, z)), frame)


STYLES = {
    "standard": standard,
    "loveseat": loveseat,
    "corner": corner,
    "chaise": chaise,
    "chesterfield": chesterfield,
    "daybed": daybed,
    "curved": curved,
    "bench_sofa": bench_sofa,
}
