"""Ships and boats: bow towards +x, waterline at y = 0. The unit is the length of the hull."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets.procedural.draw import Draw
from datasets.procedural.parts import Color, Parts, dark, darker, fabric, glass, metal, paint, white, wood
from datasets.procedural.primitives import box, ellipsoid, extrude, lathe, loft, move, rod, tube, turn, wing

MAST = 0.026
"""Least radius of a mast on the centre line."""


def _hull_color(draw: Draw) -> Color:
    return draw.pick((white, white, paint, paint, dark, metal))(draw)


def _beam_at(t: float, bow: float, stern: float) -> float:
    """Share of the full beam at t in [0, 1] from the stern to the bow."""
    if t < 0.35:
        return stern + (1 - stern) * (1 - (1 - t / 0.35) ** 2)
    if t < 1 - bow:
        return 1.0
    s = max(0.0, (t - 1 + bow) / bow)
    return max(0.03, 1 - s**1.8)


def _hull(draw: Draw, beam: float, depth: float, sheer: float, bow: float, stern: float, keel: float, rake: float = 0.06) -> tuple[np.ndarray, Callable[[float], float]]:
    """Outer rings of a hull of length 1: (S, 8, 3) from the stern to the bow, and the deck's height.

    Args:
        beam: full width; depth: from the keel to the deck amidships; sheer: how far the bow rises.
        bow, stern: length of the pointed bow, share of the beam at the stern.
        keel: width of the bottom over the width of the deck.
        rake: how far the stem leans forward from the keel to the deck.
    """
    stations = [0, 0.04, 0.18, 0.35, *[1 - bow + bow * s for s in (0, 0.35, 0.65, 0.85, 1.0)]]
    stations = sorted(set(stations))

    def deck(t: float) -> float:
        return depth + sheer * max(0.0, t - 0.35) ** 2 / 0.42 + 0.25 * sheer * max(0.0, 0.35 - t)

    sections = np.empty((len(stations), 8, 3))
    for k, t in enumerate(stations):
        half, top = beam / 2 * _beam_at(t, bow, stern), deck(t)
        low = 0.0 if t < 1 - bow else 0.25 * depth * ((t - 1 + bow) / bow) ** 2
        right = [(low, half * keel * 0.6), (low + 0.25 * (top - low), half * (keel + 0.25 * (1 - keel))), (low + 0.6 * (top - low), half * (0.3 * keel + 0.7)), (top, half)]
        ring = np.array([(y, -z) for y, z in right] + right[::-1])
        sections[k, :, 1:] = ring
        lean = rake * max(0.0, (t - 0.6) / 0.4)
        sections[k, :, 0] = t - 0.5 - lean * (1 - ring[:, 0] / top)
    return sections, deck


def _open_hull(sections: np.ndarray, wall: float, floor: float) -> np.ndarray:
    """The same hull hollowed out from above: rings that run down the outside and up the inside."""
    outer = sections[:, [3, 2, 1, 0, 7, 6, 5, 4]][:, ::-1]
    # outer runs over the keel from one gunwale to the other
    inner = outer.copy()
    half = np.abs(outer[:, :, 2]).max(1, keepdims=True)
    inner[:, :, 2] *= np.maximum(1 - wall / np.maximum(half, 1e-9), 0.15)
    height = outer[:, :, 1].max(1, keepdims=True)
    inner[:, :, 1] = np.minimum(np.maximum(inner[:, :, 1], outer[:, :, 1].min(1, keepdims=True) + floor), height)
    return np.concatenate([outer, inner[:, ::-1]], axis=1)


def _cabin(parts: Parts, low: float, size: tuple[float, float, float], x: float, color: Color, pane: Color, lean: float = 0.0, taper: float = 0.9) -> None:
    """Deck house with a dark band of windows; `size` is length, height, width."""
    length, height, width = size
    parts.add(box((length, height + 0.02, width), (x, low + height / 2 - 0.01, 0), taper=(taper, 0.95), shift=(-lean, 0)), color)
    parts.add(box((length * 1.005, height * 0.32, width * 1.01), (x - lean * 0.6, low + height * 0.65, 0), taper=(0.96, 0.99)), pane)


def sailboat(draw: Draw, parts: Parts) -> None:
    """Mast with boom and sails, keel fin below in some."""
    color, deck_color = _hull_color(draw), wood(draw)
    beam, depth = draw.between(0.22, 0.32), draw.between(0.09, 0.14)
    sections, deck = _hull(draw, beam, depth, draw.between(0.02, 0.06), draw.between(0.4, 0.6), draw.between(0.5, 0.8), draw.between(0.2, 0.5))
    parts.add(loft(sections), color)
    if draw.chance(0.7):
        parts.add(box((draw.between(0.2, 0.35), 0.06, beam * 0.5), (draw.between(-0.08, 0.05), depth + 0.02, 0), taper=(0.8, 0.8)), deck_color)
    x, tall = draw.between(0.02, 0.14), draw.between(0.75, 1.25)
    thick = 0.037 * max(1.0, tall + depth + 0.1)
    mast = MAST * max(1.0, tall + depth + 0.1)
    parts.add(rod((x, depth * 0.5, 0), (x, depth + tall, 0), mast), metal(draw))
    boom = draw.between(0.3, 0.48)
    y = depth + draw.between(0.08, 0.13)
    parts.add(rod((x, y, 0), (x - boom, y, 0), mast), metal(draw))
    cloth = white(draw) if draw.chance(0.7) else paint(draw)
    kind = draw.pick(("both", "both", "main", "none", "gaff"))
    swing = draw.between(-12, 12)
    if kind in ("both", "main"):
        main = extrude([(-boom, 0), (0, 0), (0, tall * 0.93), (-0.03, tall * 0.93)], thick)
        parts.add(move(turn(main, "y", swing), (x, y, 0)), cloth)
    elif kind == "gaff":
        main = extrude([(-boom, 0), (0, 0), (0, tall * 0.6), (-boom * 0.85, tall * 0.85)], thick)
        parts.add(move(turn(main, "y", swing), (x, y, 0)), cloth)
    if kind == "both":
        fore = 0.46 - x
        jib = extrude([(0.02, 0), (fore, 0), (0.05, tall * draw.between(0.55, 0.85)), (0.02, tall * 0.5)], thick)
        parts.add(move(turn(jib, "y", -swing * 0.5), (x, depth + 0.05, 0)), cloth)
    if draw.chance(0.4):
        fin = draw.between(0.1, 0.18)
        parts.add(box((0.2, fin, 0.045), (0, -fin / 2 + 0.02, 0), taper=(1.4, 1)), darker(color))


def cargo(draw: Draw, parts: Parts) -> None:
    """Long hull, bridge at one end, containers, hatches, cranes or tank tops."""
    color, house = draw.pick((paint, dark, paint))(draw), white(draw)
    beam, depth = draw.between(0.14, 0.2), draw.between(0.08, 0.12)
    sections, deck = _hull(draw, beam, depth, draw.between(0.0, 0.03), draw.between(0.12, 0.22), draw.between(0.8, 1.0), draw.between(0.8, 0.95), 0.03)
    parts.add(loft(sections), color)
    at = draw.between(-0.42, -0.34) if draw.chance(0.8) else 0.2
    wide = beam * draw.between(0.7, 0.95)
    levels = draw.whole(2, 4)
    each = 0.042
    for k in range(levels):
        parts.add(box((draw.between(0.07, 0.12), each + 0.01, wide * (1 - 0.06 * k)), (at, depth + each * (k + 0.5), 0)), house)
    top = depth + each * levels
    parts.add(box((0.06, 0.042, beam * 1.05), (at + 0.01, top + 0.015, 0)), glass(draw))
    parts.add(rod((at - 0.03, top, 0), (at - 0.03, top + draw.between(0.05, 0.1), 0), 0.03), darker(color))
    start, stop = (at + 0.09, 0.36) if at < 0 else (-0.44, at - 0.08)
    kind = draw.pick(("containers", "containers", "hatches", "cranes", "tanks"))
    bays = draw.whole(4, 8)
    step = (stop - start) / bays
    for k in range(bays):
        x = start + (k + 0.5) * step
        if kind == "containers":
            tall = 0.04 * draw.whole(1, 4)
            parts.add(box((step * 0.9, tall + 0.01, beam * draw.pick((0.6, 0.95, 0.95))), (x, depth + tall / 2, 0)), paint(draw))
        elif kind == "hatches":
            parts.add(box((step * 0.75, 0.045, beam * 0.65), (x, depth + 0.015, 0)), darker(color))
        elif kind == "cranes":
            parts.add(box((step * 0.8, 0.04, beam * 0.65), (x, depth + 0.012, 0)), darker(color))
            if k % 2 == 0:
                parts.add(rod((x, depth, 0), (x, depth + 0.15, 0), 0.027), metal(draw))
                parts.add(rod((x, depth + 0.14, 0), (x + step * 1.1, depth + draw.between(0.1, 0.24), 0), 0.0255), metal(draw))
        else:
            radius = min(step * 0.48, beam * 0.5)
            parts.add(ellipsoid((radius, radius, radius), (x, depth + radius * 0.35, 0), 8, 12), white(draw))


def motorboat(draw: Draw, parts: Parts) -> None:
    """Open cockpit, windscreen, outboard motor or inboard; some with a small roof."""
    color = _hull_color(draw)
    beam, depth = draw.between(0.3, 0.4), draw.between(0.11, 0.16)
    sections, deck = _hull(draw, beam, depth, draw.between(0.02, 0.07), draw.between(0.4, 0.55), draw.between(0.85, 1.0), draw.between(0.3, 0.7), 0.1)
    cut = int(np.searchsorted(sections[:, 3, 0], 0.1))
    parts.add(loft(_open_hull(sections[: cut + 1], 0.05, 0.05)), color)
    parts.add(loft(sections[cut:]), color)
    stern = sections[0, 3, 2] * -1.9
    parts.add(box((0.045, depth * 0.9, stern), (-0.475, depth * 0.52, 0)), color)
    x = float(sections[cut, 3, 0])
    tall = draw.between(0.06, 0.1)
    parts.add(box((0.045, tall + 0.03, beam * 0.8), (x + 0.02, depth + tall / 2, 0), shift=(-draw.between(0.03, 0.09), 0), taper=(1, 0.85)), glass(draw))
    seats = fabric(draw) if draw.chance(0.5) else white(draw)
    for k in range(draw.whole(1, 2)):
        at = x - 0.16 - 0.2 * k
        if draw.chance(0.5):
            parts.pair(box((0.1, 0.06, beam * 0.24), (at, 0.07, beam * 0.2)), seats)
            parts.pair(box((0.042, 0.12, beam * 0.24), (at - 0.05, 0.13, beam * 0.2)), seats)
        else:
            parts.add(box((0.1, 0.07, beam * 0.7), (at, 0.07, 0)), seats)
    if draw.chance(0.65):
        z = 0.0 if draw.chance(0.7) else beam * 0.2
        motor = [box((0.12, 0.1, 0.08), (-0.53, depth + 0.04, z), bevel=0.02), box((0.05, depth + 0.06, 0.048), (-0.525, depth * 0.4, z))]
        for mesh in motor:
            if z:
                parts.pair(mesh, dark(draw))
            else:
                parts.add(mesh, dark(draw))
    if draw.chance(0.3):
        roof = depth + draw.between(0.2, 0.28)
        parts.add(box((0.3, 0.038, beam * 0.85), (x - 0.12, roof, 0)), white(draw))
        for at in (x, x - 0.24):
            parts.pair(rod((at, depth - 0.02, beam * 0.46), (at, roof, beam * 0.38), 0.0225), metal(draw))


def canoe(draw: Draw, parts: Parts) -> None:
    """Open boat: canoe or kayak pointed at both ends, rowing boat or gondola with thwarts and oars."""
    color = wood(draw) if draw.chance(0.55) else paint(draw)
    beam, depth = draw.between(0.2, 0.36), draw.between(0.1, 0.15)
    lift = draw.between(0.02, 0.1)
    pointed = draw.chance(0.6)
    n = 11
    sections = np.empty((n, 8, 3))
    for k in range(n):
        t = k / (n - 1)
        s = abs(2 * t - 1)
        share = max(0.12, 1 - s**2.2) if pointed or t > 0.5 else max(0.6, 1 - 0.4 * s**2)
        half, top = beam / 2 * share, depth + lift * s**2.5
        low = 0.35 * lift * s**3
        right = [(low, half * 0.35), (low + 0.2 * depth, half * 0.72), (low + 0.55 * depth, half * 0.95), (top, half)]
        sections[k, :, 0] = t - 0.5
        sections[k, :, 1:] = [(y, -z) for y, z in right] + right[::-1]
    wall = 0.045
    parts.add(loft(_open_hull(sections, wall, 0.045)), color)
    for k in range(draw.whole(1, 4)):
        x = -0.25 + 0.5 * (k + 0.5) / 4 + draw.between(-0.03, 0.03)
        parts.add(box((0.06, 0.036, beam * 0.86), (x, depth * 0.75, 0)), wood(draw))
    if draw.chance(0.4):  # decked ends, as a kayak
        for side in (-1, 1):
            parts.add(box((0.2, 0.04, beam * 0.5), (side * 0.36, depth * 0.9 + lift * 0.3, 0), taper=(1, 0.5)), darker(color))
    if draw.chance(0.35):
        spread = draw.between(0.35, 0.5)
        parts.pair(rod((0.0, depth + 0.02, beam * 0.25), (-0.06, depth * 0.4, spread), 0.0235), wood(draw))
        parts.pair(box((0.06, 0.04, 0.12), (-0.06, depth * 0.38, spread)), wood(draw))


def yacht(draw: Draw, parts: Parts) -> None:
    """Decks in tiers that step back, raked windows, maybe a mast and a bathing platform."""
    color, house, pane = white(draw) if draw.chance(0.7) else paint(draw), white(draw), glass(draw)
    beam, depth = draw.between(0.2, 0.28), draw.between(0.1, 0.15)
    sections, deck = _hull(draw, beam, depth, draw.between(0.02, 0.06), draw.between(0.35, 0.55), draw.between(0.8, 1.0), draw.between(0.4, 0.75), draw.between(0.06, 0.14))
    parts.add(loft(sections), color)
    back, front = -draw.between(0.3, 0.42), draw.between(0.1, 0.24)
    y, wide = depth, beam * 0.85
    for _ in range(draw.whole(1, 3)):
        tall = draw.between(0.055, 0.08)
        _cabin(parts, y, (front - back, tall, wide), (front + back) / 2, house, pane, draw.between(0.01, 0.04), draw.between(0.78, 0.95))
        y += tall
        back += draw.between(0.02, 0.12)
        front -= draw.between(0.08, 0.16)
        wide *= draw.between(0.8, 0.95)
        if front - back < 0.12:
            break
    if draw.chance(0.6):
        x = (front + back) / 2
        arch = [(x, y - 0.02, wide * 0.4), (x - 0.04, y + 0.07, wide * 0.3), (x - 0.04, y + 0.07, -wide * 0.3), (x, y - 0.02, -wide * 0.4)]
        parts.add(tube(arch, 0.0245), house)
    if draw.chance(0.4):
        parts.add(box((0.1, 0.04, beam * 0.8), (-0.53, 0.04, 0)), wood(draw))
    if draw.chance(0.3):
        parts.add(rod((0.3, deck(0.8) - 0.02, 0), (0.3, deck(0.8) + 0.08, 0), MAST), metal(draw))


def warship(draw: Draw, parts: Parts) -> None:
    """Slender grey hull, gun turrets, tower and mast; some are flat carriers."""
    gray = metal(draw)
    tone = darker(gray, draw.between(0.7, 0.9))
    beam, depth = draw.between(0.12, 0.17), draw.between(0.07, 0.1)
    sections, deck = _hull(draw, beam, depth, draw.between(0.01, 0.05), draw.between(0.3, 0.5), draw.between(0.6, 0.9), draw.between(0.5, 0.8), 0.06)
    parts.add(loft(sections), gray)
    if draw.chance(0.25):
        side = draw.pick((-1, 1))
        parts.add(box((0.98, 0.045, beam * 1.5), (0.0, depth + 0.02, 0), taper=(1, 1.1)), tone)
        island = draw.between(-0.1, 0.1)
        parts.add(box((0.16, 0.12, 0.05), (island, depth + 0.09, side * beam * 0.62)), gray)
        parts.add(rod((island, depth + 0.1, side * beam * 0.62), (island, depth + 0.24, side * beam * 0.62), 0.0255), tone)
        for k in range(draw.whole(2, 6)):
            x = -0.4 + 0.13 * k
            parts.add(wing_plane(x, depth + 0.06, -side * beam * 0.3), darker(tone, 0.7))
        return
    house = draw.between(0.28, 0.45)
    y = depth
    for k in range(draw.whole(2, 4)):
        tall = draw.between(0.042, 0.06)
        parts.add(box((house * (1 - 0.25 * k), tall + 0.01, beam * (0.72 - 0.1 * k)), (-0.02, y + tall / 2, 0), taper=(0.95, 0.9)), gray)
        y += tall
    parts.add(rod((0.0, y - 0.02, 0), (0.0, y + draw.between(0.08, 0.16), 0), 0.0255), tone)
    parts.add(box((0.042, 0.04, beam * 0.8), (0.0, y + 0.05, 0)), tone)
    for k in range(draw.whole(0, 2)):
        x = -0.1 - 0.09 * k
        parts.add(rod((x, depth, 0), (x - 0.01, y, 0), 0.032, sides=10), tone)
    for x, face in ((0.24, 1), (0.34, 1), (-0.32, -1)):
        if draw.chance(0.75):
            base = deck(x + 0.5)
            parts.add(lathe([(0.045, base - 0.02), (0.045, base + 0.03), (0.03, base + 0.045)], 10, (x, 0, 0)), tone)
            parts.add(rod((x, base + 0.024, 0), (x + face * 0.11, base + 0.04, 0), 0.0235), tone)


def wing_plane(x: float, y: float, z: float):
    """A parked aeroplane: a small flat arrow."""
    return extrude([(0.04, -0.05), (0.06, 0.0), (0.04, 0.05), (-0.05, 0.0)], 0.04, (x, y, z), axis="y")


def tug(draw: Draw, parts: Parts) -> None:
    """Short and high: tug or fishing boat with a wheel house, funnel, derrick."""
    color, house = paint(draw), white(draw) if draw.chance(0.7) else paint(draw)
    beam, depth = draw.between(0.28, 0.38), draw.between(0.15, 0.22)
    sections, deck = _hull(draw, beam, depth, draw.between(0.06, 0.14), draw.between(0.35, 0.5), draw.between(0.75, 0.95), draw.between(0.4, 0.7), draw.between(0.0, 0.06))
    parts.add(loft(sections), color)
    x = draw.between(-0.25, 0.15)
    length, tall = draw.between(0.2, 0.34), draw.between(0.12, 0.2)
    _cabin(parts, depth, (length, tall, beam * 0.62), x, house, glass(draw), 0.0, 0.95)
    y = depth + tall
    if draw.chance(0.6):
        upper = draw.between(0.09, 0.13)
        _cabin(parts, y, (length * 0.6, upper, beam * 0.5), x + length * 0.1, house, glass(draw), 0.0, 0.95)
        y += upper
    parts.add(box((length * 0.75, 0.038, beam * 0.6), (x + length * 0.08, y, 0)), darker(house))
    if draw.chance(0.6):
        fx = x - length * 0.75
        parts.add(rod((fx, depth, 0), (fx - 0.02, y + 0.04, 0), draw.between(0.04, 0.055), sides=10), paint(draw))
    mast = depth + draw.between(0.35, 0.6)
    mx = x - length * 0.35 if draw.chance(0.5) else x + length * 0.7
    parts.add(rod((mx, depth * 0.5, 0), (mx, mast, 0), MAST), wood(draw))
    if draw.chance(0.55):
        parts.add(rod((mx, depth + 0.08, 0), (mx - draw.between(0.2, 0.35), mast - 0.06, 0), 0.0255), wood(draw))
    if draw.chance(0.4):
        parts.pair(box((0.55, 0.05, 0.045), (-0.1, deck(0.3) + 0.01, beam * 0.46)), darker(color))


def submarine(draw: Draw, parts: Parts) -> None:
    color = dark(draw) if draw.chance(0.7) else paint(draw)
    radius = draw.between(0.055, 0.09)
    profile = [(0.02, -0.5), (radius * 0.6, -0.38), (radius, -0.2), (radius, 0.3), (radius * 0.85, 0.42), (radius * 0.5, 0.48), (0.02, 0.5)]
    parts.add(turn(lathe(profile, 14), "z", -90), color)
    x, tall, length = draw.between(0.02, 0.22), draw.between(0.07, 0.12), draw.between(0.1, 0.18)
    parts.add(box((length, tall + radius, 0.05), (x, (tall + radius) / 2, 0), taper=(0.8, 0.85), bevel=0.008), color)
    top = radius + tall
    if draw.chance(0.6):
        parts.add(rod((x, top - 0.02, 0), (x, top + draw.between(0.05, 0.1), 0), 0.0255), metal(draw))
    planes = (0.09, 0.07)
    parts.pair(wing((-0.36, 0, -0.001), draw.between(0.1, 0.15), planes, (0.042, 0.038), 0.02), color)
    parts.pair(wing((x + 0.03, radius + tall * 0.5, -0.001), draw.between(0.08, 0.12), (0.06, 0.05), (0.04, 0.036), 0.01), color)
    fin = turn(wing((0, 0, 0), draw.between(0.1, 0.16), planes, (0.045, 0.04), 0.03), "x", -90)
    parts.add(move(fin, (-0.35, 0, 0)), color)
    if draw.chance(0.5):
        parts.add(box((0.4, 0.042, radius * 0.9), (0.05, radius, 0)), darker(color))


STYLES = {
    "sailboat": sailboat,
    "cargo": cargo,
    "motorboat": motorboat,
    "canoe": canoe,
    "yacht": yacht,
    "warship": warship,
    "tug": tug,
    "submarine": submarine,
}
