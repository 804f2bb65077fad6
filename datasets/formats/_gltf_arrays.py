"""The arrays of a glTF file: buffers, views and accessors, dense or sparse.

Reference: glTF 2.0 specification, 3.6 Binary Data Storage.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from .. import BadItem
from ._gltf_checks import COMPONENTS, SHAPES, entries, whole
from ._mesh_assets import Assets


class Arrays:
    """Reads the arrays of one file, each once; nothing is allocated before its bytes are known to be there.

    Args:
        tree: the checked JSON.
        body: the buffer inside a GLB file.
        assets: where other buffers are.
    """

    def __init__(self, tree: dict[str, Any], body: bytes, assets: Assets) -> None:
        self._buffers = entries(tree, "buffers")
        self._views = entries(tree, "bufferViews")
        self._accessors = entries(tree, "accessors")
        self._body, self._assets = body, assets
        self._read: dict[int, bytes] = {}
        self._made: dict[int, np.ndarray] = {}

    def values(self, index: int) -> np.ndarray:
        """The numbers (N, components) of an accessor, as fractions where it says that they stand for such.

        Raises:
            BadItem: it lies outside of its view or buffer, or these are compressed or missing.
        """
        if index not in self._made:
            accessor = self._accessors[index]
            kind = np.dtype(COMPONENTS[accessor["componentType"]])
            count, width = whole(accessor, "count"), SHAPES[accessor["type"]]
            if "bufferView" in accessor:
                values = self._strided(accessor, count, width, kind)
            else:
                values = np.zeros((count, width), kind)
            if "sparse" in accessor:
                values = self._replaced(values, accessor["sparse"])
            self._made[index] = _fractions(values) if accessor.get("normalized") else values
        return self._made[index]

    def fractions(self, index: int) -> np.ndarray:
        """Values of an accessor as fractions, whatever it says: colours can be nothing else."""
        return _fractions(self.values(index))

    def view(self, index: int) -> bytes:
        """The bytes of a view.

        Raises:
            BadItem: its buffer is missing or shorter, or the bytes are compressed.
        """
        view = self._views[index]
        start, length = whole(view, "byteOffset", 0), whole(view, "byteLength")
        data = self._buffer(whole(view, "buffer"), view)
        if start + length > len(data):
            raise BadItem(f"truncated: a view up to byte {start + length:,} of a buffer of {len(data):,}")
        return data[start : start + length]

    def _buffer(self, index: int, view: dict[str, Any]) -> bytes:
        if index not in self._read:
            uri = self._buffers[index].get("uri")
            if uri is None and index == 0:
                self._read[index] = self._body
            elif uri is None:
                how = (
                    f"is compressed by {', '.join(view['extensions'])}"
                    if "extensions" in view
                    else "is missing"
                )
                raise BadItem(f"the data of its buffer {index} {how}; export without that")
            else:
                _, mark, coded = uri.partition("base64,")
                self._read[index] = base64.b64decode(coded) if mark else bytes(self._assets.get(uri))
        return self._read[index]

    def _strided(self, place: dict[str, Any], count: int, width: int, kind: np.dtype) -> np.ndarray:
        """Values that lie in a view, one `byteStride` after the other."""
        data, start = self.view(place["bufferView"]), whole(place, "byteOffset", 0)
        row = width * kind.itemsize
        stride = whole(self._views[place["bufferView"]], "byteStride", row) or row
        if count and start + (count - 1) * stride + row > len(data):
            raise BadItem(f"truncated: {count:,} values of {row} bytes in a view of {len(data):,} bytes")
        return (
            np.ndarray((count, width), kind, data, start, (stride, kind.itemsize))
            if count
            else np.zeros((0, width))
        )

    def _replaced(self, values: np.ndarray, sparse: dict[str, Any]) -> np.ndarray:
        """The values with some of them replaced."""
        count, indices = whole(sparse, "count"), sparse["indices"]
        where = self._strided(indices, count, 1, np.dtype(COMPONENTS[indices["componentType"]]))[:, 0]
        if count and int(where.max()) >= len(values):
            raise BadItem(f"a sparse accessor replaces value {where.max()} of {len(values)}")
        values = values.copy()
        values[where] = self._strided(sparse["values"], count, values.shape[1], values.dtype)
        return values


def _fractions(values: np.ndarray) -> np.ndarray:
    """Whole numbers as parts of the largest one of their type."""
    if values.dtype.kind not in "iu":
        return values
    return np.maximum(values / np.iinfo(values.dtype).max, -1)
