"""PLY meshes: polygons of any mixture and strips of triangles, as text or binary of either byte order.

Reference: G. Turk, The PLY Polygon File Format, 1994, and what Stanford's and MeshLab's files add to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PIL import Image

from zoo.geometry.mesh import Mesh

from .. import BadItem
from ._mesh_assets import Assets
from ._mesh_parts import Material, Part, limit_faces, of_corners, unit_colors
from ._mesh_polygons import strips, triangulated
from ._ply_tables import Element, Lists, Table, ply_elements, ply_header, read_tables

_POLYGONS, _STRIPS = "face", "tristrips"
_INDICES = ("vertex_indices", "vertex_index")
_NONE = 2**32 - 1
"""The -1 that ends a strip, where a file counts without signs."""
_COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_UV = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))


def has_surface(header: bytes) -> bool:
    """Whether anything in a PLY joins its vertices, be it read here or not; else it is a cloud of points.

    Raises:
        BadItem: the header names types that do not exist.
    """
    return any(
        element.name in (_POLYGONS, _STRIPS) or _joins(element)
        for element in ply_elements(header)
        if element.count
    )


def read_ply(data: bytes, max_faces: int, assets: Assets, colors: bool) -> list[Part]:
    """The mesh of a PLY file.

    Raises:
        BadItem: more than the limits, not as long as its header says, or surfaces that are neither faces nor
            strips; other errors of broken numbers are left to the caller.
    """
    header, counts = ply_header(data)
    limit_faces(counts.get(_POLYGONS, 0), max_faces)
    if (total := sum(counts.values())) > 4 * max_faces:
        raise BadItem(f"{total:,} vertices and other elements, the limit is {4 * max_faces:,}")
    elements = {element.name: element for element in ply_elements(header)}
    _refuse_others(elements.values())
    tables = read_tables(header, data[len(header) :])
    numbers = tables["vertex"].numbers if "vertex" in tables else {}
    if not {"x", "y", "z"} <= numbers.keys():
        raise BadItem("vertices without x, y and z")
    points = np.stack([numbers[axis] for axis in "xyz"], axis=-1).astype(np.float64)
    painted = _stated(tables["vertex"], elements["vertex"]) if colors else None
    textures = _textures(header, assets) if colors else []
    parts = []
    for name in (_POLYGONS, _STRIPS):
        if not counts.get(name):
            continue
        table = tables[name]
        indices = _indices(table, name)
        corners = indices.values.astype(np.int64)
        face, owner = _triangles(name, points, corners, indices.lengths, max_faces)
        part = Part(Mesh(points, corners[face]))
        if not colors:
            parts.append(part)
            continue
        own = _stated(table, elements[name])
        if painted is not None:
            part = replace(part, colors=of_corners(painted, part.mesh.faces))
        elif own is not None:
            part = replace(part, colors=own[owner])
        if (uv := _uv(tables["vertex"], table, indices)) is not None:
            part = replace(part, uv=uv[face])
        parts += _textured(part, table, owner, textures)
    return parts


def _triangles(
    name: str, points: np.ndarray, corners: np.ndarray, lengths: np.ndarray, max_faces: int
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (F, 3) of polygons or strips, as places among `corners`, and which one each is of (F,).

    Marks the gaps between strips in `corners` by -1.
    """
    if name == _POLYGONS:
        limit_faces(int(np.maximum(lengths - 2, 1).sum()), max_faces)
        return triangulated(points, corners, lengths)
    corners[corners == _NONE] = -1
    face, owner = strips(corners, lengths)
    limit_faces(len(face), max_faces)
    return face, owner


def _refuse_others(elements: Iterable[Element]) -> None:
    for element in elements:
        if element.count and _joins(element):
            raise BadItem(
                f"its {element.count:,} '{element.name}' are not read; export them as '{_POLYGONS}'"
            )


def _joins(element: Element) -> bool:
    """Whether an element other than faces and strips has a list of vertices."""
    # a range grid says where in a scanner's picture its samples lie
    others = element.name not in ("vertex", "range_grid", _POLYGONS, _STRIPS)
    return others and not set(_INDICES).isdisjoint(element.lists)


def _indices(table: Table, name: str) -> Lists:
    """The list that names vertices; where there is one list alone, its name does not matter."""
    named = [table.lists[key] for key in _INDICES if key in table.lists]
    found = named or list(table.lists.values())
    if len(found) != 1 or found[0].values.dtype.kind not in "iu":
        there = ", ".join(table.lists) or "none"
        raise BadItem(f"'{name}' without a list '{_INDICES[0]}' of whole numbers; its lists are: {there}")
    return found[0]


def _stated(table: Table, element: Element) -> np.ndarray | None:
    """Colours (N, 3) in [0, 1] of the rows of an element; None where it has none."""
    names = next((names for names in _COLORS if set(names) <= table.numbers.keys()), None)
    if names is None:
        return None
    values = np.stack([table.numbers[name] for name in names], axis=-1).astype(np.float64)
    kind = next(column.kind for column in element.properties if column.name == names[0])
    if kind[0] == "f":
        return unit_colors(values)
    return np.clip(values / (65535 if kind == "u2" else 255), 0, 1)


def _uv(vertex: Table, table: Table, indices: Lists) -> np.ndarray | None:
    """Texture coordinates (C, 2) of all corners: of the faces, or else of the vertices; None without any."""
    if "texcoord" in table.lists:
        found = table.lists["texcoord"]
        has = found.lengths == 2 * indices.lengths
        uv = np.full((len(indices.values), 2), np.nan)
        uv[np.repeat(has, indices.lengths)] = found.values[np.repeat(has, found.lengths)].reshape(-1, 2)
        return uv
    names = next((names for names in _UV if set(names) <= vertex.numbers.keys()), None)
    if names is None:
        return None
    return np.stack([vertex.numbers[name] for name in names], axis=-1)[indices.values]


def _textures(header: bytes, assets: Assets) -> list[Image.Image | None]:
    """The pictures that comments in the header name, in order; None for those that cannot be had."""
    found: list[Image.Image | None] = []
    text = header.decode("utf-8", "surrogateescape")
    for name in re.findall(r"(?mi)^comment[ \t]+texturefile[ \t]+(.*)$", text):
        try:
            found.append(Image.open(io.BytesIO(assets.get(name))))
        except Exception:  # PIL raises nearly anything on broken bytes; the shape does without
            found.append(None)
    return found


def _textured(part: Part, table: Table, owner: np.ndarray, textures: list[Image.Image | None]) -> list[Part]:
    """The part with its texture; one part for each of several, as the faces number them."""
    number = table.numbers.get("texnumber")
    if number is None or len(textures) < 2:
        return [replace(part, material=Material(image=textures[-1] if textures else None))]
    parts = []
    for texture in np.unique(number[owner]):
        which = number[owner] == texture
        image = textures[int(texture)] if 0 <= texture < len(textures) else None
        parts.append(
            Part(
                Mesh(part.mesh.vertices, part.mesh.faces[which]),
                None if part.colors is None else part.colors[which],
                None if part.uv is None else part.uv[which],
                Material(image=image),
            )
        )
    return parts
