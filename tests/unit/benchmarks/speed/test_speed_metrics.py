"""What the speed benchmark of the metrics compares is comparable, and it says where it is not; no time."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks.speed import alternatives, straightforward
from benchmarks.speed.blurred import pairs
from benchmarks.speed.metrics import measure as metrics
from benchmarks.speed.metrics.__main__ import main
from benchmarks.speed.straightforward import Clock
from zoo.metrics.chamfer import chamfer
from zoo.metrics.emd import emd
from zoo.metrics.fscore import fscore
from zoo.metrics.iou import iou

SIZE = 16


@pytest.fixture(scope="module")
def made():
    return pairs(3, SIZE)


@pytest.fixture(autouse=True)
def few_matched(monkeypatch):
    """scipy needs seconds for 1,024 points."""
    monkeypatch.setattr(alternatives, "MATCHED", 100)


def test_predictions_are_probabilities_that_are_right_in_the_large(made):
    for pair in made:
        assert pair.truth.shape == pair.prediction.shape == (SIZE,) * 3
        assert pair.truth.dtype == bool and pair.prediction.dtype == np.float32
        assert pair.prediction.min() >= 0 and pair.prediction.max() <= 1
        assert len(np.unique(pair.prediction)) > 1000
        assert 0.2 < iou(pair.prediction, pair.truth, 0.4) < 1
    again = pairs(3, SIZE)
    np.testing.assert_array_equal(made[2].prediction, again[2].prediction)
    assert len({pair.category for pair in made}) == 3


def test_the_script_measures_what_the_metrics_do(made):
    """On the same points to rounding, metric by metric."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) + 0.1
    distances = straightforward.distances(a, b)
    assert sum(d.mean() for d in distances) == pytest.approx(chamfer(a, b).cd, rel=1e-12)
    assert straightforward.fscore(*distances, 0.3) == pytest.approx(fscore(a, b, 0.3).fscore, rel=1e-12)
    assert straightforward.fscore(*distances, 1e-9) == 0
    assert straightforward.emd(a, b) == pytest.approx(emd(a, b), rel=1e-12)
    assert alternatives.every_distance(a, b) == pytest.approx(chamfer(a, b).cd, rel=1e-12)
    grid, truth = made[0].prediction, made[0].truth
    assert straightforward.iou(grid, truth, 0.4) == pytest.approx(iou(grid, truth, 0.4), rel=1e-12)


def test_the_script_counts_the_time_of_each_metric(made):
    clock = Clock()
    for seed in (0, 1):
        found = straightforward.evaluate(made[0].prediction, made[0].truth, 0.4, 200, 100, seed, clock)
    assert set(found) == set(metrics.SHARED)
    assert list(clock.seconds) == ["IoU", "surface", "CD", "F-score", "EMD"]
    assert min(clock.seconds.values()) > 0


def test_every_alternative_agrees(made):
    rows = alternatives.compared(made, (200, 2000), 1)
    timed = [row for row in rows if row.why is None]
    assert {row.metric.partition(",")[0] for row in timed} == {
        *("CD", "F-score", "EMD", "IoU", "IoU curve", "IoU filled", "surface", "surface of a solid")
    }
    assert {"kdtree", "torch", "scipy", "numpy, every distance"} <= {row.alternative for row in timed}
    assert all(row.ours_ms > 0 and row.ms > 0 and row.tolerance is not None for row in timed)
    absent = [row for row in rows if row.why is not None]
    assert all(row.why for row in absent) and {row.alternative for row in absent} <= {"pytorch3d", "pykdtree"}
    assert len({row.alternative for row in rows} & {"pytorch3d", "pykdtree"}) == 2


def test_values_that_disagree_stop_the_command():
    alternatives.agree(1.0, 1.0 + 1e-12, 1e-9, "same")
    alternatives.agree(np.array([True, False]), np.array([True, False]), 0, "same")
    with pytest.raises(RuntimeError, match=r"CD disagree: 1\.0 and 1\.1"):
        alternatives.agree(1.0, 1.1, 1e-2, "CD")
    with pytest.raises(RuntimeError, match="disagree"):
        alternatives.agree(np.array([True, False]), np.array([True, True]), 0, "cells")
    with pytest.raises(RuntimeError, match="disagree"):
        alternatives.agree(1.0, np.nan, 1e-2, "CD")
    with pytest.raises(RuntimeError, match="have shapes"):
        alternatives.agree(np.zeros(2), np.zeros(3), 1, "curves")


def test_samples_may_differ_by_their_spread_and_no_more():
    rng = np.random.default_rng(0)
    rows = [dict.fromkeys(metrics.SHARED, 0.5) for _ in range(50)]
    near = [{k: v if "iou" in k else v + rng.normal(0, 0.01) for k, v in row.items()} for row in rows]
    assert 0 < metrics.agreement(near, rows) < metrics.SPREAD
    with pytest.raises(RuntimeError, match=r"the mean cd of the script differs by 0\.\d+, \d\d"):
        metrics.agreement([row | {"cd": row["cd"] + 0.1} for row in near], rows)
    with pytest.raises(RuntimeError, match=r"iou@val differs by up to 0\.01"):
        metrics.agreement([row | {"iou@val": 0.51} for row in near], rows)


def test_the_command_prints_both_tables_and_writes_a_record(monkeypatch, capsys, tmp_path):
    path = tmp_path / "metrics.json"
    sizes = ["--instances", "9", "--subset", "8", "--resolution", str(SIZE), "--points", "1024"]
    options = ["--workers", "0", "--sizes", "2000", "--runs", "1", "--json", str(path)]
    monkeypatch.setattr(sys, "argv", ["metrics", *sizes, *options])
    monkeypatch.setenv("COLUMNS", "160")
    main()
    printed = capsys.readouterr().out
    assert "9 predictions of 16^3" in printed and "not measured" in printed and "IoU equal" in printed
    record = json.loads(path.read_text(encoding="utf-8"))
    rates = {row["what"]: row for row in record["rows"] if "what" in row}
    assert list(rates) == ["all", "all, per CPU second", "surface", *metrics.METRICS_TIMED]
    assert rates["IoU filled"]["script"] is None and rates["EMD"]["script"] > 0 and rates["EMD"]["ours"] > 0
    assert record["standard_errors"] <= metrics.SPREAD and len(record["load"]) == 2
    assert record["settings"]["instances"] == 9 and "scipy" in record["versions"] and record["device"]


@pytest.mark.parametrize("subset", ["7", "9"])
def test_the_subset_is_part_of_the_instances(subset, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metrics", "--instances", "8", "--subset", subset])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 2
    assert "--subset must be from 8 to --instances" in capsys.readouterr().err
