"""The thirteen categories: for each, its styles by name.

A style is a function that takes a stream of random choices and fills a `Parts`. A new style is a new
function in its category's ``STYLES``; it changes which shape an id stands for, so the version of the
data set must be raised with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zoo.geometry.mesh import ColoredMesh

from ....making.draw import Draw
from ..parts import Parts
from . import (
    airplane,
    bench,
    boats,
    cabinet,
    car,
    chair,
    display,
    lamp,
    rifle,
    ships,
    sofa,
    speaker,
    table,
    telephone,
    vans,
)

Style = Callable[[Draw, Parts], None]

FAMILIES: dict[str, Mapping[str, Style]] = {
    "airplane": airplane.STYLES,
    "bench": bench.STYLES,
    "cabinet": cabinet.STYLES,
    "car": {**car.STYLES, **vans.STYLES},
    "chair": chair.STYLES,
    "display": display.STYLES,
    "lamp": lamp.STYLES,
    "speaker": speaker.STYLES,
    "rifle": rifle.STYLES,
    "sofa": sofa.STYLES,
    "table": table.STYLES,
    "telephone": telephone.STYLES,
    "watercraft": {**boats.STYLES, **ships.STYLES},
}
"""Category name to its styles, in the order of `datasets.categories.R2N2_CATEGORIES`."""


def make(category: str, style: str, draw: Draw) -> ColoredMesh:
    """One shape of a given style."""
    parts = Parts()
    FAMILIES[category][style](draw, parts)
    return parts.finish()
