"""Seats, legs, arms and backs of chairs."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import (
    Color,
    Parts,
    darker,
    fabric,
)
from ..primitives import (
    box,
    extrude,
    loft,
    move,
    rectangle,
    rod,
    tube,
    turn,
)

Size = tuple[float, float, float]


THIN = 0.042


"""Least width of a leg or slat: one cell of a 32^3 grid for a chair of usual height."""


def leaning(mesh: Mesh, seat: Size, lean: float) -> Mesh:
    """A back drawn upright over x = 0, y = 0, moved to the seat's rear edge and leant back."""
    return move(turn(mesh, "z", lean), (-seat[0] / 2 + 0.03, seat[1] - 0.02, 0))


def solid_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    thick, width = draw.between(THIN, 0.075), seat[2] * draw.between(0.85, 1.0)
    if draw.chance(0.5):
        round_ = draw.between(0.1, 0.49) * width
        outline = [(y + height / 2, z) for z, y in rectangle(width, height, round_)]
        panel = extrude(outline[::-1], thick, axis="x")
    else:
        panel = box(
            (thick, height, width),
            (0, height / 2, 0),
            bevel=draw.between(0.0, 0.02),
            taper=(1, draw.between(0.75, 1.1)),
        )
    parts.add(leaning(panel, seat, draw.between(3, 14)), color)


def curved_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """A sheet bent round the sitter, sometimes only a band on two posts."""
    half = draw.between(35, 75)
    width = seat[2] * draw.between(0.95, 1.1)
    radius = width / 2 / sin(radians(half))
    thick, tall = THIN, height * (draw.between(0.35, 0.6) if draw.chance(0.4) else 1.0)
    outer = [
        (radius * sin(radians(a)), -radius * cos(radians(a)) + radius) for a in np.linspace(-half, half, 9)
    ]
    sections = []
    for y in (height - tall, height):
        inner = [(z * (1 - thick / radius), x + (radius - x) * thick / radius) for z, x in outer]
        sections.append([(x, y, z) for z, x in outer] + [(x, y, z) for z, x in inner[::-1]])
    lean = draw.between(2, 10)
    parts.add(leaning(loft(np.array(sections)), seat, lean), color)
    if tall < height:
        post = box(
            (THIN, height - tall + 0.05, THIN), (0.02, (height - tall) / 2, radius * sin(radians(half * 0.6)))
        )
        parts.pair(leaning(post, seat, lean), darker(color))


def slatted_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """Two posts with rungs across (ladder) or spindles under a top rail."""
    lean, post, z = draw.between(3, 12), draw.between(THIN, 0.055), seat[2] / 2 - 0.03

    def add(mesh: Mesh) -> None:
        parts.add(leaning(mesh, seat, lean), color)

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
            add(
                box(
                    (THIN, height - rail / 2, wide),
                    (0, (height - rail) / 2, 2 * z * ((k + 1) / (count + 1) - 0.5)),
                )
            )


def frame_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    """A hoop of round tube with a cushion or an open middle."""
    z, lean = seat[2] / 2 - 0.03, draw.between(4, 12)
    round_ = draw.between(0.05, 0.16)
    path = [(0.0, 0.0, -z), (0.0, height - round_, -z), (0.0, height, -z + round_)]
    path += [(0.0, y, -pz) for _, y, pz in path[::-1]]
    parts.add(leaning(tube(path, 0.024), seat, lean), color)
    if draw.chance(0.75):
        gap = draw.between(0.05, 0.15)
        pad = box(
            (0.05, height - gap - 0.01, 2 * z),
            (0.005, (height + gap) / 2 - 0.01, 0),
            bevel=0.015,
            taper=(1, 0.9),
        )
        parts.add(leaning(pad, seat, lean), fabric(draw))
    else:
        bar = box((0.044, 0.044, 2 * z), (0, height * draw.between(0.3, 0.6), 0))
        parts.add(leaning(bar, seat, lean), color)


def any_back(parts: Parts, draw: Draw, seat: Size, height: float, color: Color) -> None:
    draw.pick((solid_back, curved_back, slatted_back, frame_back))(parts, draw, seat, height, color)


def seat_size(draw: Draw) -> Size:
    """Depth, height of its top, width."""
    return draw.between(0.4, 0.54), draw.between(0.4, 0.5), draw.between(0.4, 0.56)


def four_legs(parts: Parts, draw: Draw, seat: Size, color: Color, under: float) -> None:
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
        leg_mesh = box(
            (leg, under, leg), (0, under / 2, 0), taper=(top, top), shift=(-splay - inset, -splay - inset)
        )
        parts.corners(move(leg_mesh, (x + splay, 0, z + splay)), color)
    if draw.chance(0.45):
        y, bar = draw.between(0.1, 0.2), THIN
        t = (y / under) * (splay + inset)
        parts.pair(box((2 * (x + splay - t), bar, bar), (0, y, z + splay - t)), color)
        if draw.chance(0.6):
            parts.add(box((bar, bar, 2 * (z + splay - t)), (draw.pick((0.0, x - t + splay)), y, 0)), color)


def arm_rests(parts: Parts, draw: Draw, seat: Size, color: Color, solid: bool = False) -> None:
    depth, height, width = seat
    rise, thick = draw.between(0.17, 0.24), draw.between(THIN, 0.06)
    z = width / 2 + 0.01
    reach = depth * draw.between(0.75, 0.98)
    parts.pair(box((reach, THIN, thick), (-depth / 2 + reach / 2, height + rise, z), bevel=0.008), color)
    if solid:
        parts.pair(
            box((reach * 0.95, rise + 0.04, THIN), (-depth / 2 + reach / 2, height + rise / 2 - 0.02, z)),
            color,
        )
    else:
        front = -depth / 2 + reach - draw.between(0.03, 0.1)
        post = box(
            (THIN, rise + 0.06, THIN),
            (front, height + rise / 2 - 0.03, z),
            shift=(draw.between(-0.04, 0.03), 0),
        )
        parts.pair(post, color)


def seat_plate(parts: Parts, draw: Draw, seat: Size, color: Color) -> float:
    """Seat with or without a cushion; returns the height of its underside."""
    depth, height, width = seat
    thick = draw.between(0.045, 0.07)
    if draw.chance(0.3):
        outline = rectangle(width, depth, draw.between(0.1, 0.45) * min(width, depth))
        parts.add(extrude(outline, thick, (0, height - thick / 2, 0), axis="y"), color)
    else:
        front = draw.between(0.85, 1.0)
        plate = np.array(rectangle(width, depth))
        plate[plate[:, 1] < 0, 0] *= front  # narrower at the back
        parts.add(extrude(plate, thick, (0, height - thick / 2, 0), axis="y"), color)
    if draw.chance(0.45):
        pad = draw.between(0.03, 0.07)
        parts.add(
            box((depth * 0.94, pad, width * 0.94), (0, height + pad / 2 - 0.01, 0), bevel=0.015), fabric(draw)
        )
    return height - thick + 0.01
