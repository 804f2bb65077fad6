"""Cabinets: doors and drawers face +x, wide along z. Lengths are in metres."""

from __future__ import annotations

from datasets.procedural.draw import Draw
from datasets.procedural.parts import Color, Parts, dark, darker, glass, metal, surface
from datasets.procedural.primitives import box, ellipsoid, extrude, rod


def _carcass(parts: Parts, draw: Draw, size: tuple[float, float, float], floor: float, color: Color) -> None:
    """Solid body from `floor` upwards; `size` is depth, height, width."""
    depth, height, width = size
    parts.add(box(size, (0, floor + height / 2, 0), bevel=draw.pick((0.0, 0.0, 0.012))), color)


def _stand(parts: Parts, draw: Draw, depth: float, width: float, color: Color) -> float:
    """Legs, a plinth or nothing; returns the height of the body's underside."""
    kind = draw.pick(("none", "plinth", "legs", "legs", "runners"))
    leg = max(0.05, 0.045 * width)
    if kind == "plinth":
        height = draw.between(0.05, 0.1)
        parts.add(box((depth * 0.88, height + 0.01, width * 0.94), (-0.02, height / 2, 0)), darker(color, 0.5))
    elif kind == "legs":
        height, splay = draw.between(0.1, 0.3), draw.between(0, 0.05)
        x, z = depth / 2 - leg * 0.8, width / 2 - leg * 0.8
        parts.corners(rod((x + splay, 0, z + splay), (x, height + 0.02, z), leg * 0.45, leg * 0.6), color)
    elif kind == "runners":
        height = draw.between(0.08, 0.15)
        parts.pair(box((depth * 0.95, height + 0.01, leg * 1.2), (0, height / 2, width / 2 - leg)), color)
    else:
        height = 0.0
    return height


def _handle(parts: Parts, draw: Draw, kind: str, place: tuple[float, float, float], upright: bool, scale: float) -> None:
    x, y, z = place
    color = metal(draw)
    if kind == "knob":
        parts.add(ellipsoid((0.03 * scale, 0.026 * scale, 0.026 * scale), (x + 0.02 * scale, y, z), 4, 8), color)
    elif kind == "bar":
        size = (0.035 * scale, 0.16 * scale, 0.025 * scale) if upright else (0.035 * scale, 0.025 * scale, 0.16 * scale)
        parts.add(box(size, (x + 0.016 * scale, y, z)), color)


def _fronts(
    parts: Parts, draw: Draw, x: float, low: tuple[float, float], size: tuple[float, float], rows: int, columns: int, color: Color, handle: str,
    doors: bool = False,
) -> None:
    """A grid of drawer or door fronts that stand proud of the plane `x`; `low` and `size` are (y, z)."""
    tall, wide = size[0] / rows, size[1] / columns
    proud = 0.035
    for i in range(rows):
        for j in range(columns):
            y, z = low[0] + (i + 0.5) * tall, low[1] + (j + 0.5) * wide
            parts.add(box((2 * proud, tall - 0.03, wide - 0.03), (x, y, z)), color)
            side = 1 if j % 2 == 0 else -1
            at = z + side * (wide / 2 - 0.07) if doors and columns > 1 else z if not doors else z + wide / 2 - 0.07
            _handle(parts, draw, handle, (x + proud, y, at), doors, min(1.6, 1.0 + size[0] / 2))


def drawers(draw: Draw, parts: Parts) -> None:
    """Chest of drawers."""
    depth, width = draw.between(0.4, 0.6), draw.between(0.45, 1.3)
    height, color = draw.between(0.6, 1.25), surface(draw)
    floor = _stand(parts, draw, depth, width, color)
    _carcass(parts, draw, (depth, height, width), floor, color)
    front = color if draw.chance(0.4) else darker(surface(draw), 0.95)
    handle = draw.pick(("knob", "bar", "none"))
    rows, columns = draw.whole(2, 6), draw.whole(1, 2) if width > 0.8 else 1
    _fronts(parts, draw, depth / 2, (floor + 0.03, -width / 2 + 0.03), (height - 0.06, width - 0.06), rows, columns, front, handle)
    if draw.chance(0.45):
        over = draw.between(0.02, 0.06)
        parts.add(box((depth + over, 0.05, width + 2 * over), (over / 2, floor + height + 0.02, 0), bevel=0.01), darker(color, 0.9))


def doors(draw: Draw, parts: Parts) -> None:
    """Cupboard with one to three doors."""
    depth, width = draw.between(0.35, 0.6), draw.between(0.4, 1.2)
    height, color = draw.between(0.7, 1.4), surface(draw)
    floor = _stand(parts, draw, depth, width, color)
    _carcass(parts, draw, (depth, height, width), floor, color)
    front = darker(color, draw.between(0.8, 1.0)) if draw.chance(0.6) else glass(draw)
    columns = 1 if width < 0.55 else draw.whole(2, 3 if width > 0.9 else 2)
    top = height * draw.between(0.15, 0.3) if draw.chance(0.35) else 0.0
    _fronts(parts, draw, depth / 2, (floor + 0.03, -width / 2 + 0.03), (height - top - 0.06, width - 0.06), 1, columns, front, draw.pick(("knob", "bar")), True)
    if top:
        _fronts(parts, draw, depth / 2, (floor + height - top, -width / 2 + 0.03), (top - 0.03, width - 0.06), 1, columns, color, "knob")
    if draw.chance(0.5):
        parts.add(box((depth + 0.06, 0.05, width + 0.08), (0.01, floor + height + 0.02, 0), taper=(1.0, 1.04)), darker(color, 0.85))


def _shelves(parts: Parts, draw: Draw, size: tuple[float, float, float], floor: float, color: Color, back: bool, rows: int, columns: int) -> None:
    """Open case of boards; `size` is depth, height, width."""
    depth, height, width = size
    wall = max(0.035, 0.037 * max(height, width))
    parts.pair(box((depth, height, wall), (0, floor + height / 2, width / 2 - wall / 2)), color)
    for k in range(rows + 1):
        y = floor + wall / 2 + (height - wall) * k / rows
        parts.add(box((depth * (1.0 if k in (0, rows) else 0.97), wall, width - wall), (0, y, 0)), color)
    for k in range(1, columns):
        parts.add(box((depth * 0.97, height - wall, wall), (0, floor + height / 2, (k / columns - 0.5) * (width - wall))), color)
    if back:
        parts.add(box((wall, height, width), (-depth / 2 + wall / 2, floor + height / 2, 0)), darker(color, 0.8))


def bookshelf(draw: Draw, parts: Parts) -> None:
    """Open shelves, some with books or boxes in them."""
    depth, width = draw.between(0.26, 0.42), draw.between(0.5, 1.3)
    height, color = draw.between(0.9, 1.9), surface(draw)
    floor = _stand(parts, draw, depth, width, color)
    rows = draw.whole(2, 5)
    columns = draw.whole(1, 3) if width > 0.75 else draw.whole(1, 2)
    _shelves(parts, draw, (depth, height, width), floor, color, draw.chance(0.7), rows, columns)
    cell_y, cell_z = height / rows, width / columns
    for i in range(rows):
        for j in range(columns):
            if draw.chance(0.25):  # filled: books, a box, a door
                tall = cell_y * draw.between(0.55, 0.9)
                deep = depth * draw.between(0.6, 0.95)
                at = (-depth / 2 + deep / 2 + 0.01, floor + i * cell_y + tall / 2 + 0.01, (j + 0.5) * cell_z - width / 2)
                parts.add(box((deep, tall, cell_z * draw.between(0.5, 0.95)), at), surface(draw))


def sideboard(draw: Draw, parts: Parts) -> None:
    """Low and wide: doors, drawers and open bays in a row."""
    depth, width, height = draw.between(0.36, 0.52), draw.between(1.2, 2.0), draw.between(0.35, 0.65)
    color = surface(draw)
    floor = _stand(parts, draw, depth, width, color)
    wall = 0.037 * width
    bays = draw.whole(2, 4)
    wide = width / bays
    parts.pair(box((depth, wall, width), (0, height / 2 - wall / 2, 0)), color, axis="x")
    parts.add(box((depth, wall, width), (0, floor + wall / 2, 0)), color)
    parts.add(box((depth, wall, width), (0, floor + height - wall / 2, 0)), color)
    parts.add(box((wall, height, width), (-depth / 2 + wall / 2, floor + height / 2, 0)), darker(color))
    for k in range(bays + 1):
        z = -width / 2 + wall / 2 + (width - wall) * k / bays
        parts.add(box((depth, height, wall), (0, floor + height / 2, z)), color)
    handle = draw.pick(("knob", "bar", "none"))
    for k in range(bays):
        kind, z = draw.pick(("door", "door", "drawers", "open")), -width / 2 + wide * k
        if kind == "open":
            if draw.chance(0.5):
                parts.add(box((depth * 0.9, wall, wide), (0, floor + height * 0.5, z + wide / 2)), color)
            continue
        parts.add(box((depth - 0.02, height - 0.02, wide - 0.02), (-0.01, floor + height / 2, z + wide / 2)), color)
        rows = 1 if kind == "door" else draw.whole(2, 3)
        _fronts(parts, draw, depth / 2, (floor + 0.02, z + 0.01), (height - 0.04, wide - 0.02), rows, 1, darker(color, 0.88), handle, kind == "door")


def wardrobe(draw: Draw, parts: Parts) -> None:
    """Tall, with doors, sometimes drawers below and a cornice."""
    depth, width, height = draw.between(0.5, 0.65), draw.between(0.6, 1.6), draw.between(1.7, 2.2)
    color = surface(draw)
    floor = _stand(parts, draw, depth, width, color) * 0.8
    _carcass(parts, draw, (depth, height, width), floor, color)
    low = height * draw.between(0.15, 0.3) if draw.chance(0.5) else 0.0
    columns = max(1, round(width / draw.between(0.4, 0.6)))
    front = darker(color, draw.between(0.8, 0.95)) if draw.chance(0.8) else glass(draw)
    _fronts(parts, draw, depth / 2, (floor + low + 0.03, -width / 2 + 0.03), (height - low - 0.06, width - 0.06), 1, columns, front, "bar", True)
    if low:
        _fronts(parts, draw, depth / 2, (floor + 0.03, -width / 2 + 0.03), (low - 0.03, width - 0.06), draw.whole(1, 2), max(1, columns // 2), color, "knob")
    if draw.chance(0.6):
        over = draw.between(0.04, 0.1)
        parts.add(box((depth, 0.1, width), (0, floor + height + 0.04, 0), taper=(1 + over, 1 + over)), darker(color, 0.9))
    if draw.chance(0.25):  # pediment
        outline = [(floor + height, -width / 2), (floor + height + 0.05, -width / 2), (floor + height + 0.22, 0.001)]
        outline += [(floor + height + 0.05, width / 2), (floor + height, width / 2)]
        parts.add(extrude(outline[::-1], 0.1, (depth / 2 - 0.06, 0, 0), axis="x"), darker(color, 0.9))


def hutch(draw: Draw, parts: Parts) -> None:
    """Cupboard below, narrower open or glazed shelves above."""
    depth, width = draw.between(0.42, 0.55), draw.between(0.7, 1.3)
    low, high = draw.between(0.6, 0.9), draw.between(0.6, 1.0)
    color = surface(draw)
    floor = _stand(parts, draw, depth, width, color) * 0.6
    _carcass(parts, draw, (depth, low, width), floor, color)
    split = low * draw.between(0.6, 0.75)
    columns = draw.whole(2, 3)
    _fronts(parts, draw, depth / 2, (floor + 0.02, -width / 2 + 0.03), (split, width - 0.06), 1, columns, darker(color, 0.88), "knob", True)
    _fronts(parts, draw, depth / 2, (floor + split + 0.02, -width / 2 + 0.03), (low - split - 0.05, width - 0.06), 1, columns, darker(color, 0.88), "knob")
    parts.add(box((depth + 0.05, 0.06, width + 0.06), (0.01, floor + low, 0)), darker(color, 0.85))
    shallow = depth * draw.between(0.5, 0.7)
    upper = Parts()
    _shelves(upper, draw, (shallow, high, width * draw.between(0.88, 1.0)), floor + low, color, True, draw.whole(2, 3), draw.whole(1, 2))
    parts.include(upper, (-depth / 2 + shallow / 2, 0, 0))
    if draw.chance(0.5):
        parts.add(box((shallow + 0.08, 0.07, width * 1.04), (-depth / 2 + shallow / 2 + 0.03, floor + low + high + 0.02, 0), taper=(1.1, 1.05)), color)


def locker(draw: Draw, parts: Parts) -> None:
    """Filing cabinet or lockers of sheet metal, or a safe."""
    depth, height = draw.between(0.4, 0.7), draw.between(0.5, 1.8)
    columns = draw.whole(1, 3)
    width = columns * draw.between(0.35, 0.5)
    color = metal(draw) if draw.chance(0.7) else dark(draw)
    floor = draw.between(0.0, 0.1)
    if floor > 0.03:
        leg = 0.045 * max(height, width)
        parts.corners(box((leg, floor + 0.02, leg), (depth / 2 - leg, floor / 2 + 0.01, width / 2 - leg)), darker(color))
    else:
        floor = 0.0
    _carcass(parts, draw, (depth, height, width), floor, color)
    rows = max(1, round(height / draw.between(0.3, 0.9)))
    _fronts(parts, draw, depth / 2, (floor + 0.02, -width / 2 + 0.02), (height - 0.04, width - 0.04), rows, columns, darker(color, 0.9), "bar", draw.chance(0.5))
    if draw.chance(0.35):
        parts.add(box((depth, 0.1, width), (0, floor + height + 0.05, 0), shift=(-depth * 0.2, 0), taper=(0.5, 1)), color)


STYLES = {
    "drawers": drawers,
    "doors": doors,
    "bookshelf": bookshelf,
    "sideboard": sideboard,
    "wardrobe": wardrobe,
    "hutch": hutch,
    "locker": locker,
}
