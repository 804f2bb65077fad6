"""Materials, textures and buffers that a mesh file names: only from the folders that belong to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from trimesh.resolvers import Resolver

from .. import BadItem
from ._files import read_limited

SIBLINGS = ("images", "textures")
"""Folders beside the model's own that may be read too; ShapeNet v2 keeps its textures in ../images."""


class Assets(Resolver):
    """Finds what a mesh file names, as trimesh asks for it.

    A name may lead into the tree of the model's folder or of its `SIBLINGS`, links resolved; anything else is
    never opened. Where it leads nowhere, the bare file name is looked for in those folders, because material
    files often hold absolute paths of their author's machine.
    """

    def __init__(self, model: Path, max_bytes: int) -> None:
        """Args: max_bytes limits all the files of the model together."""
        folder = model.parent.resolve()
        self._roots = (folder, *(folder.parent / name for name in SIBLINGS))
        self._left = max_bytes

    def get(self, key: str) -> Any:
        """The bytes of the file; of a .mtl its text, in which any byte is allowed.

        Raises:
            BadItem: there is no such file where one may be read, or it is too large.
        """
        path = self._find(key)
        data = read_limited(path, self._left)
        self._left -= len(data)
        return data.decode(errors="surrogateescape") if path.suffix.lower() == ".mtl" else data

    def _find(self, key: str) -> Path:
        names = [key.strip().replace("\\", "/")]
        names.append(unquote(names[0]))
        bare = PurePosixPath(names[0]).name
        places = [self._roots[0] / name for name in names] + [root / bare for root in self._roots]
        for place in places:
            try:
                path = place.resolve()
                if any(path.is_relative_to(root) for root in self._roots) and path.is_file():
                    return path
            except (OSError, ValueError):  # a name that no file can have
                continue
        beside = " or ".join(SIBLINGS)
        raise BadItem(f"names '{key[:80]}': no file in its folder, nor in {beside} beside that")

    def keys(self) -> Iterable[str]:
        """Nothing is listed: trimesh asks for files by name."""
        return ()

    def namespaced(self, namespace: str) -> Assets:
        """Only archives have parts."""
        raise NotImplementedError

    def write(self, name: str, data: Any) -> None:
        """Reading never writes."""
        raise NotImplementedError
