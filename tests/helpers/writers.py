"""Files as other people's programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat


def write_voxel_mat(path: Path, voxels: np.ndarray, variable: str = "voxel") -> None:
    """Write a grid as Pix3D does, compressed; the axes stay as they are."""
    savemat(path, {variable: voxels}, appendmat=False, do_compression=True)


def write_points(path: Path, points: np.ndarray, normals: np.ndarray | None = None) -> None:
    """Write a cloud as .npz, as Occupancy Networks do."""
    np.savez(path, points=points, **({} if normals is None else {"normals": normals}))
