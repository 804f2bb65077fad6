"""Batches of decoded shapes, with gradients: one class for each representation."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zoo.errors import ContractError
from zoo.geometry.mesh import Mesh
from zoo.shapes import PatchShape, PointShape, Shape, VoxelShape
from zoo.types.turning import resampled


class Shapes(ABC):
    """A batch of decoded shapes in one representation, with gradients.

    A new representation is a frozen dataclass of this kind beside the decoder that makes it, and a loss that
    reads it. Nothing else asks of which class the shapes are.

    Attributes:
        representation: a name of its own; losses and discriminators declare which they read. The zoo's own
            are 'voxels', 'points' and 'mesh'.

    >>> import torch, zoo
    >>> shapes = zoo.Voxels(torch.full((2, 8, 8, 8), -4.0))
    >>> len(shapes), shapes.representation, [type(shape).__name__ for shape in shapes.split()]
    (2, 'voxels', ['VoxelShape', 'VoxelShape'])
    """

    representation: str

    @abstractmethod
    def split(self) -> list[Shape]:
        """One detached `zoo.shapes.Shape` per sample, for metrics, controls and pictures."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What was decoded, with gradients: tensors with one row per shape, by the names of their fields.

        All that the decoder learns must show in them. Those with NaN or infinity are replaced by others
        (`dataclasses.replace`), so that one such shape does not cost the others of its batch.
        """

    @abstractmethod
    def moved(self, turn: Float[Tensor, "batch 3 3"], scale: float) -> "Shapes":
        """Every point p at ``scale * turn @ p``, as the way from a model's frame to the canonical one asks.

        Args:
            turn: rotations, of any type of float and on any device.
        """

    def at_level(self, level: float) -> "Shapes":
        """Shapes whose surfaces are, unless somebody says another, where the probability is `level`.

        Shapes that are no fields have no level: they are given back as they are.
        """
        return self

    @abstractmethod
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Voxels(Shapes):
    """Occupancy logits on a regular grid.

    >>> import torch
    >>> shapes = Voxels(torch.zeros(2, 4, 4, 4)).at_level(0.2)
    >>> shape = shapes.split()[0]
    >>> float(shape.occupancy.max()), shape.level
    (0.5, 0.2)

    Attributes:
        logits: (B, R, R, R). A two-class output is the difference of its logits, an emptiness output
            the negated one: the sigmoid is always the probability that a cell is occupied.
        level: `zoo.shapes.VoxelShape.level` of each.
    """

    logits: Float[Tensor, "batch r r r"]
    level: float = 0.5
    representation = "voxels"

    def split(self) -> list[Shape]:
        probabilities = torch.sigmoid(self.logits.detach().float()).cpu().numpy()
        return [VoxelShape(p, level=self.level) for p in probabilities]

    def tensors(self) -> dict[str, Tensor]:
        return {"logits": self.logits}

    def moved(self, turn: Float[Tensor, "batch 3 3"], scale: float) -> "Voxels":
        """Trilinear resampling of the probabilities; what lies outside is empty."""
        inside = torch.sigmoid(self.logits.float())
        turned = resampled(inside, turn.to(inside), 1 / scale)
        return replace(self, logits=torch.logit(turned, eps=1e-6))

    def at_level(self, level: float) -> "Voxels":
        return replace(self, level=level)

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True)
class Points(Shapes):
    """Point sets, the same number for every sample.

    >>> import torch
    >>> turn = torch.tensor([[[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]])  # by 90 degrees about the vertical axis
    >>> Points(torch.tensor([[[0.5, 0, 0]]])).moved(turn, 1.0).xyz
    tensor([[[ 0.0000,  0.0000, -0.5000]]])

    Attributes:
        xyz: (B, N, 3).
    """

    xyz: Float[Tensor, "batch n 3"]
    representation = "points"

    def split(self) -> list[Shape]:
        return [PointShape(cloud) for cloud in self.xyz.detach().float().cpu().numpy()]

    def tensors(self) -> dict[str, Tensor]:
        return {"xyz": self.xyz}

    def moved(self, turn: Float[Tensor, "batch 3 3"], scale: float) -> "Points":
        return replace(self, xyz=self.xyz @ (turn.to(self.xyz) * scale).mT)

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Patches(Points):
    """Surfaces made of patches that may be open, overlap and cut each other; every sample has the same faces.

    >>> import torch
    >>> shapes = Patches(torch.eye(3)[None], torch.tensor([[0, 1, 2]]), torch.tensor([0]))
    >>> shapes.split()[0].mesh().bounds.tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]

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
