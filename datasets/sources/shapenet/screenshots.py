"""The pictures that ShapeNetCore v2 has of its models: 6 from the sides and 8 around, cameras not given."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy import ndimage

from ... import BadItem
from ...formats.images import fitted, read_rgba

COUNT = 14

_NUMBER = re.compile(r"(\d+)\.png", re.IGNORECASE)
_WHITE = 255


def read_screenshots(folder: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    """The first pictures of a model, in the order of the numbers at the end of their names.

    They are scaled to fit into `size`, weighted by alpha, and padded with transparency.

    Args:
        folder: of the pictures, `<model>-0.png` and so on.
        count: how many; at least one.
        size: height and width.

    Returns:
        (count, height, width, 4) uint8 RGBA, straight alpha.

    Raises:
        BadItem: there are fewer, or one cannot be read or shows nothing.
    """
    numbered = [(int(match[1]), path) for path in folder.glob("*") if (match := _NUMBER.search(path.name))]
    if len(numbered) < count:
        raise BadItem(f"{folder}: {len(numbered)} screenshots, {count} were asked for")
    return np.stack([fitted(cut_out(path), size) for _, path in sorted(numbered)[:count]])


def cut_out(path: Path) -> np.ndarray:
    """One picture (H, W, 4) uint8 with its background transparent.

    The viewer that took the screenshots writes alpha, which is kept. In pictures that lost theirs the
    background is what is pure white and hangs together with the picture's border.

    Raises:
        BadItem: the picture cannot be read, has no background of either kind, or nothing else.
    """
    rgba = read_rgba(path)
    if rgba[..., 3].min() == 255:
        regions, _ = ndimage.label((rgba[..., :3] == _WHITE).all(-1))
        border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
        rgba[np.isin(regions, border[border > 0]), 3] = 0
    if rgba[..., 3].min() == 255:
        raise BadItem(f"{path}: neither alpha nor a white background")
    if not rgba[..., 3].any():
        raise BadItem(f"{path}: an empty picture")
    return rgba
