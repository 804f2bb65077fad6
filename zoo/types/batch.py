"""Samples of one step, and where they come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, UInt8
from torch import Tensor

from zoo.errors import ContractError


@dataclass(frozen=True)
class Batch:
    """Samples of one step. What a data set does not provide is None.

    A source may give voxels, depth and normals in a packed type; `to` decodes them on the device, so that
    whoever reads a batch after `to` sees float32 alone.

    >>> import torch
    >>> batch = Batch(("chair/1",), torch.zeros(1, 2, 4, 48, 64, dtype=torch.uint8))
    >>> len(batch), batch.mask.shape, batch.voxels is None
    (1, torch.Size([1, 2, 48, 64]), True)

    Attributes:
        ids: one id per sample.
        image: uint8 RGBA as stored (B, V, 4, H, W), straight alpha, packed and decoded alike.
        voxels: occupancy (B, R, R, R), float in [0, 1]; fractional only if the data set says so. Packed:
            eight cells per byte (B, R, R, R / 8), `numpy.packbits` along z; or bool; or, for fractions,
            255 times the occupancy as uint8.
        points: area-uniform surface points (B, N, 3).
        depth: distance along the optical axis (B, V, H, W), infinity on the background. Packed: float16.
        normals: unit normals in the camera frame (B, V, 3, H, W), zero on the background. Packed: 127
            times the normal as int8.
        camera: rows of `zoo.geometry.camera.ROW` (B, V, 7).
        inputs: how many of the V views the model reads, the first ones; the others are there for the losses
            alone. None for all.
        span: edge of the frame's cube in canonical cube edges; see `zoo.transforms.frames`.
    """

    ids: tuple[str, ...]
    image: UInt8[Tensor, "batch views 4 height width"]
    voxels: (
        Float[Tensor, "batch r r r"] | Bool[Tensor, "batch r r r"] | UInt8[Tensor, "batch r r r8"] | None
    ) = None
    points: Float[Tensor, "batch n 3"] | None = None
    depth: Float[Tensor, "batch views height width"] | None = None
    normals: (
        Float[Tensor, "batch views 3 height width"] | Int8[Tensor, "batch views 3 height width"] | None
    ) = None
    camera: Float[Tensor, "batch views 7"] | None = None
    inputs: int | None = None
    span: float = 1.0

    @property
    def mask(self) -> Bool[Tensor, "batch views height width"]:
        """True on the object: alpha of at least one half."""
        return self.image[:, :, 3] >= 128

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to another device and decode it there."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True)).decode()

    def pin(self) -> "Batch":
        """Put the batch, still packed, into page-locked memory, for asynchronous copies to a GPU."""
        return self._map(Tensor.pin_memory)

    def item(self, index: int) -> "Batch":
        """One sample as a batch of its own."""
        return self._part(slice(index, index + 1))

    def divide(self, parts: int) -> "list[Batch]":
        """Batches of consecutive samples, as equal in size as can be; the batch itself for one part."""
        if parts == 1:
            return [self]
        ends = [len(self) * k // parts for k in range(parts + 1)]
        return [self._part(slice(a, b)) for a, b in pairwise(ends)]

    def _part(self, part: slice) -> "Batch":
        return replace(self._map(lambda tensor: tensor[part]), ids=self.ids[part])

    def decode(self) -> "Batch":
        """Packed voxels, depth and normals as float32, where they lie; `to` calls it."""
        decoders = {"voxels": _occupancy, "depth": Tensor.float, "normals": _normals}
        given = {name: getattr(self, name) for name in decoders}
        changed: dict[str, Any] = {n: decoders[n](t) for n, t in given.items() if t is not None}
        return replace(self, **changed)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        tensors: dict[str, Any] = {
            f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)
        }
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in tensors.items()}
        return replace(self, **changed)

    def __len__(self) -> int:
        return len(self.ids)


def _normals(normals: Tensor) -> Tensor:
    """Stored normals as float32 (B, V, 3, H, W)."""
    return normals.float() / 127 if normals.dtype == torch.int8 else normals.float()


_CELLS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)
"""The eight cells of every byte (256, 8)."""


def _occupancy(voxels: Tensor) -> Tensor:
    """Stored occupancy, in any of the types that `Batch` allows, as float32 (B, R, R, R)."""
    if voxels.dtype != torch.uint8:
        return voxels.float()
    cells, last = voxels.shape[-2:]
    if last == cells:
        return voxels.float() / 255
    if last * 8 != cells:
        raise ContractError(
            f"uint8 voxels must be (B, R, R, R / 8) bits or (B, R, R, R) fractions, got {tuple(voxels.shape)}"
        )
    return _unpack_numpy(voxels) if voxels.device.type == "cpu" else _unpack_torch(voxels)


def _unpack_numpy(packed: Tensor) -> Tensor:
    """Bits to float32 on the CPU, in a third of the time that torch's operations on bits take."""
    return torch.from_numpy(np.take(_CELLS, packed.numpy(), axis=0)).flatten(-2)


def _unpack_torch(packed: Tensor) -> Tensor:
    """Bits to float32 on any device, without a transfer."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> places) & 1).flatten(-2).float()


@runtime_checkable
class Source(Protocol):
    """Where training and evaluation read samples from: one split of a prepared data set.

    >>> from zoo.testing.smoke import SmokeSource
    >>> source = SmokeSource(size=(48, 64))
    >>> isinstance(source, Source), "voxels" in source.provides
    (True, True)
    >>> source.fetch([0, 1], [[0], [0]]).image.shape  # picture 0 of two shapes
    torch.Size([2, 1, 4, 48, 64])
    """

    @property
    def ids(self) -> Sequence[str]:
        """Shape ids, in the order of the indices."""

    @property
    def num_views(self) -> int:
        """Stored views per shape."""

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Batch` that `fetch` fills."""

    @property
    def fingerprint(self) -> str:
        """Hash of data, preparation options and split."""

    def fetch(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> Batch:
        """The samples at `indices`, with the given views of each, on the CPU, packed or as floats.

        Loader threads call it at the same time; the training calls `Batch.to` on what it gives.
        """

    def __len__(self) -> int: ...
