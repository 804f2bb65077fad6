"""Wavefront OBJ: polygons with materials, however their lines are spaced, split and numbered.

Reference: Wavefront Advanced Visualizer, Appendix B1, Object Files. Faces of one material become one part,
the last material first, and corners that differ in texture or normal become vertices of their own: as trimesh
reads OBJ, so that a mesh has the same triangles in the same order with both.
"""

from __future__ import annotations

import codecs
import re

import numpy as np
from trimesh.visual.texture import unmerge_faces

from zoo.geometry.mesh import Mesh

from .. import BadItem
from ._mesh_assets import Assets
from ._mesh_materials import read_materials
from ._mesh_parts import MAX_PARTS, Part, limit_faces, of_corners, unit_colors
from ._mesh_polygons import triangulated
from ._text_rows import number_rows, words_per_line

_KINDS = ("v", "vt", "vn")
_FACE = "fo?"  # 'fo' is its name of before version 3
_NOT_READ = re.compile(r"(?i)\n *(surf|call|bsp|bzp|cdc|cdp|res)[ \n]")
"""Curved surfaces, those of before version 3, and other files: none of them is a polygon here."""
_LOOSE = re.compile(rf"(?i)\n[^\n!-~]*(v|{_FACE})(?=[\s,;])")
"""What anybody would take for a vertex or a face."""


def read_obj(data: bytes, max_faces: int, assets: Assets, colors: bool) -> list[Part]:
    """The parts of an OBJ file.

    OBJ has no counts: a file that ends too early between two lines cannot be told from a whole one.

    Raises:
        BadItem: more than the limits, a vertex or a face that cannot be read, or surfaces that are no
            polygons; other errors of broken numbers are left to the caller.
    """
    text = _plain(data)
    if found := _NOT_READ.search(text):
        raise BadItem(f"line {_line(text, found)}: '{found[1]}' is not read; export it as polygons")
    bodies = {kind: re.findall(rf"(?i)\n *{kind} ([^#\n]*)", text) for kind in _KINDS}
    for kind, lines in bodies.items():
        if len(lines) > 3 * max_faces:
            raise BadItem(f"{len(lines):,} lines '{kind}', the limit is {3 * max_faces:,}")
    faces, names, group = _faces(text)
    _check_nothing_is_left(text, len(bodies["v"]), len(faces))
    lengths = words_per_line(faces)
    limit_faces(int(np.maximum(lengths - 2, 1).sum()), max_faces)
    corners = _corners(" ".join(faces))
    if (corners < 0).any() or (corners[:, 0] == 0).any():
        _resolve(corners, lengths, text)
    corners -= 1  # what is not there is -1 now
    points, painted = _vertices(bodies["v"])
    texture = _texture_coordinates(bodies["vt"] if colors else [])
    materials = read_materials(text, assets) if colors else {}
    parts = []
    blocks = _grouped(corners, np.repeat(group, lengths), len(names))
    sizes = _grouped(lengths, group, len(names))
    for name, part, size in reversed(list(zip(names, blocks, sizes, strict=True))):
        face = _triangles(points, part[:, 0], size)
        mesh = _apart(points, part[face], bool(bodies["vn"]))
        stated = None if painted is None else of_corners(painted, part[face][..., 0])
        parts.append(Part(mesh, stated, _uv(texture, part[face][..., 1]), materials.get(name)))
    return parts


def _grouped(rows: np.ndarray, group: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows of each group, in their order."""
    ends = np.cumsum(np.bincount(group, minlength=count))
    return np.split(rows[np.argsort(group, kind="stable")], ends[:-1]) if count else []


def _plain(data: bytes) -> str:
    """The text with one kind of line end and one kind of blank, and no line that goes on in the next one."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16", "replace") if wide else data.decode("utf-8-sig", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    for blank in "\t\v\f\xa0":
        text = text.replace(blank, " ")
    if re.search(r"\\ *\n", text):
        text = re.sub(r"(?m)^ *#.*$", "", text)  # which may end in a folder of Windows
        text = re.sub(r"\\ *\n", " ", text)
    return f"\n{text}\n"


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start() + 1)


def _faces(text: str) -> tuple[list[str], list[str | None], np.ndarray]:
    """What stands behind each 'f', the names of materials, and which of these each face has (F,)."""
    pattern = re.compile(rf"(?i)\n *{_FACE} ([^#\n]*)")
    faces: list[str] = []
    names: dict[str | None, int] = {}
    group = []
    name: str | None = None
    start = 0
    for change in [*re.finditer(r"(?i)\n *usemtl ([^\n]*)", text), None]:
        found = pattern.findall(text, start, change.end() if change else len(text))
        if found:
            faces += found
            group.append(np.full(len(found), names.setdefault(name, len(names))))
        if change:
            name, start = change[1].strip(), change.end()
    if len(names) > MAX_PARTS:
        raise BadItem(f"{len(names):,} materials, the limit is {MAX_PARTS:,}")
    return faces, list(names), np.concatenate([np.zeros(0, np.int64), *group])


def _check_nothing_is_left(text: str, vertices: int, faces: int) -> None:
    """As many lines were taken as look like vertices and faces."""
    keys = _LOOSE.findall(text)
    seen = keys.count("v") + keys.count("V")
    for what, found, taken in (("vertices", seen, vertices), ("faces", len(keys) - seen, faces)):
        if found != taken:
            raise BadItem(f"{found:,} lines look like {what}, and {taken:,} of them can be read")


def _corners(words: str) -> np.ndarray:
    """Numbers of vertex, texture coordinate and normal (C, 3) of all corners, 0 where there is none."""
    words = " ".join(words.split())
    full = words.replace("//", "/0/")
    forms = set(full.encode("ascii").translate(None, b"0123456789-").split(b" "))
    if len(forms) == 1 and "/ " not in f"{full} ":
        columns = len(forms.pop()) + 1
        numbers = np.fromstring(full.replace("/", " "), sep=" ", dtype=np.int64)
        corners = np.zeros((len(numbers) // columns, 3), np.int64)
        corners[:, :columns] = numbers.reshape(-1, columns)
        return corners
    rows = [[*word.split("/"), "", ""][:3] for word in words.split()]
    return np.array([[int(number or 0) for number in row] for row in rows])


def _resolve(corners: np.ndarray, lengths: np.ndarray, text: str) -> None:
    """Numbers below 0, which count back from where they stand, made absolute in place."""
    found = list(re.finditer(rf"(?i)\n *(vt|vn|v|{_FACE}) ", text))
    keys = np.array([match[1].lower() for match in found])
    face = np.flatnonzero(np.char.startswith(keys, "f"))
    owner = np.repeat(face, lengths)
    for column, kind in enumerate(_KINDS):
        number = corners[:, column].copy()
        before = np.cumsum(keys == kind)[owner]
        corners[:, column] = np.where(number < 0, np.maximum(before + 1 + number, 0), number)
        if column == 0 and (wrong := corners[:, 0] < 1).any():
            first = int(wrong.argmax())
            line = _line(text, found[owner[first]])
            raise BadItem(f"line {line} names v {number[first]}, which does not exist")


def _vertices(bodies: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Coordinates (V, 3), and colours (V, 3) where any vertex has one, NaN for those that have none."""
    table = number_rows(bodies, "vertex", least=3)
    colors = table[:, 3:6]
    without = np.isnan(colors).any(1)
    if colors.shape[1] < 3 or without.all():
        return table[:, :3], None
    colors[without] = np.nan
    return table[:, :3], unit_colors(colors)


def _texture_coordinates(bodies: list[str]) -> np.ndarray:
    """(T + 1, 2) from the lower left; files may leave the second one out. The last is NaN, for none."""
    table = np.nan_to_num(number_rows(bodies, "texture coordinate", least=1)[:, :2])
    table = np.pad(table, ((0, 0), (0, 2 - table.shape[1])))
    return np.vstack([table, np.full((1, 2), np.nan)])


def _triangles(points: np.ndarray, corners: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Triangles (T, 3) as places in `corners`: in the order of the file if its polygons differ in size."""
    face, owner = triangulated(points, corners, lengths)
    return face[np.argsort(owner, kind="stable")] if len(set(lengths.tolist())) > 1 else face


def _apart(points: np.ndarray, triangles: np.ndarray, has_normals: bool) -> Mesh:
    """Triangles (T, 3, 3 numbers) as a mesh whose vertices differ in all that every corner has."""
    names, uv, normal = np.moveaxis(triangles, -1, 0)
    split = [uv] if (uv >= 0).all() else []
    if (normal >= 0).all() and (split or has_normals):
        split.append(normal)
    if split and len(names):
        faces, used = unmerge_faces(names, *split)[:2]
    else:
        used, faces = np.unique(names, return_inverse=True)
    return Mesh(points[used], faces.reshape(-1, 3))


def _uv(texture: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """Texture coordinates (T, 3, 2) of corners (T, 3); NaN where they have none, or one that is not there."""
    known = np.where(numbers < len(texture) - 1, numbers, -1)
    return texture[known] if (known >= 0).any() else None
