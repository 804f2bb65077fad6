"""What flows through the zoo: image, encoder, latent, decoder, shapes.

Frame and units, written here once:

- **Frame**: object-centred canonical pose, right-handed, y up, front towards +x (as ShapeNetCore v1),
  inside the unit cube [-0.5, 0.5]^3. Distances are in cube edges.
- **Voxels** are indexed [x][y][z]; the centre of cell i of R lies at (i + 0.5) / R - 0.5.
- **Images** leave a store as uint8 RGBA with straight alpha, (B, V, 4, H, W); the model's own
  `zoo.preprocess.Preprocess` turns them into floats (B, V, C, H, W).
- **Latents** carry the log-variance log(sigma^2), never log(sigma).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from zoo.shapes import Shape, VoxelShape


class ContractError(ValueError):
    """Two parts, or a part and the data, do not fit; the message names both sides and what would."""


@dataclass(frozen=True)
class Batch:
    """Samples of one step. What a data set does not provide is None.

    Attributes:
        ids: one id per sample.
        image: uint8 RGBA as stored (B, V, 4, H, W), straight alpha.
        voxels: occupancy (B, R, R, R), float in [0, 1]; fractional only if the data set says so.
        points: area-uniform surface points (B, N, 3).
        depth: distance along the optical axis (B, V, H, W), infinity on the background.
        normals: unit normals in the camera frame (B, V, 3, H, W), zero on the background.
        camera: rows of `zoo.geometry.camera.ROW` (B, V, 7).
    """

    ids: tuple[str, ...]
    image: UInt8[Tensor, "batch views 4 height width"]
    voxels: Float[Tensor, "batch r r r"] | None = None
    points: Float[Tensor, "batch n 3"] | None = None
    depth: Float[Tensor, "batch views height width"] | None = None
    normals: Float[Tensor, "batch views 3 height width"] | None = None
    camera: Float[Tensor, "batch views 7"] | None = None

    @property
    def mask(self) -> Bool[Tensor, "batch views height width"]:
        """True on the object: alpha of at least one half."""
        return self.image[:, :, 3] >= 128

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> "Batch":
        """The same batch in page-locked memory, for asynchronous copies to a GPU."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        tensors: dict[str, Any] = {
            f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)
        }
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in tensors.items()}
        return replace(self, **changed)

    def __len__(self) -> int:
        return len(self.ids)


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
        """The samples at `indices`, with the given views of each."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Latent:
    """What an encoder says about an image.

    Attributes:
        mean: (B, D); a model with several views passes (B, V, D) to a decoder that reads them.
        log_var: log(sigma^2) of the Gaussian posterior, same shape; None for a deterministic encoder.
        features: spatial maps (B, C_i, H_i, W_i), finest first.
        tokens: sequence of vectors (B, T, C).
        aux: further named predictions (sketches, pose).
    """

    mean: Float[Tensor, "*batch d"]
    log_var: Float[Tensor, "*batch d"] | None = None
    features: tuple[Tensor, ...] = ()
    tokens: Float[Tensor, "batch t c"] | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = mean + sigma * eps; the mean itself when the posterior is deterministic."""
        if self.log_var is None:
            return self.mean
        # eps is drawn on the CPU, so that a seed gives the same z on every device
        eps = torch.randn(self.mean.shape, generator=generator, dtype=torch.float32)
        sigma = torch.exp(0.5 * self.log_var.float())
        return self.mean + (sigma * eps.to(self.mean.device)).to(self.mean.dtype)


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
class Prediction:
    """One forward pass: what was inferred, the code that was decoded, the shapes that came out."""

    latent: Latent
    z: Tensor
    shapes: Shapes
