"""Means with intervals that know which instances belong together.

Resampling draws shapes within categories and carries all pictures of a shape along. With several training
seeds the seeds are resampled too. Everything is computed from per-instance rows, with a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, no_type_check

import numpy as np

from benchmarks.statistics.design import (
    BLOCK,
    Average,
    Design,
    design_of,
    known_values,
    mean_parts,
    per_cluster,
    read_values,
)
from zoo.system.compiled import njit


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
    design = design_of(clusters, strata, average)
    read = [read_values(table, clusters) for table in tables]
    known = [known_values(table, omit_nan) for table in read]
    there = [k for k, defined in enumerate(known) if defined.any()]
    sides = [[per_cluster(read[k], known[k], design)] for k in there]
    drawn = dict(zip(there, resampled_means(sides, design, average, resamples, seed), strict=True))
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


def resampled_means(
    jobs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
    design: Design,
    average: Average,
    resamples: int,
    seed: int,
) -> list[list[np.ndarray]]:
    """The mean of each table of each job over all instances and over each resample (1 + resamples,).

    Args:
        jobs: tables whose seeds are drawn one after the other, as sums and counts (S, K) by cluster.
    """
    if not jobs:
        return []
    columns = _Columns(jobs)
    found = [[np.empty(1 + resamples) for _ in job] for job in jobs]
    parts = mean_parts(design, average)

    def fill(place: slice, totals: list[np.ndarray], block: int | None) -> None:
        for job, places, means in zip(jobs, columns.places, found, strict=True):
            rng = None if block is None else np.random.default_rng([seed, 2, block])
            for (sums, _), (own_sums, own_counts), mean in zip(job, places, means, strict=True):
                drawn = _seed_weights(len(sums), len(totals[0]), rng)
                mean[place] = _means([(t[:, own_sums], t[:, own_counts]) for t in totals], drawn)

    # a plain sum: the mean of a table does not depend, even by rounding, on those beside it
    fill(slice(0, 1), [columns.values[:, own].sum(1)[None] for own in parts], None)
    begin = 1
    for weights, block in cluster_draws(design, resamples, seed):
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


def cluster_draws(design: Design, resamples: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
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
