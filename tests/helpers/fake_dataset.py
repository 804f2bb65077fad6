"""A data set for tests whose items misbehave as asked. Imported by name in worker processes."""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from datasets import BadItem, DataError, DataSource, Item, PrepareOptions, Sample
from zoo.registry import EntryConfig

OPTIONS = PrepareOptions(resolutions=(8, 16), image_size=(6, 7), views=3, points=20)


class FakeConfig(EntryConfig):
    """What the data set holds and which of its items fail how."""

    train: int = 6
    """Shapes in the training split."""
    val: int = 2
    """Shapes in the validation split."""
    test: int = 3
    """Shapes in the test split."""
    faults: dict[str, str] = Field({})
    """Item id -> fault."""
    delay: float = 0.0
    """Seconds per item."""
    log: str = ""
    """File that gets one line '<id> <pid>' for each build."""


class FakeSource(DataSource):
    """Random boxes."""

    version = "1"
    kind = "generated"
    provides = frozenset({"image", "mask", "voxels", "points", "camera", "depth", "normals"})
    homepage = "https://example.org"
    licence = "MIT"
    how_to_get = "it is made here."

    config: FakeConfig

    def items(self) -> Sequence[Item]:
        c = self.config
        splits = ["train"] * c.train + ["val"] * c.val + ["test"] * c.test
        return [Item(f"shape{i:02d}", ("box", "bar")[i % 2], split) for i, split in enumerate(splits)]

    def build(self, item: Item, options: PrepareOptions) -> Sample:
        if self.config.log:
            with Path(self.config.log).open("a", encoding="utf-8") as log:
                log.write(f"{item.id} {os.getpid()}\n")
        time.sleep(self.config.delay)
        fault = self.config.faults.get(item.id)
        if fault:
            misbehave(fault)
        sample = make(item.id, options)
        return Sample(sample.images[:1], sample.voxels, sample.cameras[:1]) if fault == "one view" else sample


class FakeFiles(FakeSource):
    """The same boxes, said to lie on a disk."""

    kind = "files"
    root: Path

    def items(self) -> Sequence[Item]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: not there")
        return super().items()

    def stamp(self) -> str:
        mark = self.root / "stamp"
        return mark.read_text(encoding="utf-8") if mark.exists() else ""


def misbehave(fault: str) -> None:
    """Do what the fault says; 'one view' is left to the caller."""
    if fault == "corrupt":
        raise BadItem("/data/shape.png: corrupt image")
    if fault == "raise":
        raise ZeroDivisionError("division by zero\nin two lines")
    if fault == "fatal":
        raise DataError("the index file is of another version")
    if fault == "exit":
        os._exit(7)
    if fault == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault.startswith("once:"):
        marker = Path(fault.removeprefix("once:"))
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        time.sleep(600)
    while fault == "compute":
        pass
    if fault == "torch" and "torch" in sys.modules:
        raise BadItem("torch was loaded into a worker")


def make(shape_id: str, options: PrepareOptions) -> Sample:
    """The arrays of one shape, a function of its id alone."""
    rng = np.random.default_rng(zlib.crc32(shape_id.encode()))
    v, (h, w) = options.views, options.image_size
    normals = rng.normal(size=(v, h, w, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    depth = rng.uniform(1, 2, (v, h, w)).astype(np.float32)
    depth[:, 0] = np.inf
    return Sample(
        images=rng.integers(0, 256, (v, h, w, 4), dtype=np.uint8),
        voxels={r: rng.random((r, r, r)) < 0.3 for r in options.resolutions},
        cameras=rng.uniform(0, 1, (v, 7)).astype(np.float32),
        points=rng.uniform(-0.5, 0.5, (options.points, 3)).astype(np.float32) if options.points else None,
        depth=depth if options.maps else None,
        normals=normals.astype(np.float32) if options.maps else None,
        note=("closed", "repaired", "")[zlib.crc32(shape_id.encode()) % 3],
    )
