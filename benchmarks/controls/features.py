"""What pictures are compared by when a shape is recognised: grey pixels, or what a network makes of them.

A feature turns a picture into a vector; the nearer two vectors (L2), the more alike their pictures. Networks
are loaded when a control first asks for them: a table whose cells are all there loads none. They read `BATCH`
pictures at a time, never fewer, so that a vector does not depend on how many others are asked for with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


FEATURE_SIZE = 16
"""Edge of the downsampled picture that pixels are compared at."""
BACKGROUND = 240
"""Grey that transparent pixels are filled with, as in 3D-R2N2's test protocol."""
BATCH = 64
"""Pictures that a network reads at a time."""

Describe = Callable[[np.ndarray], np.ndarray]
"""Pictures (M, H, W, 4) uint8, straight alpha -> one vector each, (M, D) float32."""


@dataclass(frozen=True)
class Feature:
    """A network's way to compare pictures.

    Attributes:
        name: stands in brackets behind the names of the controls that use it.
        words: what the table calls it.
        identity: JSON that tells its vectors from all others; part of what names a control's result.
        load: makes what describes pictures; picklable, for a control is measured where there is room.
    """

    name: str
    words: str
    identity: dict[str, Any]
    load: Callable[[], Describe]

    @cached_property
    def describe(self) -> Describe:
        """Loaded once, at the first use."""
        return self.load()


def image_features(images: np.ndarray, size: int = FEATURE_SIZE) -> np.ndarray:
    """Pictures as short vectors: filled background, luma (BT.601), averaged over size x size equal areas.

    Args:
        images: (M, H, W, 4) uint8, straight alpha.

    Returns:
        (M, size * size) float32 in [0, 1].
    """
    if images.ndim != 4 or images.shape[-1] != 4 or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (M, H, W, 4), got {images.dtype} {images.shape}")
    values = images.astype(np.float32)
    alpha = values[..., 3] / 255
    grey = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    filled = (grey * alpha + BACKGROUND * (1 - alpha)) / 255
    rows, columns = (_area_weights(n, size) for n in filled.shape[1:])
    return (rows @ filled @ columns.T).reshape(len(images), -1)


def mask_features(images: np.ndarray, size: int = FEATURE_SIZE) -> np.ndarray:
    """Opacity of pictures (M, H, W, 4) uint8 averaged over size x size areas: (M, size^2) in [0, 1]."""
    alpha = images[..., 3].astype(np.float32) / 255
    rows, columns = (_area_weights(n, size) for n in alpha.shape[1:])
    return (rows @ alpha @ columns.T).reshape(len(images), -1)


def in_batches(images: np.ndarray, describe: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """Vectors (M, D) of pictures (M, H, W, 4), described `BATCH` at a time.

    Args:
        describe: (BATCH, 4, H, W) uint8 on the CPU -> (BATCH, D); the last batch is filled up.
    """
    import torch

    filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % BATCH, axis=0)])
    batches = torch.from_numpy(filled).permute(0, 3, 1, 2).contiguous().split(BATCH)
    return np.concatenate([describe(batch).float().cpu().numpy() for batch in batches])[: len(images)]


def _area_weights(pixels: int, size: int) -> np.ndarray:
    """Matrix (size, pixels) that averages over equal intervals, splitting the pixels that lie across one."""
    edges = np.arange(size + 1) * pixels / size
    starts = np.arange(pixels)
    covered = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.clip(covered, 0, None) * size / pixels).astype(np.float32)
