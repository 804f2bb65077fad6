"""The pinhole camera of the zoo: it looks at the object's centre from a direction and a distance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import no_type_check

import numpy as np

R2N2_FOV = math.degrees(2 * math.atan(16 / 35))
"""Vertical field of view of 3D-R2N2's renders: a lens of 35 mm on a sensor of 32 mm, 49.1 degrees."""

ROW = ("azimuth", "elevation", "in_plane", "distance", "fov", "cx", "cy")
"""Order of a camera's numbers where it is stored as a row."""


@no_type_check  # for run-time checkers, which refuse the whole degrees that everyone writes
@dataclass(frozen=True)
class Camera:
    """An object-centred camera looking at the origin, y of the object upwards in the image.

    Camera axes are OpenCV's: x right, y down, z forward along the optical axis. Pixel (column i, row j)
    covers [i, i+1] x [j, j+1]; the principal point is the middle of the image, (W/2, H/2), unless the
    picture is a crop away from it.

    Attributes:
        azimuth: degrees; 0 sees the object's front from the +x side; grows counter-clockwise seen from
            above, so that 90 looks from -z.
        elevation: degrees above the horizontal plane.
        distance: from the origin to the optical centre, in cube edges.
        in_plane: degrees; positive turns the image of the object clockwise.
        fov: vertical field of view in degrees.
        cx, cy: where the principal point lies, right of and below the middle, in image heights.

    >>> import numpy as np, zoo
    >>> camera = zoo.Camera(azimuth=0, elevation=0, distance=2)
    >>> camera.project(np.zeros((1, 3)), (64, 64))  # the origin: its pixel and its depth
    (array([[32., 32.]]), array([2.]))
    """

    azimuth: float
    elevation: float
    distance: float
    in_plane: float = 0.0
    fov: float = R2N2_FOV
    cx: float = 0.0
    cy: float = 0.0

    def __post_init__(self) -> None:
        values = (self.azimuth, self.elevation, self.distance, self.in_plane, self.fov, self.cx, self.cy)
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
        column, row = self.principal(size)
        return np.stack([column + scale * x, row + scale * y], axis=1), depth

    def principal(self, size: tuple[int, int]) -> tuple[float, float]:
        """Column and row, in pixels, of the point where the optical axis meets an image (height, width)."""
        return size[1] / 2 + self.cx * size[0], size[0] / 2 + self.cy * size[0]

    def as_row(self) -> np.ndarray:
        """The numbers of `ROW` (7,) float32, as `Batch.camera` holds them."""
        return np.array([getattr(self, name) for name in ROW], dtype=np.float32)

    @classmethod
    def from_row(cls, row: np.ndarray) -> Camera:
        """The camera that `as_row` wrote.

        Raises:
            ValueError: `row` does not have seven entries, or they make no camera.
        """
        if np.shape(row) != (len(ROW),):
            raise ValueError(f"a camera row has {len(ROW)} entries, got shape {np.shape(row)}")
        return cls(**dict(zip(ROW, map(float, row), strict=True)))

    @classmethod
    def from_pose(cls, rotation: np.ndarray, translation: np.ndarray, fov: float) -> Camera:
        """The camera whose coordinates of an object point X are rotation @ X + translation.

        A camera here looks at the origin. One that looks past it is turned towards the origin, and its
        picture shifted by the principal point: direction, distance and the place of the origin stay
        exact, the perspective stretch away from the optical axis is lost. At an angle t between axis and
        origin that stretch is 1 / cos(t) across and 1 / cos(t)^2 along, so keep t to a few degrees.

        Args:
            rotation: (3, 3), object to camera (x right, y down, z forward).
            translation: (3,) the origin in camera coordinates, in cube edges.
            fov: vertical field of view in degrees, of a picture with its principal point in the middle.

        Raises:
            ValueError: `rotation` is none, or the origin is not in front of the camera.
        """
        x, _, z = turn_towards(translation) @ _proper(rotation)
        elevation = math.degrees(math.asin(max(-1.0, min(1.0, -z[1]))))
        # straight above or below any azimuth will do; the in-plane turn is measured against it
        upright = cls(
            math.degrees(math.atan2(z[2], -z[0])), elevation, float(np.linalg.norm(translation)), fov=fov
        )
        right, down, _ = upright._rotation()
        in_plane = math.degrees(math.atan2(-(x @ down), x @ right))
        cx, cy = translation[:2] / translation[2] / (2 * math.tan(math.radians(fov) / 2))
        return replace(upright, in_plane=in_plane, cx=float(cx), cy=float(cy))

    def _rotation(self) -> np.ndarray:
        """Rows are the camera's x, y and z axes in the object frame; defined at the poles too."""
        azimuth, elevation, roll = map(math.radians, (self.azimuth, self.elevation, self.in_plane))
        ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
        right = np.array([-sa, 0.0, -ca])
        down = np.array([se * ca, -ce, -se * sa])
        forward = np.array([-ce * ca, -se, ce * sa])
        cr, sr = math.cos(roll), math.sin(roll)
        return np.stack([cr * right - sr * down, sr * right + cr * down, forward])


def turn_towards(direction: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) of camera coordinates that puts a direction onto the optical axis.

    Args:
        direction: (3,) in camera coordinates, of any length, in front of the camera.

    Raises:
        ValueError: the direction is not in front of the camera.
    """
    direction = np.asarray(direction, dtype=np.float64)
    if not direction[2] > 0:
        raise ValueError(f"direction {direction.tolist()} is not in front of the camera")
    x, y, z = direction / np.linalg.norm(direction)
    k = 1 / (1 + z)
    return np.array([[1 - k * x * x, -k * x * y, -x], [-k * x * y, 1 - k * y * y, -y], [x, y, z]])


def _proper(rotation: np.ndarray) -> np.ndarray:
    """A measured rotation (3, 3) without its rounding: the nearest orthogonal matrix.

    Raises:
        ValueError: it is no rotation, to a hundredth.
    """
    matrix = np.asarray(rotation, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"a rotation is (3, 3) and finite, got {matrix.tolist()}")
    u, stretch, v = np.linalg.svd(matrix)
    if np.abs(stretch - 1).max() > 0.01 or np.linalg.det(matrix) < 0:
        raise ValueError(f"{np.round(matrix, 3).tolist()} is no rotation")
    return u @ v
