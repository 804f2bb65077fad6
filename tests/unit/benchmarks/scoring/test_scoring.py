"""Scoring: nothing is lost, nothing depends on the number of processes, and no process loads torch."""

from __future__ import annotations

import json
import multiprocessing.synchronize
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.protocols import CURVE, PROTOCOLS, Truth, TruthError
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.records.schema import metric_names
from benchmarks.scoring.measuring import MeasuringError
from benchmarks.scoring.score import check_truths, score
from datasets import BadItem
from zoo.geometry.mesh import Mesh
from zoo.metrics.neighbours import BackendError
from zoo.shapes import MeshShape, PointShape, VoxelShape
from zoo.system import pool

R = 16
PROTOCOL = R3DV1(R3DV1Config(points=1024))
WORST = {c.name: c.worst for c in PROTOCOL.columns}


def grid(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = rng.integers(0, 6, 3), rng.integers(9, R, 3)
    occupied = np.zeros((R,) * 3, bool)
    occupied[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return occupied


def cloud(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (1500, 3))


def truths(count: int, views: int = 1) -> list[Truth]:
    return [
        Truth(f"shape-{k}", f"category-{k % 2}", view, VoxelShape(grid(k)), cloud(k))
        for k in range(count)
        for view in range(views)
    ]


def rows_of(count: int, views: int = 1) -> tuple[dict, dict]:
    """Predictions of every kind, failures among them, and their thresholds."""
    n = count * views
    rng = np.random.default_rng(0)
    blurred = [
        VoxelShape((0.6 * grid(k // views) + 0.4 * rng.random((R,) * 3)).astype(np.float32)) for k in range(n)
    ]
    points = [PointShape(cloud(100 + k)) for k in range(n)]
    broken: list = list(blurred)
    broken[1] = None
    broken[2] = VoxelShape(np.zeros((R,) * 3, np.float32))
    flat: list = [MeshShape(Mesh(np.eye(3), np.array([[0, 1, 2]])))] * n
    flat[0] = MeshShape(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))  # sampling it raises
    predictions = {"model": blurred, "points": points, "broken": broken, "flat": flat}
    return predictions, {"model": 0.4, "points": None, "broken": 0.4, "flat": None}


def test_rows_have_the_columns_of_the_protocol_in_the_order_of_the_truths():
    t = truths(4)
    predictions, thresholds = rows_of(4)
    scores = score(predictions, t, PROTOCOL, thresholds, workers=0)
    assert list(scores.rows) == list(predictions)
    for rows in scores.rows.values():
        assert [(r["id"], r["category"], r["view"]) for r in rows] == [(x.id, x.category, 0) for x in t]
        assert metric_names(rows) == [c.name for c in PROTOCOL.columns]
    direct = PROTOCOL.measure(predictions["model"][3], 0.4, t[3], PROTOCOL.prepare(t[3]))
    assert {k: scores.rows["model"][3][k] for k in direct.values} == direct.values


def test_one_bad_prediction_is_one_failed_row():
    predictions, thresholds = rows_of(4)
    rows = score(predictions, truths(4), PROTOCOL, thresholds, workers=0).rows
    assert [r["failed"] for r in rows["model"]] == [False] * 4
    assert [r["failed"] for r in rows["broken"]] == [False, True, True, False]
    assert [r["reason"] for r in rows["broken"]] == [
        None,
        "no prediction",
        "empty at its threshold of 0.4",
        None,
    ]
    for k in (1, 2):
        assert {name: rows["broken"][k][name] for name in WORST} == WORST
    assert rows["broken"][3] == rows["model"][3]
    assert rows["flat"][0]["reason"].startswith("ValueError: mesh has no surface area")
    assert rows["flat"][0]["cd"] == WORST["cd"] and rows["flat"][0]["iou@val"] is None
    assert not rows["flat"][1]["failed"]


def test_a_wrong_threshold_is_that_rows_failure():
    predictions, _ = rows_of(4)
    rows = score({"points": predictions["points"]}, truths(4), PROTOCOL, {"points": 0.5}, workers=0).rows
    assert "has no voxels, but its threshold is 0.5" in rows["points"][0]["reason"]


def test_mean_curve():
    predictions, thresholds = rows_of(4)
    scores = score(predictions, truths(4), PROTOCOL, thresholds, workers=0)
    curve = dict(scores.iou_curve["model"])
    assert list(curve) == list(CURVE)
    assert curve[0.5] == pytest.approx(np.mean([r["iou@.5"] for r in scores.rows["model"]]))
    assert curve[0.4] == pytest.approx(np.mean([r["iou@val"] for r in scores.rows["model"]]))
    broken = dict(scores.iou_curve["broken"])  # failures count, as in the rows
    assert broken[0.4] == pytest.approx(np.mean([r["iou@val"] for r in scores.rows["broken"]]))
    assert scores.iou_curve["points"] == ()


@pytest.mark.sceptic(21)
def test_workers_do_not_change_anything():
    predictions, thresholds = rows_of(5, views=2)
    t = truths(5, views=2)
    seen: list[tuple[int, int]] = []
    inline = score(predictions, t, PROTOCOL, thresholds, workers=0)
    parallel = score(
        predictions,
        t,
        PROTOCOL,
        thresholds,
        workers=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert parallel == inline
    assert [done for done, _ in seen] == [2, 4, 6, 8, 10] and {total for _, total in seen} == {10}


def test_row_sets_do_not_influence_each_other():
    predictions, thresholds = rows_of(3)
    t = truths(3)
    together = score(predictions, t, PROTOCOL, thresholds, workers=0)
    alone = score({"model": predictions["model"]}, t, PROTOCOL, thresholds, workers=0)
    assert alone.rows["model"] == together.rows["model"]
    backwards = score({"model": predictions["model"][::-1]}, t[::-1], PROTOCOL, thresholds, workers=0)
    assert backwards.rows["model"][::-1] == alone.rows["model"]


def test_truth_is_prepared_once_for_all_rows_and_views(monkeypatch):
    calls = []
    original = R3DV1.prepare
    monkeypatch.setattr(R3DV1, "prepare", lambda self, t: (calls.append(t.id), original(self, t))[1])
    predictions, thresholds = rows_of(3, views=2)
    score(predictions, truths(3, views=2), PROTOCOL, thresholds, workers=0)
    assert calls == ["shape-0", "shape-1", "shape-2"]


@pytest.mark.sceptic(21)
def test_what_cannot_be_scored():
    predictions, thresholds = rows_of(3)
    t = truths(3)
    model = {"model": predictions["model"]}
    with pytest.raises(ValueError, match="the split is empty"):
        score({"model": []}, [], PROTOCOL, {"model": 0.5})
    with pytest.raises(ValueError, match=r"instance \(id, view\) occurs twice"):
        score(model, [t[0], t[1], t[0]], PROTOCOL, thresholds, workers=0)
    with pytest.raises(ValueError, match="row 'model' has 3 predictions for 2 instances"):
        score(model, t[:2], PROTOCOL, thresholds, workers=0)
    with pytest.raises(ValueError, match="row 'model' has no threshold"):
        score(model, t, PROTOCOL, {}, workers=0)
    bad = Truth("shape-9", "c", 0, VoxelShape(np.zeros((R,) * 3, bool)))
    with pytest.raises(TruthError, match="'shape-9' has no occupied cell"):
        score(model, [*t[:2], bad], PROTOCOL, thresholds, workers=0)
    other = Truth("shape-0", "category-0", 1, VoxelShape(grid(5)), cloud(0))
    with pytest.raises(ValueError, match="'shape-0' names different true shapes"):
        score(model, [*t[:2], other], PROTOCOL, thresholds, workers=0)


def test_shapes_of_the_script_itself_are_refused_with_a_mend(monkeypatch):
    """A worker starts without the script, so it could not read them."""

    class Own(PointShape):
        pass

    monkeypatch.setattr(Own, "__module__", "__main__")
    shapes = [Own(cloud(k)) for k in range(3)]
    with pytest.raises(ValueError, match="row 'row': Own is defined in the script that was run; move it to"):
        score({"row": shapes}, truths(3), PROTOCOL, {"row": None}, workers=2)
    assert (
        score({"row": shapes}, truths(3), PROTOCOL, {"row": None}, workers=0).rows["row"][0]["failed"]
        is False
    )


HELPER = """
import os, signal, sys
from zoo.shapes import PointShape

class Probe(PointShape):
    def points(self, n, rng, level=0.5):
        if "torch" in sys.modules:
            raise RuntimeError("torch is loaded")
        return super().points(n, rng, level)

class Deadly(PointShape):
    def points(self, n, rng, level=0.5):
        os.kill(os.getpid(), signal.SIGSEGV)
"""

SCRIPT = """
import json, sys
import numpy as np
from benchmarks.protocols import Truth
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.scoring.score import score
from helper_shapes import Deadly, Probe
from zoo.shapes import VoxelShape

if sys.argv[1] == "probe":
    import torch  # in the main module, as in the command itself

def main():
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (1500, 3))
    truths = [Truth(str(k), "c", 0, VoxelShape(np.ones((4, 4, 4), bool))) for k in range(6)]
    rows = {"before": [Probe(cloud)] * 6, "row": [Probe(cloud)] * 6, "after": [None] * 6}
    if sys.argv[1] == "deadly":
        rows["row"] = [Probe(cloud), Deadly(cloud), *[Probe(cloud)] * 3, Deadly(cloud)]
    protocol = R3DV1(R3DV1Config(points=1024))
    parts = []
    found = score(
        rows, truths, protocol, dict.fromkeys(rows), workers=2, progress=lambda *part: parts.append(part)
    )
    reasons = {name: [r["reason"] for r in own] for name, own in found.rows.items()}
    print(json.dumps({"reasons": reasons, "died": found.died, "last": parts[-1]}))

if __name__ == "__main__":
    main()
"""


def run_script(folder: Path, kind: str) -> subprocess.CompletedProcess[str]:
    (folder / "helper_shapes.py").write_text(HELPER, encoding="utf-8")
    (folder / "command.py").write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).resolve().parents[4]
    return subprocess.run(
        [sys.executable, "-m", "command", kind],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{folder}"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )


def test_workers_never_load_torch(tmp_path):
    done = run_script(tmp_path, "probe")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reasons"] == {"before": [None] * 6, "row": [None] * 6, "after": ["no prediction"] * 6}
    assert found["died"] == {}


def test_a_process_that_dies_costs_the_row_that_killed_it(tmp_path):
    """It has no rows, good or bad: what killed it may have been lack of memory. The others have theirs."""
    done = run_script(tmp_path, "deadly")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reasons"] == {"before": [None] * 6, "after": ["no prediction"] * 6}
    (reason,) = found["died"].values()
    assert list(found["died"]) == ["row"]
    assert re.fullmatch(r"the process that measured it died at '[15]', .*; try fewer --workers", reason)
    assert found["last"] == [6, 6]


FAST = PROTOCOLS.get("pix2vox").cls(PROTOCOLS.get("pix2vox").smoke_config())
"""A protocol without anything slow, that chooses something by looking at the whole list."""


# ----------------------------------------------------------------------- whose fault it is


class Raising(PointShape):
    """Points whose sampling raises what it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__(cloud(0))
        object.__setattr__(self, "error", error)

    def points(self, n, rng, level=0.5):
        raise self.error


def broken_measure(monkeypatch, error: Exception, when=lambda truth: True) -> None:
    """The machine cannot measure, whatever the prediction."""
    original = type(FAST).measure

    def measure(self, prediction, threshold, truth, prepared):
        if when(truth):
            raise error
        return original(self, prediction, threshold, truth, prepared)

    monkeypatch.setattr(type(FAST), "measure", measure)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("Torch not compiled with CUDA enabled"),
        RuntimeError("No CUDA GPUs are available"),
        RuntimeError("a kernel failed"),
        OSError(24, "Too many open files"),
        MemoryError(),
        ImportError("libcudart.so.12: cannot open shared object file"),
        ValueError("matrix contains invalid numeric entries"),
        KeyError("points"),
        ZeroDivisionError("division by zero"),
        PermissionError(13, "Permission denied", "/tmp/numba"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("which", ["shape-0", "shape-2"])
def test_what_the_truth_fails_at_too_is_no_predictions_fault(monkeypatch, error, which):
    """One row alone, so that nothing but the truth against itself can tell."""
    broken_measure(monkeypatch, error, lambda truth: truth.id == which)
    predictions, thresholds = rows_of(4)
    with pytest.raises(MeasuringError, match=f"'{which}'.*no prediction is to blame") as found:
        score({"points": predictions["points"]}, truths(4), FAST, thresholds, workers=0)
    assert type(error).__name__ in str(found.value) and "the same command goes on" in str(found.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(24, "Too many open files"),
        OSError(5, "Input/output error"),
        ImportError("no module"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        BackendError("cannot run"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("when", ["read", "measured"])
def test_a_fault_of_the_machine_is_one_even_where_the_truth_is_measured_well(error, when):
    def read():
        raise error

    row: list = [PointShape(cloud(k)) for k in range(3)]
    row[1] = read if when == "read" else Raising(error)
    with pytest.raises(MeasuringError, match=r"'shape-1', row 'row'.*a fault of the machine"):
        score({"row": row}, truths(3), FAST, {"row": None}, workers=0)


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyError("x"), ZeroDivisionError(), BadItem("a.ply: broken")]
)
def test_what_one_prediction_alone_fails_at_is_its_own_fault(error):
    def read():
        raise error

    row: list = [PointShape(cloud(k)) for k in range(3)]
    row[1] = read if isinstance(error, BadItem) else Raising(error)
    rows = score(
        {"row": row, "other": row[:1] * 3}, truths(3), FAST, {"row": None, "other": None}, workers=0
    ).rows
    assert [r["failed"] for r in rows["row"]] == [False, True, False]
    assert rows["row"][1]["reason"].startswith(type(error).__name__)
    assert not any(r["failed"] for r in rows["other"])


def test_what_every_row_fails_at_is_no_predictions_fault():
    row: list = [PointShape(cloud(0)), Raising(ValueError("flat")), PointShape(cloud(2))]
    rows = {"a": row, "b": row, "c": row}
    with pytest.raises(
        MeasuringError, match=r"'shape-1': all 3 rows fail \(a, b, c; the first: ValueError: flat"
    ):
        score(rows, truths(3), FAST, dict.fromkeys(rows), workers=0)


def test_what_is_missing_or_cannot_be_read_in_every_row_is_their_fault():
    def read():
        raise BadItem("x.ply: broken")

    rows = {"a": [read, None], "b": [read, None]}
    found = score(rows, truths(2), FAST, dict.fromkeys(rows), workers=0).rows
    assert [r["reason"] for r in found["b"]] == ["BadItem: x.ply: broken", "no prediction"]


def test_a_truth_that_cannot_be_prepared_is_named(monkeypatch):
    def prepare(self, truth):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(type(FAST), "prepare", prepare)
    predictions, thresholds = rows_of(3)
    with pytest.raises(MeasuringError, match="true shape 'shape-0': RuntimeError: no kernel"):
        score({"model": predictions["model"][:3]}, truths(3), FAST, thresholds, workers=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_lack_of_memory_costs_the_row_that_needs_it(workers):
    hungry: list = [PointShape(cloud(0)), Hungry(cloud(1)), PointShape(cloud(2))]
    rows = {"hungry": hungry, "other": [PointShape(cloud(k)) for k in range(3)]}
    found = score(rows, truths(3), FAST, dict.fromkeys(rows), workers=workers)
    assert list(found.rows) == ["other"] and not any(r["failed"] for r in found.rows["other"])
    assert re.match("not enough memory at 'shape-1'.*try fewer --workers", found.died["hungry"])


class Hungry(PointShape):
    def points(self, n, rng, level=0.5):
        raise MemoryError


@pytest.mark.parametrize("forced", ["torch:nowhere", "boxtree:cuda", "quick"])
def test_a_backend_that_cannot_run_is_said_before_anything_is_measured(monkeypatch, forced):
    monkeypatch.setenv("R3D_NEIGHBOURS", forced)
    predictions, thresholds = rows_of(3)

    def asked(self, k):
        raise AssertionError("nothing may be asked for")

    monkeypatch.setattr("benchmarks.scoring.score.check_truths", asked)
    with pytest.raises(BackendError, match=forced):
        score({"model": predictions["model"]}, truths(3), FAST, thresholds, workers=0)


def test_values_that_are_no_numbers_are_the_predictions_failure(monkeypatch):
    original = type(FAST).measure

    def measure(self, prediction, threshold, truth, prepared):
        found = original(self, prediction, threshold, truth, prepared)
        return (
            replace(found, values={**found.values, "fscore@1%": float("nan")}) if threshold is None else found
        )

    monkeypatch.setattr(type(FAST), "measure", measure)
    predictions, thresholds = rows_of(3)
    rows = {name: predictions[name][:3] for name in ("model", "points")}
    found = score(rows, truths(3), FAST, thresholds, workers=0).rows
    assert [r["reason"] for r in found["points"]] == ["ValueError: fscore@1% is nan"] * 3
    assert found["points"][0]["fscore@1%"] == 0 and not found["model"][0]["failed"]


# ------------------------------------------------------------------------ rows that give up


class Lazy(Sequence):
    """Predictions that raise from some place on."""

    def __init__(self, shapes: list, last: int, error: Exception) -> None:
        self.shapes, self.last, self.error, self.asked = shapes, last, error, []

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, k):
        self.asked.append(k)
        if k > self.last:
            raise self.error
        return self.shapes[k]


@pytest.mark.parametrize(
    ("workers", "last", "error"),
    [
        (0, -1, RuntimeError("NaN in the weights")),
        (0, 1, MemoryError()),
        (0, 4, SystemError("exit status 3")),
        (2, 1, RuntimeError("NaN in the weights")),
        (2, 4, ValueError("shapes differ")),
    ],
)
def test_a_row_that_raises_when_it_is_asked_for_costs_itself(workers, last, error):
    predictions, _ = rows_of(6)
    late = Lazy(predictions["model"], last, error)
    rows = {"late": late, "points": predictions["points"]}
    found = score(rows, truths(6), FAST, {"late": 0.4, "points": None}, workers=workers)
    assert list(found.rows) == ["points"] and len(found.rows["points"]) == 6
    assert found.died["late"].startswith(f"predicting 'shape-{last + 1}': {type(error).__name__}")
    assert late.asked == list(range(last + 2))  # and not once more


def test_nobody_is_left():
    late = Lazy([None] * 3, -1, RuntimeError("x"))
    found = score({"late": late}, truths(3), FAST, {"late": None}, workers=0)
    assert found.rows == {} and list(found.died) == ["late"]


def test_a_number_of_workers_below_none_is_refused():
    predictions, thresholds = rows_of(3)
    for workers in (-1, -8):
        with pytest.raises(ValueError, match=f"workers must be 0 .* or more, got {workers}"):
            score({"model": predictions["model"]}, truths(3), FAST, thresholds, workers=workers)


def test_truths_that_cannot_be_measured_against_are_all_named():
    entry = PROTOCOLS.get("pix3d")
    pix3d = entry.cls(entry.config())
    full = [Truth(f"full-{k}", "c", 0, VoxelShape(np.ones((R,) * 3, bool))) for k in range(7)]
    good = truths(2)
    assert check_truths(good, pix3d) == [("shape-0", "category-0", 0), ("shape-1", "category-1", 0)]
    with pytest.raises(
        TruthError, match="7 of 9 true shapes cannot be measured against by pix3d v1"
    ) as found:
        check_truths([*good, *full], pix3d)
    assert all(f"'full-{k}'" in str(found.value) for k in range(5)) and str(found.value).endswith("; ...")


# -------------------------------------------------------------------------------- journals


def paths(folder: Path, rows: dict) -> dict[str, Path]:
    return {name: folder / name / "measured.jsonl" for name in rows}


class Unasked(Sequence):
    """Predictions of which some must not be asked for."""

    def __init__(self, shapes: list, forbidden: set[int]) -> None:
        self.shapes, self.forbidden = shapes, forbidden

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, k):
        assert k not in self.forbidden, "it was measured before"
        return self.shapes[k]


def test_what_was_measured_is_neither_measured_nor_asked_for_again(tmp_path, monkeypatch):
    """Exactly equal numbers, failures and curves, from the file and from the measuring."""
    t = truths(4, views=2)
    predictions, thresholds = rows_of(4, views=2)
    whole = score(predictions, t, FAST, thresholds, workers=0)
    files = paths(tmp_path, predictions)
    with monkeypatch.context() as patch:
        broken_measure(patch, RuntimeError("the power is gone"), lambda truth: truth.id == "shape-2")
        with pytest.raises(MeasuringError):
            score(predictions, t, FAST, thresholds, workers=0, journals=files)
    rest = {name: Unasked(shapes, {0, 1, 2, 3}) for name, shapes in predictions.items()}
    seen = []
    again = score(
        rest,
        t,
        FAST,
        thresholds,
        workers=0,
        journals=files,
        progress=lambda *part: seen.append(part),
    )
    assert again == whole and seen == [(6, 8), (8, 8)]
    done = {name: Unasked(shapes, set(range(8))) for name, shapes in predictions.items()}
    assert score(done, t, FAST, thresholds, workers=0, journals=files) == whole


def test_other_weights_are_measured_anew(tmp_path):
    """Trained again under the same cell, after the first weights were deleted by hand."""
    t = truths(3)
    predictions, thresholds = rows_of(3)
    files = paths(tmp_path, predictions)

    def measured(shapes, weights):
        rows = {**predictions, "model": shapes}
        return score(rows, t, FAST, thresholds, workers=0, journals=files, weights={"model": weights})

    before = measured(predictions["model"], "first")
    other = list(reversed(predictions["model"]))
    assert measured(other, "first") == before
    after = measured(other, "second")
    assert after == score({**predictions, "model": other}, t, FAST, thresholds, workers=0)
    assert after.rows["model"] != before.rows["model"]


def test_each_row_goes_on_where_it_was(tmp_path):
    t = truths(3)
    predictions, thresholds = rows_of(3)
    whole = score(predictions, t, FAST, thresholds, workers=0)
    files = paths(tmp_path, predictions)
    score({"model": predictions["model"]}, t, FAST, thresholds, workers=0, journals=files)
    lines = files["model"].read_text(encoding="utf-8").splitlines(keepends=True)
    files["model"].write_text("".join(lines[:3]), encoding="utf-8")
    rest = {**predictions, "model": Unasked(predictions["model"], {0})}
    assert score(rest, t, FAST, thresholds, workers=2, journals=files) == whole


DAMAGE = {
    "torn": lambda text: text[:-40],
    "torn in the first line": lambda text: text[:30],
    "a digit": lambda text: text.replace("0.", "1.", 1),
    "a line twice": lambda text: text + text.splitlines(keepends=True)[-1],
    "a line gone": lambda text: "".join(
        text.splitlines(keepends=True)[:3] + text.splitlines(keepends=True)[3:]
    ),
    "nothing": lambda text: "",
    "zeros at the end": lambda text: text + "\0" * 99,
    "another file": lambda text: "id,category\na,b\n",
    "no line break at the end": lambda text: text.rstrip("\n"),
    "another line between": lambda text: text.replace("\n", "\nnull\n", 2),
    "turned over": lambda text: "".join(reversed(text.splitlines(keepends=True))),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_journal_costs_what_is_damaged(tmp_path, damage):
    t = truths(3)
    predictions, thresholds = rows_of(3)
    files = paths(tmp_path, predictions)
    whole = score(predictions, t, FAST, thresholds, workers=0, journals=files)
    for path in files.values():
        path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert score(predictions, t, FAST, thresholds, workers=0, journals=files) == whole
    done = {name: Unasked(shapes, {0, 1, 2}) for name, shapes in predictions.items()}
    assert score(done, t, FAST, thresholds, workers=0, journals=files) == whole


@pytest.mark.parametrize("other", ["threshold", "points", "neighbours"])
def test_a_journal_of_other_settings_is_begun_anew(tmp_path, monkeypatch, other):
    t = truths(3)
    rows, thresholds = {"model": rows_of(3)[0]["model"]}, {"model": 0.4}
    files = paths(tmp_path, rows)
    score(rows, t, FAST, thresholds, workers=0, journals=files)
    protocol = type(FAST)(FAST.config.model_copy(update={"points": 257})) if other == "points" else FAST
    if other == "threshold":
        thresholds = {"model": 0.5}
    if other == "neighbours":
        monkeypatch.setenv("R3D_NEIGHBOURS", "kdtree")
    alone = score(rows, t, protocol, thresholds, workers=0)
    assert score(rows, t, protocol, thresholds, workers=0, journals=files) == alone


def test_names_that_are_no_text_are_kept(tmp_path):
    """A file name in another encoding, and what is markup or a line break to somebody."""
    ids = ["sha\udce9pe", "[/red]", "a\nb", 'quote"', "\x1b[2J", "椅子"]
    t = [Truth(id, "c", 0, VoxelShape(grid(k)), None) for k, id in enumerate(ids)]
    rows = {"row": [PointShape(cloud(k)) for k in range(len(ids))]}
    files = paths(tmp_path, rows)
    first = score(rows, t, FAST, {"row": None}, workers=0, journals=files)
    done = {"row": Unasked(rows["row"], set(range(len(ids))))}
    assert score(done, t, FAST, {"row": None}, workers=0, journals=files) == first


# ------------------------------------------------------------------------------- processes

STUCK = """
import os, signal, sys, time
import numpy as np
from pathlib import Path
from benchmarks.protocols import Truth
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.scoring.score import score
from zoo.cli.command import run_command
from zoo.shapes import PointShape, VoxelShape
from stuck_shapes import Stuck, Torn

def main():
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (1500, 3))
    truths = [Truth(str(k), "c", 0, VoxelShape(np.ones((4, 4, 4), bool))) for k in range(6)]
    rows = {"before": [PointShape(cloud)] * 6, "row": [PointShape(cloud)] * 6, "after": [None] * 6}
    kind = Torn if sys.argv[1] == "torn" else Stuck
    rows["row"] = [PointShape(cloud), kind(cloud), *[PointShape(cloud)] * 3, kind(cloud)]
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else None
    found = score(rows, truths, R3DV1(R3DV1Config(points=1024)), dict.fromkeys(rows), workers=2, limit=limit)
    print(sorted(found.rows), found.died)

if __name__ == "__main__":
    sys.exit(run_command(main))
"""

STUCK_SHAPES = """
import os, time
from pathlib import Path
from zoo.shapes import PointShape

class Stuck(PointShape):
    def points(self, n, rng, level=0.5):
        Path(f"at-{os.getpid()}").touch()
        time.sleep(600)

class Torn(PointShape):
    def points(self, n, rng, level=0.5):
        os._exit(3)
"""


def start_stuck(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "stuck_shapes.py").write_text(STUCK_SHAPES, encoding="utf-8")
    (folder / "stuck.py").write_text(STUCK, encoding="utf-8")
    root = Path(__file__).resolve().parents[4]
    return subprocess.Popen(
        [sys.executable, "-m", "stuck", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{folder}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_a_row_that_hangs_costs_itself_where_there_is_a_limit(tmp_path):
    out, err = start_stuck(tmp_path, "stuck", "3").communicate(timeout=240)
    assert "['after', 'before']" in out, err
    assert re.search(r"'row': \"measuring it at '[15]' took longer than 3 s\"", out)


def test_a_process_that_ends_by_itself_costs_the_row_that_it_was_at(tmp_path):
    out, err = start_stuck(tmp_path, "torn").communicate(timeout=240)
    assert "['after', 'before']" in out, err
    assert re.search(r"died at '[15]'.*exit status 3", out)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux lists them")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"])
def test_no_process_that_measures_outlives_a_command_that_is_killed(tmp_path, name):
    command = start_stuck(tmp_path, "stuck")
    try:
        deadline = time.monotonic() + 120
        while not (at := list(tmp_path.glob("at-*"))):
            assert time.monotonic() < deadline and command.poll() is None
            time.sleep(0.1)
        children = [int(path.name.removeprefix("at-")) for path in at]
        command.send_signal(signal.Signals[name])
        command.communicate(timeout=60)
        deadline = time.monotonic() + 30
        while not all(map(gone, children)):
            assert time.monotonic() < deadline, f"{children} are still there"
            time.sleep(0.1)
    finally:
        command.kill()
    assert command.returncode != 0


def test_processes_need_no_shared_memory(monkeypatch):
    """Where /dev/shm cannot be written, no semaphore can be made; none is needed."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(multiprocessing.synchronize, "SemLock", refuse)
    predictions, thresholds = rows_of(3)
    assert len(score(predictions, truths(3), FAST, thresholds, workers=2).rows) == 4


def test_processes_that_never_begin_are_given_up_with_a_mend(monkeypatch):
    monkeypatch.setattr(pool, "_serve", os._exit)
    predictions, thresholds = rows_of(3)
    with pytest.raises(MeasuringError, match=r"3 worker processes ended before they began.*--workers 0"):
        score(predictions, truths(3), FAST, thresholds, workers=1)


def test_a_process_that_cannot_be_started_is_one_line_with_a_mend(monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pool, "start_child", refuse)
    predictions, thresholds = rows_of(3)
    with pytest.raises(MeasuringError, match=r"Resource temporarily unavailable\); try fewer --workers"):
        score(predictions, truths(3), FAST, thresholds, workers=2)
