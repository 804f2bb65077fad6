"""Vans, buses and lorries: front towards +x, wheels along z. Lengths are in metres."""

from __future__ import annotations

from ....making.draw import Draw
from ..parts import (
    Parts,
    dark,
    glass,
    metal,
    paint,
    white,
)
from ..primitives import (
    box,
    rod,
    turn,
)
from ._bodies import draw_frame, hull


def van(draw: Draw, parts: Parts) -> None:
    """Delivery van or minibus: one tall volume with a short nose."""
    frame = draw_frame(draw, (4.0, 6.2), (1.7, 2.1), (0.22, 0.4), (0.31, 0.42))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    height, nose, bonnet = draw.between(1.75, 2.7), draw.between(0.95, 1.1), draw.between(0.25, 0.9)
    lean = draw.between(0.25, 0.7)
    color = white(draw) if draw.chance(0.3) else frame.color
    stations = [
        (-end, low + 0.06, height - 0.05, half * 0.96),
        (-end + 0.15, low, height, half),
        (end - bonnet - lean, low, height, half),
        (end - bonnet, low, nose + 0.15, half),
        (end - 0.1, low, nose, half * 0.95),
        (end, low + 0.06, nose - 0.25, half * 0.88),
    ]
    parts.add(hull(stations), color)
    pane, y = glass(draw), nose + (height - nose) * 0.5
    tall = (height - nose) * 0.5
    count = draw.pick((1, 3, 4))
    span = (frame.length - bonnet - lean - 0.3) / 4
    for k in range(count):
        x = end - bonnet - lean - span * (k + 0.5)
        parts.pair(box((span * 0.85, tall, 0.06), (x, y, half * 0.97 - 0.02), shift=(0, -0.06)), pane)
    screen = box(
        (0.08, (height - nose) * 0.75, frame.width * 0.8),
        (end - bonnet + 0.01, nose + (height - nose) * 0.46, 0),
        shift=(-lean * 0.76, 0),
    )
    parts.add(screen, pane)
    frame.lamps(parts, nose - 0.2, end - 0.03, -end)
    frame.wheels(parts, draw)
    if draw.chance(0.25):
        parts.add(
            box((frame.length * 0.5, 0.2, frame.width * 0.6), (-0.3, height + 0.08, 0), bevel=0.05),
            white(draw),
        )


def bus(draw: Draw, parts: Parts) -> None:
    """City bus or coach with rows of windows, on one or two floors."""
    frame = draw_frame(draw, (6.0, 12.0), (2.2, 2.6), (0.35, 0.55), (0.45, 0.6))
    half, low = frame.width / 2, frame.clearance
    height = draw.between(2.6, 3.2) if draw.chance(0.7) else draw.between(3.6, 4.3)
    pane, end = glass(draw), frame.length / 2
    body = (frame.length, height - low, frame.width)
    parts.add(box(body, (0, (height + low) / 2, 0), bevel=draw.between(0.08, 0.3)), frame.color)
    count = draw.whole(4, 8)
    rows = (0.68,) if height < 3.4 else (0.42, 0.78)
    for row in rows:
        y, tall = low + (height - low) * row, (height - low) * (0.32 if len(rows) == 1 else 0.24)
        for k in range(count):
            x = (k + 0.5) / count * (frame.length * 0.94) - frame.length * 0.47
            parts.pair(box((frame.length * 0.94 / count * 0.82, tall, 0.08), (x, y, half)), pane)
        parts.add(box((0.08, tall * 1.15, frame.width * 0.86), (end, y, 0)), pane)
    if draw.chance(0.4):
        parts.add(
            box((frame.length * 0.3, 0.35, half), (draw.between(-1, 1), height + 0.1, 0), bevel=0.06),
            white(draw),
        )
    frame.wheels(
        parts, draw, frame.length * draw.between(0.12, 0.24), frame.length * draw.between(0.16, 0.28)
    )


def truck(draw: Draw, parts: Parts) -> None:
    """Lorry with a cab, with or without a bonnet, and a box, a flat bed, a tank or a tipper."""
    frame = draw_frame(draw, (5.5, 10.0), (2.2, 2.6), (0.45, 0.6), (0.45, 0.6))
    end, half, low = frame.length / 2, frame.width / 2, frame.clearance
    pane, steel = glass(draw), metal(draw)
    cab, top = draw.between(1.5, 2.2), draw.between(2.2, 3.1)
    nose = draw.between(0.8, 1.4) if draw.chance(0.4) else 0.0
    middle = end - nose - cab / 2
    shell = (cab, top - low, frame.width * 0.95)
    lean = draw.between(0.05, 0.2)
    parts.add(
        box(
            shell,
            (middle, (top + low) / 2, 0),
            bevel=0.12,
            taper=(draw.between(0.75, 1.0), 1),
            shift=(-lean, 0),
        ),
        frame.color,
    )
    parts.add(box((0.3, 0.75, frame.width * 0.85), (end - nose - 0.2, top - 0.6, 0), shift=(-lean, 0)), pane)
    if nose:
        parts.add(
            box(
                (nose + 0.3, (top - low) * 0.48, frame.width * 0.72),
                (end - nose / 2 - 0.1, low + (top - low) * 0.25, 0),
                bevel=0.12,
            ),
            frame.color,
        )
    parts.add(box((frame.length * 0.98, 0.4, frame.width * 0.6), (-0.05, low + 0.25, 0)), dark(draw))
    load = frame.length - cab - nose - draw.between(0.15, 0.5)
    height, base = draw.between(2.4, 3.8), low + 0.4
    back = -end + load / 2
    kind = draw.pick(("box", "box", "flat", "tank", "tipper", "crane"))
    if kind == "box":
        parts.add(box((load, height - base, frame.width), (back, (height + base) / 2, 0)), white(draw))
    elif kind == "flat":
        parts.add(box((load, 0.4, frame.width), (back, base + 0.2, 0)), steel)
        parts.pair(box((load, 0.5, 0.36), (back, base + 0.5, half - 0.18)), steel)
    elif kind == "tank":
        y = base + half * 0.85
        parts.add(rod((-end + 0.1, y, 0), (-end + load, y, 0), half * 0.92, sides=14), steel)
    elif kind == "tipper":
        tub = box((load, draw.between(0.8, 1.3), frame.width), (back, base + 0.65, 0), taper=(1.08, 1.0))
        parts.add(turn(tub, "z", draw.pick((0.0, draw.between(8, 25))), (-end, base, 0)), paint(draw))
    else:
        parts.add(box((load, 0.42, frame.width), (back, base + 0.2, 0)), steel)
        x = -end + load - 0.5
        parts.add(rod((x, base, 0), (x, height, 0), 0.3), paint(draw))
        parts.add(
            rod((x, height - 0.2, 0), (-end - 0.2, height - draw.between(-0.6, 1.2), 0), 0.26), paint(draw)
        )
    frame.wheels(parts, draw, frame.length * 0.14, frame.length * 0.2)


STYLES = {"van": van, "bus": bus, "truck": truck}
