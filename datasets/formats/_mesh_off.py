"""OFF: vertices and polygons as text, with colours of either.

Reference: Geomview Manual, OFF files; the plain variants of it, with normals, colours and texture coordinates
beside the vertices.
"""

from __future__ import annotations

import re

import numpy as np

from zoo.geometry.mesh import Mesh

from .. import BadItem
from ._mesh_parts import Part, limit_faces, of_corners, unit_colors
from ._mesh_polygons import triangulated

# the counts stand on a line of their own, or behind the key, in some files without a space
_HEAD = re.compile(r"(ST)?(C)?(N)?OFF\s*(\d{1,18})\s+(\d{1,18})(\s|$)")


def read_off(data: bytes, max_faces: int) -> list[Part]:
    """The mesh of an OFF file; all the vertices and faces that its header counts are there.

    Raises:
        BadItem: another variant of OFF, more than the limits, or fewer lines or numbers than they need; other
            errors of broken numbers are left to the caller.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    lines = [raw.partition("#")[0].strip() for raw in re.split(r"[\r\n]+", text)]
    lines = [line for line in lines if line]
    head = _HEAD.match(" ".join(lines[:2]))
    if head is None:
        found = " ".join(lines[:2])[:40]
        raise BadItem(
            f"not an OFF file, or one of another kind: it begins with '{found}', neither with OFF nor COFF, "
            f"NOFF or CNOFF and two counts"
        )
    vertices, faces = int(head[4]), int(head[5])
    limit_faces(faces, max_faces)
    body = lines[1 if re.search(r"\d", lines[0]) else 2 :]
    if len(body) < vertices + faces:
        raise BadItem(f"truncated: {len(body):,} lines for {vertices:,} vertices and {faces:,} faces")
    if len(body) > vertices + faces:
        raise BadItem(f"too long: {len(body):,} lines for {vertices:,} vertices and {faces:,} faces")
    rows = [line.split() for line in body]
    points, painted = _vertices(rows[:vertices], has_normals=bool(head[3]), has_colors=bool(head[2]))
    polygons = [_polygon(row, body[vertices + place]) for place, row in enumerate(rows[vertices:])]
    lengths = np.array([len(polygon) for polygon in polygons], np.int64)
    limit_faces(int(np.maximum(lengths - 2, 1).sum()), max_faces)
    corners = np.array([word for polygon in polygons for word in polygon], dtype=np.int64)
    face, owner = triangulated(points, corners, lengths)
    triangles = corners[face]
    colors = None if painted is None else of_corners(painted, triangles)
    behind = [row[1 + len(polygon) :] for row, polygon in zip(rows[vertices:], polygons, strict=True)]
    if any(len(words) >= 3 for words in behind):  # a single number is an entry of somebody's colour map
        own = np.array(
            [[float(word) for word in words[:3]] if len(words) > 2 else [np.nan] * 3 for words in behind]
        )
        own = unit_colors(own)[owner]
        colors = own if colors is None else np.where(np.isnan(own), colors, own)
    return [Part(Mesh(points, triangles), colors)]


def _vertices(
    rows: list[list[str]], has_normals: bool, has_colors: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Coordinates (V, 3) and colours (V, 3); what else stands beside them is not needed."""
    start = 6 if has_normals else 3
    least = start + 3 if has_colors else 3
    if short := [row for row in rows if len(row) < least]:
        raise BadItem(f"broken vertex '{' '.join(short[0])[:40]}'")
    points = np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
    if not has_colors:
        return points, None
    return points, unit_colors(np.array([row[start : start + 3] for row in rows], dtype=np.float64))


def _polygon(row: list[str], line: str) -> list[str]:
    """The corners of a face, of which its first number says how many there are."""
    if not row[0].isdecimal() or len(row) <= int(row[0]):
        raise BadItem(f"broken or truncated face '{line[:40]}'")
    return row[1 : int(row[0]) + 1]
