"""Cars: bonnet towards +x, wheels along z. Lengths are in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.procedural.draw import Draw
from datasets.procedural.parts import Color, Parts, dark, darker, glass, metal, paint, white
from datasets.procedural.primitives import box, loft, rod, tube
from zoo.geometry.mesh import Mesh


@dataclass(frozen=True)
class _Frame:
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
            parts.pair(rod((x, self.wheel, outer - wide), (x, self.wheel, outer + 0.02), self.wheel * 0.55, sides=8), hub)

    def lamps(self, parts: Parts, height: float, front: float, rear: float) -> None:
        """Head lights and rear lights at x = `front` and `rear`."""
        parts.pair(box((0.1, 0.14, 0.3), (front - 0.03, height, self.width * 0.34), bevel=0.03), (0.95, 0.95, 0.85))
        parts.pair(box((0.1, 0.16, 0.24), (rear + 0.03, height + 0.08, self.width * 0.36)), (0.7, 0.08, 0.06))


def _hull(stations: Sequence[tuple[float, float, float, float]]) -> Mesh:
    """Loft along x through (x, bottom, top, half width), with rounded shoulders."""
    sections = np.empty((len(stations), 8, 3))
    for k, (x, bottom, top, half) in enumerate(stations):
        tall = top - bottom
        right = [(bottom, 0.82 * half), (bottom + 0.25 * tall, half), (bottom + 0.72 * tall, 0.985 * half), (top, 0.85 * half)]
        ring = [(y, -z) for y, z in right] + right[::-1]
        sections[k, :, 0] = x
        sections[k, :, 1:] = ring
    return loft(sections)


def _cabin(parts: Parts, draw: Draw, rear: tuple[float, float], front: tuple[float, float], low: float, high: float, width: float, color: Color) -> None:
    """Glass house: `rear` and `front` are the x of its edges at the belt line and at the roof."""
    tuck = draw.between(0.78, 0.9)
    bottom, top = front[0] - rear[0], front[1] - rear[1]
    middle = (front[0] + rear[0]) / 2
    shift = (front[1] + rear[1]) / 2 - middle
    house = box((bottom, high - low, width * 0.96), (middle, (high + low) / 2, 0), taper=(top / bottom, tuck), shift=(shift, 0))
    parts.add(house, glass(draw))
    parts.add(box((top * 1.02, 0.08, width * 0.96 * tuck), (middle + shift, high, 0), taper=(0.9, 0.88)), color)
    if draw.chance(0.6):  # pillars between the windows
        x = middle + shift * 0.5
        pillar = box((0.12, high - low, 0.06), (x, (high + low) / 2, width * 0.465), shift=(0, -width * 0.96 * (1 - tuck) / 2))
        parts.pair(pillar, color)


def _frame(draw: Draw, length: tuple[float, float], width: tuple[float, float], clearance: tuple[float, float], wheel: tuple[float, float]) -> _Frame:
    return _Frame(draw.between(*length), draw.between(*width), draw.between(*clearance), draw.between(*wheel), paint(draw))


def _passenger(draw: Draw, parts: Parts, frame: _Frame, height: float, belt: float, bonnet: float, boot: float, slopes: tuple[float, float], nose: float) -> None:
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
    parts.add(_hull(stations), frame.color)
    rear, front = -end + max(boot, 0.06), end - bonnet
    _cabin(parts, draw, (rear, rear + slopes[1]), (front, front - slopes[0]), belt - 0.03, height, frame.width, frame.color)
    frame.lamps(parts, nose - 0.1, end - 0.06, -end + 0.05)
    if draw.chance(0.7):
        parts.pair(box((0.16, 0.13, 0.16), (front - slopes[0] * 0.3, belt + 0.08, half + 0.04)), frame.color)


def sedan(draw: Draw, parts: Parts) -> None:
    frame = _frame(draw, (4.3, 5.0), (1.7, 1.9), (0.18, 0.28), (0.3, 0.36))
    height = draw.between(1.35, 1.5)
    bonnet, boot = draw.between(1.1, 1.45), draw.between(0.65, 1.0)
    slopes = draw.between(0.5, 0.85), draw.between(0.4, 0.85)
    _passenger(draw, parts, frame, height, draw.between(0.86, 0.96), bonnet, boot, slopes, draw.between(0.66, 0.78))
    frame.wheels(parts, draw)


def hatchback(draw: Draw, parts: Parts) -> None:
    frame = _frame(draw, (3.4, 4.2), (1.6, 1.8), (0.18, 0.28), (0.28, 0.34))
    height = draw.between(1.42, 1.6)
    slopes = draw.between(0.5, 0.8), draw.between(0.2, 0.55)
    _passenger(draw, parts, frame, height, draw.between(0.9, 1.0), draw.between(0.8, 1.1), 0.0, slopes, draw.between(0.7, 0.82))
    frame.wheels(parts, draw)
    if draw.chance(0.4):
        parts.add(box((0.25, 0.07, frame.width * 0.7), (-frame.length / 2 + slopes[1] + 0.02, height, 0)), frame.color)


def suv(draw: Draw, parts: Parts) -> None:
    """Tall, upright, high wheels; some with a spare wheel or a roof rack."""
    frame = _frame(draw, (4.0, 5.0), (1.8, 2.0), (0.3, 0.42), (0.38, 0.46))
    height = draw.between(1.7, 1.95)
    slopes = draw.between(0.2, 0.6), draw.between(0.08, 0.35)
    _passenger(draw, parts, frame, height, draw.between(1.1, 1.2), draw.between(0.95, 1.35), 0.0, slopes, draw.between(0.92, 1.05))
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
    frame = _frame(draw, (4.9, 5.6), (1.85, 2.05), (0.34, 0.46), (0.38, 0.45))
    height, belt = draw.between(1.75, 1.9), draw.between(1.1, 1.2)
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    bonnet, bed = draw.between(1.2, 1.5), draw.between(1.4, 2.2)
    nose = draw.between(0.95, 1.08)
    back = -end + bed
    stations = [
        (back - 0.05, low, belt, half), (end - bonnet, low, belt, half), (end - bonnet * 0.25, low, nose + 0.08, half * 0.98),
        (end - 0.08, low + 0.03, nose, half * 0.93), (end, low + 0.08, nose - 0.15, half * 0.85),
    ]  # fmt: skip
    parts.add(_hull(stations), frame.color)
    slopes = draw.between(0.35, 0.7), draw.between(0.05, 0.3)
    _cabin(parts, draw, (back, back + slopes[1]), (end - bonnet, end - bonnet - slopes[0]), belt - 0.03, height, frame.width, frame.color)
    floor, wall = low + 0.32, 0.19
    parts.add(box((bed + 0.1, 0.3, frame.width * 0.96), (-end + bed / 2, low + 0.17, 0)), darker(frame.color, 0.6))
    parts.pair(box((bed + 0.1, belt - low - 0.05, wall), (-end + bed / 2, (belt + low) / 2, half - wall / 2)), frame.color)
    parts.add(box((wall, belt - floor, frame.width), (-end + wall / 2, (belt + floor) / 2, 0)), frame.color)
    frame.lamps(parts, nose - 0.15, end - 0.02, -end)
    frame.wheels(parts, draw)
    if draw.chance(0.3):
        hoop = [(back + 0.15, belt, half - 0.2), (back + 0.15, height, half - 0.35), (back + 0.15, height, 0.35 - half), (back + 0.15, belt, 0.2 - half)]
        parts.add(tube(hoop, 0.13), metal(draw))


def sports(draw: Draw, parts: Parts) -> None:
    """Low and wide, long bonnet or mid engine, maybe a wing."""
    frame = _frame(draw, (4.0, 4.7), (1.8, 2.0), (0.12, 0.2), (0.31, 0.37))
    height = draw.between(1.08, 1.25)
    slopes = draw.between(0.7, 1.0), draw.between(0.6, 1.2)
    bonnet = draw.between(0.9, 1.5)
    _passenger(draw, parts, frame, height, draw.between(0.74, 0.82), bonnet, draw.between(0.25, 0.6), slopes, draw.between(0.5, 0.6))
    frame.wheels(parts, draw)
    if draw.chance(0.55):
        rise = draw.between(0.95, 1.15)
        parts.add(box((0.34, 0.16, frame.width * 0.9), (-frame.length / 2 + 0.22, rise, 0)), darker(frame.color))
        parts.pair(box((0.18, rise - 0.6, 0.16), (-frame.length / 2 + 0.25, (rise + 0.6) / 2, frame.width * 0.3)), darker(frame.color))


def convertible(draw: Draw, parts: Parts) -> None:
    """Open roof: windscreen frame, seats, a tub between bonnet and boot."""
    frame = _frame(draw, (3.9, 4.6), (1.7, 1.85), (0.16, 0.26), (0.3, 0.36))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    belt, nose = draw.between(0.8, 0.92), draw.between(0.62, 0.72)
    bonnet, boot = draw.between(1.3, 1.7), draw.between(0.7, 1.1)
    front, rear = end - bonnet, -end + boot
    parts.add(_hull([(front - 0.05, low, belt, half), (end - bonnet * 0.3, low, (belt + nose) / 2 + 0.03, half * 0.97),
                     (end - 0.12, low + 0.03, nose, half * 0.9), (end, low + 0.1, nose - 0.16, half * 0.75)]), frame.color)  # fmt: skip
    parts.add(_hull([(-end, low + 0.12, belt - 0.12, half * 0.8), (-end + 0.15, low, belt, half * 0.95), (rear, low, belt, half)]), frame.color)
    middle, tub = (front + rear) / 2, front - rear + 0.1
    parts.add(box((tub, 0.22, frame.width * 0.97), (middle, low + 0.12, 0)), dark(draw))
    parts.pair(box((tub, belt - low, 0.17), (middle, (belt + low) / 2, half - 0.085)), frame.color)
    cloth = paint(draw)
    for x in (rear + 0.55, rear + 1.3) if tub > 1.9 else (rear + 0.6,):
        parts.pair(box((0.5, 0.22, 0.5), (x + 0.15, low + 0.3, half * 0.45), bevel=0.04), cloth)
        parts.pair(box((0.2, 0.68, 0.5), (x - 0.1, low + 0.55, half * 0.45), shift=(-0.12, 0), bevel=0.04), cloth)
    tall = draw.between(0.38, 0.5)
    parts.add(box((0.18, tall, frame.width * 0.94), (front - 0.02, belt + tall / 2 - 0.03, 0), shift=(-draw.between(0.2, 0.35), 0), taper=(1, 0.85)), glass(draw))
    frame.lamps(parts, nose - 0.1, end - 0.06, -end + 0.05)
    frame.wheels(parts, draw)


def van(draw: Draw, parts: Parts) -> None:
    """Delivery van or minibus: one tall volume with a short nose."""
    frame = _frame(draw, (4.4, 5.8), (1.8, 2.1), (0.24, 0.36), (0.33, 0.4))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    height, nose, bonnet = draw.between(1.9, 2.5), draw.between(0.95, 1.1), draw.between(0.25, 0.9)
    lean = draw.between(0.25, 0.7)
    color = white(draw) if draw.chance(0.3) else frame.color
    stations = [
        (-end, low + 0.06, height - 0.05, half * 0.96), (-end + 0.15, low, height, half), (end - bonnet - lean, low, height, half),
        (end - bonnet, low, nose + 0.15, half), (end - 0.1, low, nose, half * 0.95), (end, low + 0.06, nose - 0.25, half * 0.88),
    ]  # fmt: skip
    parts.add(_hull(stations), color)
    pane, y = glass(draw), nose + (height - nose) * 0.5
    tall = (height - nose) * 0.5
    count = draw.pick((1, 3, 4))
    span = (frame.length - bonnet - lean - 0.3) / 4
    for k in range(count):
        x = end - bonnet - lean - span * (k + 0.5)
        parts.pair(box((span * 0.85, tall, 0.06), (x, y, half * 0.97 - 0.02), shift=(0, -0.06)), pane)
    screen = box((0.08, (height - nose) * 0.75, frame.width * 0.8), (end - bonnet + 0.01, nose + (height - nose) * 0.46, 0), shift=(-lean * 0.76, 0))
    parts.add(screen, pane)
    frame.lamps(parts, nose - 0.2, end - 0.03, -end)
    frame.wheels(parts, draw)
    if draw.chance(0.25):
        parts.add(box((frame.length * 0.5, 0.2, frame.width * 0.6), (-0.3, height + 0.08, 0), bevel=0.05), white(draw))


def bus(draw: Draw, parts: Parts) -> None:
    """City bus or lorry with a box body."""
    frame = _frame(draw, (7.0, 11.0), (2.3, 2.6), (0.4, 0.5), (0.5, 0.58))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    pane, height = glass(draw), draw.between(2.8, 3.6)
    if draw.chance(0.6):
        parts.add(box((frame.length, height - low, frame.width), (0, (height + low) / 2, 0), bevel=draw.between(0.08, 0.3)), frame.color)
        count = draw.whole(4, 8)
        rows = (0.68,) if height < 3.3 else (0.42, 0.78)
        for row in rows:
            y, tall = low + (height - low) * row, (height - low) * (0.32 if len(rows) == 1 else 0.24)
            for k in range(count):
                x = (k + 0.5) / count * (frame.length * 0.94) - frame.length * 0.47
                parts.pair(box((frame.length * 0.94 / count * 0.82, tall, 0.08), (x, y, half)), pane)
            parts.add(box((0.08, tall * 1.15, frame.width * 0.86), (end, y, 0)), pane)
    else:
        cab = draw.between(1.7, 2.2)
        top = min(height - 0.2, draw.between(2.4, 3.0))
        parts.add(box((cab, top - low, frame.width * 0.95), (end - cab / 2, (top + low) / 2, 0), bevel=0.12, taper=(draw.between(0.7, 1.0), 1), shift=(-0.15, 0)), frame.color)
        parts.add(box((0.3, 0.75, frame.width * 0.85), (end - 0.2, top - 0.6, 0), shift=(-0.15, 0)), pane)
        parts.add(box((frame.length * 0.98, 0.4, frame.width * 0.6), (-0.05, low + 0.25, 0)), dark(draw))
        load = frame.length - cab - draw.between(0.3, 0.6)
        kind = draw.pick(("box", "flat", "tank"))
        base = low + 0.4
        if kind == "box":
            parts.add(box((load, height - base, frame.width), (-end + load / 2, (height + base) / 2, 0)), white(draw))
        elif kind == "flat":
            parts.add(box((load, 0.4, frame.width), (-end + load / 2, base + 0.2, 0)), metal(draw))
            parts.pair(box((load, 0.5, 0.36), (-end + load / 2, base + 0.5, half - 0.18)), metal(draw))
        else:
            y = base + half * 0.85
            parts.add(rod((-end + 0.1, y, 0), (-end + load, y, 0), half * 0.92, sides=14), metal(draw))
    frame.wheels(parts, draw, frame.length * 0.14, frame.length * 0.2)


STYLES = {
    "sedan": sedan,
    "hatchback": hatchback,
    "suv": suv,
    "pickup": pickup,
    "sports": sports,
    "convertible": convertible,
    "van": van,
    "bus": bus,
}
