"""glTF and GLB: triangles, strips and fans where the scene places them, morphed, skinned and repeated.

Reference: glTF 2.0 specification, 3.7 Geometry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.geometry.mesh import Mesh

from .. import BadItem
from ._gltf_arrays import Arrays
from ._gltf_checks import checked_glb, checked_gltf, entries
from ._gltf_materials import Materials
from ._gltf_nodes import Placement, placements
from ._mesh_assets import Assets
from ._mesh_parts import Part
from ._mesh_polygons import strips

_FLAT, _TRIANGLES, _STRIP, _FAN = (0, 1, 2, 3), 4, 5, 6  # points and lines have no surface


def read_gltf(
    data: bytes, kind: str, max_bytes: int, max_faces: int, assets: Assets, colors: bool
) -> list[Part]:
    """The parts of a glTF or GLB file.

    Raises:
        BadItem: as the checks of its JSON, truncated, more triangles than the limit, or something that moves
            vertices and is not read; names it. Other errors of broken JSON are left to the caller.
    """
    most = 2 * 3 * max_faces  # vertices and indices
    if kind == "glb":
        tree, body = checked_glb(data, max_bytes, most)
    else:
        tree, body = checked_gltf(data, max_bytes, most), b""
    arrays = Arrays(tree, body, assets)
    materials = Materials(tree, arrays, assets) if colors else None
    meshes = entries(tree, "meshes")
    parts, faces, vertices = [], 0, 0
    for placed in placements(tree, arrays):
        mesh = meshes[placed.mesh]
        for primitive in entries(mesh, "primitives"):
            if primitive.get("mode", _TRIANGLES) in _FLAT:
                continue
            vertices += len(arrays.values(primitive["attributes"]["POSITION"]))
            if vertices > most:
                raise BadItem(f"{vertices:,} vertices or more in its scene, the limit is {most:,}")
            part = _part(primitive, mesh, placed, arrays, materials)
            faces += len(part.mesh.faces)
            if faces > max_faces:
                raise BadItem(f"{faces:,} triangles or more, the limit is {max_faces:,}")
            parts.append(part)
    return parts


def _part(
    primitive: dict[str, Any],
    mesh: dict[str, Any],
    placed: Placement,
    arrays: Arrays,
    materials: Materials | None,
) -> Part:
    """One primitive of a mesh, where the scene places it."""
    points = _morphed(primitive, placed.weights or mesh.get("weights") or [], arrays)
    faces = _faces(primitive, len(points), arrays)
    if len(faces) and int(faces.max()) >= len(points):
        raise BadItem(f"faces name vertices outside 0...{len(points) - 1}")
    if placed.joints is not None and "JOINTS_0" in primitive["attributes"]:
        moves = _blended(primitive["attributes"], placed.joints, arrays)
        points = (moves[:, :3, :3] @ points[..., None])[..., 0] + moves[:, :3, 3]
        mirrored = np.linalg.det(moves[:, :3, :3]).mean() < 0
    else:
        points = points @ placed.matrix[:3, :3].T + placed.matrix[:3, 3]
        mirrored = np.linalg.det(placed.matrix[:3, :3]) < 0
    shape = Mesh(points, faces[:, ::-1] if mirrored else faces)
    return Part(shape) if materials is None else _colored(shape, faces, primitive, arrays, materials)


def _morphed(primitive: dict[str, Any], weights: list[float], arrays: Arrays) -> np.ndarray:
    """Positions (V, 3) with the morph targets that count for something."""
    points = arrays.values(primitive["attributes"]["POSITION"]).astype(np.float64)
    targets = entries(primitive, "targets")
    for weight, target in zip(weights, targets, strict=False):
        if weight and "POSITION" in target:
            points = points + weight * arrays.values(target["POSITION"])
    return points


def _blended(attributes: dict[str, int], joints: np.ndarray, arrays: Arrays) -> np.ndarray:
    """What moves each vertex of a skin to the scene (V, 4, 4): a mean of its joints, by their weights."""
    sets = [key.removeprefix("JOINTS_") for key in attributes if key.startswith("JOINTS_")]
    names = np.hstack([arrays.values(attributes[f"JOINTS_{key}"]) for key in sets]).astype(np.int64)
    weights = np.hstack([arrays.fractions(attributes[f"WEIGHTS_{key}"]) for key in sets]).astype(np.float64)
    if int(names.max(initial=0)) >= len(joints):
        raise BadItem(f"a skin of {len(joints)} joints, and a vertex that names joint {names.max()}")
    weights[~weights.any(1), 0] = 1
    weights /= weights.sum(1, keepdims=True)
    blended = np.zeros((len(names), 4, 4))
    for name, weight in zip(names.T, weights.T, strict=True):
        blended += weight[:, None, None] * joints[name]
    return blended


def _faces(primitive: dict[str, Any], count: int, arrays: Arrays) -> np.ndarray:
    """Triangles (F, 3) of a primitive with so many vertices."""
    corners, mode = np.arange(count), primitive.get("mode", _TRIANGLES)
    if "indices" in primitive:
        corners = arrays.values(primitive["indices"])[:, 0].astype(np.int64)
    if mode == _TRIANGLES:
        if len(corners) % 3:
            raise BadItem(f"triangles with {len(corners):,} corners, which is not three each")
        return corners.reshape(-1, 3)
    if mode == _STRIP:
        return corners[strips(corners, np.array([len(corners)]))[0]]
    if mode == _FAN:
        others = np.stack([corners[1:-1], corners[2:]], axis=1)
        return np.pad(others, ((0, 0), (1, 0)), constant_values=corners[0] if len(corners) else 0)
    raise BadItem(f"primitives of mode {mode}; known are 0 to {_FAN}")


def _colored(
    shape: Mesh, faces: np.ndarray, primitive: dict[str, Any], arrays: Arrays, materials: Materials
) -> Part:
    """The triangles with colours of their vertices (F, 3), and a material."""
    attributes, painted, uv = primitive["attributes"], None, None
    if "COLOR_0" in attributes:
        painted = arrays.fractions(attributes["COLOR_0"])[:, :3][faces].mean(1)
    if "material" not in primitive:
        return Part(shape, painted)
    found = materials.get(primitive["material"])
    name = f"TEXCOORD_{found.coordinates}"
    if found.material.image is not None and name in attributes:
        uv = arrays.fractions(attributes[name])[:, :2]
        if found.transform is not None:
            uv = uv @ found.transform[:, :2].T + found.transform[:, 2]
        uv = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)[faces]
    return Part(shape, painted, uv, found.material)
