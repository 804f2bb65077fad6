"""Intervals and tests: closed forms, known coverage, and the mistakes that they are there to avoid."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats as reference

from benchmarks.statistics import bootstrap
from benchmarks.statistics.bootstrap import cluster_bootstrap, cluster_bootstraps, cluster_draws
from benchmarks.statistics.design import design_of
from benchmarks.statistics.paired import Paired, holm, paired_differences, wins

SIMULATIONS = 2_000
"""The standard error of a share of 5 % is then 0.5 %."""


def clustered(rng, clusters: int, size: int, icc: float) -> tuple[np.ndarray, list[str]]:
    """Values of variance 1 with the given intra-cluster correlation, mean 0."""
    shared = rng.normal(size=clusters).repeat(size) * math.sqrt(icc)
    own = rng.normal(size=clusters * size) * math.sqrt(1 - icc)
    return shared + own, [f"shape-{k}" for k in range(clusters) for _ in range(size)]


def paired_difference(a, b, clusters, strata=None, **options) -> Paired:
    return paired_differences([(a, b)], clusters, strata, **options)[0]


def improvement(a, b, shapes, better):
    """How often a beats b on an instance drawn at random, with its interval."""
    return cluster_bootstrap(wins(np.atleast_2d(a), np.atleast_2d(b), better), shapes)


# --------------------------------------------------------------------- bootstrap


def test_mean_and_interval_of_independent_values():
    rng = np.random.default_rng(0)
    values = rng.normal(2.0, 0.5, 200)
    found = cluster_bootstrap(values, list(range(200)))
    expected = reference.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=1)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.004)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.004)
    assert (found.n, found.clusters, found.seeds) == (200, 200, 1)


@pytest.mark.sceptic(23)
def test_coverage_with_correlated_instances():
    """The cluster interval holds 95 %; taking pictures of one shape for independent does not."""
    rng = np.random.default_rng(1)
    covered = naive = 0
    for _ in range(SIMULATIONS):
        values, clusters = clustered(rng, 100, 5, 0.5)
        good = cluster_bootstrap(values, clusters, resamples=500)
        covered += good.low <= 0 <= good.high
        bad = cluster_bootstrap(values, list(range(len(values))), resamples=100)
        naive += bad.low <= 0 <= bad.high
    assert 0.93 <= covered / SIMULATIONS <= 0.97
    assert naive / SIMULATIONS < 0.80


@pytest.mark.parametrize("average", ["instance", "category"])
def test_many_tables_at_once_are_what_each_is_alone(average):
    """Some defined in part or nowhere, with one seed or several: the draws are the same for all."""
    rng = np.random.default_rng(5)
    shapes = [f"shape-{k // 2}" for k in range(120)]
    strata = [("chair", "table", "lamp")[k // 2 % 3] for k in range(120)]
    gaps = np.where(rng.random(120) < 0.3, np.nan, rng.random(120))
    tables = [rng.random(120), rng.random((3, 120)), gaps, np.full((2, 120), np.nan), rng.random((2, 120))]
    options = {"average": average, "resamples": 300, "omit_nan": True}
    together = cluster_bootstraps(tables, shapes, strata, **options)
    for table, found in zip(tables, together, strict=True):
        alone = cluster_bootstrap(table, shapes, strata, **options)
        assert asdict(found) == pytest.approx(asdict(alone), rel=1e-12, nan_ok=True)
    pairs = [(tables[0], tables[1]), (tables[1], tables[2]), (tables[3], tables[0]), (tables[1], tables[4])]
    together = paired_differences(pairs, shapes, strata, **options, flips=200)
    for pair, found in zip(pairs, together, strict=True):
        alone = paired_difference(*pair, shapes, strata, **options, flips=200)
        assert asdict(found) == pytest.approx(asdict(alone), rel=1e-12, nan_ok=True)
    assert together[0].difference != together[1].difference and math.isnan(together[2].p)
    assert cluster_bootstraps([], shapes) == paired_differences([], shapes) == []


def test_resampling_stays_within_categories():
    """Two categories far apart and constant inside: drawn within each, the mean never moves."""
    values = np.array([0.0] * 30 + [1.0] * 10)
    shapes, categories = list(range(40)), ["a"] * 30 + ["b"] * 10
    within = cluster_bootstrap(values, shapes, categories)
    assert (within.mean, within.low, within.high) == (0.25, 0.25, 0.25)
    across = cluster_bootstrap(values, shapes)
    assert across.low < 0.15 and across.high > 0.35


def test_shapes_alone_in_their_category_are_drawn_from_each_other():
    """Drawn from itself, a shape would seem to be known without error."""
    values = np.random.default_rng(0).random(20)
    shapes = [f"{k:02d}" for k in range(20)]
    assert cluster_bootstrap(values, shapes, shapes) == cluster_bootstrap(values, shapes)
    mixed = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 4.0, 8.0])  # two constant categories and two lone shapes
    found = cluster_bootstrap(mixed, list(range(7)), ["a", "a", "a", "c", "c", "b", "d"])
    assert (found.mean, found.low, found.high) == (2.0, 10 / 7, 18 / 7)


def test_category_mean_weighs_categories_alike():
    values = np.array([0.0] * 30 + [1.0] * 10)
    found = cluster_bootstrap(values, list(range(40)), ["a"] * 30 + ["b"] * 10, average="category")
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="category mean needs the category"):
        cluster_bootstrap(values, list(range(40)), average="category")


def test_instance_mean_weighs_instances_not_shapes():
    values = np.array([1.0, 1.0, 1.0, 0.0])
    assert cluster_bootstrap(values, ["many", "many", "many", "one"]).mean == 0.75


def test_all_pictures_of_a_shape_travel_together():
    """One shape with 9 pictures and one with 1: the only possible means are 0, .9 and 1."""
    values = np.array([1.0] * 9 + [0.0])
    found = cluster_bootstrap(values, ["a"] * 9 + ["b"])
    assert (found.low, found.high) == (0.0, 1.0)
    w, _ = next(cluster_draws(design_of(["a"] * 9 + ["b"], None, "instance"), 1000, 0))
    means = w @ [9, 0] / (w @ [9, 1])
    assert set(np.round(means, 12)) == {0.0, 0.9, 1.0}
    assert np.mean(means == 0.9) == pytest.approx(0.5, abs=0.06)


def test_seeds_widen_the_interval():
    """Models that differ by seed and not by shape: all uncertainty is between seeds."""
    per_seed = np.array([0.1, 0.2, 0.3])[:, None] * np.ones((3, 50))
    shapes = list(range(50))
    found = cluster_bootstrap(per_seed, shapes)
    assert found.mean == pytest.approx(0.2) and found.seeds == 3
    # three draws with replacement are all the lowest in 1 of 27 cases, which is more than 2.5 %
    assert (found.low, found.high) == pytest.approx((0.1, 0.3))
    one = cluster_bootstrap(per_seed[:1], shapes)
    assert (one.low, one.high) == pytest.approx((0.1, 0.1), rel=1e-12)


def test_two_levels_are_wider_than_either():
    rng = np.random.default_rng(0)
    shape, seed = rng.normal(size=(1, 60)), rng.normal(size=(5, 1))

    def width(values):
        found = cluster_bootstrap(values, list(range(60)))
        return found.high - found.low

    both = width(shape + seed)
    assert both > width(shape + 0 * seed) and both > width(0 * shape + seed)


def test_the_order_of_rows_does_not_matter_and_the_seed_does():
    rng = np.random.default_rng(0)
    values, clusters = clustered(rng, 20, 3, 0.5)
    strata = [f"c{k % 4}" for k in range(20) for _ in range(3)]
    order = rng.permutation(60)
    first = cluster_bootstrap(values, clusters, strata)
    again = cluster_bootstrap(values[order], [clusters[k] for k in order], [strata[k] for k in order])
    assert first.low == pytest.approx(again.low, rel=1e-12)
    assert first.high == pytest.approx(again.high, rel=1e-12)
    assert cluster_bootstrap(values, clusters, strata, seed=1).low != first.low


def test_blocks_give_a_bootstrap_too(monkeypatch):
    values, clusters = clustered(np.random.default_rng(0), 50, 2, 0.3)
    whole = cluster_bootstrap(values, clusters)
    monkeypatch.setattr(bootstrap, "BLOCK", 7_000)
    parts = cluster_bootstrap(values, clusters)
    assert parts.low == pytest.approx(whole.low, abs=0.02) and parts.high == pytest.approx(
        whole.high, abs=0.02
    )
    weights = np.concatenate([w for w, _ in cluster_draws(design_of(clusters, None, "instance"), 999, 0)])
    assert weights.shape == (999, 50) and (weights.sum(1) == 50).all()
    assert len(np.unique(weights, axis=0)) == 999  # no block repeats another


def test_undefined_values():
    values, shapes = np.array([1.0, np.nan, 3.0]), ["a", "b", "c"]
    with pytest.raises(ValueError, match="1 of 3 values are undefined"):
        cluster_bootstrap(values, shapes)
    found = cluster_bootstrap(values, shapes, omit_nan=True)
    assert found.mean == 2 and (found.n, found.clusters) == (2, 2)
    assert 1 <= found.low <= found.high <= 3
    nothing = cluster_bootstrap(np.full(3, np.nan), shapes)
    assert math.isnan(nothing.mean) and math.isnan(nothing.low) and nothing.n == 0
    by_category = cluster_bootstrap(values, shapes, ["x", "y", "z"], average="category", omit_nan=True)
    assert by_category.mean == 2  # a category without a defined value is no part of the mean


def test_bad_designs_are_refused():
    with pytest.raises(ValueError, match=r"values \(2,\) must be \(seeds, instances\) with 3 instances"):
        cluster_bootstrap(np.zeros(2), ["a", "b", "c"])
    with pytest.raises(ValueError, match="shape 'a' is in two categories: 'x' and 'y'"):
        cluster_bootstrap(np.zeros(2), ["a", "a"], ["x", "y"])
    with pytest.raises(ValueError, match="1 strata for 2 instances"):
        cluster_bootstrap(np.zeros(2), ["a", "b"], ["x"])
    with pytest.raises(ValueError, match="infinity"):
        cluster_bootstrap(np.array([1.0, np.inf]), ["a", "b"])
    with pytest.raises(ValueError, match="'instance' or 'category', got 'median'"):
        cluster_bootstrap(np.zeros(1), ["a"], average="median")  # type: ignore[arg-type]


# ------------------------------------------------------------------------ paired


def test_paired_interval_uses_the_same_shapes():
    """A constant gain over very different shapes: paired, nothing is uncertain."""
    hard = np.random.default_rng(0).normal(size=80)
    found = paired_difference(hard + 0.1, hard, list(range(80)))
    assert found.difference == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)
    assert found.p == pytest.approx(1 / 10_001)


def test_sign_flip_equals_enumeration():
    rng = np.random.default_rng(3)
    difference = rng.normal(0.4, 1, 8)
    found = paired_difference(difference, np.zeros(8), list(range(8)), flips=40_000)
    sums = [abs(np.dot(signs, difference)) for signs in itertools.product([-1, 1], repeat=8)]
    exact = np.mean(np.array(sums) >= abs(difference.sum()) - 1e-12)
    assert found.p == pytest.approx(exact, abs=0.01)


def test_flips_whole_shapes():
    """One shape with many pictures can only flip as one: the test cannot be surer than a coin."""
    found = paired_difference(np.ones(100), np.zeros(100), ["only"] * 100)
    assert found.p == 1.0 and found.clusters == 1 and found.n == 100


@pytest.mark.sceptic(24)
def test_false_positives_under_the_null():
    """About 5 %, with correlated pictures."""
    rng = np.random.default_rng(2)
    rejected = naive = 0
    for _ in range(SIMULATIONS):
        difference, clusters = clustered(rng, 30, 5, 0.6)
        zero = np.zeros_like(difference)
        rejected += paired_difference(difference, zero, clusters, resamples=10, flips=500).p <= 0.05
        lone = list(range(len(difference)))
        naive += paired_difference(difference, zero, lone, resamples=10, flips=100).p <= 0.05
    assert 0.03 <= rejected / SIMULATIONS <= 0.07
    assert naive / SIMULATIONS > 0.15


def test_no_difference_at_all():
    found = paired_difference(np.ones(5), np.ones(5), list(range(5)))
    assert (found.difference, found.p) == (0, 1)


def test_sides_with_different_numbers_of_seeds():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 0.1, (3, 40)), rng.normal(0, 0.1, 40)
    found = paired_difference(a, b, list(range(40)))
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.low < found.difference < found.high and found.p < 0.001


def test_paired_category_mean():
    a, b = np.array([1.0] * 30 + [0.0] * 10), np.zeros(40)
    categories = ["x"] * 30 + ["y"] * 10
    assert paired_difference(a, b, list(range(40)), categories).difference == 0.75
    found = paired_difference(a, b, list(range(40)), categories, average="category")
    assert found.difference == pytest.approx(0.5) and found.low == pytest.approx(0.5)


def test_paired_undefined():
    a, b = np.array([1.0, 2.0, np.nan]), np.array([0.0, 0.5, 0.0])
    with pytest.raises(ValueError, match="undefined"):
        paired_difference(a, b, ["a", "b", "c"])
    found = paired_difference(a, b, ["a", "b", "c"], omit_nan=True)
    assert found.difference == 1.25 and (found.n, found.clusters) == (2, 2)
    assert math.isnan(paired_difference(np.full(3, np.nan), b, ["a", "b", "c"]).p)


def test_antisymmetric():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=30), rng.normal(size=30)
    one, other = paired_difference(a, b, list(range(30))), paired_difference(b, a, list(range(30)))
    assert one.difference == -other.difference and one.p == other.p
    assert one.low == pytest.approx(-other.high, abs=1e-9)


# --------------------------------------------------------------------- improvement


def test_probability_of_improvement_by_hand():
    """Better, worse, equal, better on four shapes, for either direction."""
    a, b = np.array([0.5, 0.1, 0.3, 0.9]), np.array([0.4, 0.2, 0.3, 0.1])
    shapes = list("wxyz")
    assert improvement(a, b, shapes, "higher").mean == 0.625
    assert improvement(a, b, shapes, "lower").mean == 0.375
    same = improvement(a, a, shapes, "lower")
    assert (same.mean, same.low, same.high) == (0.5, 0.5, 0.5)


def test_improvement_counts_every_pair_of_seeds():
    a, b = np.array([[1.0, 1.0], [3.0, 1.0], [2.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 2.0]])
    # first shape: 1, 3, 2 against 2 and 0: .5 and 1 and .75; second: 1 against 0 and 2: .5
    found = improvement(a, b, ["x", "y"], "higher")
    assert found.mean == pytest.approx(((0.5 + 1 + 0.75) / 3 + 0.5) / 2)
    assert (found.n, found.clusters) == (2, 2)


def test_a_better_mean_may_be_worse_nearly_everywhere():
    """What the probability tells and the difference does not: one shape carries the whole gain."""
    a, b = np.full(50, 0.1), np.full(50, 0.11)
    a[0] = 1
    shapes = list(range(50))
    assert paired_difference(a, b, shapes).difference > 0
    found = improvement(a, b, shapes, "higher")
    assert found.mean == 0.02 and found.high < 0.1


# -------------------------------------------------------------------------- Holm


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    np.testing.assert_allclose(holm([0.02]), [0.02])
    assert len(holm([])) == 0


def test_holm_leaves_out_what_was_not_tested():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        holm([0.1, 1.2])
