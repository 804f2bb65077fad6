"""Small mesh files, whole and broken, made byte by byte."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def srgb(light: np.ndarray) -> np.ndarray:
    """sRGB of linear light, value by value, as IEC 61966-2-1 has it."""
    scaled = [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in np.ravel(light)]
    return np.array(scaled).reshape(np.shape(light))


def picture(folder: Path, name: str, pixels: Any) -> Path:
    path = put(folder, name, b"")
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def glb(tree: dict[str, Any], body: bytes = b"", **claims: int) -> bytes:
    """A GLB of its parts; `claims` lie about version, length, json_length, body_length."""
    text = json.dumps({"asset": {"version": "2.0"}, **tree}).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", claims.get("json_length", len(text)), 0x4E4F534A) + text
    chunks += struct.pack("<II", claims.get("body_length", len(body)), 0x004E4942) + body
    length = claims.get("length", 12 + len(chunks))
    return struct.pack("<4sII", b"glTF", claims.get("version", 2), length) + chunks


POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


def triangle_tree(**changes: Any) -> dict[str, Any]:
    """One triangle with indices, to break as a test likes."""
    tree = {
        "buffers": [{"byteLength": 42}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    return tree | changes


BODY = POSITIONS.tobytes() + np.array([0, 1, 2], np.uint16).tobytes()


OBJ = (
    "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0.25 0.25\nvt 0.75 0.75\nvt 7.25 -2.25\n"
    "usemtl red\nf 1 2 3\nusemtl painted\nf 1/1 2/1 4/1\nf 2/2 3/2 4/2\nf 1/3 3/3 4/3\n"
)
MTL = "newmtl red\nKd 1 0 0\nnewmtl painted\nKd 0 0 0.2\nmap_Kd {}\n"
PIXELS = [[[0, 0, 255], [0, 255, 0]], [[255, 255, 0], [0, 255, 255]]]
