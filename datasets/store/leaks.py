"""Shapes that are in two splits: under one name, or as one grid.

ShapeNet holds many a model twice, and published lists put some names into two splits. A model that has
seen a test shape in training is not tested by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import SPLITS, Item


def find_leaks(items: Sequence[Item], grids: Sequence[bytes]) -> dict[int, str]:
    """Items that an earlier split holds too, and which item that is.

    Args:
        items: with splits, in any order; 'train' comes before 'val', and 'val' before 'test'.
        grids: a digest of each item's voxels.

    Returns:
        Position -> 'same grid as <id> of train' or 'same shape as ...', for items of 'val' and 'test'.
    """
    found: dict[int, str] = {}
    earlier_grids: dict[bytes, Item] = {}
    earlier_shapes: dict[str, Item] = {}
    for split in SPLITS:
        here = [n for n, item in enumerate(items) if item.split == split]
        for n in here:
            if other := earlier_shapes.get(items[n].shape):
                found[n] = f"same shape as {other.id} of {other.split}"
            elif other := earlier_grids.get(grids[n]):
                found[n] = f"same grid as {other.id} of {other.split}"
        for n in here:
            earlier_grids.setdefault(grids[n], items[n])
            if items[n].shape:
                earlier_shapes.setdefault(items[n].shape, items[n])
    return found
