"""Chairs: the sitter looks towards +x, the back stands at -x. Lengths are in metres."""

from __future__ import annotations

from math import sin

import numpy as np

from ....making.draw import Draw
from ..parts import Parts, dark, darker, fabric, metal, paint, surface, wood
from ..primitives import (
    box,
    ellipse,
    extrude,
    lathe,
    loft,
    move,
    rectangle,
    rod,
    tube,
    turn,
)
from ._chair_parts import (
    any_back,
    arm_rests,
    curved_back,
    four_legs,
    leaning,
    seat_plate,
    seat_size,
    slatted_back,
    solid_back,
)


def dining(draw: Draw, parts: Parts) -> None:
    """Four legs, no arms, any back."""
    seat, color = seat_size(draw), surface(draw)
    under = seat_plate(parts, draw, seat, color)
    four_legs(parts, draw, seat, color, under)
    any_back(parts, draw, seat, draw.between(0.36, 0.58), color)


def arms(draw: Draw, parts: Parts) -> None:
    """Four legs and arm rests."""
    seat, color = seat_size(draw), surface(draw)
    under = seat_plate(parts, draw, seat, color)
    four_legs(parts, draw, seat, color, under)
    any_back(parts, draw, seat, draw.between(0.34, 0.5), color)
    arm_rests(parts, draw, seat, color, draw.chance(0.25))


def swivel(draw: Draw, parts: Parts) -> None:
    """Office chair: star base with castors, gas column, upholstered seat."""
    seat, color, base = seat_size(draw), fabric(draw), dark(draw)
    depth, height, width = seat
    thick = draw.between(0.06, 0.1)
    pad = extrude(
        rectangle(width, depth, draw.between(0.05, 0.2)), thick, (0, height - thick / 2, 0), axis="y"
    )
    parts.add(pad, color)
    parts.add(rod((0, 0.07, 0), (0, height - thick + 0.01, 0), draw.between(0.028, 0.04)), metal(draw))
    count, reach = draw.pick((4, 5, 5, 6)), draw.between(0.24, 0.32)
    spoke = box((reach, 0.05, 0.05), (reach / 2, 0.085, 0), taper=(1, 0.8))
    start = draw.between(0, 72)
    parts.around(spoke, count, base, start)
    parts.around(
        rod((reach - 0.01, 0.034, -0.025), (reach - 0.01, 0.034, 0.025), 0.036), count, darker(base), start
    )
    tall = draw.between(0.3, 0.65)
    if draw.chance(0.5):
        any_back(parts, draw, seat, tall, color)
    else:  # a pad on a bar
        bar = tube(
            [
                (0.05, height - 0.05, 0),
                (-depth / 2 - 0.04, height - 0.03, 0),
                (-depth / 2 - 0.05, height + 0.2, 0),
            ],
            0.03,
        )
        parts.add(bar, base)
        outline = [(y, z) for z, y in rectangle(width * 0.95, tall - 0.1, draw.between(0.03, 0.2))][::-1]
        parts.add(extrude(outline, 0.06, (-depth / 2 - 0.03, height + 0.12 + tall / 2, 0), axis="x"), color)
    if draw.chance(0.65):
        arm_rests(parts, draw, (depth * 0.9, height, width + 0.06), base)
        parts.add(box((depth * 0.8, 0.045, width + 0.1), (0, height - 0.045, 0)), base)


def cantilever(draw: Draw, parts: Parts) -> None:
    """Steel tube from the floor up the front, no rear legs."""
    seat = seat_size(draw)
    depth, height, width = seat
    steel, color = metal(draw), fabric(draw) if draw.chance(0.6) else wood(draw)
    z, front, back = width / 2, depth / 2 + draw.between(0.0, 0.05), -depth / 2 - draw.between(0.0, 0.06)
    low, top = 0.025, height + draw.between(0.35, 0.48)
    side = [
        (back, low, z),
        (front, low, z),
        (front + 0.02, height - 0.03, z),
        (-depth / 2, height - 0.04, z),
        (-depth / 2 - 0.08, top, z),
    ]
    parts.pair(tube(side, 0.024), steel)
    parts.add(rod((back, low, -z), (back, low, z), 0.024, sides=6), steel)
    parts.add(box((depth, 0.05, width), (0, height - 0.015, 0), bevel=0.012), color)
    tall = draw.between(0.18, top - height - 0.02)
    panel = box((0.046, tall, width), (0, 0, 0), bevel=0.012)
    lean = 180 / np.pi * float(np.arctan2(0.08, top - height + 0.04))
    parts.add(
        move(
            turn(panel, "z", lean), (-depth / 2 - 0.08 * (1 - tall / 2 / (top - height)), top - tall / 2, 0)
        ),
        color,
    )
    if draw.chance(0.5):
        arm = [
            (front + 0.01, height * 0.6, z),
            (front, height + 0.2, z),
            (-depth / 2 - 0.03, height + 0.2, z),
        ]
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
        parts.add(
            lathe([(0.2, 0), (0.2, 0.02), (0.05, 0.06), (0.035, 0.1), (0.035, height - 0.03)], 12),
            metal(draw),
        )
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
        draw.pick((slatted_back, curved_back, solid_back))(parts, draw, seat, draw.between(0.2, 0.35), color)


def lounge(draw: Draw, parts: Parts) -> None:
    """Upholstered club or wing chair: thick arms, seat cushion, block or short feet."""
    depth, width = draw.between(0.6, 0.8), draw.between(0.62, 0.85)
    height, arm = draw.between(0.3, 0.42), draw.between(0.1, 0.18)
    color = fabric(draw)
    foot = draw.between(0.0, 0.15) if draw.chance(0.7) else 0.0
    if foot > 0.03:
        parts.corners(
            rod(
                (depth / 2 - 0.07, 0, width / 2 - 0.07),
                (depth / 2 - 0.08, foot + 0.02, width / 2 - 0.08),
                0.028,
            ),
            wood(draw),
        )
    else:
        foot = 0.0
    parts.add(
        box((depth, height - foot - 0.05, width), (0, (height + foot - 0.05) / 2, 0), bevel=0.03), color
    )
    pad = draw.between(0.08, 0.14)
    parts.add(
        box((depth * 0.85, pad, width - 2 * arm), (depth * 0.06, height, 0), bevel=0.03), darker(color, 0.85)
    )
    rise = height + draw.between(0.12, 0.26)
    low = foot + 0.02
    if draw.chance(0.5):
        parts.pair(
            box(
                (depth * draw.between(0.85, 1), rise - low, arm),
                (0, (rise + low) / 2, width / 2 - arm / 2),
                bevel=0.03,
            ),
            color,
        )
    else:  # rolled
        parts.pair(
            box((depth * 0.95, rise - low, arm * 0.8), (0, (rise + low) / 2, width / 2 - arm / 2)), color
        )
        parts.pair(
            rod(
                (-depth / 2, rise, width / 2 - arm / 2),
                (depth / 2, rise, width / 2 - arm / 2),
                arm * 0.65,
                sides=10,
            ),
            color,
        )
    tall = draw.between(0.35, 0.6)
    back = box(
        (0.17, tall, width * draw.between(0.8, 1.0)),
        (0, tall / 2, 0),
        bevel=0.04,
        taper=(0.8, draw.between(0.8, 1)),
    )
    parts.add(leaning(move(back, (0.06, 0, 0)), (depth, height - 0.08, width), draw.between(5, 16)), color)
    if draw.chance(0.3):
        wing = box(
            (depth * 0.35, tall * 0.6, 0.06),
            (-depth / 2 + 0.18, height + tall * 0.62, width / 2 - 0.09),
            taper=(0.6, 1),
        )
        parts.pair(wing, color)


def shell(draw: Draw, parts: Parts) -> None:
    """Moulded bucket seat on a pedestal, on splayed legs or on a sled."""
    color = paint(draw)
    half, height = draw.between(0.24, 0.32), draw.between(0.38, 0.46)
    rise = draw.between(0.32, 0.48)
    thick = 0.045
    steps = np.linspace(0, 1, 9)
    # a band bent from the front edge of the seat up into the back, with raised sides
    path = [
        (0.24 - 0.44 * s / 0.55, height - 0.03 * sin(s / 0.55 * np.pi))
        if s < 0.55
        else (-0.2 - 0.13 * (s - 0.55) / 0.45, height + rise * ((s - 0.55) / 0.45) ** 1.2)
        for s in steps.tolist()
    ]
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
        parts.add(
            lathe([(foot, 0), (foot, 0.015), (0.06, 0.07), (0.035, 0.2), (0.05, height - 0.03)], 14),
            draw.pick((base, color)),
        )
    elif kind == "legs":
        spread = draw.between(0.2, 0.27)
        parts.corners(rod((spread, 0, spread), (0.1, height - 0.02, 0.1), 0.022, 0.028), wood(draw))
    else:
        path3 = [
            (-0.18, height - 0.03, 0.14),
            (-0.2, 0.025, 0.2),
            (0.22, 0.025, 0.2),
            (0.18, height - 0.03, 0.14),
        ]
        parts.pair(tube(path3, 0.024), base)
        parts.add(rod((0.2, 0.025, -0.2), (0.2, 0.025, 0.2), 0.024), base)


def folding(draw: Draw, parts: Parts) -> None:
    """Legs crossed in an X on either side: director's, deck and folding chairs."""
    depth, height, width = seat_size(draw)
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
    seat, color = seat_size(draw), wood(draw)
    depth, _, width = seat
    under = seat_plate(parts, draw, seat, color)
    z = width / 2 - 0.03
    curve = draw.between(0.05, 0.1)
    runner = [(x * (depth / 2 + 0.2), 0.025 + curve * x * x, z) for x in (-1, -0.6, -0.2, 0.2, 0.6, 1)]
    parts.pair(tube(runner, 0.027), color)
    x = depth / 2 - 0.03
    foot = 0.025 + curve * (x / (depth / 2 + 0.2)) ** 2
    parts.corners(rod((x, foot, z), (x - 0.02, under + 0.01, z), 0.026), color)
    draw.pick((slatted_back, solid_back, slatted_back))(parts, draw, seat, draw.between(0.45, 0.6), color)
    arm_rests(parts, draw, seat, color)


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
