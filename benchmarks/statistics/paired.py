"""Two rows on the same instances: their difference with its interval, sign-flip tests, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.statistics.bootstrap import resampled_means
from benchmarks.statistics.design import (
    BLOCK,
    Average,
    design_of,
    instance_shares,
    known_values,
    per_cluster,
    read_values,
)


@dataclass(frozen=True)
class Paired:
    """Difference a - b of two rows on the same instances.

    Attributes:
        low, high: 95 % percentile bootstrap interval, both rows on the same resampled shapes.
        p: two-sided, by flipping the sign of whole shapes' differences.
        n, clusters: instances and shapes that entered.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    clusters: int


def paired_differences(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
    *,
    average: Average = "instance",
    resamples: int = 10_000,
    flips: int = 10_000,
    seed: int = 0,
    omit_nan: bool = False,
) -> list[Paired]:
    """Mean of a - b of each pair over the same instances, its interval, and a sign-flip test.

    The interval resamples the same shapes for both rows; training seeds, which two models do not share, are
    resampled for each by itself. The test averages over seeds first, then flips the sign of all differences
    of a shape at once: under the null hypothesis either row could have given either value.
    p = (k + 1) / (flips + 1) with k the flips at least as extreme as what was seen (two-sided). Many pairs
    cost little more than one.

    Args:
        pairs: a and b of each, (S, N) or (N,), higher S where there are several training seeds; S may differ.
        omit_nan: leave out the instances where either is undefined.

    Raises:
        ValueError: as `benchmarks.statistics.bootstrap.cluster_bootstrap`.
    """
    design = design_of(clusters, strata, average)
    read = [(read_values(a, clusters), read_values(b, clusters)) for a, b in pairs]
    known = [
        np.logical_and.reduce(np.vstack([known_values(t, omit_nan) for t in sides]), axis=0) for sides in read
    ]
    there = [k for k, both in enumerate(known) if both.any()]
    sides = [[per_cluster(t, np.broadcast_to(known[k], t.shape), design) for t in read[k]] for k in there]
    drawn = resampled_means(sides, design, average, resamples, seed)
    gains = np.zeros((len(there), design.clusters))
    for gain, k in zip(gains, there, strict=True):
        difference = np.where(known[k], read[k][0].mean(0) - read[k][1].mean(0), 0.0)
        gain += np.bincount(
            design.cluster, difference * instance_shares(known[k], design, average), design.clusters
        )
    found = [Paired(math.nan, math.nan, math.nan, math.nan, 0, 0) for _ in pairs]
    for k, means, gain, p in zip(there, drawn, gains, _sign_flips(gains, flips, seed), strict=True):
        low, high = np.nanpercentile(means[0][1:] - means[1][1:], (2.5, 97.5))
        shapes = len(np.unique(design.cluster[known[k]]))
        found[k] = Paired(float(gain.sum()), float(low), float(high), p, int(known[k].sum()), shapes)
    return found


def wins(a: np.ndarray, b: np.ndarray, better: Literal["higher", "lower"]) -> np.ndarray:
    """How often a beats b on each instance (N,), over all pairs of their seeds; a tie counts half.

    Its mean over instances is the probability of improvement (Agarwal et al. 2021): one half says nothing; a
    mean may be better while most instances are worse.

    Args:
        a, b: (S, N); S may differ.
    """
    sign = 1.0 if better == "higher" else -1.0
    gain = sign * (a[:, None] - b[None])
    found: np.ndarray = np.where(np.isnan(gain), np.nan, (np.sign(gain) + 1) / 2).mean((0, 1))
    return found


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted for being one of several tests (Holm 1979), in the order given.

    The k-th smallest of m is multiplied by m - k + 1, made monotone and capped at 1. NaN (nothing to test)
    stays NaN and does not count.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError(f"p-values must lie in [0, 1], got {list(p_values)}")
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def _sign_flips(gains: np.ndarray, flips: int, seed: int) -> list[float]:
    """Two-sided p of the sum of each row (P, K) under independent signs, the same for all rows.

    Rounding does not decide about equal sums.
    """
    if not len(gains):
        return []
    rng = np.random.default_rng([seed, 1])
    seen = np.abs(gains.sum(1)) * (1 - 1e-12)
    extreme, clusters = np.zeros(len(gains), int), gains.shape[1]
    size = max(1, BLOCK // clusters)
    for begin in range(0, flips, size):
        shape = (min(size, flips - begin), clusters)
        signs = rng.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1.0
        extreme += (np.abs(signs @ gains.T) >= seen).sum(0)
    return [float(p) for p in (extreme + 1) / (flips + 1)]
