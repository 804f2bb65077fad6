"""One colour per face, from whatever a mesh file has: colours of faces or vertices, materials, textures."""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from .. import BadItem
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

    def of(self, part: trimesh.Trimesh) -> np.ndarray | None:
        """sRGB (F, 3) in [0, 1] of each face, or None where the file says nothing about colour.

        A face with a texture has the mean of four samples of it. A texture that is missing, broken or too
        large leaves the colour of the material.
        """
        colors = self._stated(part)
        if colors is None:
            return None
        return _srgb(colors) if self._linear else np.clip(colors, 0, 1)

    def _stated(self, part: trimesh.Trimesh) -> np.ndarray | None:
        """Colours in the file's own scale: linear light, or sRGB."""
        visual: Any = part.visual
        if visual.kind == "face":
            return visual.face_colors[:, :3] / 255
        if visual.kind == "vertex":
            return (visual.vertex_colors[:, :3] / 255)[part.faces].mean(1)
        if visual.kind != "texture":
            return None
        image, color = _base(visual.material)
        colors = None if color is None else np.tile(color, (len(part.faces), 1))
        pixels = None if image is None or visual.uv is None else self._pixels(image)
        if pixels is not None:
            sampled = _sample(pixels, np.asarray(visual.uv)[part.faces])
            if self._linear:
                sampled = _light(sampled)
            colors = sampled if colors is None else sampled * colors
        tint = visual.vertex_attributes.get("color")
        if colors is not None and tint is not None:
            colors = colors * (trimesh.visual.color.to_float(tint)[:, :3])[part.faces].mean(1)
        return colors

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


def _base(material: Any) -> tuple[Image.Image | None, np.ndarray | None]:
    """Texture and colour of a material; the colour multiplies the texture."""
    if isinstance(material, PBRMaterial):
        factor = material.baseColorFactor
        return material.baseColorTexture, np.ones(3) if factor is None else np.asarray(factor)[:3] / 255
    if not isinstance(material, SimpleMaterial):
        return None, None
    # trimesh's stand-in where a file has texture coordinates but no material was never in a file
    if material.image is not None and material.image.format is not None:
        return material.image, None  # Kd beside a texture is anything, often black
    return None, material.diffuse[:3] / 255 if "kd" in material.kwargs else None


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
    places = np.nan_to_num(np.einsum("sc,fcd->fsd", _SAMPLES, uv), posinf=0, neginf=0) % 1
    column = np.minimum((places[..., 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1 - places[..., 1]) * height).astype(np.int64), height - 1)
    return pixels[row, column].mean(1) / 255
