"""A small glTF file that grows as a test likes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.meshes import read_mesh
from tests.helpers.mesh_files import glb, put
from zoo.geometry.mesh import ColoredMesh

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint16)
CODES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class File:
    """A glTF document that grows: a tetrahedron, and what a test adds to it."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {
            "bufferViews": [],
            "accessors": [],
            "scenes": [{"nodes": [0]}],
            "scene": 0,
        }
        self.body = b""
        self.primitive: dict[str, Any] = {
            "attributes": {"POSITION": self.add(CORNERS)},
            "indices": self.add(FACES.reshape(-1, 1)),
        }
        self.tree["meshes"] = [{"primitives": [self.primitive]}]
        self.tree["nodes"] = [{"mesh": 0}]

    def view(self, data: bytes, **more: Any) -> int:
        entry = {"buffer": 0, "byteOffset": len(self.body), "byteLength": len(data), **more}
        self.tree["bufferViews"].append(entry)
        self.body += data + bytes(-len(data) % 4)
        return len(self.tree["bufferViews"]) - 1

    def add(self, values: np.ndarray, **more: Any) -> int:
        entry = {
            "componentType": CODES[str(values.dtype)],
            "count": len(values),
            "type": SHAPES[values.shape[1]],
        }
        self.tree["accessors"].append(entry | {"bufferView": self.view(values.tobytes())} | more)
        return len(self.tree["accessors"]) - 1

    def read(self, folder: Path, kind: str = "glb", **options: Any) -> ColoredMesh:
        self.tree["buffers"] = [{"byteLength": len(self.body)}]
        if kind == "glb":
            return read_mesh(put(folder, "a.glb", glb(self.tree, self.body)), **options)
        self.tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(
            self.body
        ).decode("ascii")
        return read_mesh(put(folder, "a.gltf", json.dumps({"asset": {"version": "2.0"}, **self.tree})))
