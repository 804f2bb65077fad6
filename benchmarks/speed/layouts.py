"""The ways in which samples may lie on disk: how each is written, and how a batch is read from it.

A library is used in the fastest of its usual ways: voxels packed to bits as in the store, no compression
where one can choose, the arrays of a batch put together by numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Read = Callable[[np.ndarray], tuple[Any, Any]]
"""Positions (B) -> images (B, V, 4, H, W) uint8; voxels as (B, R^3 / 8) bits, bool or float."""


@dataclass(frozen=True)
class Data:
    """What every layout holds.

    Attributes:
        images: (N, V, 4, H, W) uint8. voxels: (N, R, R, R) bool.
        store: folder of the prepared store that they come from.
    """

    images: np.ndarray
    voxels: np.ndarray
    store: Path

    @property
    def bits(self) -> np.ndarray:
        """Voxels as the store packs them (N, R^3 / 8)."""
        return np.packbits(self.voxels.reshape(len(self.voxels), -1), axis=1)


@dataclass(frozen=True)
class Layout:
    """One line of the table.

    Attributes:
        title: what is printed.
        files: name of the folder; layouts that read the same files share it.
        write: fills an empty folder; None for the store, which is there already.
        open: the function that reads batches, made once per process.
        package: what to install for it, as pip knows it; its modules are `needs`.
        threads: that call the function at the same time.
        sequential: it can only be read in the order of writing.
    """

    title: str
    files: str
    write: Callable[[Path, Data], None] | None
    open: Callable[[Path], Read]
    package: str = ""
    needs: tuple[str, ...] = ()
    threads: int = 1
    sequential: bool = False

    def missing(self) -> str | None:
        """Why it cannot run here, with what to install; None when it can."""
        try:
            for module in self.needs:
                import_module(module)
        except ImportError as error:
            return f"not installed ({error}): pip install {self.package}"
        return None


# --- files as data sets are published


def write_files(folder: Path, data: Data) -> None:
    """One PNG per picture, one binvox per shape."""
    from PIL import Image

    from datasets.formats.binvox import write_binvox

    for i, (views, grid) in enumerate(zip(data.images, data.voxels, strict=True)):
        write_binvox(folder / f"{i}.binvox", grid)
        for v, image in enumerate(views):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i}-{v}.png")


def open_with_trimesh(folder: Path) -> Read:
    """What a loader without a store does."""
    from PIL import Image
    from trimesh.exchange.binvox import load_binvox

    def picture(path: Path) -> np.ndarray:
        with Image.open(path) as file:
            return np.asarray(file)

    def solid(path: Path) -> np.ndarray:
        with path.open("rb") as file:
            return load_binvox(file).encoding.dense

    return _files(folder, picture, solid)


def open_with_readers(folder: Path) -> Read:
    """Open files with the readers that `datasets` prepares stores with."""
    from datasets.formats.binvox import read_binvox
    from datasets.formats.images import read_rgba

    return _files(folder, read_rgba, lambda path: read_binvox(path).voxels)


def _files(folder: Path, picture: Callable[[Path], np.ndarray], solid: Callable[[Path], np.ndarray]) -> Read:
    views = len(list(folder.glob("0-*.png")))

    def read(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = [np.stack([picture(folder / f"{i}-{v}.png") for v in range(views)]) for i in indices]
        return np.stack(images).transpose(0, 1, 4, 2, 3), np.stack(
            [solid(folder / f"{i}.binvox") for i in indices]
        )

    return read


# --- the store of this project


def open_store(folder: Path) -> Read:
    """A batch as it leaves the store, for a GPU that decodes it."""
    return _store(folder, decode=False)


def open_store_decoded(folder: Path) -> Read:
    """A batch as a training on the CPU sees it: voxels as float32."""
    return _store(folder, decode=True)


def _store(folder: Path, decode: bool) -> Read:
    import torch

    from datasets.store import Store

    torch.set_num_threads(1)
    split = Store.open(folder).split("train", fields=["voxels"])
    every = list(range(split.num_views))

    def read(indices: np.ndarray) -> tuple[Any, Any]:
        batch = split.fetch(indices.tolist(), [every] * len(indices))
        batch = batch.decode() if decode else batch
        return batch.image, batch.voxels

    return read


# --- libraries


def write_h5py(folder: Path, data: Data) -> None:
    """Contiguous data sets, whose rows h5py reads fastest."""
    h5py = import_module("h5py")
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("images", data=data.images)
        file.create_dataset("voxels", data=data.bits)


def open_h5py(folder: Path) -> Read:
    """Row by row: a list of rows makes h5py build a selection, which is no faster."""
    file = import_module("h5py").File(folder / "data.h5", "r")
    images, voxels = file["images"], file["voxels"]
    return lambda indices: (np.stack([images[i] for i in indices]), np.stack([voxels[i] for i in indices]))


def write_zarr(folder: Path, data: Data) -> None:
    """One chunk per sample, as random access wants."""
    group = import_module("zarr").open_group(str(folder), mode="w")
    for name, array in (("images", data.images), ("voxels", data.bits)):
        chunks = (1, *array.shape[1:])
        made = group.create_array(name, shape=array.shape, dtype=array.dtype, chunks=chunks, compressors=None)
        made[:] = array


def open_zarr(folder: Path) -> Read:
    """All rows in one request, which zarr reads concurrently."""
    group = import_module("zarr").open_group(str(folder), mode="r")
    images, voxels = group["images"], group["voxels"]
    return lambda indices: (images.oindex[indices], voxels.oindex[indices])


def write_lance(folder: Path, data: Data) -> None:
    """Rows of bytes, which lance compresses; fixed-size lists of numbers, which it does not, are slower."""
    lance, pa = import_module("lance"), import_module("pyarrow")
    rows = {"images": data.images, "voxels": data.bits}
    table = {
        name: pa.array([row.tobytes() for row in array], pa.large_binary()) for name, array in rows.items()
    }
    lance.write_dataset(pa.table(table), str(folder / "data.lance"))
    np.save(folder / "shape.npy", data.images.shape[1:])


def open_lance(folder: Path) -> Read:
    """A batch in one `take`."""
    dataset = import_module("lance").dataset(str(folder / "data.lance"))
    shape = np.load(folder / "shape.npy")

    def read(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = dataset.take(indices)
        images, voxels = (_joined(v.as_buffer() for v in table[name]) for name in ("images", "voxels"))
        return images.reshape(-1, *shape), voxels

    return read


def write_webdataset(folder: Path, data: Data) -> None:
    """One tar with two files per sample."""
    with import_module("webdataset").TarWriter(str(folder / "data.tar")) as tar:
        for i, (image, bits) in enumerate(zip(data.images, data.bits, strict=True)):
            tar.write({"__key__": f"{i:08d}", "images.bin": image.tobytes(), "voxels.bin": bits.tobytes()})
    np.save(folder / "shape.npy", data.images.shape[1:])


def open_webdataset(folder: Path) -> Read:
    """The next samples of an endless stream."""
    stream = import_module("webdataset").WebDataset(str(folder / "data.tar"), shardshuffle=False)
    samples: Iterator[dict[str, bytes]] = iter(stream.repeat())
    shape = np.load(folder / "shape.npy")

    def read(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch = [next(samples) for _ in indices]
        images, voxels = (_joined(s[f"{name}.bin"] for s in batch) for name in ("images", "voxels"))
        return images.reshape(-1, *shape), voxels

    return read


def write_litdata(folder: Path, data: Data) -> None:
    """Chunks of 64 MB, litdata's default."""
    writer = import_module("litdata.streaming.writer").BinaryWriter(str(folder), chunk_bytes="64MB")
    for i, (image, bits) in enumerate(zip(data.images, data.bits, strict=True)):
        writer[i] = {"images": image, "voxels": bits}
    writer.done()
    writer.merge()


def open_litdata(folder: Path) -> Read:
    """Sample by sample, as its loader does."""
    dataset = import_module("litdata").StreamingDataset(str(folder))

    def read(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch = [dataset[int(i)] for i in indices]
        return np.stack([s["images"] for s in batch]), np.stack([s["voxels"] for s in batch])

    return read


def write_npz(folder: Path, data: Data) -> None:
    """One file per sample."""
    for i, (image, bits) in enumerate(zip(data.images, data.bits, strict=True)):
        np.savez(folder / f"{i}.npz", images=image, voxels=bits)


def open_npz(folder: Path) -> Read:
    """torch's DataLoader with its own collation, in this process."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)

    class Files(Dataset[tuple[np.ndarray, np.ndarray]]):
        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            with np.load(folder / f"{index}.npz") as sample:
                return sample["images"], sample["voxels"]

    def read(indices: np.ndarray) -> tuple[Any, Any]:
        images, voxels = next(iter(DataLoader(Files(), batch_sampler=[indices.tolist()])))
        return images, voxels

    return read


def _joined(rows: Iterable[Any]) -> np.ndarray:
    """Rows of bytes as one array."""
    return np.stack([np.frombuffer(row, np.uint8) for row in rows])


LAYOUTS = (
    Layout("PNG by PIL, binvox by trimesh", "files", write_files, open_with_trimesh),
    Layout("PNG and binvox by our readers", "files", write_files, open_with_readers),
    Layout("npz, torch's DataLoader", "npz", write_npz, open_npz),
    Layout("litdata", "litdata", write_litdata, open_litdata, "litdata", ("litdata",)),
    Layout("zarr", "zarr", write_zarr, open_zarr, "zarr", ("zarr",)),
    Layout(
        *("webdataset, in order", "webdataset", write_webdataset, open_webdataset),
        *("webdataset", ("webdataset",)),
        sequential=True,
    ),
    Layout("lance", "lance", write_lance, open_lance, "pylance pyarrow", ("lance", "pyarrow")),
    Layout("h5py", "h5py", write_h5py, open_h5py, "h5py", ("h5py",)),
    Layout("store, decoded to float32", "store", None, open_store_decoded),
    Layout("store", "store", None, open_store),
    Layout("store, 2 threads", "store", None, open_store, threads=2),
)
"""The first is what the others are compared with; then from slow to fast."""
