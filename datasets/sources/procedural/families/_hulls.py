"""Hulls and deck houses of ships and boats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....making.draw import Draw
from ..parts import (
    Color,
    Parts,
    dark,
    metal,
    paint,
    white,
)
from ..primitives import (
    box,
)

MAST = 0.026
"""Least radius of a mast on the centre line."""

Drawn = tuple[float, float] | float
"""A number, or the ends of the interval that it is drawn from."""


def hull_color(draw: Draw) -> Color:
    return draw.pick((white, white, paint, paint, dark, metal))(draw)


def beam_at(t: float, bow: float, stern: float) -> float:
    """Share of the full beam at t in [0, 1] from the stern to the bow."""
    if t < 0.35:
        return stern + (1 - stern) * (1 - (1 - t / 0.35) ** 2)
    if t < 1 - bow:
        return 1.0
    s = max(0.0, (t - 1 + bow) / bow)
    return max(0.03, 1 - s**1.8)


def hull(
    draw: Draw,
    beam: float,
    depth: float,
    sheer: float,
    bow: float,
    stern: float,
    keel: float,
    rake: float = 0.06,
) -> tuple[np.ndarray, Callable[[float], float]]:
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
        half, top = beam / 2 * beam_at(t, bow, stern), deck(t)
        low = 0.0 if t < 1 - bow else 0.25 * depth * ((t - 1 + bow) / bow) ** 2
        right = [
            (low, half * keel * 0.6),
            (low + 0.25 * (top - low), half * (keel + 0.25 * (1 - keel))),
            (low + 0.6 * (top - low), half * (0.3 * keel + 0.7)),
            (top, half),
        ]
        ring = np.array([(y, -z) for y, z in right] + right[::-1])
        sections[k, :, 1:] = ring
        lean = rake * max(0.0, (t - 0.6) / 0.4)
        sections[k, :, 0] = t - 0.5 - lean * (1 - ring[:, 0] / top)
    return sections, deck


def drawn_hull(
    draw: Draw, beam: float, depth: float, *form: Drawn
) -> tuple[np.ndarray, Callable[[float], float]]:
    """A `hull` whose sheer, bow, stern, keel and, where it is given, rake are drawn, in this order."""
    return hull(draw, beam, depth, *(n if isinstance(n, float) else draw.between(*n) for n in form))


def open_hull(sections: np.ndarray, wall: float, floor: float) -> np.ndarray:
    """A hull hollowed out from above: rings that run down the outside and up the inside."""
    outer = sections[:, [3, 2, 1, 0, 7, 6, 5, 4]][:, ::-1]
    # outer runs over the keel from one gunwale to the other
    inner = outer.copy()
    half = np.abs(outer[:, :, 2]).max(1, keepdims=True)
    inner[:, :, 2] *= np.maximum(1 - wall / np.maximum(half, 1e-9), 0.15)
    height = outer[:, :, 1].max(1, keepdims=True)
    inner[:, :, 1] = np.minimum(
        np.maximum(inner[:, :, 1], outer[:, :, 1].min(1, keepdims=True) + floor), height
    )
    return np.concatenate([outer, inner[:, ::-1]], axis=1)


def cabin(
    parts: Parts,
    low: float,
    size: tuple[float, float, float],
    x: float,
    color: Color,
    pane: Color,
    lean: float = 0.0,
    taper: float = 0.9,
) -> None:
    """Deck house with a dark band of windows; `size` is length, height, width."""
    length, height, width = size
    parts.add(
        box(
            (length, height + 0.02, width),
            (x, low + height / 2 - 0.01, 0),
            taper=(taper, 0.95),
            shift=(-lean, 0),
        ),
        color,
    )
    parts.add(
        box(
            (length * 1.005, height * 0.32, width * 1.01),
            (x - lean * 0.6, low + height * 0.65, 0),
            taper=(0.96, 0.99),
        ),
        pane,
    )
