"""Cars: bonnet towards +x, wheels along z. Lengths are in metres."""

from __future__ import annotations

from dataclasses import replace

from ....making.draw import Draw
from ..parts import Parts, dark, darker, glass, metal, paint, white
from ..primitives import band, box, extrude, move, rod, tube
from ._bodies import cabin, draw_frame, hull, passenger


def sedan(draw: Draw, parts: Parts) -> None:
    """Bonnet, cabin, boot."""
    frame = draw_frame(draw, (4.0, 5.4), (1.6, 2.0), (0.16, 0.32), (0.28, 0.38))
    if draw.chance(0.12):  # limousine
        frame = replace(frame, length=draw.between(6.0, 7.5))
    height = draw.between(1.28, 1.58)
    bonnet, boot = draw.between(0.9, 1.6), draw.between(0.4, 1.2)
    slopes = draw.between(0.35, 0.9), draw.between(0.25, 0.9)
    passenger(
        draw, parts, frame, height, draw.between(0.86, 0.96), bonnet, boot, slopes, draw.between(0.66, 0.78)
    )
    frame.wheels(parts, draw)


def hatchback(draw: Draw, parts: Parts) -> None:
    """Short, steep rear without a boot."""
    frame = draw_frame(draw, (2.8, 4.8), (1.5, 1.85), (0.16, 0.32), (0.27, 0.35))
    height = draw.between(1.38, 1.72)
    slopes = draw.between(0.3, 0.85), draw.between(0.1, 0.75)
    passenger(
        draw,
        parts,
        frame,
        height,
        draw.between(0.9, 1.0),
        frame.length * draw.between(0.2, 0.29),
        0.0,
        slopes,
        draw.between(0.7, 0.82),
    )
    frame.wheels(parts, draw)
    if draw.chance(0.4):
        parts.add(
            box((0.25, 0.07, frame.width * 0.7), (-frame.length / 2 + slopes[1] + 0.02, height, 0)),
            frame.color,
        )


def suv(draw: Draw, parts: Parts) -> None:
    """Tall, upright, high wheels; some with a spare wheel or a roof rack."""
    frame = draw_frame(draw, (3.5, 5.3), (1.7, 2.1), (0.28, 0.5), (0.36, 0.52))
    height = draw.between(1.65, 2.1)
    slopes = draw.between(0.2, 0.6), draw.between(0.08, 0.35)
    passenger(
        draw,
        parts,
        frame,
        height,
        draw.between(1.1, 1.2),
        draw.between(0.95, 1.35),
        0.0,
        slopes,
        draw.between(0.92, 1.05),
    )
    frame.wheels(parts, draw)
    end = frame.length / 2
    if draw.chance(0.4):
        parts.add(rod((-end - 0.2, 0.95, 0), (-end + 0.1, 0.95, 0), 0.36, sides=14), dark(draw))
    if draw.chance(0.5):
        rack = dark(draw)
        for x in (-0.2, 0.25, 0.7):
            parts.add(box((0.09, 0.09, frame.width * 0.75), (-x - 0.2, height + 0.11, 0)), rack)
        parts.pair(box((1.5, 0.17, 0.16), (-0.45, height + 0.06, frame.width * 0.36)), rack)


def pickup(draw: Draw, parts: Parts) -> None:
    """Cab in front, open bed behind."""
    frame = draw_frame(draw, (4.6, 5.9), (1.75, 2.1), (0.3, 0.55), (0.36, 0.52))
    height, belt = draw.between(1.65, 2.05), draw.between(1.05, 1.22)
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    bonnet, bed = draw.between(1.2, 1.5), draw.between(1.4, 2.2)
    nose = draw.between(0.95, 1.08)
    back = -end + bed
    stations = [
        (back - 0.05, low, belt, half),
        (end - bonnet, low, belt, half),
        (end - bonnet * 0.25, low, nose + 0.08, half * 0.98),
        (end - 0.08, low + 0.03, nose, half * 0.93),
        (end, low + 0.08, nose - 0.15, half * 0.85),
    ]
    parts.add(hull(stations), frame.color)
    slopes = draw.between(0.35, 0.7), draw.between(0.05, 0.3)
    cabin(
        parts,
        draw,
        (back, back + slopes[1]),
        (end - bonnet, end - bonnet - slopes[0]),
        belt - 0.03,
        height,
        frame.width,
        frame.color,
    )
    floor, wall = low + 0.32, 0.19
    parts.add(
        box((bed + 0.1, 0.3, frame.width * 0.96), (-end + bed / 2, low + 0.17, 0)), darker(frame.color, 0.6)
    )
    parts.pair(
        box((bed + 0.1, belt - low - 0.05, wall), (-end + bed / 2, (belt + low) / 2, half - wall / 2)),
        frame.color,
    )
    parts.add(box((wall, belt - floor, frame.width), (-end + wall / 2, (belt + floor) / 2, 0)), frame.color)
    frame.lamps(parts, nose - 0.15, end - 0.02, -end)
    frame.wheels(parts, draw)
    if draw.chance(0.3):
        hoop = [
            (back + 0.15, belt, half - 0.2),
            (back + 0.15, height, half - 0.35),
            (back + 0.15, height, 0.35 - half),
            (back + 0.15, belt, 0.2 - half),
        ]
        parts.add(tube(hoop, 0.13), metal(draw))


def sports(draw: Draw, parts: Parts) -> None:
    """Low and wide, long bonnet or mid engine, maybe a wing."""
    frame = draw_frame(draw, (3.8, 4.9), (1.7, 2.1), (0.1, 0.22), (0.3, 0.4))
    height = draw.between(1.02, 1.3)
    slopes = draw.between(0.7, 1.0), draw.between(0.6, 1.2)
    bonnet = draw.between(0.7, 1.7)
    passenger(
        draw,
        parts,
        frame,
        height,
        draw.between(0.74, 0.82),
        bonnet,
        draw.between(0.25, 0.6),
        slopes,
        draw.between(0.5, 0.6),
    )
    frame.wheels(parts, draw)
    if draw.chance(0.55):
        rise = draw.between(0.95, 1.15)
        parts.add(
            box((0.34, 0.16, frame.width * 0.9), (-frame.length / 2 + 0.22, rise, 0)), darker(frame.color)
        )
        parts.pair(
            box((0.18, rise - 0.6, 0.16), (-frame.length / 2 + 0.25, (rise + 0.6) / 2, frame.width * 0.3)),
            darker(frame.color),
        )


def convertible(draw: Draw, parts: Parts) -> None:
    """Open roof: windscreen frame, seats, a tub between bonnet and boot."""
    frame = draw_frame(draw, (3.9, 4.6), (1.7, 1.85), (0.16, 0.26), (0.3, 0.36))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    belt, nose = draw.between(0.8, 0.92), draw.between(0.62, 0.72)
    bonnet, boot = draw.between(1.3, 1.7), draw.between(0.7, 1.1)
    front, rear = end - bonnet, -end + boot
    parts.add(
        hull(
            [
                (front - 0.05, low, belt, half),
                (end - bonnet * 0.3, low, (belt + nose) / 2 + 0.03, half * 0.97),
                (end - 0.12, low + 0.03, nose, half * 0.9),
                (end, low + 0.1, nose - 0.16, half * 0.75),
            ]
        ),
        frame.color,
    )
    parts.add(
        hull(
            [
                (-end, low + 0.12, belt - 0.12, half * 0.8),
                (-end + 0.15, low, belt, half * 0.95),
                (rear, low, belt, half),
            ]
        ),
        frame.color,
    )
    middle, tub = (front + rear) / 2, front - rear + 0.1
    parts.add(box((tub, 0.22, frame.width * 0.97), (middle, low + 0.12, 0)), dark(draw))
    parts.pair(box((tub, belt - low, 0.17), (middle, (belt + low) / 2, half - 0.085)), frame.color)
    cloth = paint(draw)
    for x in (rear + 0.55, rear + 1.3) if tub > 1.9 else (rear + 0.6,):
        parts.pair(box((0.5, 0.22, 0.5), (x + 0.15, low + 0.3, half * 0.45), bevel=0.04), cloth)
        parts.pair(
            box((0.2, 0.68, 0.5), (x - 0.1, low + 0.55, half * 0.45), shift=(-0.12, 0), bevel=0.04), cloth
        )
    tall = draw.between(0.38, 0.5)
    parts.add(
        box(
            (0.18, tall, frame.width * 0.94),
            (front - 0.02, belt + tall / 2 - 0.03, 0),
            shift=(-draw.between(0.2, 0.35), 0),
            taper=(1, 0.85),
        ),
        glass(draw),
    )
    frame.lamps(parts, nose - 0.1, end - 0.06, -end + 0.05)
    frame.wheels(parts, draw)


def vintage(draw: Draw, parts: Parts) -> None:
    """Narrow bonnet, free-standing mudguards, running boards, upright cabin or open tub."""
    frame = draw_frame(draw, (3.4, 4.8), (1.6, 1.85), (0.3, 0.42), (0.36, 0.48))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    belt, bonnet = draw.between(1.0, 1.15), frame.length * draw.between(0.28, 0.42)
    narrow = half * draw.between(0.45, 0.62)
    front = end - bonnet
    parts.add(
        hull(
            [
                (front - 0.1, low, belt, narrow * 1.25),
                (front, low, belt, narrow),
                (end - 0.1, low, belt * 0.95, narrow * 0.8),
            ]
        ),
        frame.color,
    )
    parts.add(box((0.16, belt - low, narrow * 1.5), (end - 0.12, (belt + low) / 2 + 0.03, 0)), metal(draw))
    tail = draw.between(0.1, 0.9)
    rear = -end + tail
    parts.add(
        hull(
            [
                (-end + 0.1, low + 0.1, belt * 0.75, half * 0.5),
                (rear + 0.15, low, belt, half * 0.8),
                (front, low, belt, half * 0.8),
            ]
        ),
        frame.color,
    )
    height = draw.between(1.6, 1.95)
    if draw.chance(0.75):
        cabin(
            parts,
            draw,
            (rear + 0.1, rear + draw.between(0.1, 0.4)),
            (front, front - draw.between(0.02, 0.25)),
            belt - 0.05,
            height,
            frame.width * 0.82,
            frame.color,
        )
    else:
        pane = box(
            (0.16, height - belt - 0.2, half * 1.3), (front, (height + belt) / 2 - 0.12, 0), shift=(-0.1, 0)
        )
        parts.add(pane, glass(draw))
        parts.add(box((0.3, 0.4, half * 1.3), (rear + 0.4, belt + 0.1, 0), bevel=0.05), paint(draw))
    guard = darker(frame.color, draw.between(0.4, 0.9))
    reach = frame.length * draw.between(0.15, 0.19)
    for x in (end - reach - 0.05, -end + reach + 0.1):
        arch = move(
            extrude(band(frame.wheel * 1.12, 0.17, 10, 170, 8), half * 0.42), (x, frame.wheel, half * 0.8)
        )
        parts.pair(arch, guard)
    parts.pair(
        box((frame.length - 2 * reach - 0.6, 0.16, half * 0.34), (0, frame.wheel * 0.85, half * 0.78)), guard
    )
    parts.pair(
        rod((end - 0.2, belt * 0.85, half * 0.55), (end - 0.02, belt * 0.85, half * 0.55), 0.14, sides=10),
        metal(draw),
    )
    frame.wheels(parts, draw, reach + 0.05, reach + 0.1)


def racer(draw: Draw, parts: Parts) -> None:
    """Open wheels, slim body, wings; or a buggy of tubes."""
    frame = draw_frame(draw, (3.6, 5.2), (1.6, 2.0), (0.14, 0.3), (0.33, 0.48))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    trim = dark(draw)
    slim = half * draw.between(0.3, 0.45)
    tall = draw.between(0.6, 0.8)
    seat = draw.between(-0.5, 0.2)
    parts.add(
        hull(
            [
                (-end + 0.3, low, tall * 0.8, slim * 0.7),
                (seat - 0.5, low, tall, slim),
                (seat + 0.5, low, tall * 0.9, slim),
                (end - 0.3, low, tall * 0.65, slim * 0.6),
                (end, low + 0.03, low + 0.25, slim * 0.4),
            ]
        ),
        frame.color,
    )
    axles = draw.between(0.5, 0.75), draw.between(0.4, 0.6)
    for x in (end - axles[0], -end + axles[1]):
        parts.add(rod((x, frame.wheel, -half * 0.9), (x, frame.wheel, half * 0.9), 0.12), metal(draw))
        wheel = frame.wheel * (1.0 if x > 0 else draw.between(1.0, 1.25))
        parts.pair(rod((x, wheel, half * 0.62), (x, wheel, half), wheel, sides=14), trim)
    if draw.chance(0.65):
        pod = draw.between(1.2, 1.8)
        parts.pair(
            box(
                (pod, tall * 0.6, half * 0.4), (seat - 0.3, low + tall * 0.3, slim + half * 0.14), bevel=0.08
            ),
            frame.color,
        )
        parts.add(box((0.35, 0.15, half * 1.8), (end - 0.1, low + 0.05, 0)), paint(draw))
        rise = draw.between(0.85, 1.05)
        parts.add(box((0.35, 0.17, half * 1.4), (-end + 0.15, rise, 0)), frame.color)
        parts.pair(
            box((0.4, rise - tall * 0.4, 0.16), (-end + 0.2, (rise + tall * 0.6) / 2 - 0.05, half * 0.5)),
            trim,
        )
        parts.add(box((0.4, 0.16, half), (-end + 0.25, tall * 0.55, 0)), trim)
        parts.add(box((0.5, 0.3, slim * 1.2), (seat - 0.45, tall + 0.08, 0), taper=(0.5, 0.7)), frame.color)
    else:
        top = draw.between(1.1, 1.4)
        cage = [
            (seat + 0.6, tall * 0.8, slim),
            (seat + 0.2, top, slim * 0.9),
            (seat - 0.5, top, slim * 0.9),
            (seat - 0.9, tall * 0.8, slim),
        ]
        parts.pair(tube(cage, 0.12), metal(draw))
        for x in (seat + 0.2, seat - 0.5):
            parts.add(rod((x, top, -slim), (x, top, slim), 0.11), metal(draw))
        parts.add(box((0.7, 0.35, half), (-end + 0.45, tall * 0.8, 0), bevel=0.05), trim)
    parts.add(box((0.3, 0.35, slim), (seat - 0.1, tall + 0.08, 0), bevel=0.06), white(draw))


STYLES = {
    "sedan": sedan,
    "hatchback": hatchback,
    "suv": suv,
    "pickup": pickup,
    "sports": sports,
    "convertible": convertible,
    "vintage": vintage,
    "racer": racer,
}
