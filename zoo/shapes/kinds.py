"""The shapes that the zoo's own decoders and readers make: grids, meshes, patches and points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from zoo.geometry.mesh import Mesh
from zoo.geometry.resample import resample
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes
from zoo.shapes.shape import Shape


@dataclass(frozen=True)
class VoxelShape(Shape):
    """Occupancy probabilities on a regular grid (R, R, R), float or bool.

    >>> import numpy as np
    >>> cells = np.zeros((8, 8, 8))
    >>> cells[2:6, 2:6, 2:6] = 0.3
    >>> VoxelShape(cells).mesh() is None  # nothing reaches one half
    True
    >>> VoxelShape(cells, level=0.2).mesh().bounds.round(2)
    array([[-0.23, -0.23, -0.23],
           [ 0.23,  0.23,  0.23]])

    Attributes:
        level: probability of the surface where nobody says another: the threshold of the model's decision.
            One half, where a cell is as likely inside as outside, for whatever was never measured, and for
            true shapes.
    """

    has_field: ClassVar[bool] = True

    occupancy: np.ndarray
    level: float = field(default=0.5, kw_only=True)
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

    @property
    def grid(self) -> np.ndarray:
        return self.occupancy

    def mesh(self, level: float | None = None) -> Mesh | None:
        level = self._level(level)
        if level not in self._meshes:
            mesh = marching_cubes(self.occupancy, level)
            self._meshes[level] = mesh if len(mesh.faces) else None
        return self._meshes[level]

    def points(self, n: int, rng: np.random.Generator, level: float | None = None) -> np.ndarray:
        mesh = self.mesh(level)
        return np.zeros((0, 3)) if mesh is None else sample_surface(mesh, n, rng)

    def voxels(self, resolution: int) -> np.ndarray:
        return resample(self.occupancy.astype(np.float32), resolution)

    def equals(self, other: Shape) -> bool:
        return isinstance(other, VoxelShape) and np.array_equal(self.occupancy, other.occupancy)

    def _level(self, level: float | None) -> float:
        return self.level if level is None else level

    def _said_of_level(self, level: float | None) -> str:
        highest = float(self.occupancy.max())
        return (
            f" at level {self._level(level):g}, its highest probability is {highest:.3g}; give a lower "
            f"level, or save the probabilities as .npz"
        )


@dataclass(frozen=True)
class MeshShape(Shape):
    """A triangle mesh, possibly open: it has a surface, but no volume is claimed.

    >>> import numpy as np
    >>> from zoo.geometry.mesh import Mesh
    >>> shape = MeshShape(Mesh(np.eye(3), np.array([[0, 1, 2]])))
    >>> shape.points(100, np.random.default_rng(0)).shape, shape.voxels(32) is None
    ((100, 3), True)
    >>> shape.formats
    ('.obj', '.ply', '.glb', '.stl', '.off')
    """

    surface: Mesh

    def mesh(self, level: float | None = None) -> Mesh | None:
        return self.surface if len(self.surface.faces) else None

    def points(self, n: int, rng: np.random.Generator, level: float | None = None) -> np.ndarray:
        return sample_surface(self.surface, n, rng) if len(self.surface.faces) else np.zeros((0, 3))

    def equals(self, other: Shape) -> bool:
        if not isinstance(other, MeshShape):
            return False
        ours, theirs = self.surface, other.surface
        return np.array_equal(ours.vertices, theirs.vertices) and np.array_equal(ours.faces, theirs.faces)


@dataclass(frozen=True)
class PatchShape(MeshShape):
    """A mesh made of patches.

    >>> import numpy as np
    >>> from zoo.geometry.mesh import Mesh
    >>> PatchShape(Mesh(np.eye(3), np.array([[0, 1, 2]])), patch=np.array([0])).mesh().faces.tolist()
    [[0, 1, 2]]

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

    @property
    def parts(self) -> np.ndarray:
        return self.patch


@dataclass(frozen=True)
class PointShape(Shape):
    """A fixed point cloud (N, 3).

    Asked for fewer points, it gives a random subset; asked for more, every point once and the rest drawn
    again from them, so that a small cloud is never flattered by invented points.

    >>> import numpy as np
    >>> cloud = PointShape(np.eye(3))
    >>> cloud.points(5, np.random.default_rng(0)).shape, cloud.mesh() is None
    ((5, 3), True)
    """

    cloud: np.ndarray

    def __post_init__(self) -> None:
        if self.cloud.ndim != 2 or self.cloud.shape[1] != 3:
            raise ValueError(f"a point cloud must be (N, 3), got {self.cloud.shape}")
        if not np.isfinite(self.cloud).all():
            raise ValueError("point cloud holds NaN or infinity")

    @property
    def own_points(self) -> np.ndarray:
        return self.cloud

    def points(self, n: int, rng: np.random.Generator, level: float | None = None) -> np.ndarray:
        count = len(self.cloud)
        if count == 0:
            return np.zeros((0, 3))
        whole, rest = divmod(n, count)
        picks = [np.arange(count)] * whole + [rng.permutation(count)[:rest]]
        return np.asarray(self.cloud, dtype=np.float64)[np.concatenate(picks)]

    def bounds(self, level: float | None = None) -> np.ndarray | None:
        return np.stack([self.cloud.min(0), self.cloud.max(0)]) if len(self.cloud) else None

    def equals(self, other: Shape) -> bool:
        return isinstance(other, PointShape) and np.array_equal(self.cloud, other.cloud)
