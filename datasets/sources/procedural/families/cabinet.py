"""Cabinets: doors and drawers face +x, wide along z. Lengths are in metres."""

from __future__ import annotations

from ....making.draw import Draw
from ..parts import Parts, dark, darker, glass, metal, surface
from ..primitives import box, extrude
from ._casework import carcass, fronts, shelves, stand


def drawers(draw: Draw, parts: Parts) -> None:
    """Chest of drawers."""
    depth, width = draw.between(0.4, 0.6), draw.between(0.45, 1.3)
    height, color = draw.between(0.6, 1.25), surface(draw)
    floor = stand(parts, draw, depth, width, color)
    carcass(parts, draw, (depth, height, width), floor, color)
    front = color if draw.chance(0.4) else darker(surface(draw), 0.95)
    handle = draw.pick(("knob", "bar", "none"))
    rows, columns = draw.whole(2, 6), draw.whole(1, 2) if width > 0.8 else 1
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + 0.03, -width / 2 + 0.03),
        (height - 0.06, width - 0.06),
        rows,
        columns,
        front,
        handle,
    )
    if draw.chance(0.45):
        over = draw.between(0.02, 0.06)
        parts.add(
            box((depth + over, 0.05, width + 2 * over), (over / 2, floor + height + 0.02, 0), bevel=0.01),
            darker(color, 0.9),
        )


def doors(draw: Draw, parts: Parts) -> None:
    """Cupboard with one to three doors."""
    depth, width = draw.between(0.35, 0.6), draw.between(0.4, 1.2)
    height, color = draw.between(0.7, 1.4), surface(draw)
    floor = stand(parts, draw, depth, width, color)
    carcass(parts, draw, (depth, height, width), floor, color)
    front = darker(color, draw.between(0.8, 1.0)) if draw.chance(0.6) else glass(draw)
    columns = 1 if width < 0.55 else draw.whole(2, 3 if width > 0.9 else 2)
    top = height * draw.between(0.15, 0.3) if draw.chance(0.35) else 0.0
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + 0.03, -width / 2 + 0.03),
        (height - top - 0.06, width - 0.06),
        1,
        columns,
        front,
        draw.pick(("knob", "bar")),
        True,
    )
    if top:
        fronts(
            parts,
            draw,
            depth / 2,
            (floor + height - top, -width / 2 + 0.03),
            (top - 0.03, width - 0.06),
            1,
            columns,
            color,
            "knob",
        )
    if draw.chance(0.5):
        parts.add(
            box((depth + 0.06, 0.05, width + 0.08), (0.01, floor + height + 0.02, 0), taper=(1.0, 1.04)),
            darker(color, 0.85),
        )


def bookshelf(draw: Draw, parts: Parts) -> None:
    """Open shelves, some with books or boxes in them."""
    depth, width = draw.between(0.26, 0.42), draw.between(0.5, 1.3)
    height, color = draw.between(0.9, 1.9), surface(draw)
    floor = stand(parts, draw, depth, width, color)
    rows = draw.whole(2, 5)
    columns = draw.whole(1, 3) if width > 0.75 else draw.whole(1, 2)
    shelves(
        parts,
        draw,
        (depth, height, width),
        floor,
        color,
        draw.chance(0.7),
        rows,
        columns,
        0.037 * max(height + floor, width),
    )
    cell_y, cell_z = height / rows, width / columns
    for i in range(rows):
        for j in range(columns):
            if draw.chance(0.25):  # filled: books, a box, a door
                tall = cell_y * draw.between(0.55, 0.9)
                deep = depth * draw.between(0.6, 0.95)
                at = (
                    -depth / 2 + deep / 2 + 0.01,
                    floor + i * cell_y + tall / 2 + 0.01,
                    (j + 0.5) * cell_z - width / 2,
                )
                parts.add(box((deep, tall, cell_z * draw.between(0.5, 0.95)), at), surface(draw))


def sideboard(draw: Draw, parts: Parts) -> None:
    """Low and wide: doors, drawers and open bays in a row."""
    depth, width, height = draw.between(0.36, 0.52), draw.between(1.2, 2.0), draw.between(0.35, 0.65)
    color = surface(draw)
    floor = stand(parts, draw, depth, width, color)
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
        parts.add(
            box((depth - 0.02, height - 0.02, wide - 0.02), (-0.01, floor + height / 2, z + wide / 2)), color
        )
        rows = 1 if kind == "door" else draw.whole(2, 3)
        fronts(
            parts,
            draw,
            depth / 2,
            (floor + 0.02, z + 0.01),
            (height - 0.04, wide - 0.02),
            rows,
            1,
            darker(color, 0.88),
            handle,
            kind == "door",
        )


def wardrobe(draw: Draw, parts: Parts) -> None:
    """Tall, with doors, sometimes drawers below and a cornice."""
    depth, width, height = draw.between(0.5, 0.65), draw.between(0.6, 1.6), draw.between(1.7, 2.2)
    color = surface(draw)
    floor = stand(parts, draw, depth, width, color) * 0.8
    carcass(parts, draw, (depth, height, width), floor, color)
    low = height * draw.between(0.15, 0.3) if draw.chance(0.5) else 0.0
    columns = max(1, round(width / draw.between(0.4, 0.6)))
    front = darker(color, draw.between(0.8, 0.95)) if draw.chance(0.8) else glass(draw)
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + low + 0.03, -width / 2 + 0.03),
        (height - low - 0.06, width - 0.06),
        1,
        columns,
        front,
        "bar",
        True,
    )
    if low:
        fronts(
            parts,
            draw,
            depth / 2,
            (floor + 0.03, -width / 2 + 0.03),
            (low - 0.03, width - 0.06),
            draw.whole(1, 2),
            max(1, columns // 2),
            color,
            "knob",
        )
    if draw.chance(0.6):
        over = draw.between(0.04, 0.1)
        parts.add(
            box((depth, 0.1, width), (0, floor + height + 0.04, 0), taper=(1 + over, 1 + over)),
            darker(color, 0.9),
        )
    if draw.chance(0.25):  # pediment
        outline = [
            (floor + height, -width / 2),
            (floor + height + 0.05, -width / 2),
            (floor + height + 0.22, 0.001),
        ]
        outline += [(floor + height + 0.05, width / 2), (floor + height, width / 2)]
        parts.add(extrude(outline, 0.1, (depth / 2 - 0.06, 0, 0), axis="x"), darker(color, 0.9))


def hutch(draw: Draw, parts: Parts) -> None:
    """Cupboard below, narrower open or glazed shelves above."""
    depth, width = draw.between(0.42, 0.55), draw.between(0.7, 1.3)
    low, high = draw.between(0.6, 0.9), draw.between(0.6, 1.0)
    color = surface(draw)
    floor = stand(parts, draw, depth, width, color) * 0.6
    carcass(parts, draw, (depth, low, width), floor, color)
    split = low * draw.between(0.6, 0.75)
    columns = draw.whole(2, 3)
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + 0.02, -width / 2 + 0.03),
        (split, width - 0.06),
        1,
        columns,
        darker(color, 0.88),
        "knob",
        True,
    )
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + split + 0.02, -width / 2 + 0.03),
        (low - split - 0.05, width - 0.06),
        1,
        columns,
        darker(color, 0.88),
        "knob",
    )
    parts.add(box((depth + 0.05, 0.06, width + 0.06), (0.01, floor + low, 0)), darker(color, 0.85))
    shallow = depth * draw.between(0.5, 0.7)
    upper = Parts()
    shelves(
        upper,
        draw,
        (shallow, high, width * draw.between(0.88, 1.0)),
        floor + low,
        color,
        True,
        draw.whole(2, 3),
        draw.whole(1, 2),
        0.038 * (floor + low + high),
    )
    parts.include(upper, (-depth / 2 + shallow / 2, 0, 0))
    if draw.chance(0.5):
        parts.add(
            box(
                (shallow + 0.08, 0.07, width * 1.04),
                (-depth / 2 + shallow / 2 + 0.03, floor + low + high + 0.02, 0),
                taper=(1.1, 1.05),
            ),
            color,
        )


def locker(draw: Draw, parts: Parts) -> None:
    """Filing cabinet or lockers of sheet metal, or a safe."""
    depth, height = draw.between(0.4, 0.7), draw.between(0.5, 1.8)
    columns = draw.whole(1, 3)
    width = columns * draw.between(0.35, 0.5)
    color = metal(draw) if draw.chance(0.7) else dark(draw)
    floor = draw.between(0.0, 0.1)
    if floor > 0.03:
        leg = 0.045 * max(height, width)
        parts.corners(
            box((leg, floor + 0.02, leg), (depth / 2 - leg, floor / 2 + 0.01, width / 2 - leg)), darker(color)
        )
    else:
        floor = 0.0
    carcass(parts, draw, (depth, height, width), floor, color)
    rows = max(1, round(height / draw.between(0.3, 0.9)))
    fronts(
        parts,
        draw,
        depth / 2,
        (floor + 0.02, -width / 2 + 0.02),
        (height - 0.04, width - 0.04),
        rows,
        columns,
        darker(color, 0.9),
        "bar",
        draw.chance(0.5),
    )
    if draw.chance(0.35):
        parts.add(
            box((depth, 0.1, width), (0, floor + height + 0.05, 0), shift=(-depth * 0.2, 0), taper=(0.5, 1)),
            color,
        )


STYLES = {
    "drawers": drawers,
    "doors": doors,
    "bookshelf": bookshelf,
    "sideboard": sideboard,
    "wardrobe": wardrobe,
    "hutch": hutch,
    "locker": locker,
}
