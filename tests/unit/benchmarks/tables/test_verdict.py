"""The sentence over every output: what it says of one, two and many models, and what it does not dare to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.standing import Standing
from benchmarks.tables.verdict import verdict
from tests.helpers.comparisons import example, make_comparison, make_pair, make_row

IOU = {"a": 0.4, "b": 0.39, "c": 0.3, "d": 0.2}


def _among(*names: str, seeds: int = 2, **standing: Any) -> Comparison:
    """Models by these names, and the control that takes the nearest training image."""
    rows = [make_row(name, IOU[name], 0.1, seeds=seeds) for name in names]
    control = make_row("image_retrieval", 0.35, 0.1, kind="control", title="nearest training image")
    told = Standing(**({"metric": "iou@val", "best": "a", "control": None, "to_control": ()} | standing))
    return make_comparison(*rows, control, standings=(told,))


def _worse(row: str, against: str) -> Any:
    return make_pair(row, against, "iou@val", -0.1, -0.12, -0.08, 0.001)


def _open(row: str, against: str) -> Any:
    return make_pair(row, against, "iou@val", -0.01, -0.03, 0.01, 0.4)


def _better(row: str, against: str) -> Any:
    return make_pair(row, against, "iou@val", 0.05, 0.03, 0.07, 0.001)


def test_two_models_that_no_test_tells_apart() -> None:
    control = {"control": "image_retrieval"}
    to_control = tuple(_better(name, "image_retrieval") for name in "ab")
    found = verdict(_among("a", "b", to_best=(_open("b", "a"),), to_control=to_control, **control))
    assert found == (
        "a and b cannot be told apart by IoU (0.400 and 0.390, difference +0.010, 95 % −0.010 to +0.030); "
        "both are better than the control 'nearest training image' (0.350)."
    )
    neither = tuple(_open(name, "image_retrieval") for name in "ab")
    found = verdict(_among("a", "b", to_best=(_open("b", "a"),), to_control=neither, **control))
    assert found.endswith("; neither can be told from the control 'nearest training image' (0.350).")


def test_two_models_of_which_one_is_better() -> None:
    mixed = (_better("a", "image_retrieval"), _worse("b", "image_retrieval"))
    found = verdict(
        _among("a", "b", to_best=(_worse("b", "a"),), control="image_retrieval", to_control=mixed)
    )
    assert found == (
        "a is better than b by IoU (0.400 and 0.390, difference +0.100, 95 % +0.080 to +0.120). Against the "
        "control 'nearest training image' (0.350): better: a; worse: b."
    )


def test_many_models() -> None:
    found = verdict(_among("a", "b", "c", "d", to_best=(_open("b", "a"), _worse("c", "a"), _worse("d", "a"))))
    assert found == (
        "a has the best IoU of 4 models (0.400), b cannot be told from it, the other 2 are worse."
    )
    found = verdict(_among("a", "b", "c", to_best=(_worse("b", "a"), _worse("c", "a"))))
    assert found == "a has the best IoU of 3 models (0.400) and is better than each of the others."


def test_one_model_alone_and_one_seed() -> None:
    worse = (_worse("a", "image_retrieval"),)
    found = verdict(_among("a", seeds=1, to_best=(), control="image_retrieval", to_control=worse))
    assert found == (
        "a has IoU 0.400 ±0.030; it is worse than the control 'nearest training image' (0.350). One training "
        "seed: what another training would give is not known."
    )


def test_another_metric_is_told_where_it_says_something_else() -> None:
    found = verdict(example())
    assert found.startswith("r3d is better than vae_gan_baseline by IoU (0.412 and 0.389, difference +0.023,")
    assert "vae_gan_baseline has the best CD of 3 models (0.1198), r3d cannot be told from it" in found
    assert "Incomplete and not compared: r2n2." in found
    same = replace(example(), standings=example().standings[:1])
    assert "CD" not in verdict(same)


def test_what_cannot_be_said_is_not_said() -> None:
    assert verdict(replace(example(), standings=())) == (
        "No complete model has a metric to be ranked by: nothing can be said."
    )
    few = replace(_among("a", "b", to_best=(_open("b", "a"),)), instances=(("x", 0, "chair"),))
    assert verdict(few).endswith("With fewer than 30 shapes the intervals are too short.")
    info = few.dataset.model_copy(update={"whole": 4000})
    limited = replace(few, record=few.record.model_copy(update={"dataset": info}))
    assert "Not all test instances were measured." in verdict(limited)
