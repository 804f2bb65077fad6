"""Scoring: nothing is lost, nothing depends on the number of processes, and no process loads torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.protocols import CURVE, Truth, TruthError
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.results import metric_names
from benchmarks.scoring import score
from zoo.geometry.mesh import Mesh
from zoo.shapes import MeshShape, PointShape, VoxelShape

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
from benchmarks.scoring import score
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
    (folder / "helper_shapes.py").write_text(HELPER)
    (folder / "command.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-m", "command", kind],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
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
