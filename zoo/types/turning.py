"""A grid seen in a turned and scaled frame."""

import torch
import torch.nn.functional as F
from torch import Tensor


def resampled(grid: Tensor, turn: Tensor, span: float) -> Tensor:
    """Grid (B, R, R, R) seen in a frame with p_frame = turn @ p / span, trilinear, empty outside.

    Args:
        turn: rotations (B, 3, 3).
        span: edge of the frame's cube in edges of the grid's own.
    """
    r = grid.shape[-1]
    ticks = (torch.arange(r, device=grid.device, dtype=grid.dtype) + 0.5) / r - 0.5
    places = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(1, -1, 3)
    places = span * places @ turn  # rows times R is R^T times columns
    # grid_sample's first coordinate runs along the last axis
    places = 2 * places.flip(-1).reshape(len(grid), r, r, r, 3)
    return F.grid_sample(grid[:, None], places, align_corners=False)[:, 0]
