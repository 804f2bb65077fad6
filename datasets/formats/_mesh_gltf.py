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
    tree, body = (
        checked_glb(data, max_bytes, most) if kind == "glb" else (checked_gltf(data, max_bytes, most), b"")
    )
    arrays = Arrays(tree, body, assets)
    materials = Materials(tree, arrays, assets) if colors else None
    meshes = entries(tree, "meshes")
    parts, count = [], 0
    for placed in placements(tree, arrays):
        mesh = meshes[placed.mesh]
        for primitive in entries(mesh, "primitives"):
            if primitive.get("mode", _TRIANGLES) in _FLAT:
                continue
            part = _part(primitive, mesh, placed, arrays, materials)
            count += len(part.mesh.faces)
            if count > max_faces:
                raise BadItem(f"{count:,} triangles or more, the limit is {max_faces:,}")
            parts.append(part)
    return parts


def _part(
    primitive: dict[str, Any],
    mesh: dict[str, Any],
    placed: Placement,
    arrays: Arrays,
    materials: Materials | None,
) -> Part:
    points = _morphed(primitive, placed.weights or mesh.get("weights") or [], arrays)
    faces = _faces(primitive, len(points), arrays)
    if len(faces) and int(faces.max()) >= len(points):
        raise BadItem(f"faces name vertices outside 0...{len(points) - 1}")
    matrices = placed.matrix if placed.joints is None else _blended(primitive, placed.joints, arrays)
    if matrices is None:
        matrices = placed.matrix
    if matrices.ndim == 2:
        points = points @ matrices[:3, :3].T + matrices[:3, 3]
        mirrored = np.linalg.det(matrices[:3, :3]) < 0
    else:
        points = (matrices[:, :3, :3] @ points[..., None])[..., 0] + matrices[:, :3, 3]
        mirrored = np.linalg.det(matrices[:, :3, :3]).mean() < 0
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


def _blended(primitive: dict[str, Any], joints: np.ndarray, arrays: Arrays) -> np.ndarray | None:
    """What moves each vertex of a skin (V, 4, 4), to the scene; None for a part that has no weights."""
    attributes, sets = primitive["attributes"], 0
    while f"JOINTS_{sets}" in attributes and f"WEIGHTS_{sets}" in attributes:
        sets += 1
    if not sets:
        return None
    names = np.hstack([arrays.values(attributes[f"JOINTS_{number}"]) for number in range(sets)]).astype(
        np.int64
    )
    weights = np.hstack([arrays.fractions(attributes[f"WEIGHTS_{number}"]) for number in range(sets)]).astype(
        np.float64
    )
    total = weights.sum(1, keepdims=True)
    weights = np.where(total > 0, weights / np.where(total > 0, total, 1), np.eye(weights.shape[1])[0])
    if int(names.max(initial=0)) >= len(joints):
        raise BadItem(f"a skin of {len(joints)} joints, and a vertex that names joint {names.max()}")
    blended = np.zeros((len(names), 4, 4))
    for name, weight in zip(names.T, weights.T, strict=True):
        blended += weight[:, None, None] * joints[name]
    return blended


def _faces(primitive: dict[str, Any], count: int, arrays: Arrays) -> np.ndarray:
    """Triangles (F, 3) of a primitive with so many vertices."""
    corners = (
        arrays.values(primitive["indices"])[:, 0].astype(np.int64)
        if "indices" in primitive
        else np.arange(count)
    )
    mode = primitive.get("mode", _TRIANGLES)
    if mode == _TRIANGLES:
        if len(corners) % 3:
            raise BadItem(f"triangles with {len(corners):,} corners, which is not three each")
        return corners.reshape(-1, 3)
    if mode == _STRIP:
        return corners[strips(corners, np.array([len(corners)]))[0]]
    if mode == _FAN:
        return np.stack(
            [np.repeat(corners[:1], max(len(corners) - 2, 0)), corners[1:-1], corners[2:]], axis=1
        )
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
