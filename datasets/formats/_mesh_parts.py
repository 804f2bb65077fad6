"""What every reader of meshes makes of a file: parts with one material each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from zoo.geometry.mesh import Mesh

from .. import BadItem

MAX_PARTS = 10_000
"""Materials, nodes or primitives that one file may have: each becomes an object of some kilobytes."""


@dataclass(frozen=True)
class Material:
    """Colour and texture of a part.

    Attributes:
        color: (3,) in the file's own scale, None where it states none.
        image: the texture, not decoded yet.
        tints: the colour multiplies the texture, as glTF has it; elsewhere it stands in where there is none.
    """

    color: np.ndarray | None = None
    image: Image.Image | None = None
    tints: bool = False


@dataclass(frozen=True)
class Part:
    """Some triangles of a file, where its scene places them.

    Attributes:
        mesh: the triangles, those without area included.
        colors: of faces, or the means of their corners' (F, 3) in [0, 1], in the file's own scale; NaN where
            it states none.
        uv: texture coordinates of the corners (F, 3, 2) from the lower left; NaN where a face has none.
        material: of all the faces.
    """

    mesh: Mesh
    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    material: Material | None = None


def unit_colors(values: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in [0, 1] in steps of bytes, of numbers from 0 to 1 or from 0 to 255.

    Files do not say which: numbers above 1 tell it for all of them.
    """
    top = 255 if np.nanmax(values, initial=0) > 1 else 1
    return np.round(np.clip(values / top, 0, 1) * 255) / 255


def of_corners(colors: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Mean colour (F, 3) of the corners that have one, of colours of vertices (V, 3)."""
    found: np.ndarray = np.nanmean(colors[faces], axis=1)
    return found


def limit_faces(faces: int, max_faces: int) -> None:
    """Refuse what is too much, before anything of its size is made.

    Raises:
        BadItem: more faces than the limit.
    """
    if faces > max_faces:
        raise BadItem(f"{faces:,} faces, the limit is {max_faces:,}")
