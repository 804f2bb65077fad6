"""The surface of an occupancy grid."""

from __future__ import annotations

import numpy as np
from skimage import measure

from zoo.geometry.mesh import Mesh

MARGIN = 1e-3
"""Least difference between a value and the level: below it triangles collapse in single precision."""


def marching_cubes(volume: np.ndarray, level: float) -> Mesh:
    """Closed surface between the cells with value >= `level` and the others, in the canonical frame.

    Lewiner et al. 2003 (scikit-image), on the grid padded with one layer of zeros, so that shapes which
    touch the border stay closed. For a binary grid and level 0.5 the surface lies halfway between cell
    centres, hence on the cells' faces: a block of n cells gets an extent of exactly n / R.

    Args:
        volume: (R, R, R) bool or real, zero meaning empty.
        level: above 0; 0.5 for binary grids.

    Returns:
        Mesh with outward orientation; 0 faces when no cell reaches the level.

    Raises:
        ValueError: `volume` is no cube or not finite, or `level` is not above 0.
    """
    if volume.ndim != 3 or len(set(volume.shape)) != 1 or volume.shape[0] == 0:
        raise ValueError(f"volume must be a cube (R, R, R), got {volume.shape}")
    if not level > 0:
        raise ValueError(f"level must be above 0, the value of empty space, got {level}")
    values = np.pad(volume.astype(np.float32), 1)
    if not np.isfinite(values).all():
        raise ValueError("volume holds NaN or infinity")
    inside = values >= np.float32(level)
    if not inside.any():
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    # "ascent" gives outward normals in array coordinates, whatever scikit-image means by it; a test holds it.
    # A value equal to the level would put vertices of several edges into one point
    margin = min(MARGIN, level / 2)
    values = np.where(inside, np.maximum(values, level + margin), np.minimum(values, level - margin))
    vertices, faces, _, _ = measure.marching_cubes(
        values.astype(np.float32), level, gradient_direction="ascent", allow_degenerate=True
    )
    # index i of the padded grid is the centre of cell i - 1
    return Mesh((vertices.astype(np.float64) - 0.5) / volume.shape[0] - 0.5, faces)
