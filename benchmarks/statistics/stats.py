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
from typing import Any, Literal, no_type_check

import numpy as np

from zoo.system.compiled import njit

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
    """Which cluster and stratum each instance belongs to, as integers; clusters sorted by stratum.

    Clusters that are alone in their stratum are drawn from each other (`drawn_from`), as surveys collapse
    such strata: drawn from itself, a shape would seem to be known without error.
    """

    cluster: np.ndarray
    stratum_of: np.ndarray
    strata: int

    @property
    def drawn_from(self) -> np.ndarray:
        """Group (K,) of the clusters that each cluster's draw is made from."""
        alone = np.bincount(self.stratum_of, minlength=self.strata)[self.stratum_of] == 1
        return np.where(alone, self.strata, self.stratum_of)

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
    each drawn seed is read on all drawn shapes. Shapes that are alone in their category are drawn from each
    other; of a single shape in all the interval has no width, and says nothing.

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
    options: Any = {"average": average, "resamples": resamples, "seed": seed, "omit_nan": omit_nan}
    return cluster_bootstraps([values], clusters, strata, **options)[0]


def cluster_bootstraps(
    tables: Sequence[np.ndarray],
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
    *,
    average: Average = "instance",
    resamples: int = 10_000,
    seed: int = 0,
    omit_nan: bool = False,
) -> list[Interval]:
    """`cluster_bootstrap` of many tables of the same instances.

    The draws depend on the instances alone, so that all tables are summed by one matrix product: a hundred
    cost little more than one.

    Args:
        tables: each as `values` of `cluster_bootstrap`; they may differ in their number of seeds.
    """
    design = _design(clusters, strata, average)
    read = [_values(table, clusters) for table in tables]
    known = [_known(table, omit_nan) for table in read]
    there = [k for k, defined in enumerate(known) if defined.any()]
    sides = [[_per_cluster(read[k], known[k], design)] for k in there]
    drawn = dict(zip(there, _resampled_means(sides, design, average, resamples, seed), strict=True))
    found = []
    for k, (table, defined) in enumerate(zip(read, known, strict=True)):
        if k not in drawn:
            found.append(Interval(math.nan, math.nan, math.nan, 0, 0, len(table)))
            continue
        means = drawn[k][0]
        low, high = np.nanpercentile(means[1:], (2.5, 97.5))
        used = defined.any(0)
        shapes = len(np.unique(design.cluster[used]))
        found.append(Interval(float(means[0]), float(low), float(high), int(used.sum()), shapes, len(table)))
    return found


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
    options: Any = {"average": average, "resamples": resamples, "flips": flips, "seed": seed}
    return paired_differences([(a, b)], clusters, strata, **options, omit_nan=omit_nan)[0]


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
    """`paired_difference` of many pairs of rows on the same instances, for little more than one costs."""
    design = _design(clusters, strata, average)
    read = [(_values(a, clusters), _values(b, clusters)) for a, b in pairs]
    known = [np.logical_and.reduce(np.vstack([_known(t, omit_nan) for t in sides]), axis=0) for sides in read]
    there = [k for k, both in enumerate(known) if both.any()]
    sides = [[_per_cluster(t, np.broadcast_to(known[k], t.shape), design) for t in read[k]] for k in there]
    drawn = _resampled_means(sides, design, average, resamples, seed)
    gains = np.zeros((len(there), design.clusters))
    for gain, k in zip(gains, there, strict=True):
        difference = np.where(known[k], read[k][0].mean(0) - read[k][1].mean(0), 0.0)
        gain += np.bincount(design.cluster, difference * _shares(known[k], design, average), design.clusters)
    found = [Paired(math.nan, math.nan, math.nan, math.nan, 0, 0) for _ in pairs]
    for k, means, gain, p in zip(there, drawn, gains, _sign_flips(gains, flips, seed), strict=True):
        low, high = np.nanpercentile(means[0][1:] - means[1][1:], (2.5, 97.5))
        shapes = len(np.unique(design.cluster[known[k]]))
        found[k] = Paired(float(gain.sum()), float(low), float(high), p, int(known[k].sum()), shapes)
    return found


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
    return cluster_bootstrap(wins(first, second, better), clusters, strata, resamples=resamples, seed=seed)


def wins(a: np.ndarray, b: np.ndarray, better: Literal["higher", "lower"]) -> np.ndarray:
    """How often a beats b on each instance (N,), over all pairs of their seeds; a tie counts half.

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


def _resampled_means(
    jobs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
    design: _Design,
    average: Average,
    resamples: int,
    seed: int,
) -> list[list[np.ndarray]]:
    """Of each job, the mean of each of its tables over all instances and over each resample (1 + resamples,).

    Args:
        jobs: tables whose seeds are drawn one after the other, as sums and counts (S, K) by cluster.
    """
    if not jobs:
        return []
    columns = _Columns(jobs)
    found = [[np.empty(1 + resamples) for _ in job] for job in jobs]
    parts = _parts(design, average)

    def fill(place: slice, totals: list[np.ndarray], block: int | None) -> None:
        for job, places, means in zip(jobs, columns.places, found, strict=True):
            rng = None if block is None else np.random.default_rng([seed, 2, block])
            for (sums, _), (own_sums, own_counts), mean in zip(job, places, means, strict=True):
                drawn = _seed_weights(len(sums), len(totals[0]), rng)
                mean[place] = _means([(t[:, own_sums], t[:, own_counts]) for t in totals], drawn)

    # a plain sum: the mean of a table does not depend, even by rounding, on those beside it
    fill(slice(0, 1), [columns.values[:, own].sum(1)[None] for own in parts], None)
    begin = 1
    for weights, block in _resampled(design, resamples, seed):
        totals = [weights[:, own] @ columns.values[:, own].T for own in parts]
        fill(slice(begin, begin + len(weights)), totals, block)
        begin += len(weights)
    return found


class _Columns:
    """Sums and counts of all tables as rows of one matrix, each different one once.

    Attributes:
        values: (C, K). places: of each job's tables, which rows are its sums (S,) and which its counts (S,).
    """

    def __init__(self, jobs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]]) -> None:
        rows: dict[bytes, int] = {}
        kept: list[np.ndarray] = []

        def place(row: np.ndarray) -> int:
            row = row.astype(float)
            k = rows.setdefault(row.tobytes(), len(kept))
            if k == len(kept):
                kept.append(row)
            return k

        self.places = [[([place(r) for r in s], [place(r) for r in c]) for s, c in job] for job in jobs]
        self.values = np.array(kept)


def _resampled(design: _Design, resamples: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """How often each cluster was drawn (B, K), in blocks that fit into memory, and the block's number.

    The draws depend on the design and the seed alone, so that every row and column of a table is resampled
    alike; the last 64 blocks of 4 MB are kept, because a table asks for them for every average.
    """
    size = max(1, min(resamples, BLOCK // design.clusters))
    for block, begin in enumerate(range(0, resamples, size)):
        count = min(size, resamples - begin)
        yield _draws(design.drawn_from.tobytes(), count, seed, block).astype(float), block


@lru_cache(maxsize=64)
def _draws(drawn_from: bytes, count: int, seed: int, block: int) -> np.ndarray:
    group = np.frombuffer(drawn_from, np.int64)
    order = np.argsort(group, kind="stable")
    low = np.searchsorted(group, group, side="left", sorter=order)
    high = np.searchsorted(group, group, side="right", sorter=order)
    drawn = np.random.default_rng([seed, 0, block]).integers(low, high, (count, len(group)))
    return _counted(order[drawn])


@njit
@no_type_check
def _counted(drawn):
    """How often each of K clusters is among the K that each row (B, K) drew, (B, K) uint8."""
    counts = np.zeros(drawn.shape, np.uint8)  # the same cluster more than 255 times does not happen
    for row in range(len(drawn)):
        for cluster in drawn[row]:
            counts[row, cluster] += 1
    return counts


def _seed_weights(seeds: int, resamples: int, rng: np.random.Generator | None) -> np.ndarray:
    """How often each seed was drawn (B, S); once without a generator."""
    if seeds == 1 or rng is None:
        return np.ones((resamples, seeds))
    drawn = rng.integers(0, seeds, (resamples, seeds))
    return (drawn[:, :, None] == np.arange(seeds)).sum(1).astype(float)


def _parts(design: _Design, average: Average) -> list[slice]:
    """The clusters over which a mean is taken: all of them, or one category after the other."""
    if average == "instance":
        return [slice(None)]
    ends = np.searchsorted(design.stratum_of, np.arange(design.strata + 1))
    return [slice(low, high) for low, high in pairwise(ends)]


def _means(parts: Sequence[tuple[np.ndarray, np.ndarray]], seed_weights: np.ndarray) -> np.ndarray:
    """The mean of each resample (B,) from sums and counts (B, S) by part; NaN where nothing is defined."""
    means = []
    for sums, counts in parts:
        total, count = (sums * seed_weights).sum(1), (counts * seed_weights).sum(1)
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


def _sign_flips(per_cluster: np.ndarray, flips: int, seed: int) -> list[float]:
    """Two-sided p of the sum of each row (P, K) under independent signs, the same for all rows.

    Rounding does not decide about equal sums.
    """
    if not len(per_cluster):
        return []
    rng = np.random.default_rng([seed, 1])
    seen = np.abs(per_cluster.sum(1)) * (1 - 1e-12)
    extreme, clusters = np.zeros(len(per_cluster), int), per_cluster.shape[1]
    size = max(1, BLOCK // clusters)
    for begin in range(0, flips, size):
        shape = (min(size, flips - begin), clusters)
        signs = rng.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1.0
        extreme += (np.abs(signs @ per_cluster.T) >= seen).sum(0)
    return [float(p) for p in (extreme + 1) / (flips + 1)]
