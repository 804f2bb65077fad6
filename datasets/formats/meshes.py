"""Triangle meshes with a colour per face, from OBJ, OFF, PLY, STL, glTF and GLB files, through trimesh.

What trimesh would trust is checked beforehand (`_mesh_checks`, `_gltf_checks`), and files that a mesh names
are read only from folders that belong to it (`_mesh_assets`).
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from zoo.geometry.mesh import ColoredMesh, Mesh

from .. import BadItem
from ._files import read_limited
from ._gltf_checks import checked_glb, checked_gltf
from ._mesh_assets import Assets
from ._mesh_checks import checked_obj, checked_off, checked_ply, checked_stl
from ._mesh_colors import FaceColors
from ._quiet import silenced

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

    Polygons are cut into triangles, and triangles without area are dropped. The colour of a face is its own,
    or the mean of its corners', or its material's, or the mean of some samples of its texture. Materials and
    textures that are missing or broken do not fail the shape: faces then have the material's colour, or
    `GRAY` where only other parts have one.

    Args:
        path: the file; its name tells the format.
        max_bytes: limit on the file, and again on all the files that it names.
        max_faces: limit on triangles.
        colors: False skips materials and textures, which saves a fifth of the time of an OBJ.

    Returns:
        Triangles of positive area, in the coordinates of the file; colours are sRGB (glTF's
        numbers are linear light and are converted), None where the file has none, or nobody asked.

    Raises:
        BadItem: the file is missing, of no known format, broken, too large, holds no triangle, NaN or faces
            that name vertices which do not exist; names the file and the reason.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise BadItem(f"{path}: '{path.suffix}' is no known kind of mesh; known are {', '.join(FORMATS)}")
    data = read_limited(path, max_bytes)
    try:
        with silenced("trimesh", "PIL"):
            warnings.simplefilter("error", DeprecationWarning)  # numpy's, of text that is no number
            stream = _checked(kind, data, max_bytes, max_faces)
            assets = Assets(path, max_bytes)
            options: dict[str, Any] = {"file_type": kind, "process": False, "resolver": assets}
            if kind not in ("off", "stl"):
                options["skip_materials"] = not colors
            scene = trimesh.load_scene(stream, **options)
            painter = FaceColors(linear=kind in ("glb", "gltf")) if colors else None
            mesh, painted = _joined(scene, max_faces, painter)
    except BadItem as error:
        raise BadItem(f"{path}: {error}") from error
    except Exception as error:  # trimesh's loaders raise nearly anything on broken bytes
        raise BadItem(f"{path}: broken {kind}: {type(error).__name__} {error}") from error
    return ColoredMesh(mesh, painted)


def _checked(kind: str, data: bytes, max_bytes: int, max_faces: int) -> io.BytesIO | io.StringIO:
    """The stream for trimesh, once nothing in it can mislead it."""
    if kind in ("glb", "gltf"):
        check = checked_glb if kind == "glb" else checked_gltf
        return check(data, max_bytes, 2 * 3 * max_faces)  # vertices and indices
    checks: dict[str, Callable[[bytes, int], io.BytesIO | io.StringIO]]
    checks = {"obj": checked_obj, "off": checked_off, "ply": checked_ply, "stl": checked_stl}
    return checks[kind](data, max_faces)


def _joined(
    scene: trimesh.Scene, max_faces: int, painter: FaceColors | None
) -> tuple[Mesh, np.ndarray | None]:
    """The parts of a scene in one mesh, with their colours where any of them has some."""
    meshes, painted, count = [], [], 0
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        if not isinstance(part, trimesh.Trimesh) or not len(part.faces):
            continue
        count += len(part.faces)
        if count > max_faces:
            raise BadItem(f"{count:,} triangles or more, the limit is {max_faces:,}")
        faces = part.faces if np.linalg.det(matrix[:3, :3]) >= 0 else part.faces[:, ::-1]
        mesh = Mesh(part.vertices @ matrix[:3, :3].T + matrix[:3, 3], faces)
        keep = _has_area(mesh)
        meshes.append(Mesh(mesh.vertices, mesh.faces[keep]))
        found = painter.of(part) if painter else None
        painted.append((found if found is None else found[keep], int(keep.sum())))
    if not meshes:
        raise BadItem("no faces; a cloud of points or lines is no mesh")
    mesh = Mesh.concatenate(meshes)
    if not len(mesh.faces):
        raise BadItem(f"none of its {count:,} triangles has an area")
    if all(found is None for found, _ in painted):
        return mesh, None
    colors = [np.full((faces, 3), GRAY) if found is None else found for found, faces in painted]
    return mesh, np.concatenate(colors)


def _has_area(mesh: Mesh) -> np.ndarray:
    """Which triangles (F,) are more than a point or a line."""
    if len(mesh.vertices) and np.abs(mesh.vertices).max() > _MAX_COORDINATE:
        raise BadItem(f"coordinates up to {np.abs(mesh.vertices).max():.0e}")
    a, b, c = mesh.triangles.transpose(1, 0, 2)
    return np.asarray(np.cross(b - a, c - a).any(axis=1))
