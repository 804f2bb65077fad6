"""Categories by ShapeNet's synset ids, and how a config names some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.registry import did_you_mean

R2N2_CATEGORIES: dict[str, str] = {
    "02691156": "airplane",
    "02828884": "bench",
    "02933112": "cabinet",
    "02958343": "car",
    "03001627": "chair",
    "03211117": "display",
    "03636649": "lamp",
    "03691459": "speaker",
    "04090263": "rifle",
    "04256520": "sofa",
    "04379243": "table",
    "04401088": "telephone",
    "04530566": "watercraft",
}
"""The 13 ShapeNet categories of the 3D-R2N2 benchmark: synset id to name."""


def chosen_categories(value: Any, known: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the chosen categories, in one order, so that equal choices share a store.

    Args:
        value: names or synset ids, as a sequence or as text separated by commas.
        known: synset id -> name.

    Raises:
        ValueError: an unknown category; gives the nearest one.
    """
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    names = list(known.values())
    chosen = set()
    for category in value:
        name = known.get(category, category)
        if name not in names:
            near = did_you_mean(str(category), names)
            raise ValueError(f"unknown category '{category}'.{near} Known: {', '.join(names)}")
        chosen.add(name)
    return tuple(name for name in names if name in chosen)
