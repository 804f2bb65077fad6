"""What pictures are compared by when a shape is recognised: grey pixels, or what a network makes of them.

A feature turns a picture into a vector; the nearer two vectors (L2), the more alike their pictures. Networks
are loaded when a control first asks for them: a table whose cells are all there loads none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import torch

    from benchmarks.session import ModelCell
    from zoo.preprocess import PreprocessConfig

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
        load: makes what describes pictures.
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


def latent_feature(cell: ModelCell, device: torch.device) -> Feature | None:
    """The mean of a trained model's latent: what the model itself takes for alike.

    Told from others by its cell, so that a result is found again when the weights are gone. None for a model
    that reads more than the picture.
    """
    if cast("PreprocessConfig", cell.config.preprocess).depth:
        return None

    def load() -> Describe:
        import torch

        from zoo.training.checkpoint import load_pretrained

        model = load_pretrained(cell.run_dir).to(device)

        @torch.inference_mode()
        def describe(images: np.ndarray) -> np.ndarray:
            found = []
            for rgba in torch.from_numpy(images).permute(0, 3, 1, 2).unsqueeze(1).split(BATCH):
                seen = model(model.preprocess(rgba.contiguous().to(device)), until="latent")
                found.append(seen.latent.mean.flatten(1).float().cpu().numpy())
            return np.concatenate(found)

        return describe

    name = cell.config.name
    return Feature(name, f"latent of {name}", {"latent": cell.hash}, load)


def _area_weights(pixels: int, size: int) -> np.ndarray:
    """Matrix (size, pixels) that averages over equal intervals, splitting the pixels that lie across one."""
    edges = np.arange(size + 1) * pixels / size
    starts = np.arange(pixels)
    covered = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.clip(covered, 0, None) * size / pixels).astype(np.float32)
