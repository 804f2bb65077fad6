"""Records on disk (round trip, crash, corruption, old schemas) and what may stand in one comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.records.storage import load
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.comparison import compare
from benchmarks.statistics.paired import paired_differences
from zoo.metrics import Column

GOLDEN = Path(__file__).parents[3] / "golden" / "results_v1"


def _stored() -> tuple[Record, Rows]:
    return load(GOLDEN / "model")


PROTOCOL: Any = SimpleNamespace(
    id="r3d-v1 (fast, 10,000 points)",
    version=1,
    settings=_stored()[0].protocol.settings,
    columns=(
        Column("iou@val", "IoU", "higher", 0.0, 3),
        Column("cd", "CD", "lower", 2 * math.sqrt(3), 4),
        Column("cd_mesh", "CD (mesh)", "lower", 2 * math.sqrt(3), 4),
    ),
    headline=("iou@val", "cd"),
    average="instance",
    published=("r3d_table1",),
)
RESAMPLES = 400


def _result(
    name: str = "r3d",
    seed: int | None = 0,
    iou: Sequence[float | None] | float | None = 0.5,
    cd: Sequence[float] | float = 0.1,
    n: int = 8,
    **changes: Any,
) -> tuple[Record, Rows]:
    """A result over `n` instances of two categories: two views of each of n/2 shapes."""

    def at(value: Any, k: int) -> Any:
        return value[k] if isinstance(value, Sequence | np.ndarray) else value

    rows = []
    for k in range(n):
        shape = k // 2
        rows.append(
            {
                "id": f"shape-{shape}",
                "category": "chair" if shape % 2 else "table",
                "view": k % 2,
                "failed": False,
                "reason": None,
                "iou@val": at(iou, k),
                "cd": at(cd, k),
                "cd_mesh": None,
            }
        )
    template = _stored()[0]
    dataset = template.dataset.model_copy(update={"n": n})
    kind = "control" if seed is None else "model"
    update = {
        "name": name,
        "title": name,
        "seed": seed,
        "kind": kind,
        "n": n,
        "n_failed": 0,
        "dataset": dataset,
    }
    return template.model_copy(update=update | changes), rows


def _compare(*results: tuple[Record, Rows], **options: Any) -> Any:
    return compare(results, PROTOCOL, resamples=RESAMPLES, **options)


RNG = np.random.default_rng(3)
A, B, C = (RNG.uniform(0.2, 0.8, 80) for _ in range(3))


def _by_hand(rows: Rows) -> tuple[list[str], list[str]]:
    ordered = sorted(rows, key=lambda r: (r["category"], r["id"], r["view"]))
    return [r["id"] for r in ordered], [r["category"] for r in ordered]


def _sorted(values: np.ndarray, rows: Rows) -> np.ndarray:
    order = sorted(range(len(rows)), key=lambda k: (rows[k]["category"], rows[k]["id"], rows[k]["view"]))
    return np.asarray(values)[order]


def test_means_intervals_and_pairs_are_those_of_the_statistics_over_shapes() -> None:
    first, second = _result("a", 0, A, n=80), _result("a", 1, B, n=80)
    control = _result("mean_shape", None, C, n=80)
    found = _compare(second, control, first)
    rows = first[1]
    shapes, categories = _by_hand(rows)
    both = np.stack([_sorted(A, rows), _sorted(B, rows)])
    row = found.rows[0]
    expected = cluster_bootstrap(both, shapes, categories, resamples=RESAMPLES)
    estimate = row.instance_mean["iou@val"]
    assert estimate.mean == pytest.approx((A.mean() + B.mean()) / 2)
    assert estimate.mean == expected.mean
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert row.seeds == (0, 1) and row.n == 80
    tables = [k for k in range(80) if rows[k]["category"] == "table"]
    chairs = [k for k in range(80) if rows[k]["category"] == "chair"]
    macro = np.mean([np.mean([A[part].mean(), B[part].mean()]) for part in (tables, chairs)])
    assert row.category_mean["iou@val"].mean == pytest.approx(macro)
    assert row.categories["chair"]["iou@val"].mean == pytest.approx((A[chairs].mean() + B[chairs].mean()) / 2)

    [iou_pair, cd_pair] = found.paired
    assert (iou_pair.row, iou_pair.against, iou_pair.metric) == ("a", "mean_shape", "iou@val")
    (by_hand,) = paired_differences(
        [(both, _sorted(C, rows))], shapes, categories, resamples=RESAMPLES, flips=RESAMPLES
    )
    assert asdict(iou_pair.paired) == pytest.approx(asdict(by_hand), rel=1e-12)
    assert iou_pair.paired.difference == pytest.approx((A + B).mean() / 2 - C.mean())
    smaller, larger = sorted((iou_pair, cd_pair), key=lambda p: p.paired.p)
    assert smaller.p_holm == pytest.approx(min(1, 2 * smaller.paired.p))
    assert larger.p_holm == pytest.approx(max(smaller.p_holm, larger.paired.p))


def test_order_and_reference() -> None:
    results = [_result("low", 0, 0.3), _result("high", 0, 0.6), _result("mean_shape", None, 0.2)]
    found = _compare(*results)
    assert [r.name for r in found.rows] == ["high", "low", "mean_shape"]
    assert (found.reference, found.baseline) == ("low", "mean_shape")
    assert {(p.row, p.against) for p in found.paired} == {
        ("high", "low"),
        ("high", "mean_shape"),
        ("low", "mean_shape"),
    }
    found = _compare(*results, reference="high")
    assert {(p.row, p.against) for p in found.paired if p.against != "mean_shape"} == {("low", "high")}
    with pytest.raises(LookupError, match=r"unknown --reference 'hihg'\. Did you mean 'high'\?"):
        _compare(*results, reference="hihg")


def test_equal_iou_is_ranked_by_the_other_primary_metric() -> None:
    found = _compare(
        _result("far", 0, 0.5, 0.3), _result("near", 0, 0.5, 0.1), _result("points", 0, None, 0.0)
    )
    assert [r.name for r in found.rows] == ["near", "far", "points"]


def test_categories_have_intervals_from_30_shapes_on() -> None:
    few = _compare(_result("a", 0, np.tile(A, 2)[:116], n=116))  # 29 tables and 29 chairs
    many = _compare(_result("a", 0, np.tile(A, 2)[:120], n=120))
    assert few.rows[0].categories["chair"]["iou@val"].low is None
    chair = many.rows[0].categories["chair"]["iou@val"]
    assert chair.low < chair.mean < chair.high and chair.n == 60


def test_a_metric_that_a_row_does_not_have_is_none_and_not_compared() -> None:
    found = _compare(_result("voxels", 0, A, n=80), _result("points", 0, None, n=80))
    points = found.rows[1]
    assert points.name == "points" and points.instance_mean["iou@val"] is None
    assert [(p.row, p.metric) for p in found.paired] == [("points", "cd")]


def test_a_row_that_lacks_some_values_gets_no_mean_of_the_others() -> None:
    holes = [None if k == 3 else float(A[k]) for k in range(80)]
    found = _compare(_result("whole", 0, A, n=80), _result("holes", 0, holes, n=80))
    row = next(r for r in found.rows if r.name == "holes")
    assert row.instance_mean["iou@val"] is None and row.instance_mean["cd"] is not None
    assert all(p.metric == "cd" for p in found.paired)


def test_a_metric_that_the_data_allow_for_some_instances_is_averaged_over_those() -> None:
    results = [_result("a", 0, n=80), _result("b", 0, n=80)]
    for value, (_, rows) in zip((0.25, 0.75), results, strict=True):
        for row in rows[:30]:
            row["cd_mesh"] = value
    found = _compare(*results)
    means = {r.name: r.instance_mean["cd_mesh"] for r in found.rows}
    assert (means["a"].mean, means["a"].n) == (0.25, 30)
    assert (means["b"].mean, means["b"].n) == (0.75, 30)


def test_an_incomplete_row_is_kept_marked_unranked_and_uncompared() -> None:
    best_record, best_rows = _result("best", 0, 0.9, n=80)
    found = _compare(
        _result("a", 0, A, n=80), (best_record, best_rows[:70]), _result("mean_shape", None, C, n=80)
    )
    assert [(r.name, r.complete, r.n, r.missing) for r in found.models] == [
        ("a", True, 80, 0),
        ("best", False, 70, 10),
    ]
    assert found.rows[1].instance_mean["iou@val"].mean == pytest.approx(0.9)
    assert {p.row for p in found.paired} == {"a"}


def test_rows_that_all_lack_the_same_instances_are_incomplete_too() -> None:
    dataset = _result(n=8)[0].dataset.model_copy(update={"n": 10})
    [row] = _compare(_result(n=8, dataset=dataset)).rows
    assert not row.complete and row.missing == 2


def test_one_seed_with_missing_instances_makes_the_row_incomplete() -> None:
    record, rows = _result("a", 1, 0.5)
    row = _compare(_result("a", 0, 0.5), (record, rows[1:])).rows[0]
    assert (row.n, row.missing, row.complete) == (7, 1, False)


def test_a_row_without_one_of_the_seeds_is_incomplete_and_one_without_any_is_named() -> None:
    results = (
        _result("one", 1, 0.9, n=80),
        _result("both", 0, A, n=80),
        _result("both", 1, B, n=80),
        _result("mean_shape", None, C, n=80),
    )
    seeds = {"one": [0, 1], "both": [0, 1], "none": [0, 1], "mean_shape": [], "empty": []}
    found = _compare(*results, wanted=seeds)
    rows = [(r.name, r.complete, r.absent, r.missing) for r in found.models]
    assert rows == [("both", True, (), 0), ("one", False, (0,), 0)]
    assert found.absent == ("none", "empty")
    assert {p.row for p in found.paired} == {"both"}
    assert [r.complete for r in _compare(*results).rows] == [True] * 3  # nobody asked for more


def test_some_of_the_instances_never_stand_beside_all_of_them() -> None:
    whole = _result("a", 0, 0.5, n=8)
    info = whole[0].dataset.model_copy(update={"n": 4, "whole": 8})
    limited = _result("b", 0, 0.5, n=4, dataset=info)
    with pytest.raises(
        ResultError, match=r"different sets of instances .*split: a .*; limited to 4 of 8 .*: b "
    ):
        _compare(whole, limited)
    assert _compare(limited).extent == "limited to 4 of 8 instances (not for publication)"
    assert _compare(whole).extent == "8 instances"


def test_a_protocol_that_averages_over_categories_ranks_and_compares_by_that_mean() -> None:
    """Six instances of one category, two of the other: each model is better in one of the two averages."""
    own = [
        (r, [row | {"category": "chair" if k < 6 else "table"} for k, row in enumerate(rows)])
        for r, rows in (
            _result("chairs", 0, [0.8] * 6 + [0.2] * 2, 0.1),
            _result("tables", 0, [0.6] * 6 + [0.6] * 2, 0.1),
        )
    ]
    by_instance = compare(own, PROTOCOL, resamples=RESAMPLES)
    assert [row.name for row in by_instance.rows] == ["chairs", "tables"]
    by_category = compare(
        own, SimpleNamespace(**{**vars(PROTOCOL), "average": "category"}), resamples=RESAMPLES
    )
    assert [row.name for row in by_category.rows] == ["tables", "chairs"]
    assert by_category.rows[0].means("category")["iou@val"].mean == pytest.approx(0.6)
    assert by_category.rows[1].means(by_category.average)["iou@val"].mean == pytest.approx(0.5)
    pair = next(p for p in by_category.paired if p.metric == "iou@val" and p.row == "tables")
    assert pair.paired.difference == pytest.approx(0.6 - 0.5)


def test_share_of_the_way_from_the_mean_shape_to_the_truth_on_the_grid() -> None:
    """IoU .2 to .7, CD .3 to .1: half-way, beyond, before, and not where an end or the value is missing."""
    ends = _result("mean_shape", None, 0.2, 0.3), _result("ceiling", None, 0.7, 0.1)
    models = _result("half", 0, 0.45, 0.2), _result("beyond", 0, 0.8, 0.05), _result("points", 0, None, 0.35)
    found = _compare(*models, *ends)
    share = {
        row.name: [found.share_of_the_way(row, metric) for metric in ("iou@val", "cd", "cd_mesh")]
        for row in found.rows
    }
    assert share["half"] == [pytest.approx(0.5), pytest.approx(0.5), None]
    assert share["beyond"] == [pytest.approx(1.2), pytest.approx(1.25), None]
    assert share["points"] == [None, pytest.approx(-0.25), None]
    assert share["ceiling"] == [pytest.approx(1), pytest.approx(1), None]
    lacking = _compare(*models, ends[0])
    assert lacking.share_of_the_way(lacking.rows[0], "cd") is None
    same = _compare(models[0], ends[0], _result("ceiling", None, 0.2, 0.3))
    assert same.share_of_the_way(same.rows[0], "cd") is None
    pair = next(p for p in found.paired if (p.row, p.against, p.metric) == ("beyond", "half", "cd"))
    assert (pair.improves.mean, pair.improves.low) == (1, 1)  # lower is better


def _with(part: str, **changes: Any) -> tuple[Record, Rows]:
    template = _result("other")[0]
    return _result("other", 0, **{part: getattr(template, part).model_copy(update=changes)})


def _other_config() -> tuple[Record, Rows]:
    return _result("r3d", 1, config={"encoder": {"name": "cnn"}})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda: _with("protocol", id="pix3d"),
            r"different protocols cannot share a table \(r3d-v1 \(fast, 10,000 points\) version 1: r3d seed 0"
            r"; pix3d version 1: other seed 0\); make one table for each",
        ),
        (lambda: _with("protocol", version=2), r"version 2: other seed 0\)"),
        (
            lambda: _with("protocol", settings={"points": 30_000}),
            r"different protocol settings cannot share a table .*\"points\":30000.*: other seed 0",
        ),
        (
            lambda: _result("other", 0, preset="paper"),
            r"results of different presets cannot share a table \(quick: r3d seed 0; paper: other seed 0\)",
        ),
        (
            lambda: _with("dataset", fingerprint="00ff"),
            r"different data fingerprints .*; the shapes, their preparation",
        ),
        (lambda: _with("dataset", name="r2n2"), r"different data cannot share .*r2n2 1, test: other seed 0"),
        (lambda: _with("dataset", views="all"), r"different views cannot share"),
        (lambda: _result("r3d", 0), r"'r3d' occurs twice with seed 0"),
        (_other_config, r"the seeds of 'r3d' were trained with different configs; give them two names"),
        (lambda: _result("r3d", None), r"'r3d' is the name of a model and of a control"),
    ],
)
def test_what_must_not_share_a_table_is_refused(
    other: Callable[[], tuple[Record, Rows]], message: str
) -> None:
    with pytest.raises(ResultError, match=message):
        _compare(_result("r3d"), other())


def test_configs_may_differ_in_the_seed() -> None:
    configs = [{"steps": 5, "train": {"seed": k}, "stages": [{"seed": k, "name": "all"}]} for k in (0, 1)]
    found = _compare(*(_result("r3d", k, config=c) for k, c in enumerate(configs)))
    assert found.rows[0].seeds == (0, 1)


def test_results_are_shown_by_their_own_protocol_only() -> None:
    other = SimpleNamespace(**{**vars(PROTOCOL), "version": 2})
    with pytest.raises(ResultError, match=r"version 1 cannot be shown as r3d-v1 .* version 2"):
        compare([_result()], other)
    other = SimpleNamespace(**{**vars(PROTOCOL), "settings": {**PROTOCOL.settings, "emd_points": 2048}})
    with pytest.raises(ResultError, match=r'"emd_points":1024.* cannot be shown as the same .*:2048'):
        compare([_result()], other)


def test_rows_must_have_the_metrics_and_agree_on_categories() -> None:
    record, rows = _result("other")
    with pytest.raises(ResultError, match=r"the rows of other seed 0 lack cd; run it with --force"):
        _compare((record, [{k: v for k, v in r.items() if k != "cd"} for r in rows]))
    rows = [r | {"category": "lamp"} for r in rows]
    with pytest.raises(ResultError, match=r"category 'table' in one row and in 'lamp' in other seed 0"):
        _compare(_result(), (record, rows))
    with pytest.raises(ResultError, match="no results to compare"):
        _compare()


def test_failures_are_named() -> None:
    record, rows = _result("a", 0)
    rows[2] |= {"failed": True, "reason": "empty"}
    found = _compare((record.model_copy(update={"n_failed": 1}), rows))
    assert found.rows[0].failures == ((0, "shape-1", 0, "empty"),)
    assert found.rows[0].n_failed == 1
