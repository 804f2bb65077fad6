"""What the mesh loaders would trust: counts and ends of files, checked on their bytes.

Each check takes the bytes of one format and gives the stream for trimesh to read. trimesh allocates what a
header claims, and takes a file that ends early for a smaller mesh; neither gets past here.
"""

from __future__ import annotations

import io
import re
import struct

from .. import BadItem
from ._gltf_checks import MAX_PARTS

_PLY_HEADER = 1 << 16
_STL_HEADER, _STL_FACE = 84, 50


def checked_obj(data: bytes, max_faces: int) -> io.StringIO:
    """OBJ has no counts: a file that ends too early between two lines cannot be told from a whole one."""
    text = "\n" + data.decode(errors="surrogateescape").replace("\r\n", "\n")
    for key in ("v", "vt", "vn"):
        if (found := text.count(f"\n{key} ")) > 3 * max_faces:
            raise BadItem(f"{found:,} lines '{key}', the limit is {3 * max_faces:,}")
    if text.count(" ") > max_faces:  # else no line can name enough vertices
        polygons = (len(match[1].split()) for match in re.finditer(r"\nf ([^\n]*)", text))
        _limit_faces(sum(max(corners - 2, 1) for corners in polygons), max_faces)
    if text.count("\nusemtl ") > MAX_PARTS:
        parts = len(set(re.findall(r"\nusemtl [^\n]*", text)))
        if parts > MAX_PARTS:
            raise BadItem(f"{parts:,} materials, the limit is {MAX_PARTS:,}")
    # an index that is negative or 0
    odd = re.search(r"\nf(?=[ \t])[^\n]*?[ \t/](-|0(?![\w.]))", text)
    return io.StringIO(text if odd is None else _absolute(text))


def _absolute(text: str) -> str:
    """The text with relative indices, which count back from where they stand, made absolute.

    trimesh counts them back from the end of the file.
    """
    seen = {"v": 0, "vt": 0, "vn": 0}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        key, *words = line.split() or [""]
        if key in seen:
            seen[key] += 1
        elif key == "f":
            corners = []
            for word in words:
                indices = word.split("/")
                for place, (index, kind) in enumerate(zip(indices, seen, strict=False)):
                    if index.startswith("-"):
                        indices[place] = str(seen[kind] + 1 + int(index))
                    if indices[place] and int(indices[place]) < 1:
                        raise BadItem(f"line {number} names {kind} {index}, which does not exist")
                corners.append("/".join(indices))
            lines[number] = " ".join(["f", *corners])
    return "\n".join(lines)


def checked_off(data: bytes, max_faces: int) -> io.StringIO:
    """OFF: all the vertices and faces that its header counts are there."""
    lines = [raw.partition("#")[0].strip() for raw in data.decode("latin-1").splitlines()]
    lines = [line for line in lines if line]
    # the counts stand on a line of their own, or behind the key, in some files without a space
    head = re.match(r"C?OFF\s*(\d{1,18})\s+(\d{1,18})(\s|$)", " ".join(lines[:2]))
    if head is None:
        raise BadItem("not an OFF file: it begins neither with OFF nor COFF and two counts")
    vertices, faces = int(head[1]), int(head[2])
    _limit_faces(faces, max_faces)
    body = lines[1 if re.search(r"\d", lines[0]) else 2 :]
    if len(body) < vertices + faces:
        raise BadItem(f"truncated: {len(body):,} lines for {vertices:,} vertices and {faces:,} faces")
    _check_polygons(body[vertices : vertices + faces])
    return io.StringIO("\n".join(lines))


def ply_header(data: bytes) -> tuple[bytes, dict[str, int]]:
    """The header of a PLY file, its last line included, and how many there are of each element."""
    end = re.search(rb"\nend_header[ \t]*\r?\n", data[:_PLY_HEADER])
    if not data.startswith(b"ply") or end is None:
        raise BadItem("not a PLY file, or truncated in its header")
    header = data[: end.end()]
    found = re.findall(rb"^element[ \t]+(\w+)[ \t]+(\d{1,18})[ \t\r]*$", header, re.M)
    if len(found) != len(re.findall(rb"^\s*element\b", header, re.M)):
        raise BadItem("a header with impossible counts")
    return header, {name.decode(): int(count) for name, count in found}


def checked_ply(data: bytes, max_faces: int) -> io.BytesIO:
    """PLY: sane counts, and as many lines as they say; trimesh itself checks the length of binary ones."""
    header, counts = ply_header(data)
    _limit_faces(counts.get("face", 0), max_faces)
    if sum(counts.values()) > 4 * max_faces:
        raise BadItem(f"{sum(counts.values()):,} vertices and other elements, the limit is {4 * max_faces:,}")
    if re.search(rb"^format[ \t]+ascii\b", header, re.M):
        lines = data[len(header) :].rstrip().decode("latin-1").splitlines()
        if len(lines) != sum(counts.values()):
            kind = "truncated" if len(lines) < sum(counts.values()) else "too long"
            raise BadItem(f"{kind}: {len(lines):,} lines, the header says {sum(counts.values()):,}")
        if re.search(rb"^element[ \t]+face\b[^\n]*\n\s*property[ \t]+list\b", header, re.M):
            start = sum(list(counts.values())[: list(counts).index("face")])
            _check_polygons(lines[start : start + counts["face"]])
    return io.BytesIO(data)


def checked_stl(data: bytes, max_faces: int) -> io.BytesIO:
    """STL: a binary file as long as its header says, or a text that is closed."""
    claimed = struct.unpack_from("<I", data, _STL_HEADER - 4)[0] if len(data) >= _STL_HEADER else 0
    if len(data) == _STL_HEADER + claimed * _STL_FACE:
        _limit_faces(claimed, max_faces)
        return io.BytesIO(data)
    if not data.lstrip()[:5].lower() == b"solid":
        raise BadItem(
            f"not an STL file, or truncated: no text, and {len(data):,} bytes where the header says "
            f"{_STL_HEADER + claimed * _STL_FACE:,}"
        )
    if not data.rstrip().rpartition(b"\n")[2].strip().lower().startswith(b"endsolid"):
        raise BadItem("truncated: the text does not end with 'endsolid'")
    _limit_faces(data.count(b"facet") // 2, max_faces)
    return io.BytesIO(data.decode("latin-1").encode("ascii", "replace"))


def _check_polygons(lines: list[str]) -> None:
    """Each line begins with a number of vertices, and names as many; trimesh leaves out those that do not."""
    for line in lines:
        words = line.split()
        if not words or not words[0].isdecimal() or len(words) <= int(words[0]):
            raise BadItem(f"broken or truncated face '{line[:40]}'")


def _limit_faces(faces: int, max_faces: int) -> None:
    if faces > max_faces:
        raise BadItem(f"{faces:,} faces, the limit is {max_faces:,}")
