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
from ._text_rows import number_rows, words_per_line

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
    points, painted = _vertices(body[:vertices], has_normals=bool(head[3]), has_colors=bool(head[2]))
    corners, lengths, own = _polygons(body[vertices:])
    limit_faces(int(np.maximum(lengths - 2, 1).sum()), max_faces)
    face, owner = triangulated(points, corners, lengths)
    triangles = corners[face]
    colors = None if painted is None else of_corners(painted, triangles)
    if own is not None:
        colors = own[owner] if colors is None else np.where(np.isnan(own[owner]), colors, own[owner])
    return [Part(Mesh(points, triangles), colors)]


def _vertices(lines: list[str], has_normals: bool, has_colors: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Coordinates (V, 3) and colours (V, 3); what else stands beside them is not needed."""
    start = 6 if has_normals else 3
    table = number_rows(lines, "vertex", least=start + 3 if has_colors else 3)
    return table[:, :3], unit_colors(table[:, start : start + 3]) if has_colors else None


def _polygons(lines: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Corners of all faces (C,), how many each has (F,), and colours (F, 3), NaN for faces without one.

    A face begins with the number of its corners. Three numbers or four behind them are its colour; a single
    one would be an entry in somebody's map of colours.
    """
    words = words_per_line(lines)
    numbers = np.fromstring(" ".join(lines), sep=" ", dtype=np.float64)
    start = np.cumsum(words) - words
    lengths = numbers[start] if len(numbers) == words.sum() else np.full(len(words), -1.0)
    place = np.arange(len(numbers)) - np.repeat(start, words)
    is_corner = (place >= 1) & (place <= np.repeat(lengths, words))
    whole = numbers == np.rint(numbers)
    wrong = (lengths < 0) | (lengths != np.rint(lengths)) | (words <= lengths)
    wrong |= np.bincount(np.repeat(np.arange(len(words)), words), is_corner & ~whole, len(words)) > 0
    if wrong.any():
        raise BadItem(f"broken or truncated face '{lines[int(wrong.argmax())][:40]}'")
    counts = lengths.astype(np.int64)
    colors = None
    if (has := words - 1 - counts >= 3).any():
        colors = np.full((len(words), 3), np.nan)
        colors[has] = numbers[(start + 1 + counts)[has, None] + np.arange(3)]
        colors = unit_colors(colors)
    return numbers[is_corner].astype(np.int64), counts, colors
