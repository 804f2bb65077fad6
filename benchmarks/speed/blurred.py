"""Grids as a trained model gives them, without a training: made from the embedded data set's shapes.

A prediction is the mean of the true shape and of another one of its category, blurred and with smooth noise:
right in the large, wrong in the thin parts, with probabilities between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from datasets.sources.procedural import CATEGORIES, ProceduralConfig, ProceduralSource
from zoo.geometry.voxelize import solid
from zoo.seeding import rng

OTHER, BLUR, NOISE = 0.3, 1.2, 0.08
"""Share of the other shape; width of the blur in cells of 64; spread of the noise, which has that width."""


@dataclass(frozen=True)
class Pair:
    """A true grid (R, R, R) bool, and a predicted one float32 in [0, 1]."""

    category: str
    truth: np.ndarray
    prediction: np.ndarray


def pairs(count: int, resolution: int, seed: int = 0) -> list[Pair]:
    """Different shapes with their predictions, categories by turns."""
    each = max(2, -(-count // len(CATEGORIES)))  # a shape needs another one of its category
    source = ProceduralSource(ProceduralConfig(seed=seed, train=0, val=0, test=each))
    grids: dict[str, list[np.ndarray]] = {category: [] for category in CATEGORIES}
    for item in source.items():
        grids[item.category].append(solid(source.shape(item).mesh, resolution)[0])
    found = []
    for k in range(count):
        category, own = CATEGORIES[k % len(CATEGORIES)], k // len(CATEGORIES)
        truth, other = grids[category][own], grids[category][(own + 1) % each]
        found.append(Pair(category, truth, blurred(truth, other, rng(seed, "blurred", k))))
    return found


def blurred(truth: np.ndarray, other: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What a model might say of a shape."""
    width = BLUR * len(truth) / 64
    noise = ndimage.gaussian_filter(random.standard_normal(truth.shape, np.float32), width)
    mixed = ndimage.gaussian_filter((1 - OTHER) * truth + OTHER * other, width)
    return np.clip(mixed + NOISE * noise / noise.std(), 0, 1).astype(np.float32)
