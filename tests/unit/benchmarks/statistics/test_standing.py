"""Who leads, and what may be said of the others: by tests, and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.statistics.pairs import judge
from benchmarks.statistics.standing import turned
from tests.unit.benchmarks.statistics.test_comparison import _compare, _result

RNG = np.random.default_rng(7)
BASE = RNG.uniform(0.3, 0.6, 120)
NOISE = RNG.normal(0, 0.02, 120)
EVEN = NOISE - NOISE.mean()


def _rows(*controls: Any) -> Any:
    """best leads, close cannot be told from it, far is worse; 60 shapes, 30 of each category."""
    models = {"best": BASE + 0.001, "close": BASE + EVEN, "far": BASE - 0.1}
    results = [_result(name, 0, list(map(float, v)), 0.1, n=120) for name, v in models.items()]
    return _compare(*results, *controls)


def test_leaders_are_the_best_and_what_the_test_does_not_tell_from_it() -> None:
    found = _rows()
    assert found.leaders["instance", None, "iou@val"] == {"best", "close"}
    assert found.leaders["category", None, "iou@val"] == {"best", "close"}
    assert found.leaders["instance", "chair", "iou@val"] >= {"best"}
    assert "far" not in found.leaders["instance", "chair", "iou@val"]
    assert ("instance", "chair", "cd_mesh") not in found.leaders
    assert found.leaders["instance", None, "cd"] == {"best", "close", "far"}  # all are equal


def test_nobody_leads_without_an_interval_or_without_another_model() -> None:
    few = _compare(_result("a", 0, 0.5, n=8), _result("b", 0, 0.4, n=8))
    assert ("instance", "chair", "iou@val") not in few.leaders  # four shapes: no interval
    one_shape = _compare(_result("a", 0, 0.5, n=2), _result("b", 0, 0.4, n=2))
    assert one_shape.leaders == {}
    assert _compare(_result("a", 0, 0.5, n=80)).leaders == {}


def test_what_the_table_of_pairs_says_is_what_the_marks_say() -> None:
    """Its correction is over more lines: a pair that is open there is not told apart anywhere."""
    found = _rows()
    for pair in found.paired:
        leading = found.leaders["instance", None, pair.metric]
        if pair.against in leading and found.standings[0].best == pair.against:
            verdict = judge(pair, found.column(pair.metric))
            assert (pair.row in leading) == (verdict == "open")


def test_models_are_tested_against_the_strongest_control_that_reads_the_picture() -> None:
    controls = [
        _result("oracle", None, list(map(float, BASE + 0.3)), n=120),  # is shown the truth
        _result("image_retrieval", None, list(map(float, BASE - 0.05)), n=120),
        _result("clusters[r3d]", None, list(map(float, BASE - 0.2)), n=120),
    ]
    standing = _rows(*controls).standings[0]
    assert (standing.metric, standing.best, standing.control) == ("iou@val", "best", "image_retrieval")
    column = _rows().column("iou@val")
    verdicts = {pair.row: judge(pair, column) for pair in standing.to_control}
    assert verdicts == {"best": "better", "close": "better", "far": "worse"}
    assert [pair.row for pair in standing.to_best] == ["close", "far"]
    assert _rows().standings[0].control is None


def test_incomplete_rows_take_no_part() -> None:
    short = _result("short", 0, 0.9, n=120)
    found = _compare(_result("a", 0, 0.5, n=120), _result("b", 0, 0.4, n=120), (short[0], short[1][:90]))
    assert found.standings[0].best == "a" and "short" not in found.leaders["instance", None, "iou@val"]


def test_a_pair_turned_round_says_the_same() -> None:
    pair = _rows().paired[0]
    back = turned(pair)
    assert (back.row, back.against, back.p_holm) == (pair.against, pair.row, pair.p_holm)
    assert back.paired.difference == -pair.paired.difference
    assert (back.paired.low, back.paired.high) == (-pair.paired.high, -pair.paired.low)
    assert back.improves.mean == pytest.approx(1 - pair.improves.mean)
    assert turned(back).paired == pair.paired
