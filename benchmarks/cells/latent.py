"""A trained model's latent as a way to compare pictures: what the model itself takes for alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch

from benchmarks.cells.cell import ModelCell
from benchmarks.controls.features import Describe, Feature, in_batches
from zoo.system.source import require_code
from zoo.training.checkpoint import load_pretrained
from zoo.types import Latent


def latent_feature(cell: ModelCell, device: torch.device) -> Feature | None:
    """The mean of a trained model's latent.

    Told from others by its cell, so that a result is found again when the weights are gone. None for a model
    that reads more than the picture.
    """
    if cell.config.preprocess.depth:
        return None
    name = cell.config.name
    load = partial(_load_latent, cell.run_dir, dict(cell.code), device)
    return Feature(name, f"latent of {name}", {"latent": cell.hash}, load)


def _load_latent(run_dir: Path, code: dict[str, str], device: torch.device) -> Describe:
    model = load_pretrained(run_dir).to(device)
    require_code(code, model.config)

    def means(rgba: torch.Tensor) -> torch.Tensor:
        pictures = model.preprocess(rgba.unsqueeze(1).to(device))
        return cast(Latent, model(pictures, until="latent").latent).mean.flatten(1)

    def describe(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return in_batches(images, means)

    return describe
