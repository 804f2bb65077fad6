"""Which instances belong together: shapes as clusters, categories as strata, as integers.

Several pictures of one shape are not independent, and neither are shapes of one category.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

Average = Literal["instance", "category"]
"""'instance': mean over instances. 'category': mean over categories of their instance means."""

BLOCK = 1 << 22
"""Cluster draws held at once."""


@dataclass(frozen=True)
class Design:
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


def read_values(values: np.ndarray, clusters: Sequence[Hashable]) -> np.ndarray:
    """Values as (seeds, instances).

    Raises:
        ValueError: they do not fit the instances, or hold infinity.
    """
    table = np.atleast_2d(np.asarray(values, dtype=float))
    if table.ndim != 2 or table.shape[1] != len(clusters) or not table.size:
        raise ValueError(
            f"values {np.shape(values)} must be (seeds, instances) with {len(clusters)} instances"
        )
    if np.isinf(table).any():
        raise ValueError("values hold infinity")
    return table


def known_values(table: np.ndarray, omit_nan: bool) -> np.ndarray:
    """Which values (S, N) are defined.

    Raises:
        ValueError: some are and some are not, and that was not allowed for.
    """
    known = ~np.isnan(table)
    if not omit_nan and known.any() and not known.all():
        raise ValueError(
            f"{int((~known).sum())} of {known.size} values are undefined (NaN); a row is defined everywhere "
            f"or nowhere. Pass omit_nan=True for a mean over the others"
        )
    return known


def design_of(clusters: Sequence[Hashable], strata: Sequence[Hashable] | None, average: Average) -> Design:
    """The design of instances with these shapes and categories.

    Raises:
        ValueError: shapes and categories do not fit, or a shape is in two categories.
    """
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
    return Design(np.array([place[c] for c in clusters]), stratum_of, len(rank))


def per_cluster(table: np.ndarray, known: np.ndarray, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of the known values (S, K) in each cluster."""
    k = design.clusters
    sums = [np.bincount(design.cluster, np.where(d, t, 0.0), k) for t, d in zip(table, known, strict=True)]
    counts = [np.bincount(design.cluster, d, k) for d in known]
    return np.array(sums), np.array(counts)


def mean_parts(design: Design, average: Average) -> list[slice]:
    """The clusters over which a mean is taken: all of them, or one category after the other."""
    if average == "instance":
        return [slice(None)]
    ends = np.searchsorted(design.stratum_of, np.arange(design.strata + 1))
    return [slice(low, high) for low, high in pairwise(ends)]


def instance_shares(both: np.ndarray, design: Design, average: Average) -> np.ndarray:
    """Weight of each instance in the mean (N,); they sum to 1 over the instances that count."""
    if average == "instance":
        return both / both.sum()
    stratum = design.stratum_of[design.cluster]
    counts = np.bincount(stratum, both, design.strata)
    return both / np.maximum(counts, 1)[stratum] / (counts > 0).sum()
