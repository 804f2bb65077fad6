"""The document of a glTF or GLB file, checked before anything that it announces is read.

Reference: glTF 2.0 specification, Khronos Group.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from .. import BadItem
from ._mesh_parts import MAX_PARTS

MAX_DEPTH = 100
"""Generations of nodes: the way from each node to its root is walked over and over."""
MAX_JSON = 5_000_000
"""Values in the JSON: each becomes an object of up to 90 bytes."""

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""Types of numbers, as NumPy letters them."""
SHAPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
"""Numbers of each value."""

_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
_HARMLESS = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_")
"""Extensions that change how a surface looks, not where it is."""
_APPLIED = ("EXT_mesh_gpu_instancing", "KHR_mesh_quantization", "KHR_node_visibility")
"""Others that are read here."""


def checked_glb(data: bytes, max_bytes: int, max_vertices: int) -> tuple[dict[str, Any], bytes]:
    """The checked JSON of a GLB file whose chunks are whole, and the buffer that comes with it.

    Raises:
        BadItem: no GLB, truncated, or as `checked_gltf`.
    """
    if data[:4] != b"glTF":
        raise BadItem("not a GLB file")
    if len(data) < 20:
        raise BadItem("truncated header")
    version, length, json_length, kind = struct.unpack_from("<4I", data, 4)
    if version != 2 or kind != _JSON_CHUNK:
        raise BadItem(f"GLB version {version} with a first chunk of type {kind:#x}; known is 2 with JSON")
    if length > len(data):
        raise BadItem(f"truncated: the header says {length:,} bytes, the file has {len(data):,}")
    position, body = 12, b""
    while position < length:
        if position + 8 > length:
            raise BadItem("truncated: a chunk without header")
        size, kind = struct.unpack_from("<2I", data, position)
        position += 8
        if position + size > length:
            raise BadItem(f"truncated: a chunk of {size:,} bytes in a file of {length:,}")
        if kind == _BINARY_CHUNK and not body:
            body = data[position : position + size]
        position += size
    return checked_gltf(data[20 : 20 + json_length], max_bytes, max_vertices), body


def checked_gltf(text: bytes, max_bytes: int, max_vertices: int) -> dict[str, Any]:
    """The JSON of a glTF file, in which nothing claims more than the limits and nothing is left to a guess.

    Raises:
        BadItem: it cannot be read, is of another version, or has something that cannot be read right.
    """
    values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    if values > MAX_JSON:
        raise BadItem(f"its JSON holds about {values:,} values, the limit is {MAX_JSON:,}")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadItem(f"its JSON cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise BadItem("its JSON is no object")
    if not (version := str(tree.get("asset", {}).get("version", "2.0"))).startswith("2."):
        raise BadItem(f"glTF {version[:10]}; known is 2")
    required = [str(name) for name in tree.get("extensionsRequired", [])]
    required = [name for name in required if not name.startswith(_HARMLESS) and name not in _APPLIED]
    if required:
        raise BadItem(f"needs the extension {required[0]}, which cannot be read; export without it")
    _check_nodes(entries(tree, "nodes"), entries(tree, "scenes"))
    _check_lengths(tree, max_bytes)
    _check_primitives(tree, max_vertices)
    return tree


def _check_nodes(nodes: list[dict[str, Any]], scenes: list[dict[str, Any]]) -> None:
    """Not too many nor too deep, and a tree, as the specification demands: no node has two parents."""
    if len(nodes) > MAX_PARTS:
        raise BadItem(f"{len(nodes):,} nodes, the limit is {MAX_PARTS:,}")
    children = [child for node in nodes for child in node.get("children", [])]
    roots = {root for scene in scenes for root in scene.get("nodes", [])}
    if len(children) != len(set(children)) or not roots.isdisjoint(children):
        raise BadItem("a node with two parents")
    level = sorted(roots)
    for _ in range(MAX_DEPTH):
        level = [child for index in level for child in nodes[index].get("children", [])]
    if level:
        raise BadItem(f"nodes more than {MAX_DEPTH} deep")


def _check_lengths(tree: dict[str, Any], max_bytes: int) -> None:
    """All views, and all arrays made of them, stay near the size of the file."""
    total = sum(whole(view, "byteLength") for view in entries(tree, "bufferViews"))
    if total > 2 * max_bytes:
        raise BadItem(f"its views hold {total:,} bytes, the limit is {2 * max_bytes:,}")
    total = 0
    for accessor in entries(tree, "accessors"):
        number, shape = accessor.get("componentType", 0), accessor.get("type", "")
        if number not in COMPONENTS or shape not in SHAPES:
            raise BadItem(f"an accessor of type {number} {shape}")
        total += whole(accessor, "count") * int(COMPONENTS[number][-1]) * SHAPES[shape]
    if total > 4 * max_bytes:
        raise BadItem(f"its accessors hold {total:,} bytes, the limit is {4 * max_bytes:,}")


def _check_primitives(tree: dict[str, Any], max_vertices: int) -> None:
    """Positions and indices are really there, and not too many."""
    primitives = [p for mesh in entries(tree, "meshes") for p in entries(mesh, "primitives")]
    if len(primitives) > MAX_PARTS:
        raise BadItem(f"{len(primitives):,} primitives, the limit is {MAX_PARTS:,}")
    accessors, corners = entries(tree, "accessors"), 0
    for primitive in primitives:
        targets = entries(primitive, "targets")
        named = [primitive.get("attributes", {}).get("POSITION", -1)]
        named += [primitive["indices"]] if "indices" in primitive else []
        named += [target["POSITION"] for target in targets if "POSITION" in target]
        for index in named:
            if not (isinstance(index, int) and 0 <= index < len(accessors)):
                raise BadItem(f"a primitive names accessor {index} of {len(accessors)}")
            if not {"bufferView", "sparse"} & accessors[index].keys() and primitive.get("extensions"):
                names = ", ".join(primitive["extensions"])
                raise BadItem(f"positions or indices that are compressed by {names}; export without that")
            corners += whole(accessors[index], "count")
        position = accessors[named[0]]
        if position["type"] != "VEC3":
            raise BadItem(f"positions of type {position['componentType']} {position['type']}")
    if corners > max_vertices:
        raise BadItem(f"{corners:,} vertices and indices, the limit is {max_vertices:,}")


def entries(tree: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list, none where it is not there.

    Raises:
        BadItem: it is no such list.
    """
    found = tree.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadItem(f"'{key}' is no list of objects")
    return found


def whole(entry: dict[str, Any], key: str, default: int | None = None) -> int:
    """A number of things or of bytes.

    Raises:
        BadItem: it is no whole number from 0 up.
    """
    value = entry.get(key, default)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or value < 0:
        raise BadItem(f"'{key}' is {str(value)[:40]}, not a whole number from 0 up")
    return value
