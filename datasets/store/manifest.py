"""The manifest and the index of a store, checked before anything is read by them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.geometry.camera import ROW
from zoo.system.plain_data import parse_json

from .. import DataError
from .rows import HEADER, RowSpec, json_hash

FORMAT = 2
"""Version of a store's layout; a store of another version is refused, never guessed at."""

MANIFEST, ITEMS = "manifest.json", "items.json"

OWN_SUM = "sha256"
"""Key of the manifest that holds the sum of the others. Stores that were made before there was one have none,
nor have they sums of single views; they are read without."""

MEND = "delete the folder and prepare the data set again"

M = TypeVar("M", bound=BaseModel)
Count = Annotated[int, Field(strict=True, ge=0)]
Size = Annotated[int, Field(strict=True, ge=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Array(_Part):
    dtype: Literal["|u1", "|i1", "<f4", "<f2"]
    shape: tuple[Size, ...] = Field(min_length=2)
    bytes: Size
    sha256: Sha256


class _Absence(_Part):
    id: str
    category: str
    split: str
    reason: str
    kind: Literal["missing", "left out"] | None = None


class _Manifest(_Part):
    format: Literal[2]
    dataset: str
    version: str
    licence: str
    homepage: str
    config: dict[str, Any]
    options: dict[str, Any]
    provides: list[str]
    fingerprint: Sha256
    stamp: str
    counts: dict[str, dict[str, Count]]
    notes: dict[str, Count]
    missing: Count
    skipped: list[_Absence]
    leaks: list[_Absence]
    items_sha256: Sha256
    arrays: dict[str, _Array] = Field(min_length=1)
    views_sha256: Sha256 | None = None
    sha256: Sha256 | None = None


class _Items(_Part):
    id: list[str] = Field(min_length=1)
    category: list[str]
    split: list[Literal["train", "val", "test"]]
    shape: list[str]
    row: list[Count]
    note: list[str]


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with the sum of itself.

    Less the sum of the index, for which the index answers: it depends on the order in which items were
    finished, on which nothing else does.
    """
    others = {key: value for key, value in manifest.items() if key not in (OWN_SUM, "items_sha256")}
    return {**manifest, OWN_SUM: json_hash(others)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a store.

    Raises:
        DataError: there is none, it is of another format, or not what was written; names the key.
    """
    path = folder / MANIFEST
    content = _parsed(path, _read(path), "not a manifest")
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a manifest; {MEND}")
    if content.get("format") != FORMAT:
        raise DataError(
            f"{folder}: store format {content.get('format')!r}, this version reads {FORMAT}; {MEND}"
        )
    manifest = _valid(_Manifest, content, path)
    if OWN_SUM in content and content != seal(content):
        raise DataError(f"{path}: damaged, it is not what was written; {MEND}")
    for name, array in manifest.arrays.items():
        size = HEADER + array.shape[0] * RowSpec(array.dtype, array.shape[1:]).nbytes
        if not _fits(name, array.shape[1:], manifest) or array.bytes != size:
            raise DataError(
                f"{path}: arrays.{name}: {array.shape} in {array.bytes:,} bytes is none of a store; {MEND}"
            )
    return content


def read_items(folder: Path, manifest: dict[str, Any]) -> dict[str, list[Any]]:
    """The index of a store, column by column.

    Raises:
        DataError: there is none, or it does not fit the manifest.
    """
    path = folder / ITEMS
    raw = _read(path)
    if hashlib.sha256(raw).hexdigest() != manifest["items_sha256"]:
        raise DataError(f"{path}: does not match the manifest; {MEND}")
    content = _parsed(path, raw, "no index")
    columns = _valid(_Items, content, path)
    count = len(columns.id)
    lengths = {len(column) for _, column in columns} | {
        entry["shape"][0] for entry in manifest["arrays"].values()
    }
    if lengths != {count} or len(set(columns.id)) != count or sorted(columns.row) != list(range(count)):
        raise DataError(f"{path}: ids, rows and arrays do not belong together; {MEND}")
    return content


def _fits(name: str, shape: tuple[int, ...], manifest: _Manifest) -> bool:
    """Whether a row of an array has the shape that its name asks for; see `datasets.store`."""
    if resolution := re.fullmatch("voxels_([1-9][0-9]{0,3})", name):
        edge = int(resolution[1])
        return shape in (((edge**3 + 7) // 8,), (edge, edge, edge))
    if name == "points":
        return len(shape) == 2 and shape[1] == 3
    images = manifest.arrays.get("images")
    if images is None or len(images.shape) != 5 or images.shape[2] != 4:
        return False
    _, views, _, height, width = images.shape
    wanted = {
        "images": (views, 4, height, width),
        "cameras": (views, len(ROW)),
        "depth": (views, height, width),
        "normals": (views, 3, height, width),
    }
    return shape == wanted.get(name)


def _valid(cls: type[M], content: Any, path: Path) -> M:
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise DataError(f"{path}: {where}: {first['msg']}; {MEND}") from error


def _parsed(path: Path, raw: bytes, what: str) -> Any:
    try:
        return parse_json(raw)
    except ValueError as error:
        raise DataError(f"{path}: {what}: {error}; {MEND}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; this is no complete store, {MEND}") from error
