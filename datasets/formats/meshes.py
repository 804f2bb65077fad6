"""Triangle meshes with a colour per face, from OBJ, OFF, PLY, STL, glTF and GLB files.

Each format has a reader of its own (`_mesh_obj` and so on) that either reads all that a file says of its
surface or names what it does not. Files that a mesh names are read only from folders that belong to it
(`_mesh_assets`).
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from zoo.geometry.mesh import ColoredMesh, Mesh
from zoo.system.quiet import silenced

from .. import BadItem
from ._files import read_limited
from ._mesh_assets import Assets
from ._mesh_colors import FaceColors
from ._mesh_gltf import read_gltf
from ._mesh_obj import read_obj
from ._mesh_off import read_off
from ._mesh_parts import Part
from ._mesh_ply import read_ply
from ._mesh_stl import read_stl

MAX_BYTES = 256 << 20
"""Default limit on the size of one file, and on that of all the files that it names."""
MAX_FACES = 2_000_000
"""Default limit on triangles. Reading holds up to 25 times the bytes of a file, most of it for the text of
OBJ, half a kilobyte per triangle and half a gigabyte of textures."""

FORMATS = ("obj", "off", "ply", "stl", "glb", "gltf")

GRAY = 0.7
"""Colour of the faces about which a file says nothing while it colours others."""

_MAX_COORDINATE = 1e30
"""Areas of larger triangles overflow."""


def read_mesh(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_faces: int = MAX_FACES,
    colors: bool = True,
) -> ColoredMesh:
    """Read one file; all of its parts become one mesh, placed as the file's scene says.

    Polygons are cut into triangles that cover them, also where they bend inwards, and triangles without area
    are dropped. Of glTF the scene that is shown first counts, in the pose of its nodes and weights. The
    colour of a face is its own, or the mean of its corners', or its material's, or the mean of some samples
    of its texture. Materials and textures that are missing or broken do not fail the shape: faces then have
    the material's colour, or `GRAY` where only others have one. STL has no colours.

    Args:
        path: the file; its name tells the format.
        max_bytes: limit on the file, and again on all the files that it names.
        max_faces: limit on triangles.
        colors: False skips materials and textures, which saves a fifth of the time of an OBJ.

    Returns:
        Triangles of positive area, in the coordinates of the file; colours are sRGB (glTF's
        numbers are linear light and are converted), None where the file has none, or nobody asked.

    Raises:
        BadItem: the file is missing, of no known format, broken, too large, holds no triangle, NaN, faces
            that name vertices which do not exist, or a surface that cannot be read; names the file and the
            reason.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise BadItem(f"{path}: '{path.suffix}' is no known kind of mesh; known are {', '.join(FORMATS)}")
    data = read_limited(path, max_bytes)
    assets = Assets(path, max_bytes)
    try:
        with silenced("trimesh", "PIL"):
            warnings.simplefilter("error", DeprecationWarning)  # numpy's, of text that is no number
            parts = _parts(kind, data, assets, max_bytes, max_faces, colors)
            painter = FaceColors(linear=kind in ("glb", "gltf")) if colors else None
            mesh, painted = _joined(parts, max_faces, painter)
    except BadItem as error:
        raise BadItem(f"{path}: {error}") from error
    except Exception as error:  # broken numbers and JSON raise nearly anything
        raise BadItem(f"{path}: broken {kind}: {type(error).__name__} {error}") from error
    return ColoredMesh(mesh, painted)


def _parts(
    kind: str, data: bytes, assets: Assets, max_bytes: int, max_faces: int, colors: bool
) -> list[Part]:
    if kind in ("glb", "gltf"):
        return read_gltf(data, kind, max_bytes, max_faces, assets, colors)
    if kind == "obj":
        return read_obj(data, max_faces, assets, colors)
    if kind == "ply":
        return read_ply(data, max_faces, assets, colors)
    return read_off(data, max_faces) if kind == "off" else read_stl(data, max_faces)


def _joined(parts: list[Part], max_faces: int, painter: FaceColors | None) -> tuple[Mesh, np.ndarray | None]:
    """The parts in one mesh, with their colours where any face has one."""
    count = sum(len(part.mesh.faces) for part in parts)
    if not count:
        raise BadItem("no faces; a cloud of points or lines is no mesh")
    if count > max_faces:
        raise BadItem(f"{count:,} triangles, the limit is {max_faces:,}")
    keep = [_has_area(part.mesh) for part in parts]
    mesh = Mesh.concatenate(
        Mesh(part.mesh.vertices + 0.0, part.mesh.faces[kept])  # a sum with 0 is never -0
        for part, kept in zip(parts, keep, strict=True)
    )
    if not len(mesh.faces):
        raise BadItem(f"none of its {count:,} triangles has an area")
    if painter is None:
        return mesh, None
    colors = np.concatenate([painter.of(part)[kept] for part, kept in zip(parts, keep, strict=True)])
    unknown = np.isnan(colors).any(1)
    if unknown.all():
        return mesh, None
    colors[unknown] = GRAY
    return mesh, colors


def _has_area(mesh: Mesh) -> np.ndarray:
    """Which triangles (F,) are more than a point or a line."""
    if len(mesh.vertices) and np.abs(mesh.vertices).max() > _MAX_COORDINATE:
        raise BadItem(f"coordinates up to {np.abs(mesh.vertices).max():.0e}")
    a, b, c = mesh.triangles.transpose(1, 0, 2)
    return np.asarray(np.cross(b - a, c - a).any(axis=1))
