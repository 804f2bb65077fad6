"""Data sets: where shapes and pictures come from, and the packed store that training reads.

A `DataSource` knows one layout on disk (or makes its shapes itself). `datasets.prepare.prepare` builds
each of its items in parallel and packs them into a `datasets.store.Store`; training and evaluation read
stores and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from zoo.errors import UserError
from zoo.registry import EntryConfig, Registry
from zoo.system.source import foreign

SPLITS = ("train", "val", "test")


class DataError(UserError, ValueError):
    """A data set that cannot be used: the message names the path, what is wrong and the mend."""


class BadItem(UserError, ValueError):
    """One item that cannot be used; it is skipped, counted and named in the report."""


@dataclass(frozen=True)
class Item:
    """One entry of a data set: a shape with its pictures, or a picture of a shape.

    Attributes:
        id: unique in the data set.
        category, split: one of each.
        shape: name of the shape where several items, perhaps of other categories, show the same one; empty
            when the id is the shape's own.
    """

    id: str
    category: str
    split: str
    shape: str = ""


class PrepareOptions(EntryConfig):
    """What a store is asked to hold for each shape."""

    resolutions: tuple[int, ...] = (32,)
    """Voxel resolutions to store, bit-packed."""
    image_size: tuple[int, int] = (137, 137)
    """Height and width of the stored pictures, in pixels; only for data sets that make their own."""
    views: int = Field(24, ge=0)
    """Pictures per shape; 0 stores none."""
    pooling: Literal["max", "mean"] = "max"
    """Coarser voxels from finer ones: occupied where any cell is, or the occupied share of them."""
    points: int = Field(10_000, ge=0)
    """Area-uniform surface points per shape; kept only where the data set has a mesh."""
    maps: bool = False
    """Also store depth and normals of each picture."""
    leaks: Literal["flag", "drop"] = "flag"
    """Test and validation items that are also in a part that trains, by name or by an equal grid: keep them
    and name them, or leave them out."""


@dataclass(frozen=True)
class Sample:
    """One built item, in the canonical frame of `zoo.types`.

    Attributes:
        images: uint8 RGBA, straight alpha (V, H, W, 4), or None.
        voxels: grids by resolution, [x][y][z]; bool, or uint8 shares of 255.
        cameras: rows of `zoo.geometry.camera.ROW` (V, 7) float32, or None where they are not known.
        points: (P, 3) float32 on the surface of the mesh, or None.
        depth: (V, H, W) float32 along the optical axis, infinity on the background, or None.
        normals: (V, H, W, 3) float32 in the camera frame, or None.
        note: one of a few words that say how the solid was found (`zoo.geometry.voxelize.SolidStatus`), to
            be counted; empty where nothing is to be said.
    """

    images: np.ndarray | None
    voxels: dict[int, np.ndarray]
    cameras: np.ndarray | None = None
    points: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    note: str = ""


class DataSource(ABC):
    """A data set as it lies on disk, or as it is made.

    Attributes:
        version: changes whenever the same command would give other arrays.
        kind: 'generated' sources need no files; their store lies under the data root itself.
        provides: fields of `zoo.types.Batch` that its stores can fill.
        homepage, licence, how_to_get: what to print when the data are absent.
        how_to_split: what to print when a split is empty.
        known_bad: id -> reason of items that are wrong for everybody; nobody need allow for them.
    """

    version: ClassVar[str]
    kind: ClassVar[Literal["generated", "files"]]
    provides: frozenset[str]
    homepage: ClassVar[str]
    licence: ClassVar[str]
    how_to_get: ClassVar[str]
    how_to_split: ClassVar[str] = "more shapes or categories, or another split rule, would fill it"
    known_bad: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: EntryConfig, root: Path | None) -> None:
        """Args: root is the folder that the files lie in; None only for generated sources."""
        self.config = config
        self.root = root

    @classmethod
    def where_to_get(cls) -> str:
        """What to print where the files of the data set are absent."""
        homepage = f" Homepage: {cls.homepage}." if cls.homepage else ""
        return f"How to get it: {cls.how_to_get}{homepage} Licence: {cls.licence}."

    @classmethod
    def not_there(cls, name: str, missed: str, near: Sequence[Path] = (), remark: str = "") -> DataError:
        """The error of a root that does not hold the data set.

        Args:
            name: of the data set.
            missed: what is wrong, as 'is not there: looked for a/ in /data'.
            near: folders that hold it, the likeliest first.
            remark: a sentence to go on with.
        """
        hints = [f"Did you mean {near[0]}?"] if near else []
        hints += [remark] if remark else []
        return DataError(" ".join([f"data set '{name}' {missed}.", *hints, cls.where_to_get()]))

    @abstractmethod
    def items(self) -> Sequence[Item]:
        """Every shape that is there, with its split, in a fixed order.

        Raises:
            DataError: the root is missing or holds nothing; says what was looked for and how to get it.
        """

    @abstractmethod
    def build(self, item: Item, options: PrepareOptions) -> Sample:
        """Read or make one shape. Must depend on nothing but `item`, `options` and the files.

        Raises:
            BadItem: a file is missing or corrupt; names the file and the reason.
        """

    def resolve_options(self, options: PrepareOptions) -> PrepareOptions:
        """The options as this data set honours them; they are what a store's manifest and name hold.

        Raises:
            DataError: something was asked for that the data set cannot give; says what it can.
        """
        return options

    def required(self) -> Sequence[str]:
        """Splits that must not come out empty: all, unless the configuration leaves some out on purpose."""
        return SPLITS

    def unread(self) -> Sequence[Path]:
        """Files that hold shapes by their names, of a kind that is not read: no part of the data set."""
        return ()

    def identity(self) -> dict[str, Any]:
        """The configuration as it enters fingerprints: a path is replaced by what the file holds.

        With the code of a data set that is not of this project, where `version` may have been left as it was.
        """
        return self.config.model_dump(mode="json") | foreign({"code": type(self)})

    def stamp(self) -> str:
        """A cheap mark of the state of the files, to notice that they changed after a store was built."""
        return ""


DATASETS: Registry[DataSource] = Registry("dataset", DataSource, "datasets.sources", "zoo.datasets")
