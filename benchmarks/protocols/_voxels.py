"""The true grid of the voxel protocols, 32^3."""

from __future__ import annotations

import numpy as np

from benchmarks.protocols import Truth, TruthError
from zoo.geometry.resample import resample

SIZE = 32


def true_grid(truth: Truth) -> np.ndarray | None:
    """Occupied cells (32, 32, 32) bool; None for a truth without voxels.

    Raises:
        TruthError: nothing is occupied, or nothing is left at 32^3.
    """
    truth.check()
    if truth.grid is None:
        return None
    grid = resample(truth.grid, SIZE) >= np.float32(0.5)
    if not grid.any():
        raise TruthError(
            f"true shape '{truth.id}' has no cell that is half full at {SIZE}^3; measure by a protocol "
            f"that compares at its own {len(truth.grid)}^3"
        )
    return grid
