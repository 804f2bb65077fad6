"""What a shape can be asked: the contract of every representation, on the side of numpy."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from zoo.geometry.mesh import Mesh
from zoo.shapes.saving import GRIDS, MESHES, POINTS, check_suffix, grid_bytes, mesh_bytes, points_bytes, write


class Shape(ABC):
    """A single shape that can be sampled, and voxelised, meshed and saved where that is defined.

    A new representation overrides `points`, and of the others what it has an answer to. Where a method takes
    a ``level``, the occupancy probability of the surface, None stands for the shape's own: that of the
    model's decision, see `zoo.model.decision`.

    Attributes:
        has_field: the shape is a field of probabilities, whose surface depends on a level; a benchmark
            chooses a threshold for it. All others ignore the level.

    >>> import numpy as np, zoo
    >>> cube = np.zeros((8, 8, 8), np.float32)
    >>> cube[2:6, 2:6, 2:6] = 1
    >>> shape = zoo.VoxelShape(cube)
    >>> shape.points(100, np.random.default_rng(0)).shape, float(shape.voxels(4).sum())
    ((100, 3), 8.0)
    >>> shape.save("cube.glb").name
    'cube.glb'
    """

    has_field: ClassVar[bool] = False

    @abstractmethod
    def points(self, n: int, rng: np.random.Generator, level: float | None = None) -> np.ndarray:
        """`n` points (n, 3) float64, uniform by area on the surface; (0, 3) when the shape is empty."""

    def voxels(self, resolution: int) -> np.ndarray | None:
        """Occupancy probabilities (R, R, R) float32 in [0, 1], or None where undefined (open surfaces)."""
        return None

    def mesh(self, level: float | None = None) -> Mesh | None:
        """Surface mesh, or None where there is none (points) or it is empty."""
        return None

    @property
    def grid(self) -> np.ndarray | None:
        """The grid (R, R, R) that the shape is made of, bool or probabilities; None of any other kind."""
        return None

    @property
    def own_points(self) -> np.ndarray | None:
        """The points (N, 3) that the shape is made of; None of any other kind."""
        return None

    @property
    def parts(self) -> np.ndarray | None:
        """The part (F,) int64 that each face of the mesh belongs to, from 0 on; None without parts."""
        return None

    def bounds(self, level: float | None = None) -> np.ndarray | None:
        """Lower and upper corner (2, 3) of the surface; None when it is empty."""
        mesh = self.mesh(level)
        return None if mesh is None else mesh.bounds

    def equals(self, other: Shape) -> bool:
        """Whether both are of one kind and hold equal arrays; the level is no part of it."""
        return self is other

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of the files that `save` can write."""
        if self.own_points is not None:
            return POINTS
        return MESHES if self.grid is None else (*MESHES, *GRIDS)

    def save(self, path: str | os.PathLike[str], level: float | None = None) -> Path:
        """Write the shape into one file, atomically; the suffix says what.

        - ``.obj .ply .glb .stl .off``: the surface mesh at the level. In glTF (.glb) the front looks along
          +z, as its standard has it; in the others along +x, as here. y is up in all of them.
        - ``.npz .npy``: a grid's probabilities, in the npz under the name 'voxels'; points, under 'points'.
        - ``.binvox``: the cells of a grid whose probability reaches the level.
        - ``.ply``, of points: a cloud.

        The data set 'folder' reads each of the meshes and binvox back as they were; `benchmarks.evaluate`
        reads all of them, with the axes of the file, so that a .glb is compared with other .glb alone.

        Returns:
            The path.

        Raises:
            FormatError: another suffix; says which this shape can be saved as.
            EmptyShapeError: there is no surface at the level, or no point.
            zoo.files.WriteError: the file cannot be written.
        """
        path = Path(path)
        suffix = check_suffix(path, self.formats)
        if self.own_points is not None:
            data = points_bytes(self.own_points, suffix, path)
        elif self.grid is not None and suffix in GRIDS:
            data = grid_bytes(self.grid, suffix, self._level(level))
        else:
            data = mesh_bytes(self.mesh(level), suffix, path, self._said_of_level(level))
        return write(path, data)

    def _level(self, level: float | None) -> float:
        return 0.5 if level is None else level

    def _said_of_level(self, level: float | None) -> str:
        """What the message about an empty surface says besides."""
        return ""
