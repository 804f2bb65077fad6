"""Materials of a glTF file: base colour, its texture, and which texture coordinates it takes.

Reference: glTF 2.0 specification, 3.9 Materials; KHR_texture_transform, EXT_texture_webp,
KHR_materials_pbrSpecularGlossiness, which trimesh converts.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from trimesh.visual.gloss import specular_to_pbr

from ._gltf_arrays import Arrays
from ._gltf_checks import entries
from ._mesh_assets import Assets
from ._mesh_parts import Material

_OTHER_SOURCES = ("EXT_texture_webp", "EXT_texture_avif")


@dataclass(frozen=True)
class Textured:
    """A material, and the texture coordinates that it takes.

    Attributes:
        coordinates: number of their set.
        transform: what they are multiplied with (2, 3), from the upper left.
    """

    material: Material
    coordinates: int = 0
    transform: np.ndarray | None = None


class Materials:
    """The materials of one file, read as they are asked for; a picture that cannot be had is none."""

    def __init__(self, tree: dict[str, Any], arrays: Arrays, assets: Assets) -> None:
        self._materials = entries(tree, "materials")
        self._textures, self._pictures = entries(tree, "textures"), entries(tree, "images")
        self._arrays, self._assets = arrays, assets
        self._images: dict[int, Image.Image | None] = {}
        self._made: dict[int, Textured] = {}

    def get(self, index: int) -> Textured:
        """One material; its colour is linear light."""
        if index not in self._made:
            self._made[index] = self._read(self._materials[index])
        return self._made[index]

    def _read(self, entry: dict[str, Any]) -> Textured:
        base = entry.get("pbrMetallicRoughness", {})
        texture, factor = base.get("baseColorTexture"), base.get("baseColorFactor")
        glossy = entry.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if glossy is not None:
            texture = glossy.get("diffuseTexture", texture)
            image, factor = self._converted(glossy)
        else:
            image = None if texture is None else self._image(texture)
        if factor is not None:
            color: np.ndarray | None = np.round(np.clip(np.array(factor, np.float64)[:3], 0, 1) * 255) / 255
        else:  # white, unless there is a picture that would have said more
            color = None if texture is not None and image is None else np.ones(3)
        return Textured(Material(color, image, tints=True), *_transform(texture or {}))

    def _converted(self, glossy: dict[str, Any]) -> tuple[Image.Image | None, Any]:
        """Base texture and colour of a material of the older kind."""
        known: dict[str, Any] = {}
        for key, value in glossy.items():
            known[key] = self._image(value) if isinstance(value, dict) else value
            if isinstance(value, list):
                known[key] = np.array(value, np.float64)
        try:
            found = specular_to_pbr(**{key: value for key, value in known.items() if value is not None})
        except Exception:  # it survives few pictures but plain ones
            return known.get("diffuseTexture"), glossy.get("diffuseFactor")
        return found.get("baseColorTexture"), found.get("baseColorFactor")

    def _image(self, texture: dict[str, Any]) -> Image.Image | None:
        try:
            entry = self._textures[texture["index"]]
            other = [entry.get("extensions", {}).get(key, {}).get("source") for key in _OTHER_SOURCES]
            source = next((index for index in other if index is not None), entry.get("source"))
            if source not in self._images:
                self._images[source] = Image.open(io.BytesIO(self._bytes(self._pictures[source])))
            return self._images[source]
        except Exception:  # PIL raises nearly anything on broken bytes; the shape does without
            return None

    def _bytes(self, picture: dict[str, Any]) -> bytes:
        if "bufferView" in picture:
            return self._arrays.view(picture["bufferView"])
        _, mark, coded = picture["uri"].partition("base64,")
        return base64.b64decode(coded) if mark else bytes(self._assets.get(picture["uri"]))


def _transform(texture: dict[str, Any]) -> tuple[int, np.ndarray | None]:
    """Set of texture coordinates, and how they are moved: scaled, turned counter-clockwise, shifted."""
    moved = texture.get("extensions", {}).get("KHR_texture_transform")
    if moved is None:
        return texture.get("texCoord", 0), None
    angle, scale = float(moved.get("rotation", 0)), np.array(moved.get("scale", (1, 1)), np.float64)
    # v counts downwards, so that a turn to the left takes it the other way
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn * scale, np.array(moved.get("offset", (0, 0)), np.float64)])
    return moved.get("texCoord", texture.get("texCoord", 0)), matrix
