"""One predicted or true 3D shape, as everything after the network sees it: numpy only, picklable.

Metrics, controls and galleries take a `Shape` and never ask what kind of network made it. The module
does not import torch, so that processes which only score start in a moment.

Frame and units (see also `zoo.types`): object-centred canonical pose, right-handed, y up, inside the
unit cube [-0.5, 0.5]^3; lengths in cube edges. A voxel array is indexed [x][y][z]; the centre of cell i
of R lies at (i + 0.5) / R - 0.5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from zoo.geometry.mesh import Mesh
from zoo.geometry.resample import resample
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes


class Shape(ABC):
    """A single shape that can be sampled, and voxelised or meshed where that is defined."""

    @abstractmethod
    def points(self, n: int, rng: np.random.Generator, level: float = 0.5) -> np.ndarray:
        """`n` points (n, 3) float64, uniform by area on the surface; (0, 3) when the shape is empty.

        Args:
            level: occupancy probability of the surface; ignored by shapes that have no field.
        """

    def voxels(self, resolution: int) -> np.ndarray | None:
        """Occupancy probabilities (R, R, R) float32 in [0, 1], or None where undefined (open surfaces)."""
        return None

    def mesh(self, level: float = 0.5) -> Mesh | None:
        """Surface mesh, or None where there is none (points) or it is empty."""
        return None


@dataclass(frozen=True)
class VoxelShape(Shape):
    """Occupancy probabilities on a regular grid (R, R, R), float or bool."""

    occupancy: np.ndarray
    _meshes: dict[float, Mesh | None] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = self.occupancy.shape
        if len(shape) != 3 or len(set(shape)) != 1:
            raise ValueError(f"voxels must be a cube (R, R, R), got {shape}")
        if self.occupancy.dtype != np.bool_ and not np.isfinite(self.occupancy).all():
            raise ValueError("voxel probabilities hold NaN or infinity")

    @property
    def resolution(self) -> int:
        return int(self.occupancy.shape[0])

    def mesh(self, level: float = 0.5) -> Mesh | None:
        if level not in self._meshes:
            mesh = marching_cubes(self.occupancy, level)
            self._meshes[level] = mesh if len(mesh.faces) else None
        return self._meshes[level]

    def points(self, n: int, rng: np.random.Generator, level: float = 0.5) -> np.ndarray:
        mesh = self.mesh(level)
        return np.zeros((0, 3)) if mesh is None else sample_surface(mesh, n, rng)

    def voxels(self, resolution: int) -> np.ndarray:
        return resample(self.occupancy.astype(np.float32), resolution)


@dataclass(frozen=True)
class MeshShape(Shape):
    """A triangle mesh, possibly open: it has a surface, but no volume is claimed."""

    surface: Mesh

    def mesh(self, level: float = 0.5) -> Mesh | None:
        return self.surface if len(self.surface.faces) else None

    def points(self, n: int, rng: np.random.Generator, level: float = 0.5) -> np.ndarray:
        return sample_surface(self.surface, n, rng) if len(self.surface.faces) else np.zeros((0, 3))


@dataclass(frozen=True)
class PatchShape(MeshShape):
    """A mesh made of patches.

    Attributes:
        patch: (F) int64, the patch that each face belongs to, from 0 on.
    """

    patch: np.ndarray

    def __post_init__(self) -> None:
        if self.patch.shape != (len(self.surface.faces),):
            raise ValueError(
                f"patch must name one patch for each of {len(self.surface.faces)} faces, "
                f"got {self.patch.shape}"
            )


@dataclass(frozen=True)
class PointShape(Shape):
    """A fixed point cloud (N, 3).

    Asked for fewer points, it gives a random subset; asked for more, every point once and the rest drawn
    again from them, so that a small cloud is never flattered by invented points.
    """

    cloud: np.ndarray

    def __post_init__(self) -> None:
        if self.cloud.ndim != 2 or self.cloud.shape[1] != 3:
            raise ValueError(f"a point cloud must be (N, 3), got {self.cloud.shape}")
        if not np.isfinite(self.cloud).all():
            raise ValueError("point cloud holds NaN or infinity")

    def points(self, n: int, rng: np.random.Generator, level: float = 0.5) -> np.ndarray:
        count = len(self.cloud)
        if count == 0:
            return np.zeros((0, 3))
        whole, rest = divmod(n, count)
        picks = [np.arange(count)] * whole + [rng.permutation(count)[:rest]]
        return np.asarray(self.cloud, dtype=np.float64)[np.concatenate(picks)]
