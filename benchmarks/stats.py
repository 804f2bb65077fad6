"""Intervals and paired tests that know which instances belong together.

Several pictures of one shape are not independent, and neither are shapes of one category: resampling draws
shapes within categories and carries all pictures of a shape along. With several training seeds the seeds
are resampled too. Everything is computed from per-instance rows, with a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

Average = Literal["instance", "category"]
"""'instance': mean over instances. 'category': mean over categories of their instance means."""

BLOCK = 1 << 22
"""Cluster draws held at once."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % percentile bootstrap interval; NaN throughout where nothing is defined.

    Attributes:
        n: instances that entered; clusters: shapes; seeds: training seeds.
    """

    mean: float
    low: float
    high: float
    n: int
    clusters: int
    seeds: int


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


@dataclass(frozen=True)
class _Design:
    """Which cluster and stratum each instance belongs to, as integers; clusters sorted by stratum."""

    cluster: np.ndarray
    stratum_of: np.ndarray
    strata: int

    @property
    def clusters(self) -> int:
        return len(self.stratum_of)


def cluster_bootstrap(
    values: np.ndarray,
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
    *,
    average: Average = "instance",
    resamples: int = 10_000,
    seed: int = 0,
    omit_nan: bool = False,
) -> Interval:
    """Mean over instances with a 95 % percentile interval by resampling clusters within strata.

    With S > 1 the bootstrap has two levels: seeds are drawn with replacement, and shapes within categories;
    each drawn seed is read on all drawn shapes.

    Args:
        values: (S, N) or (N,): training seeds x instances.
        clusters: (N,) shape of each instance.
        strata: (N,) category of each instance; None for one stratum.
        average: 'category' weighs every category alike, and needs `strata`.
        omit_nan: leave undefined (NaN) values out, for means over the instances that did not fail; without
            it NaN must be everywhere (not defined for this row) or nowhere.

    Raises:
        ValueError: shapes do not fit, a shape in two categories, a mixture of NaN and numbers.
    """
    table = _values(values, clusters)
    known = _known(table, omit_nan)
    design = _design(clusters, strata, average)
    if not known.any():
        return Interval(math.nan, math.nan, math.nan, 0, 0, len(table))
    sums, counts = _per_cluster(table, known, design)
    once = np.ones((1, design.clusters)), np.ones((1, len(table)))
    mean = float(_means(*once, sums, counts, design, average)[0])
    draws = [
        _means(w, _seed_weights(len(table), len(w), rng), sums, counts, design, average)
        for w, rng in _resampled(design, resamples, seed)
    ]
    low, high = np.nanpercentile(np.concatenate(draws), (2.5, 97.5))
    used = known.any(0)
    shapes = len(np.unique(design.cluster[used]))
    return Interval(mean, float(low), float(high), int(used.sum()), shapes, len(table))


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
    *,
    average: Average = "instance",
    resamples: int = 10_000,
    flips: int = 10_000,
    seed: int = 0,
    omit_nan: bool = False,
) -> Paired:
    """Mean of a - b over the same instances, its interval, and a sign-flip test.

    The interval resamples the same shapes for both rows; training seeds, which two models do not share, are
    resampled for each by itself. The test averages over seeds first, then flips the sign of all differences
    of a shape at once: under the null hypothesis either row could have given either value.
    p = (k + 1) / (flips + 1) with k the flips at least as extreme as what was seen (two-sided).

    Args:
        a, b: (S, N) or (N,), higher S where there are several training seeds; S may differ.
        omit_nan: leave out the instances where either is undefined.

    Raises:
        ValueError: as `cluster_bootstrap`.
    """
    first, second = _values(a, clusters), _values(b, clusters)
    both = np.vstack([_known(first, omit_nan), _known(second, omit_nan)])
    both = np.logical_and.reduce(both, axis=0)
    design = _design(clusters, strata, average)
    if not both.any():
        return Paired(math.nan, math.nan, math.nan, math.nan, 0, 0)
    sides = [_per_cluster(t, np.broadcast_to(both, t.shape), design) for t in (first, second)]
    draws = []
    for w, rng in _resampled(design, resamples, seed):
        means = [_means(w, _seed_weights(len(s), len(w), rng), s, c, design, average) for s, c in sides]
        draws.append(means[0] - means[1])
    low, high = np.nanpercentile(np.concatenate(draws), (2.5, 97.5))
    gain = np.where(both, first.mean(0) - second.mean(0), 0.0)
    share = _shares(both, design, average)
    per_cluster = np.bincount(design.cluster, gain * share, design.clusters)
    difference = float(per_cluster.sum())
    shapes = len(np.unique(design.cluster[both]))
    p = _sign_flip(per_cluster, flips, seed)
    return Paired(difference, float(low), float(high), p, int(both.sum()), shapes)


def probability_of_improvement(
    a: np.ndarray,
    b: np.ndarray,
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
    *,
    better: Literal["higher", "lower"],
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """How often a beats b on an instance drawn at random, a tie counting half (Agarwal et al. 2021).

    With several training seeds: over all pairs of a seed of a and a seed of b. One half says nothing; a mean
    may be better while most instances are worse. The interval resamples shapes within categories.

    Args:
        a, b: (S, N) or (N,); S may differ.
        better: which way is better.

    Raises:
        ValueError: as `cluster_bootstrap`.
    """
    first, second = _values(a, clusters), _values(b, clusters)
    sign = 1.0 if better == "higher" else -1.0
    gain = sign * (first[:, None] - second[None])
    wins = np.where(np.isnan(gain), np.nan, (np.sign(gain) + 1) / 2).mean((0, 1))
    return cluster_bootstrap(wins, clusters, strata, resamples=resamples, seed=seed)


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


def _values(values: np.ndarray, clusters: Sequence[Hashable]) -> np.ndarray:
    table = np.atleast_2d(np.asarray(values, dtype=float))
    if table.ndim != 2 or table.shape[1] != len(clusters) or not table.size:
        raise ValueError(
            f"values {np.shape(values)} must be (seeds, instances) with {len(clusters)} instances"
        )
    if np.isinf(table).any():
        raise ValueError("values hold infinity")
    return table


def _known(table: np.ndarray, omit_nan: bool) -> np.ndarray:
    known = ~np.isnan(table)
    if not omit_nan and known.any() and not known.all():
        raise ValueError(
            f"{int((~known).sum())} of {known.size} values are undefined (NaN); a row is defined everywhere "
            f"or nowhere. Pass omit_nan=True for a mean over the others"
        )
    return known


def _design(clusters: Sequence[Hashable], strata: Sequence[Hashable] | None, average: Average) -> _Design:
    if average not in ("instance", "category"):
        raise ValueError(f"average must be 'instance' or 'category', got '{average}'")
    if strata is None and average == "category":
        raise ValueError("the category mean needs the category of each instance as strata")
    if strata is not None and len(strata) != len(clusters):
        raise ValueError(f"{len(strata)} strata for {len(clusters)} instances")
    names = ["" for _ in clusters] if strata is None else list(strata)
    home: dict[Hashable, Hashable] = {}
    for cluster, name in zip(clusters, names, strict=True):
        if home.setdefault(cluster, name) != name:
            raise ValueError(f"shape '{cluster}' is in two categories: '{home[cluster]}' and '{name}'")
    # sorted, so that the order of the rows does not matter
    rank = {name: k for k, name in enumerate(sorted(set(names), key=str))}
    ordered = sorted(home, key=lambda c: (rank[home[c]], str(c)))
    place = {cluster: k for k, cluster in enumerate(ordered)}
    stratum_of = np.array([rank[home[c]] for c in ordered], dtype=np.int64)
    return _Design(np.array([place[c] for c in clusters]), stratum_of, len(rank))


def _per_cluster(table: np.ndarray, known: np.ndarray, design: _Design) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of the known values (S, K) in each cluster."""
    k = design.clusters
    sums = [np.bincount(design.cluster, np.where(d, t, 0.0), k) for t, d in zip(table, known, strict=True)]
    counts = [np.bincount(design.cluster, d, k) for d in known]
    return np.array(sums), np.array(counts)


def _resampled(
    design: _Design, resamples: int, seed: int
) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """How often each cluster was drawn (B, K), in blocks that fit into memory, and a generator for the rest.

    The draws depend on the design and the seed alone, so that every row and column of a table is resampled
    alike; the last 64 blocks of 4 MB are kept, because a table asks for them a hundred times.
    """
    size = max(1, min(resamples, BLOCK // design.clusters))
    for block, begin in enumerate(range(0, resamples, size)):
        count = min(size, resamples - begin)
        weights = _draws(design.stratum_of.tobytes(), count, seed, block).astype(float)
        yield weights, np.random.default_rng([seed, 2, block])


@lru_cache(maxsize=64)
def _draws(stratum_of: bytes, count: int, seed: int, block: int) -> np.ndarray:
    stratum = np.frombuffer(stratum_of, np.int64)
    low = np.searchsorted(stratum, stratum, side="left")
    high = np.searchsorted(stratum, stratum, side="right")
    drawn = np.random.default_rng([seed, 0, block]).integers(low, high, (count, len(stratum)))
    drawn += np.arange(count)[:, None] * len(stratum)
    counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return counts.astype(np.uint8)  # the same cluster more than 255 times does not happen


def _seed_weights(seeds: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each seed was drawn (B, S)."""
    if seeds == 1:
        return np.ones((resamples, 1))
    drawn = rng.integers(0, seeds, (resamples, seeds))
    return (drawn[:, :, None] == np.arange(seeds)).sum(1).astype(float)


def _means(
    weights: np.ndarray,
    seed_weights: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
    design: _Design,
    average: Average,
) -> np.ndarray:
    """The mean of each resample (B,); NaN where it drew nothing that is defined."""
    parts = [slice(None)]
    if average == "category":
        ends = np.searchsorted(design.stratum_of, np.arange(design.strata + 1))
        parts = [slice(low, high) for low, high in pairwise(ends)]
    means = []
    for own in parts:
        drawn = weights[:, own]
        total = ((drawn @ sums[:, own].T) * seed_weights).sum(1)
        count = ((drawn @ counts[:, own].T) * seed_weights).sum(1)
        means.append(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
    if len(means) == 1:
        return means[0]
    stacked = np.array(means)
    defined = ~np.isnan(stacked)
    number = defined.sum(0)
    return np.divide(
        np.where(defined, stacked, 0).sum(0), number, out=np.full(stacked.shape[1], np.nan), where=number > 0
    )


def _shares(both: np.ndarray, design: _Design, average: Average) -> np.ndarray:
    """Weight of each instance in the mean (N,); they sum to 1 over the instances that count."""
    if average == "instance":
        return both / both.sum()
    stratum = design.stratum_of[design.cluster]
    counts = np.bincount(stratum, both, design.strata)
    return both / np.maximum(counts, 1)[stratum] / (counts > 0).sum()


def _sign_flip(per_cluster: np.ndarray, flips: int, seed: int) -> float:
    """Two-sided p of the sum under independent signs; rounding does not decide about equal sums."""
    rng = np.random.default_rng([seed, 1])
    seen = abs(per_cluster.sum()) * (1 - 1e-12)
    extreme, size = 0, max(1, BLOCK // len(per_cluster))
    for begin in range(0, flips, size):
        shape = (min(size, flips - begin), len(per_cluster))
        signs = rng.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(signs @ per_cluster) >= seen).sum())
    return (extreme + 1) / (flips + 1)
