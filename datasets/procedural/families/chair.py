"""Chairs: the sitter looks towards +x, the back stands at -x. Lengths are in metres."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians, sin

import numpy as np

from datasets.procedural.draw import Draw
from datasets.procedural.parts import Color, Parts, dark, darker, fabric, metal, paint, surface, wood
from datasets.procedural.primitives import (
    box, ellipse, ellipsoid, extrude, lathe, loft, move, rectangle, rod, stretch, tube, turn,
)  # fmt: skip
from zoo.geometry.mesh import Mesh

Size = tuple[float, float, float]
THIN = 0.042
"""Least width of a leg or slat: one cell of a 32^3 grid for a chair of usual height."""


def _seat_size(draw: Draw) -> Size:
    """Depth, height of its top, width."""
    return draw.between(0.4, 0.54), draw.between(0.4, 0.5), draw.between(0.4, 0.56)


def _four_legs(parts: Parts, draw: Draw, seat: Size, color: Color, under: float) -> None:
    """Square, tapered or round legs, upright or splayed, maybe with stretchers."""
    depth, _, width = seat
    leg = draw.between(THIN, 0.06)
    splay = draw.between(0.02, 0.07) if draw.chance(0.4) else 0.0
    x, z = depth / 2 - leg / 2 - 0.005, width / 2 - leg / 2 - 0.005
    inset = draw.between(0.0, 0.05)
    if draw.chance(0.35):
        parts.corners(rod((x + splay, 0, z + splay), (x - inset, under, z - inset), leg * 0.52), color)
    else:
        top = draw.between(1.0, 1.4)
        leg_mesh = box((leg, under, leg), (0, under / 2, 0), taper=(top, top), shift=(-splay - inset, -splay - inset))
        parts.corners(move(leg_mesh, (x + splay, 0, z + splay)), color)
    if draw.chance(0.45):
        y, bar = draw.between(0.1, 0.2), THIN
        t = (y / under) * (splay + inset)
        parts.pair(box((2 * (x + splay - t), bar, bar), (0, y, z + splay - t)), color)
        if draw.chance(0.6):
            parts.add(box((bar, bar, 2 * (z + splay - t)), (draw.pick((0.0, x - t + splay)), y, 0)), color)


def _leaning(mesh: Mesh, seat: Size, lean: float) -> Mesh:
    """A back drawn upright over x = 0, y = 0, moved to the seat's rear edge and leant back."""
    return move(turn(mesh, "z", lean), (-seat[0] / 2 + 0.03, seat[1] - 0.02, 0))


def _solid_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    thick, width = draw.between(THIN, 0.075), seat[2] * draw.between(0.85, 1.0)
    if draw.chance(0.5):
        round_ = draw.between(0.1, 0.49) * width
        outline = [(y + height / 2, z) for z, y in rectangle(width, height, round_)]
        panel = extrude(outline[::-1], thick, axis="x")
    else:
        panel = box((thick, height, width), (0, height / 2, 0), bevel=draw.between(0.0, 0.02), taper=(1, draw.between(0.75, 1.1)))
    parts.add(_leaning(panel, seat, draw.between(3, 14)), color)


def _curved_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """A sheet bent round the sitter, sometimes only a band on two posts."""
    half = draw.between(35, 75)
    width = seat[2] * draw.between(0.95, 1.1)
    radius = width / 2 / sin(radians(half))
    thick, tall = THIN, height * (draw.between(0.35, 0.6) if draw.chance(0.4) else 1.0)
    outer = [(radius * sin(radians(a)), -radius * cos(radians(a)) + radius) for a in np.linspace(-half, half, 9)]
    sections = []
    for y in (height - tall, height):
        inner = [(z * (1 - thick / radius), x + (radius - x) * thick / radius) for z, x in outer]
        sections.append([(x, y, z) for z, x in outer] + [(x, y, z) for z, x in inner[::-1]])
    lean = draw.between(2, 10)
    parts.add(_leaning(loft(np.array(sections)), seat, lean), color)
    if tall < height:
        post = box((THIN, height - tall + 0.05, THIN), (0.02, (height - tall) / 2, radius * sin(radians(half * 0.6))))
        parts.pair(_leaning(post, seat, lean), darker(color))


def _slatted_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """Two posts with rungs across (ladder) or spindles under a top rail."""
    lean, post, z = draw.between(3, 12), draw.between(THIN, 0.055), seat[2] / 2 - 0.03
    add: Callable[[Mesh], None] = lambda m: parts.add(_leaning(m, seat, lean), color)  # noqa: E731
    for side in (-1, 1):
        add(box((post, height, post), (0, height / 2, side * z)))
    rail = draw.between(0.05, 0.11)
    add(box((THIN, rail, 2 * z), (0, height - rail / 2, 0), bevel=0.008))
    if draw.chance(0.5):
        count = draw.whole(1, 3)
        for k in range(count):
            tall = min(draw.between(0.045, 0.07), 0.5 * height / (count + 1))
            add(box((THIN, tall, 2 * z), (0, (height - rail) * (k + 1) / (count + 1), 0)))
    else:
        count = draw.whole(1, 3)
        wide = draw.between(0.12, 0.2) if count == 1 else THIN
        for k in range(count):
            add(box((THIN, height - rail / 2, wide), (0, (height - rail) / 2, 2 * z * ((k + 1) / (count + 1) - 0.5))))


def _frame_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """A hoop of round tube with a cushion or an open middle."""
    z, lean = seat[2] / 2 - 0.03, draw.between(4, 12)
    round_ = draw.between(0.05, 0.16)
    path = [(0.0, 0.0, -z), (0.0, height - round_, -z), (0.0, height, -z + round_)]
    path += [(0.0, y, -pz) for _, y, pz in path[::-1]]
    parts.add(_leaning(tube(path, 0.024), seat, lean), color)
    if draw.chance(0.75):
        gap = draw.between(0.05, 0.15)
        pad = box((0.05, height - gap - 0.01, 2 * z), (0.005, (height + gap) / 2 - 0.01, 0), bevel=0.015, taper=(1, 0.9))
        parts.add(_leaning(pad, seat, lean), fabric(draw))
    else:
        bar = box((0.044, 0.044, 2 * z), (0, height * draw.between(0.3, 0.6), 0))
        parts.add(_leaning(bar, seat, lean), color)


def _any_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    draw.pick((_solid_back, _curved_back, _slatted_back, _frame_back))(parts, draw, seat, height, color)


def _arms(parts: Parts, draw: Draw, seat: Size, color: Color, solid: bool = False) -> None:
    depth, height, width = seat
    rise, thick = draw.between(0.17, 0.24), draw.between(THIN, 0.06)
    z = width / 2 + 0.01
    reach = depth * draw.between(0.75, 0.98)
    parts.pair(box((reach, THIN, thick), (-depth / 2 + reach / 2, height + rise, z), bevel=0.008), color)
    if solid:
        parts.pair(box((reach * 0.95, rise + 0.04, THIN), (-depth / 2 + reach / 2, height + rise / 2 - 0.02, z)), color)
    else:
        front = -depth / 2 + reach - draw.between(0.03, 0.1)
        post = box((THIN, rise + 0.06, THIN), (front, height + rise / 2 - 0.03, z), shift=(draw.between(-0.04, 0.03), 0))
        parts.pair(post, color)


def _seat_plate(parts: Parts, draw: Draw, seat: Size, color: Color) -> float:
    """Seat with or without a cushion; returns the height of its underside."""
    depth, height, width = seat
    thick = draw.between(0.045, 0.07)
    if draw.chance(0.3):
        outline = rectangle(width, depth, draw.between(0.1, 0.45) * min(width, depth))
        parts.add(extrude(outline, thick, (0, height - thick / 2, 0), axis="y"), color)
    else:
        front = draw.between(0.85, 1.0)
        plate = np.array(rectangle(width, depth)) * np.array([(1, 1), (1, 1), (1, 1), (1, 1)])
        plate[plate[:, 1] < 0, 0] *= front
        parts.add(extrude(plate, thick, (0, height - thick / 2, 0), axis="y"), color)
    if draw.chance(0.45):
        pad = draw.between(0.03, 0.07)
        parts.add(box((depth * 0.94, pad, width * 0.94), (0, height + pad / 2 - 0.01, 0), bevel=0.015), fabric(draw))
    return height - thick + 0.01


def dining(draw: Draw, parts: Parts) -> None:
    seat, color = _seat_size(draw), surface(draw)
    under = _seat_plate(parts, draw, seat, color)
    _four_legs(parts, draw, seat, color, under)
    _any_back(parts, draw, seat, draw.between(0.36, 0.58), color)


def arms(draw: Draw, parts: Parts) -> None:
    seat, color = _seat_size(draw), surface(draw)
    under = _seat_plate(parts, draw, seat, color)
    _four_legs(parts, draw, seat, color, under)
    _any_back(parts, draw, seat, draw.between(0.34, 0.5), color)
    _arms(parts, draw, seat, color, draw.chance(0.25))


def swivel(draw: Draw, parts: Parts) -> None:
    """Office chair: star base with castors, gas column, upholstered seat."""
    seat, color, base = _seat_size(draw), fabric(draw), dark(draw)
    depth, height, width = seat
    thick = draw.between(0.06, 0.1)
    pad = extrude(rectangle(width, depth, draw.between(0.05, 0.2)), thick, (0, height - thick / 2, 0), axis="y")
    parts.add(pad, color)
    parts.add(rod((0, 0.07, 0), (0, height - thick + 0.01, 0), draw.between(0.028, 0.04)), metal(draw))
    count, reach = draw.pick((4, 5, 5, 6)), draw.between(0.24, 0.32)
    spoke = box((reach, 0.05, 0.05), (reach / 2, 0.085, 0), taper=(1, 0.8))
    start = draw.between(0, 72)
    parts.around(spoke, count, base, start)
    parts.around(rod((reach, 0.03, -0.025), (reach, 0.03, 0.025), 0.032), count, darker(base), start)
    tall = draw.between(0.3, 0.65)
    if draw.chance(0.5):
        _any_back(parts, draw, seat, tall, color)
    else:  # a pad on a bar
        bar = tube([(0.05, height - 0.05, 0), (-depth / 2 - 0.04, height - 0.03, 0), (-depth / 2 - 0.05, height + 0.2, 0)], 0.03)
        parts.add(bar, base)
        outline = [(y, z) for z, y in rectangle(width * 0.95, tall - 0.1, draw.between(0.03, 0.2))][::-1]
        parts.add(extrude(outline, 0.06, (-depth / 2 - 0.03, height + 0.12 + tall / 2, 0), axis="x"), color)
    if draw.chance(0.65):
        _arms(parts, draw, (depth * 0.9, height, width + 0.06), base)
        parts.add(box((0.06, 0.045, width + 0.1), (0.05, height - thick, 0)), base)


def cantilever(draw: Draw, parts: Parts) -> None:
    """Steel tube from the floor up the front, no rear legs."""
    seat = _seat_size(draw)
    depth, height, width = seat
    steel, color = metal(draw), fabric(draw) if draw.chance(0.6) else wood(draw)
    z, front, back = width / 2, depth / 2 + draw.between(0.0, 0.05), -depth / 2 - draw.between(0.0, 0.06)
    low, top = 0.025, height + draw.between(0.35, 0.48)
    side = [(back, low, z), (front, low, z), (front + 0.02, height - 0.03, z), (-depth / 2, height - 0.04, z), (-depth / 2 - 0.08, top, z)]
    parts.pair(tube(side, 0.024), steel)
    parts.add(rod((back, low, -z), (back, low, z), 0.024, sides=6), steel)
    parts.add(box((depth, 0.05, width), (0, height - 0.015, 0), bevel=0.012), color)
    tall = draw.between(0.18, top - height - 0.02)
    panel = box((0.046, tall, width), (0, 0, 0), bevel=0.012)
    lean = 180 / np.pi * float(np.arctan2(0.08, top - height + 0.04))
    parts.add(move(turn(panel, "z", lean), (-depth / 2 - 0.08 * (1 - tall / 2 / (top - height)), top - tall / 2, 0)), color)
    if draw.chance(0.5):
        arm = [(front + 0.01, height * 0.6, z), (front, height + 0.2, z), (-depth / 2 - 0.03, height + 0.2, z)]
        parts.pair(tube(arm, 0.024), steel)


def stool(draw: Draw, parts: Parts) -> None:
    """Bar stool: tall, round or square, with a low back or none."""
    height, wide = draw.between(0.6, 0.78), draw.between(0.32, 0.42)
    color, frame = surface(draw), surface(draw)
    seat = (wide, height, wide)
    round_ = draw.chance(0.5)
    outline = ellipse(wide, wide) if round_ else rectangle(wide, wide, 0.04)
    parts.add(extrude(outline, 0.06, (0, height - 0.03, 0), axis="y"), color)
    if draw.chance(0.3):
        parts.add(lathe([(0.2, 0), (0.2, 0.02), (0.05, 0.06), (0.035, 0.1), (0.035, height - 0.03)], 12), metal(draw))
        if draw.chance(0.6):
            parts.add(lathe([(0.12, 0.24), (0.17, 0.24), (0.17, 0.28), (0.12, 0.28)], 14, around=True), frame)
            parts.around(box((0.14, 0.04, 0.04), (0.07, 0.26, 0)), 3, frame)
    else:
        foot, top = wide / 2 * draw.between(0.85, 1.25), wide / 2 * (0.55 if round_ else 0.8)
        parts.corners(rod((foot, 0, foot), (top, height - 0.03, top), 0.026), frame)
        y = draw.between(0.18, 0.3)
        t = foot + (top - foot) * y / height
        parts.pair(box((2 * t, 0.042, 0.042), (0, y, t)), frame)
        parts.pair(box((0.042, 0.042, 2 * t), (t, y, 0)), frame, axis="x")
    if draw.chance(0.45):
        draw.pick((_slatted_back, _curved_back, _solid_back))(parts, draw, seat, draw.between(0.2, 0.35), color)


def lounge(draw: Draw, parts: Parts) -> None:
    """Upholstered club or wing chair: thick arms, seat cushion, block or short feet."""
    depth, width = draw.between(0.6, 0.8), draw.between(0.62, 0.85)
    height, arm = draw.between(0.3, 0.42), draw.between(0.1, 0.18)
    color = fabric(draw)
    foot = draw.between(0.0, 0.15) if draw.chance(0.7) else 0.0
    if foot > 0.03:
        parts.corners(rod((depth / 2 - 0.07, 0, width / 2 - 0.07), (depth / 2 - 0.08, foot + 0.02, width / 2 - 0.08), 0.028), wood(draw))
    else:
        foot = 0.0
    parts.add(box((depth, height - foot - 0.05, width), (0, (height + foot - 0.05) / 2, 0), bevel=0.03), color)
    pad = draw.between(0.08, 0.14)
    parts.add(box((depth * 0.85, pad, width - 2 * arm), (depth * 0.06, height, 0), bevel=0.03), darker(color, 0.85))
    rise = height + draw.between(0.12, 0.26)
    low = foot + 0.02
    if draw.chance(0.5):
        parts.pair(box((depth * draw.between(0.85, 1), rise - low, arm), (0, (rise + low) / 2, width / 2 - arm / 2), bevel=0.03), color)
    else:  # rolled
        parts.pair(box((depth * 0.95, rise - low, arm * 0.8), (0, (rise + low) / 2, width / 2 - arm / 2)), color)
        parts.pair(rod((-depth / 2, rise, width / 2 - arm / 2), (depth / 2, rise, width / 2 - arm / 2), arm * 0.65, sides=10), color)
    tall = draw.between(0.35, 0.6)
    back = box((0.17, tall, width * draw.between(0.8, 1.0)), (0, tall / 2, 0), bevel=0.04, taper=(0.8, draw.between(0.8, 1)))
    parts.add(_leaning(move(back, (0.06, 0, 0)), (depth, height - 0.08, width), draw.between(5, 16)), color)
    if draw.chance(0.3):
        wing = box((depth * 0.35, tall * 0.6, 0.06), (-depth / 2 + 0.18, height + tall * 0.62, width / 2 - 0.09), taper=(0.6, 1))
        parts.pair(wing, color)


def shell(draw: Draw, parts: Parts) -> None:
    """Moulded bucket seat on a pedestal, on splayed legs or on a sled."""
    color = paint(draw)
    half, height = draw.between(0.24, 0.32), draw.between(0.38, 0.46)
    rise = draw.between(0.32, 0.48)
    thick = 0.045
    steps = np.linspace(0, 1, 9)
    # a band bent from the front edge of the seat up into the back, with raised sides
    path = [(0.24 - 0.44 * s / 0.55, height - 0.03 * sin(s / 0.55 * np.pi)) if s < 0.55 else
            (-0.2 - 0.13 * (s - 0.55) / 0.45, height + rise * ((s - 0.55) / 0.45) ** 1.2) for s in steps.tolist()]  # fmt: skip
    across = np.linspace(-1, 1, 9)
    cup = draw.between(0.05, 0.14)
    sections = []
    for (x, y), s in zip(path, steps.tolist(), strict=True):
        width = half * (0.85 + 0.3 * sin(np.pi * min(s * 1.1, 1.0)))
        forward = np.array([0.1 + s, 1 - s]) / np.hypot(0.1 + s, 1 - s)
        lift = cup * across**2
        outer = np.stack([x + forward[0] * lift, y + forward[1] * lift, width * across], 1)
        inner = outer - np.array([forward[0] * thick, forward[1] * thick, 0])
        sections.append(np.concatenate([outer, inner[::-1]]))
    parts.add(loft(np.array(sections)[::-1]), color)
    kind = draw.pick(("pedestal", "legs", "sled"))
    base = metal(draw)
    if kind == "pedestal":
        foot = draw.between(0.2, 0.27)
        parts.add(lathe([(foot, 0), (foot, 0.015), (0.06, 0.07), (0.035, 0.2), (0.05, height - 0.03)], 14), draw.pick((base, color)))
    elif kind == "legs":
        spread = draw.between(0.2, 0.27)
        parts.corners(rod((spread, 0, spread), (0.1, height - 0.02, 0.1), 0.022, 0.028), wood(draw))
    else:
        path3 = [(-0.18, height - 0.03, 0.14), (-0.2, 0.025, 0.2), (0.22, 0.025, 0.2), (0.18, height - 0.03, 0.14)]
        parts.pair(tube(path3, 0.024), base)
        parts.add(rod((0.2, 0.025, -0.2), (0.2, 0.025, 0.2), 0.024), base)


def folding(draw: Draw, parts: Parts) -> None:
    """Legs crossed in an X on either side: director's, deck and folding chairs."""
    depth, height, width = _seat_size(draw)
    frame, cloth = surface(draw), fabric(draw)
    z = width / 2
    x = depth / 2
    parts.pair(tube([(x, 0, z), (-x * 0.9, height, z)], 0.026), frame)
    parts.pair(tube([(-x, 0, z * 0.92), (x * 0.9, height, z * 0.92)], 0.026), frame)
    parts.add(rod((x, 0.03, -z), (x, 0.03, z), 0.024), frame)
    parts.add(rod((-x, 0.03, -z), (-x, 0.03, z), 0.024), frame)
    parts.add(box((depth * 0.95, 0.045, width), (0, height, 0)), cloth)
    tall = draw.between(0.35, 0.5)
    parts.pair(rod((-x * 0.85, height, z), (-x - 0.04, height + tall, z), 0.026), frame)
    panel = draw.between(0.14, tall * 0.75)
    parts.add(box((0.045, panel, 2 * z), (-x - 0.035, height + tall - panel / 2, 0)), cloth)
    if draw.chance(0.55):
        rise = draw.between(0.18, 0.24)
        parts.pair(box((depth, 0.042, 0.055), (-0.02, height + rise, z)), frame)
        parts.pair(rod((x * 0.8, height, z), (x * 0.8, height + rise, z), 0.025), frame)


def rocking(draw: Draw, parts: Parts) -> None:
    """Ladder or solid back and arms on curved runners."""
    seat, color = _seat_size(draw), wood(draw)
    depth, height, width = seat
    under = _seat_plate(parts, draw, seat, color)
    z = width / 2 - 0.03
    curve = draw.between(0.05, 0.1)
    runner = [(x * (depth / 2 + 0.2), 0.025 + curve * x * x, z) for x in (-1, -0.6, -0.2, 0.2, 0.6, 1)]
    parts.pair(tube(runner, 0.027), color)
    x = depth / 2 - 0.03
    foot = 0.025 + curve * (x / (depth / 2 + 0.2)) ** 2
    parts.corners(rod((x, foot, z), (x - 0.02, under + 0.01, z), 0.026), color)
    draw.pick((_slatted_back, _solid_back, _slatted_back))(parts, draw, seat, draw.between(0.45, 0.6), color)
    _arms(parts, draw, seat, color)


STYLES = {
    "dining": dining,
    "arms": arms,
    "swivel": swivel,
    "cantilever": cantilever,
    "stool": stool,
    "lounge": lounge,
    "shell": shell,
    "folding": folding,
    "rocking": rocking,
}
