"""Where the scene of a glTF file places its meshes: nodes, instances of them, and skins.

Reference: glTF 2.0 specification, 3.5 Scenes and 3.7.3 Skins; EXT_mesh_gpu_instancing. Animations are not
played: what counts is the pose that the nodes themselves have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from trimesh.transformations import fix_rigid, quaternion_matrix

from .. import BadItem
from ._gltf_arrays import Arrays
from ._gltf_checks import MAX_DEPTH, entries
from ._mesh_parts import MAX_PARTS

_STILL = {"translation": (0, 0, 0), "rotation": (0, 0, 0, 1), "scale": (1, 1, 1)}


@dataclass(frozen=True)
class Placement:
    """A mesh in the scene.

    Attributes:
        mesh: its index.
        matrix: to the scene (4, 4).
        joints: what moves the vertices of a skin instead (J, 4, 4), to the scene; None without a skin.
        weights: of the morph targets, where the node has its own.
    """

    mesh: int
    matrix: np.ndarray
    joints: np.ndarray | None
    weights: list[float] | None


def placements(tree: dict[str, Any], arrays: Arrays) -> Iterator[Placement]:
    """The meshes of the scene that is shown first; of all nodes, where a file has no scene.

    Raises:
        BadItem: too many instances, nodes in a circle, or attributes of instances that differ in length.
    """
    nodes = Nodes(tree)
    left = MAX_PARTS
    for index in nodes.shown():
        node = nodes.all[index]
        if "mesh" not in node:
            continue
        skin = entries(tree, "skins")[node["skin"]] if "skin" in node else None
        joints = None if skin is None else _joints(skin, nodes, arrays)
        instances = _instances(node, arrays)
        left -= len(instances)
        if left < 0:
            raise BadItem(f"more than {MAX_PARTS:,} instances of meshes")
        for local in instances:
            yield Placement(node["mesh"], nodes.world(index, local), joints, node.get("weights"))


class Nodes:
    """The tree of nodes.

    Attributes:
        all: as the file has them.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        self.all = entries(tree, "nodes")
        self._parent: dict[int, int] = {}
        for index, node in enumerate(self.all):
            self._parent |= dict.fromkeys(node.get("children", []), index)
        scenes = entries(tree, "scenes")
        loose = [index for index in range(len(self.all)) if index not in self._parent]
        self._roots = scenes[tree.get("scene", 0)].get("nodes", []) if scenes else loose

    def shown(self) -> Iterator[int]:
        """The nodes of the scene, each after its parent, the last ones first."""
        waiting = list(self._roots)
        while waiting:
            index = waiting.pop()
            node = self.all[index]
            if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True):
                yield index
                waiting += node.get("children", [])

    def world(self, index: int, inside: np.ndarray | None = None) -> np.ndarray:
        """From a node, or from what lies in it, to the scene (4, 4)."""
        matrices = [] if inside is None else [inside]
        step: int | None = index
        while step is not None:
            matrices.append(_local(self.all[step]))
            step = self._parent.get(step)
            if len(matrices) > MAX_DEPTH + 2:
                raise BadItem(f"nodes more than {MAX_DEPTH} deep")
        moving = [matrix for matrix in matrices[::-1] if np.abs(matrix - np.eye(4)).max() > 1e-8]
        return fix_rigid(reduce(np.dot, moving)) if moving else np.eye(4)


def _local(node: dict[str, Any]) -> np.ndarray:
    """From a node to its parent (4, 4)."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    moves = [np.array(node.get(key, still), np.float64)[None] for key, still in _STILL.items()]
    return _matrices(*moves)[0]


def _matrices(translation: np.ndarray, rotation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Matrices (N, 4, 4) that scale by (N, 3), turn by quaternions x, y, z, w (N, 4) and move by (N, 3)."""
    matrices = quaternion_matrix(rotation[:, [3, 0, 1, 2]]).reshape(-1, 4, 4)
    matrices[:, :3, :3] *= scale[:, None]
    matrices[:, :3, 3] = translation
    return matrices


def _instances(node: dict[str, Any], arrays: Arrays) -> np.ndarray:
    """Where a node has its mesh, in its own frame (N, 4, 4): once, or as often as an extension says."""
    extension = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
    if extension is None:
        return np.eye(4)[None]
    found = {key: arrays.values(index) for key, index in extension["attributes"].items()}
    counts = {len(values) for values in found.values()}
    if len(counts) != 1:
        raise BadItem(f"EXT_mesh_gpu_instancing with attributes of {sorted(counts)} values")
    count = counts.pop()
    moves = [found.get(key.upper(), np.tile(still, (count, 1))) for key, still in _STILL.items()]
    return _matrices(*(np.asarray(values, np.float64) for values in moves))


def _joints(skin: dict[str, Any], nodes: Nodes, arrays: Arrays) -> np.ndarray:
    """What moves the vertices of a skin (J, 4, 4), to the scene."""
    joints = np.stack([nodes.world(index) for index in skin["joints"]])
    if "inverseBindMatrices" not in skin:
        return joints
    inverse = arrays.values(skin["inverseBindMatrices"])[: len(joints)].astype(np.float64)
    return joints @ inverse.reshape(-1, 4, 4).transpose(0, 2, 1)
