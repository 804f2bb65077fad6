"""Bodies, cabins, wheels and lamps of cars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.geometry.mesh import Mesh

from ....making.draw import Draw
from ..parts import (
    Color,
    Parts,
    dark,
    glass,
    metal,
    paint,
)
from ..primitives import (
    box,
    loft,
    rod,
)


@dataclass(frozen=True)
class Frame:
    """What the styles share: sizes, wheels, colours."""

    length: float
    width: float
    clearance: float
    wheel: float
    color: Color

    def wheels(self, parts: Parts, draw: Draw, front: float = 0.0, rear: float = 0.0) -> None:
        """Four wheels; `front` and `rear` are their distances from the ends of the car."""
        tyre, hub = dark(draw), metal(draw)
        wide, outer = self.width * 0.12, self.width / 2 + 0.015
        front = front or self.length * draw.between(0.16, 0.21)
        rear = rear or self.length * draw.between(0.17, 0.22)
        for x in (self.length / 2 - front, -self.length / 2 + rear):
            parts.pair(rod((x, self.wheel, outer - wide), (x, self.wheel, outer), self.wheel, sides=14), tyre)
            parts.pair(
                rod((x, self.wheel, outer - wide), (x, self.wheel, outer + 0.02), self.wheel * 0.55, sides=8),
                hub,
            )

    def lamps(self, parts: Parts, height: float, front: float, rear: float) -> None:
        """Head lights and rear lights at x = `front` and `rear`."""
        parts.pair(
            box((0.1, 0.14, 0.3), (front - 0.03, height, self.width * 0.34), bevel=0.03), (0.95, 0.95, 0.85)
        )
        parts.pair(box((0.1, 0.16, 0.24), (rear + 0.03, height + 0.08, self.width * 0.36)), (0.7, 0.08, 0.06))


def hull(stations: Sequence[tuple[float, float, float, float]]) -> Mesh:
    """Loft along x through (x, bottom, top, half width), with rounded shoulders."""
    sections = np.empty((len(stations), 8, 3))
    for k, (x, bottom, top, half) in enumerate(stations):
        tall = top - bottom
        right = [
            (bottom, 0.82 * half),
            (bottom + 0.25 * tall, half),
            (bottom + 0.72 * tall, 0.985 * half),
            (top, 0.85 * half),
        ]
        ring = [(y, -z) for y, z in right] + right[::-1]
        sections[k, :, 0] = x
        sections[k, :, 1:] = ring
    return loft(sections)


def cabin(
    parts: Parts,
    draw: Draw,
    rear: tuple[float, float],
    front: tuple[float, float],
    low: float,
    high: float,
    width: float,
    color: Color,
) -> None:
    """Glass house: `rear` and `front` are the x of its edges at the belt line and at the roof.

    Slopes that leave less than a third of the length to the roof are made steeper alike.
    """
    tuck = draw.between(0.78, 0.9)
    bottom = front[0] - rear[0]
    steeper = min(1.0, 0.67 * bottom / (front[0] - front[1] + rear[1] - rear[0]))
    high_rear, high_front = (
        rear[0] + steeper * (rear[1] - rear[0]),
        front[0] - steeper * (front[0] - front[1]),
    )
    top = high_front - high_rear
    middle = (front[0] + rear[0]) / 2
    shift = (high_front + high_rear) / 2 - middle
    house = box(
        (bottom, high - low, width * 0.96),
        (middle, (high + low) / 2, 0),
        taper=(top / bottom, tuck),
        shift=(shift, 0),
    )
    parts.add(house, glass(draw))
    parts.add(
        box((top * 1.02, 0.08, width * 0.96 * tuck), (middle + shift, high, 0), taper=(0.9, 0.88)), color
    )
    if draw.chance(0.6):  # pillars between the windows
        x = middle + shift * 0.5
        pillar = box(
            (0.12, high - low, 0.06),
            (x, (high + low) / 2, width * 0.465),
            shift=(0, -width * 0.96 * (1 - tuck) / 2),
        )
        parts.pair(pillar, color)


def draw_frame(
    draw: Draw,
    length: tuple[float, float],
    width: tuple[float, float],
    clearance: tuple[float, float],
    wheel: tuple[float, float],
) -> Frame:
    return Frame(
        draw.between(*length),
        draw.between(*width),
        draw.between(*clearance),
        draw.between(*wheel),
        paint(draw),
    )


def passenger(
    draw: Draw,
    parts: Parts,
    frame: Frame,
    height: float,
    belt: float,
    bonnet: float,
    boot: float,
    slopes: tuple[float, float],
    nose: float,
) -> None:
    """Body and cabin of a usual car.

    Args:
        belt: height of the lower edge of the windows.
        bonnet, boot: lengths before and behind the windows.
        slopes: how far the roof's edge lies behind the windscreen's foot and before the rear window's.
        nose: height of the bonnet's tip.
    """
    end, low, half = frame.length / 2, frame.clearance, frame.width / 2
    deck = belt - draw.between(0.0, 0.06) if boot > 0.15 else belt
    stations = [
        (-end, low + 0.12, deck - 0.12, half * 0.8),
        (-end + 0.15, low + 0.03, deck - 0.02, half * 0.95),
        (-end + max(boot, 0.25), low, belt, half),
        (end - bonnet, low, belt, half),
        (end - bonnet * 0.3, low, nose + (belt - nose) * 0.55, half * 0.97),
        (end - 0.12, low + 0.03, nose, half * 0.9),
        (end, low + 0.1, nose - 0.16, half * 0.75),
    ]
    parts.add(hull(stations), frame.color)
    rear, front = -end + max(boot, 0.06), end - bonnet
    cabin(
        parts,
        draw,
        (rear, rear + slopes[1]),
        (front, front - slopes[0]),
        belt - 0.03,
        height,
        frame.width,
        frame.color,
    )
    frame.lamps(parts, nose - 0.1, end - 0.06, -end + 0.05)
    if draw.chance(0.7):
        parts.pair(box((0.16, 0.13, 0.16), (front - slopes[0] * 0.3, belt + 0.08, half + 0.04)), frame.color)
