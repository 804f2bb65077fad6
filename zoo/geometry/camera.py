"""The pinhole camera of the zoo: it looks at the object's centre from a direction and a distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np

R2N2_FOV = math.degrees(2 * math.atan(16 / 35))
"""Vertical field of view of 3D-R2N2's renders: a lens of 35 mm on a sensor of 32 mm, 49.1 degrees."""


@no_type_check  # for run-time checkers, which refuse the whole degrees that everyone writes
@dataclass(frozen=True)
class Camera:
    """An object-centred camera looking at the origin, y of the object upwards in the image.

    Camera axes are OpenCV's: x right, y down, z forward along the optical axis. Pixel (column i, row j)
    covers [i, i+1] x [j, j+1]; the principal point is the middle of the image, (W/2, H/2).

    Attributes:
        azimuth: degrees; 0 sees the object's front from the +x side; grows counter-clockwise seen from
            above, so that 90 looks from -z.
        elevation: degrees above the horizontal plane.
        distance: from the origin to the optical centre, in cube edges.
        in_plane: degrees; positive turns the image of the object clockwise.
        fov: vertical field of view in degrees.
    """

    azimuth: float
    elevation: float
    distance: float
    in_plane: float = 0.0
    fov: float = R2N2_FOV

    def __post_init__(self) -> None:
        values = (self.azimuth, self.elevation, self.distance, self.in_plane, self.fov)
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"camera parameters must be finite, got {self}")
        if self.distance <= 0:
            raise ValueError(f"camera distance must be positive, got {self.distance}")
        if not 0 < self.fov < 180:
            raise ValueError(f"field of view must be between 0 and 180 degrees, got {self.fov}")

    @property
    def position(self) -> np.ndarray:
        """Optical centre in the object frame (3,)."""
        return -self.distance * self._rotation()[2]

    def matrix(self) -> np.ndarray:
        """Rigid transform (4, 4) float64 that takes object coordinates to camera coordinates."""
        matrix = np.eye(4)
        matrix[:3, :3] = self._rotation()
        matrix[2, 3] = self.distance
        return matrix

    def focal(self, size: tuple[int, int]) -> float:
        """Focal length in pixels for an image (height, width): 35/32 x height by default."""
        return 0.5 * size[0] / math.tan(math.radians(self.fov) / 2)

    def project(self, points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Where points of the object appear.

        Args:
            points: (N, 3) in the object frame.
            size: image (height, width).

        Returns:
            uv (N, 2), column and row in pixels, NaN for points that are not in front of the camera; and
            depth (N,), the distance along the optical axis.
        """
        x, y, depth = (np.asarray(points, dtype=np.float64) @ self._rotation().T).T
        depth = depth + self.distance
        scale = self.focal(size) / np.where(depth > 0, depth, np.nan)
        return np.stack([size[1] / 2 + scale * x, size[0] / 2 + scale * y], axis=1), depth

    def as_row(self) -> np.ndarray:
        """Azimuth, elevation, in-plane, distance, field of view (5,) float32, as `Batch.camera` holds it."""
        row = (self.azimuth, self.elevation, self.in_plane, self.distance, self.fov)
        return np.array(row, dtype=np.float32)

    @classmethod
    def from_row(cls, row: np.ndarray) -> Camera:
        """The camera that `as_row` wrote.

        Raises:
            ValueError: `row` does not have five entries, or they make no camera.
        """
        if np.shape(row) != (5,):
            raise ValueError(f"a camera row has 5 entries, got shape {np.shape(row)}")
        azimuth, elevation, in_plane, distance, fov = (float(v) for v in row)
        return cls(azimuth, elevation, distance, in_plane, fov)

    def _rotation(self) -> np.ndarray:
        """Rows are the camera's x, y and z axes in the object frame; defined at the poles too."""
        azimuth, elevation, roll = map(math.radians, (self.azimuth, self.elevation, self.in_plane))
        ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
        right = np.array([-sa, 0.0, -ca])
        down = np.array([se * ca, -ce, -se * sa])
        forward = np.array([-ce * ca, -se, ce * sa])
        cr, sr = math.cos(roll), math.sin(roll)
        return np.stack([cr * right - sr * down, sr * right + cr * down, forward])
