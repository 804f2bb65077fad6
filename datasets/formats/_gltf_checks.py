"""The parts of a glTF or GLB file that its loader would trust, checked before it reads them.

Reference: glTF 2.0 specification, Khronos Group.
"""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

from .. import BadItem

MAX_PARTS = 10_000
"""Nodes, and primitives, that one file may have: each becomes an object of some kilobytes."""
MAX_DEPTH = 100
"""Generations of nodes: the loader walks the way from each node to its root, over and over."""
MAX_JSON = 5_000_000
"""Values in the JSON: each becomes an object of up to 90 bytes."""

_JSON_CHUNK = 0x4E4F534A
_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_FLOAT = 5126
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_HARMLESS = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_")
"""Extensions that change how a surface looks, not where it is."""


def checked_glb(data: bytes, max_bytes: int, max_vertices: int) -> io.BytesIO:
    """A GLB file whose chunks are whole and whose JSON is checked."""
    if data[:4] != b"glTF":
        raise BadItem("not a GLB file")
    if len(data) < 20:
        raise BadItem("truncated header")
    version, length, json_length, kind = struct.unpack_from("<4I", data, 4)
    if version != 2 or kind != _JSON_CHUNK:
        raise BadItem(f"GLB version {version} with a first chunk of type {kind:#x}; known is 2 with JSON")
    if length > len(data):
        raise BadItem(f"truncated: the header says {length:,} bytes, the file has {len(data):,}")
    position = 12
    while position < length:
        if position + 8 > length:
            raise BadItem("truncated: a chunk without header")
        (size,) = struct.unpack_from("<I", data, position)
        position += 8 + size
        if position > length:
            raise BadItem(f"truncated: a chunk of {size:,} bytes in a file of {length:,}")
    tree = json.dumps(_checked_tree(data[20 : 20 + json_length], max_bytes, max_vertices)).encode("ascii")
    rest = data[20 + json_length : length]
    head = struct.pack("<4s4I", b"glTF", 2, 20 + len(tree) + len(rest), len(tree), _JSON_CHUNK)
    return io.BytesIO(head + tree + rest)


def checked_gltf(data: bytes, max_bytes: int, max_vertices: int) -> io.BytesIO:
    """A .gltf file whose JSON is checked."""
    return io.BytesIO(json.dumps(_checked_tree(data, max_bytes, max_vertices)).encode("ascii"))


def _checked_tree(text: bytes, max_bytes: int, max_vertices: int) -> dict[str, Any]:
    """The document, in which nothing claims more than the limits and nothing is left to a guess."""
    values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    if values > MAX_JSON:
        raise BadItem(f"its JSON holds about {values:,} values, the limit is {MAX_JSON:,}")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadItem(f"its JSON cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise BadItem("its JSON is no object")
    required = [e for e in tree.get("extensionsRequired", []) if not str(e).startswith(_HARMLESS)]
    if required:
        raise BadItem(f"needs the extension {required[0]}, which cannot be read; export without it")
    _check_nodes(_entries(tree, "nodes"), _entries(tree, "scenes"))
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
    total = sum(_whole(view, "byteLength") for view in _entries(tree, "bufferViews"))
    if total > 2 * max_bytes:
        raise BadItem(f"its views hold {total:,} bytes, the limit is {2 * max_bytes:,}")
    total = 0
    for accessor in _entries(tree, "accessors"):
        number, shape = accessor.get("componentType", 0), accessor.get("type", "")
        if number not in _COMPONENT_BYTES or shape not in _COMPONENTS:
            raise BadItem(f"an accessor of type {number} {shape}")
        total += _whole(accessor, "count") * _COMPONENT_BYTES[number] * _COMPONENTS[shape]
    if total > 4 * max_bytes:
        raise BadItem(f"its accessors hold {total:,} bytes, the limit is {4 * max_bytes:,}")


def _check_primitives(tree: dict[str, Any], max_vertices: int) -> None:
    """Positions and indices are really there; colours become such as trimesh reads right."""
    primitives = [p for mesh in _entries(tree, "meshes") for p in _entries(mesh, "primitives")]
    if len(primitives) > MAX_PARTS:
        raise BadItem(f"{len(primitives):,} primitives, the limit is {MAX_PARTS:,}")
    accessors, corners = _entries(tree, "accessors"), 0
    plain = None
    for primitive in primitives:
        attributes = primitive.get("attributes", {})
        named = [attributes.get("POSITION", -1), *([primitive["indices"]] if "indices" in primitive else [])]
        for index in named:
            if not (isinstance(index, int) and 0 <= index < len(accessors)):
                raise BadItem(f"a primitive names accessor {index} of {len(accessors)}")
            if "bufferView" not in accessors[index] or "sparse" in accessors[index]:
                raise BadItem("positions or indices that are compressed or sparse; export without that")
            corners += _whole(accessors[index], "count")
        position = accessors[named[0]]
        if (position.get("componentType"), position.get("type")) != (_FLOAT, "VEC3"):
            raise BadItem(f"positions of type {position.get('componentType')} {position.get('type')}")
        uv = attributes.get("TEXCOORD_0")
        if isinstance(uv, int) and accessors[uv].get("componentType") != _FLOAT:
            del attributes["TEXCOORD_0"]  # whole numbers, which trimesh takes for whole textures
        if "COLOR_0" in attributes and "material" not in primitive:
            # trimesh cuts colours of 16 bits down to 8 where there is no material
            if plain is None:
                plain = len(tree.setdefault("materials", []))
                tree["materials"].append({})
            primitive["material"] = plain
    if corners > max_vertices:
        raise BadItem(f"{corners:,} vertices and indices, the limit is {max_vertices:,}")


def _entries(tree: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = tree.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadItem(f"'{key}' is no list of objects")
    return entries


def _whole(entry: dict[str, Any], key: str) -> int:
    value = entry.get(key)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or value < 0:
        raise BadItem(f"'{key}' is {str(value)[:40]}, not a whole number from 0 up")
    return value
