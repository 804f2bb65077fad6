"""Pictures and masks of items, read by `zoo.images.reading`; what cannot be used is a `BadItem`."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageOps

from zoo.images import reading
from zoo.images.reading import FORMATS
from zoo.images.reading import MAX_PIXELS as MAX_PIXELS

from ._files import as_bad_item


def read_rgba(
    path: str | os.PathLike[str],
    max_pixels: int = MAX_PIXELS,
    *,
    require_alpha: bool = False,
    upright: bool = True,
) -> np.ndarray:
    """One picture (H, W, 4) uint8, alpha straight; see `zoo.images.reading.read_rgba`.

    Raises:
        BadItem: the file is missing, no picture, broken, too large, or has no alpha where it must; names the
            file and the reason.
    """
    with as_bad_item():
        return reading.read_rgba(path, max_pixels, require_alpha=require_alpha, upright=upright)


def to_rgba(image: Image.Image, max_pixels: int = MAX_PIXELS, name: str = "texture") -> np.ndarray:
    """As `read_rgba`, of a picture that another library has opened and nobody has decoded yet."""
    with as_bad_item():
        return reading.to_rgba(image, max_pixels, name)


def read_mask(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """One silhouette (H, W) bool, read from the alpha where a picture has one, else from its brightness.

    Where there is but one value besides 0 (labels of 0 and 1, or 0 and 255), it is the object. Otherwise the
    object begins at 128, half of white. The brightness of a colour is that of its brightest channel.

    Raises:
        BadItem: as `read_rgba`.
    """
    rgba = read_rgba(path, max_pixels)
    values = rgba[..., 3]
    if values.min() == 255:
        red, green, blue = np.moveaxis(rgba[..., :3], -1, 0)
        values = np.maximum(
            np.maximum(red, green), blue
        )  # ten times faster than a maximum over the last axis
    levels = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    two = np.count_nonzero(levels) <= 1
    return values > 0 if two else values >= 128


def has_alpha(path: str | os.PathLike[str]) -> bool:
    """Whether a picture may have transparent pixels, by its header; nothing is decoded.

    Raises:
        BadItem: the file is missing, or no picture.
    """
    with as_bad_item(), reading.guarded(str(path)), Image.open(path, formats=FORMATS) as image:
        return image.has_transparency_data


def fitted(rgba: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 4) uint8 scaled to fit into (height, width), in the middle, padded with transparency.

    Colours are weighted by alpha, so that what hides under transparent pixels never bleeds in.
    """
    image, (height, width) = Image.fromarray(rgba), size
    padded = ImageOps.pad(image, (width, height), Image.Resampling.BILINEAR, color=(0, 0, 0, 0))
    return np.asarray(padded)
