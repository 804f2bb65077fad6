"""`--force` deletes what is old and never what another command has just made."""

import os
import time

import pytest

from benchmarks.cells.forget import forget, forget_results


def made(path, age):
    """A file, so many seconds old; a negative age is after the command's start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    os.utime(path, (NOW - age, NOW - age))
    os.utime(path.parent, (NOW - age, NOW - age))


NOW = time.time()


def lie(tmp_path, weights, *results):
    """A run folder with a checkpoint, and results, of some ages; None for what is not there."""
    run, cells = tmp_path / "runs" / "r3d-1a", [tmp_path / "cells" / str(k) for k in range(len(results))]
    if weights is not None:
        made(run / "step-0000001" / "model.safetensors", weights)
    for cell, age in zip(cells, results, strict=True):
        if age is not None:
            made(cell / "record.json", age)
    return run, cells


@pytest.mark.parametrize(
    ("weights", "results", "kept_weights", "kept_results"),
    [
        (60, [50], False, [False]),  # an earlier command's
        (60, [None], False, [False]),
        (None, [None], False, [False]),
        (-1, [None], True, [False]),  # another command has trained it meanwhile and is about to measure
        (-1, [-2], True, [True]),  # and has measured
        (60, [-1], True, [True]),  # it has just measured what it trained before this one began
        (60, [50, -1], True, [False, True]),  # with one number of views, and will with others
        (60, [50, 40], False, [False, False]),
        (-1, [50], True, [False]),  # another --force, ahead of this one
        (0, [0], True, [True]),
    ],
)
def test_what_is_newer_than_the_command_stays(tmp_path, weights, results, kept_weights, kept_results):
    run, cells = lie(tmp_path, weights, *results)
    forget({run: cells}, NOW, on_wait=lambda path: pytest.fail("nobody is there"))
    assert run.exists() == kept_weights
    assert [cell.exists() for cell in cells] == kept_results


@pytest.mark.parametrize(("age", "kept"), [(10, False), (1, False), (-1, True), (None, False)])
def test_results_of_controls_likewise(tmp_path, age, kept):
    _, cells = lie(tmp_path, None, age)
    (tmp_path / "cells" / "0").mkdir(parents=True, exist_ok=True)
    forget_results(cells, NOW, on_wait=lambda path: pytest.fail("nobody is there"))
    assert cells[0].exists() == kept


def test_what_was_measured_half_goes_with_its_cell(tmp_path):
    run, (cell,) = lie(tmp_path, 60, None)
    made(cell / "measured.jsonl", 60)
    forget({run: [cell]}, NOW, on_wait=lambda path: None)
    assert not cell.exists() and not run.exists()
