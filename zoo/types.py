"""What flows through the zoo: image, encoder, latent, decoder, shapes.

Frame and units, written here once:

- **Frame**: object-centred canonical pose, right-handed, y up, front towards +x (as ShapeNetCore v1),
  inside the unit cube [-0.5, 0.5]^3. Distances are in cube edges.
- **Voxels** are indexed [x][y][z]; the centre of cell i of R lies at (i + 0.5) / R - 0.5.
- **Images** leave a store as uint8 RGBA with straight alpha, (B, V, 4, H, W); the model's own
  `zoo.transforms.preprocess.Preprocess` turns them into floats (B, V, C, H, W).
- **What a store packs** (voxels as bits, depth and normals as small numbers) crosses the bus packed and
  becomes floats on the device: see `Batch.decode`.
- **Latents** carry the log-variance log(sigma^2), never log(sigma).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, Int64, UInt8
from torch import Tensor

from zoo.errors import UserError
from zoo.geometry.mesh import Mesh
from zoo.shapes import PatchShape, PointShape, Shape, VoxelShape


class ContractError(UserError, ValueError):
    """Two parts, or a part and the data, do not fit; the message names both sides and what would."""


@dataclass(frozen=True)
class Batch:
    """Samples of one step. What a data set does not provide is None.

    A source may give voxels, depth and normals in a packed type; `to` decodes them on the device, so that
    whoever reads a batch after `to` sees float32 alone.

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
        """The same batch on another device, decoded there."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True)).decode()

    def pin(self) -> "Batch":
        """The same batch, still packed, in page-locked memory for asynchronous copies to a GPU."""
        return self._map(Tensor.pin_memory)

    def item(self, index: int) -> "Batch":
        """One sample as a batch of its own."""
        one = self._map(lambda tensor: tensor[index : index + 1])
        return replace(one, ids=self.ids[index : index + 1])

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
    """Where training and evaluation read samples from: one split of a prepared data set."""

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


@dataclass(frozen=True)
class Latent:
    """What an encoder says about an image.

    Attributes:
        mean: (B, D); a model with several views passes (B, V, D) to a decoder that reads them.
        log_var: log(sigma^2) of the Gaussian posterior, same shape; None for a deterministic encoder.
        features: spatial maps (B, C_i, H_i, W_i), finest first.
        tokens: sequence of vectors (B, T, C).
        aux: further named predictions, as the model's head makes them.
        family: the distribution that mean and log-variance describe.
    """

    mean: Float[Tensor, "*batch d"]
    log_var: Float[Tensor, "*batch d"] | None = None
    features: tuple[Tensor, ...] = ()
    tokens: Float[Tensor, "batch t c"] | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)
    family: Literal["normal", "uniform"] = "normal"

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = mean + sigma * eps, eps of mean 0 and variance 1 from the latent's family.

        The mean itself when the posterior is deterministic.
        """
        if self.log_var is None:
            return self.mean
        # eps is drawn on the CPU, so that a seed gives the same z on every device
        draw = torch.randn if self.family == "normal" else _centred_uniform
        eps = draw(self.mean.shape, generator=generator, dtype=torch.float32)
        sigma = torch.exp(0.5 * self.log_var.float())
        return self.mean + (sigma * eps.to(self.mean.device)).to(self.mean.dtype)


def _centred_uniform(shape: Sequence[int], generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    """Uniform noise of mean 0 and variance 1."""
    return (2 * torch.rand(tuple(shape), generator=generator, dtype=dtype) - 1) * 3**0.5


@dataclass(frozen=True)
class Sketches:
    """2.5D maps of what is seen, in the pixels of the model's input (MarrNet, arXiv:1711.03129).

    Attributes:
        depth: (B, H, W) nearness: 0.5 where the surface lies as far along the optical axis as the object's
            centre, growing by 1 / sqrt(3) per cube edge towards the camera, so that it stays in [0, 1] for
            every shape and pose; 0 on the background.
        normals: (B, 3, H, W) unit normals in the camera frame, 0 on the background.
        silhouette: (B, H, W) share of the object in the pixel; 1 is object.
    """

    depth: Float[Tensor, "batch height width"]
    normals: Float[Tensor, "batch 3 height width"]
    silhouette: Float[Tensor, "batch height width"]

    CHANNELS: ClassVar[int] = 4

    def image(self) -> Float[Tensor, "batch 4 height width"]:
        """Depth and normals as the input of an encoder, in this order."""
        return torch.cat([self.depth[:, None], self.normals], 1)

    def item(self, index: int) -> "Sketches":
        """The maps of one picture."""
        one = slice(index, index + 1)
        return Sketches(self.depth[one], self.normals[one], self.silhouette[one])


class Shapes(ABC):
    """A batch of decoded shapes in one representation, with gradients."""

    representation: str
    """'voxels', 'points' or 'mesh'."""

    @abstractmethod
    def split(self) -> list[Shape]:
        """One detached `zoo.shapes.Shape` per sample, for metrics, controls and pictures."""

    @abstractmethod
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Voxels(Shapes):
    """Occupancy logits on a regular grid.

    Attributes:
        logits: (B, R, R, R). A two-class output is the difference of its logits, an emptiness output
            the negated one: the sigmoid is always the probability that a cell is occupied.
    """

    logits: Float[Tensor, "batch r r r"]
    representation = "voxels"

    def split(self) -> list[Shape]:
        probabilities = torch.sigmoid(self.logits.detach().float()).cpu().numpy()
        return [VoxelShape(p) for p in probabilities]

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True)
class Points(Shapes):
    """Point sets, the same number for every sample.

    Attributes:
        xyz: (B, N, 3).
    """

    xyz: Float[Tensor, "batch n 3"]
    representation = "points"

    def moved(self, matrix: Float[Tensor, "batch 3 3"]) -> "Points":
        """Every point p at matrix @ p."""
        return replace(self, xyz=self.xyz @ matrix.mT)

    def split(self) -> list[Shape]:
        return [PointShape(cloud) for cloud in self.xyz.detach().float().cpu().numpy()]

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Patches(Points):
    """Surfaces made of patches that may be open, overlap and cut each other; every sample has the same faces.

    Attributes:
        xyz: (B, N, 3); drawn at random on the patches in training, the vertices of the faces in evaluation.
        faces: (F, 3) int64, which vertices; None in training, where points have no neighbours.
        patch: (F) int64, the patch that each face belongs to; None with the faces.
    """

    faces: Int64[Tensor, "faces 3"] | None = None
    patch: Int64[Tensor, " faces"] | None = None
    representation = "mesh"

    def split(self) -> list[Shape]:
        if self.faces is None or self.patch is None:
            raise ContractError("random points of a surface have no faces; predict in evaluation mode")
        faces, patch = self.faces.cpu().numpy(), self.patch.cpu().numpy()
        vertices = self.xyz.detach().float().cpu().numpy()
        return [PatchShape(Mesh(own, faces), patch) for own in vertices]


@dataclass(frozen=True)
class Prediction:
    """One forward pass; what a stage of the training does not go as far as is None.

    Attributes:
        sketches: what the model's sketcher saw, or the true ones in a stage that reads those.
        latent: what was inferred. z: the code that was decoded.
        shapes: what came out, in the model's frame.
        prior: shapes decoded from as many draws of the encoder's prior; only where a loss asks for them.
    """

    latent: Latent | None = None
    z: Tensor | None = None
    shapes: Shapes | None = None
    sketches: Sketches | None = None
    prior: Shapes | None = None


T = TypeVar("T")


def joined(parts: Sequence[T]) -> T:
    """Predictions, or what they hold, of several batches as those of one: tensors along their first axis."""
    first: Any = parts[0]
    if isinstance(first, Tensor):
        return cast(T, torch.cat(cast(list[Tensor], list(parts))))
    if isinstance(first, dict):
        return cast(T, {key: joined([cast(dict, part)[key] for part in parts]) for key in first})
    if isinstance(first, tuple):
        return cast(T, tuple(joined(column) for column in zip(*cast(Sequence[tuple], parts), strict=True)))
    if is_dataclass(first) and not isinstance(first, type):
        own = {f.name: joined([getattr(part, f.name) for part in parts]) for f in fields(first) if f.init}
        return cast(T, type(first)(**own))
    return parts[0]
