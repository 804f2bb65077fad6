"""Descriptors of shapes: what a frozen discriminator answers to them, and the shapes themselves."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from zoo.discriminators import Discriminator
from zoo.types import ContractError

LAYERS = slice(1, 4)
"""Convolutions that are read: the second to the fourth."""
SIDE = 8
"""Cells along each edge of the max-pooled voxels."""
BATCH = 32
"""Shapes at once."""


@torch.inference_mode()
def discriminator_features(discriminator: Discriminator, voxels: np.ndarray) -> np.ndarray:
    """Responses of convolutions 2 to 4, each max-pooled to half its side, joined: (N, F) float64.

    At 64^3 the sides are 8, 4 and 2; smaller grids have the last of them only.

    Args:
        discriminator: in evaluation mode.
        voxels: (N, R, R, R) float32.

    Raises:
        ContractError: it has fewer than two convolutions to read.
    """
    parts = []
    for batch in torch.from_numpy(voxels).split(BATCH):
        responses = discriminator.responses(batch)[LAYERS]
        if not responses:
            raise ContractError(
                f"{type(discriminator).__name__} gives no responses of a second convolution to describe by"
            )
        parts.append(torch.cat([F.max_pool3d(r, 2).flatten(1) for r in responses], 1))
    return torch.cat(parts).double().numpy()


def pooled_voxels(voxels: np.ndarray) -> np.ndarray:
    """The shapes themselves, max-pooled to side `SIDE`: (N, SIDE^3) float64."""
    pooled = F.adaptive_max_pool3d(torch.from_numpy(voxels).unsqueeze(1), SIDE)
    return pooled.flatten(1).double().numpy()
