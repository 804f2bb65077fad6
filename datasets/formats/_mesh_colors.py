"""One colour per face, from whatever a mesh file has: colours of faces or vertices, materials, textures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .. import BadItem
from ._mesh_parts import Part
from .images import MAX_PIXELS, to_rgba

# barycentric coordinates of the samples that are averaged: the centroid and the middles towards the corners
_SAMPLES = np.array([[2, 2, 2], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / 6


class FaceColors:
    """Colours of the parts of one file; its textures are decoded once and share one limit on pixels.

    Args:
        linear: numbers in the file are linear light, as glTF has them; textures never are.
        max_pixels: limit on all textures together.
    """

    def __init__(self, linear: bool, max_pixels: int = MAX_PIXELS) -> None:
        self._linear = linear
        self._left = max_pixels
        self._decoded: dict[int, np.ndarray | None] = {}

    def of(self, part: Part) -> np.ndarray:
        """sRGB (F, 3) in [0, 1] of each face, NaN where the file says nothing about its colour.

        A face with a texture has the mean of four samples of it. A texture that is missing, broken or too
        large leaves the colour of the material, and that the colours of faces or vertices.
        """
        colors = self._stated(part)
        return _srgb(colors) if self._linear else np.clip(colors, 0, 1)

    def _stated(self, part: Part) -> np.ndarray:
        """Colours in the file's own scale: linear light, or sRGB."""
        unknown = np.full(part.mesh.faces.shape, np.nan)
        painted = unknown if part.colors is None else part.colors
        material = part.material
        if material is None:
            return painted
        plain = unknown if material.color is None else np.tile(material.color, (len(unknown), 1))
        pixels = None if material.image is None or part.uv is None else self._pixels(material.image)
        sampled = unknown if pixels is None or part.uv is None else _sample(pixels, part.uv)
        if material.tints:
            sampled = _light(sampled) if self._linear else sampled
            for factor in (plain, painted):
                sampled = np.where(np.isnan(sampled), factor, np.where(np.isnan(factor), 1, factor) * sampled)
            return sampled
        if material.image is not None and (part.uv is None or pixels is not None):
            plain = unknown  # a colour beside a texture is anything, often black
        return np.where(np.isnan(sampled), np.where(np.isnan(plain), painted, plain), sampled)

    def _pixels(self, image: Image.Image) -> np.ndarray | None:
        """The texture (H, W, 3), or None where it cannot be had."""
        if id(image) not in self._decoded:
            try:
                rgba = to_rgba(image, self._left)
                self._left -= rgba.shape[0] * rgba.shape[1]
                self._decoded[id(image)] = rgba[..., :3]
            except BadItem:
                self._decoded[id(image)] = None
        return self._decoded[id(image)]


def _light(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _srgb(light: np.ndarray) -> np.ndarray:
    """sRGB values of linear light (IEC 61966-2-1); what is outside of [0, 1] is cut off first."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _sample(pixels: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Mean colour (F, 3) of the samples of each face; uv (F, 3, 2) from the lower left, repeated outside."""
    height, width = pixels.shape[:2]
    places = np.einsum("sc,fcd->fsd", _SAMPLES, uv)
    known = np.isfinite(places).all((1, 2))
    places = np.where(known[:, None, None], places, 0) % 1
    column = np.minimum((places[..., 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1 - places[..., 1]) * height).astype(np.int64), height - 1)
    found = pixels[row, column].mean(1) / 255
    found[~known] = np.nan
    return found
