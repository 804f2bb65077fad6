"""STL: loose triangles, binary or as text.

The two bytes that a binary file has to spare for each triangle are not read: some programs put a colour
there, in two orders of its channels, and others anything.
"""

from __future__ import annotations

import re
import struct

import numpy as np

from zoo.geometry.mesh import Mesh

from .. import BadItem
from ._mesh_parts import Part, limit_faces

_HEADER = 84
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])


def read_stl(data: bytes, max_faces: int) -> list[Part]:
    """The triangles of an STL file: a binary one as long as its header says, or a text that is closed.

    Raises:
        BadItem: neither of these, more than the limit, or a facet that is no triangle; other errors of broken
            numbers are left to the caller.
    """
    claimed = struct.unpack_from("<I", data, _HEADER - 4)[0] if len(data) >= _HEADER else 0
    length = _HEADER + claimed * _FACET.itemsize
    if len(data) == length:
        limit_faces(claimed, max_faces)
        corners = np.frombuffer(data, _FACET, offset=_HEADER)["corners"]
    elif data.lstrip()[:5].lower() == b"solid":
        corners = _text(data, max_faces)
    else:
        raise BadItem(
            f"not an STL file, or truncated: no text, and {len(data):,} bytes where the header says "
            f"{length:,}"
        )
    return [Part(Mesh(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3)))]


def _text(data: bytes, max_faces: int) -> np.ndarray:
    """Corners (F, 3, 3) of the facets of all its solids."""
    if not re.split(rb"[\r\n]+", data.rstrip())[-1].strip().lower().startswith(b"endsolid"):
        raise BadItem("truncated: the text does not end with 'endsolid'")
    # the names of solids may hold any word
    text = "\n" + data.decode("latin-1").lower().replace("\r", "\n")
    text = re.sub(r"\n[ \t]*(?:end)?solid\b[^\n]*", "\n", text)
    facets = text.count("facet") - text.count("endfacet")
    limit_faces(facets, max_faces)
    corners = [word for corner in text.split("vertex")[1:] for word in corner.split(None, 3)[:3]]
    if len(corners) != 9 * facets:
        raise BadItem(f"{facets:,} facets with {len(corners) / 3:,g} corners, which is not three each")
    return np.fromstring(" ".join(corners), sep=" ", dtype=np.float64).reshape(-1, 3, 3)
