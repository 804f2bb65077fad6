"""Anybody's predictions against anybody's truths: pairing, honesty about what is missing, equal numbers."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

from benchmarks import evaluate
from benchmarks.driver import evaluation, terminal
from benchmarks.files.pairing import instances, shape_files
from benchmarks.files.predictions import PredictionFiles
from benchmarks.gallery.of_files import gather_foreign
from benchmarks.protocols import Truth
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.records.storage import load, save
from benchmarks.request.named_folders import named_folders
from benchmarks.scoring.failures import by_the_machine, kind_of
from benchmarks.scoring.score import score
from datasets import DataError
from datasets.formats.binvox import write_binvox
from zoo.config import ConfigError
from zoo.shapes import VoxelShape

R = 16
POINTS = "points=1024"


def grid(seed: int) -> np.ndarray:
    """A box of its own for each seed, off the centre."""
    rng = np.random.default_rng(seed)
    low, high = rng.integers(1, 6, 3), rng.integers(9, 15, 3)
    cells = np.zeros((R, R, R), bool)
    cells[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return cells


def soft(cells: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.25, cells.shape)
    return np.clip(cells * 0.7 + 0.15 + noise, 0, 1).astype(np.float32)


IDS = ("chair/a", "chair/b", "lamp/c", "lamp/d")


@pytest.fixture
def folders(tmp_path):
    """True grids as binvox, predictions as npz."""
    for k, name in enumerate(IDS):
        for top in ("gt", "pred"):
            (tmp_path / top / name).parent.mkdir(parents=True, exist_ok=True)
        write_binvox(tmp_path / "gt" / f"{name}.binvox", grid(k))
        np.savez(tmp_path / "pred" / f"{name}.npz", voxels=soft(grid(k), k))
    return tmp_path


def run(folder, *words) -> tuple[int, dict]:
    """Exit status and results.json; what else is written is as `words` say."""
    out = folder / "out"
    more = ["--gt", str(folder / "gt"), "--out", str(out), "--workers", "0", "--set", POINTS]
    more += [] if "--format" in words else ["--format", "json"]
    status = evaluate.main([*map(str, words), *more])
    path = out / "results.json"
    return status, json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def values(results: dict, name: str) -> dict[str, list[float]]:
    return {metric: seeds[0] for metric, seeds in results["values"][name].items()}


def test_the_numbers_are_those_of_a_model(folders):
    """Equal to scoring the same arrays in memory, digit for digit, order of the table included."""
    status, results = run(folders, "--pred", folders / "pred")
    assert status == 0
    truths = [Truth(name, name.split("/")[0], 0, VoxelShape(grid(k))) for k, name in enumerate(IDS)]
    shapes = [VoxelShape(soft(grid(k), k)) for k in range(4)]
    protocol = R3DV1(R3DV1Config(points=1024))
    expected = score({"net": shapes}, truths, protocol, {"net": 0.5}, workers=0).rows["net"]
    found = values(results, "pred")
    assert [i["id"] for i in results["instances"]] == list(IDS)
    for column in protocol.columns:
        assert found[column.name] == [row[column.name] for row in expected], column.name
    row = next(r for r in results["rows"] if r["name"] == "pred")
    assert row["kind"] == "files" and row["n_failed"] == 0 and row["seeds"] == []
    assert row["records"][0]["threshold"] == {"value": 0.5, "chosen": "given, not chosen on any data"}
    assert [i["category"] for i in results["instances"]] == ["chair", "chair", "lamp", "lamp"]
    assert values(results, "floor")["iou@val"] == [1.0] * 4


def test_a_row_that_kills_the_process_which_measures_it_is_missing_and_the_others_are_there(
    folders, monkeypatch, capsys
):
    def deadly(predictions, *args, **options):
        others = {name: shapes for name, shapes in predictions.items() if name != "bad"}
        return replace(score(others, *args, **options), died={"bad": "the process died"})

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "score", deadly)
        words = ["--pred", f"good={folders / 'pred'}", f"bad={folders / 'pred'}", "--reference", "bad"]
        status, results = run(folders, *words, "--format", "json,rich")
    said = capsys.readouterr().out
    assert status == 1 and "failed bad: the process died" in said and "bad (missing)" in said
    assert [r["name"] for r in results["rows"]] == ["good", "floor"] and results["absent"] == ["bad"]
    status, results = run(folders, *words)
    assert status == 0 and {r["name"] for r in results["rows"]} == {"good", "bad", "floor"}


def test_a_threshold_that_the_protocol_fixes_is_said_to_be_fixed(folders):
    out = folders / "out"
    words = [
        "--pred",
        folders / "pred",
        "--gt",
        folders / "gt",
        "--out",
        out,
        "--workers",
        0,
        "--threshold",
        0.9,
    ]
    assert evaluate.main([*map(str, words), "--protocol", "r2n2", "--format", "json"]) == 0
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    row = next(r for r in results["rows"] if r["name"] == "pred")
    assert row["records"][0]["threshold"] == {"value": 0.4, "chosen": "fixed by the protocol"}
    pairs = [(soft(grid(k), k) >= np.float32(0.4), grid(k)) for k in range(4)]
    expected = [(p & g).sum() / (p | g).sum() for p, g in pairs]
    assert values(results, "pred")["iou@.4"] == pytest.approx(expected)


def test_missing_and_broken_predictions_are_failures_with_a_reason(folders, capsys):
    (folders / "pred/chair/a.npz").unlink()
    (folders / "pred/lamp/c.npz").write_bytes(b"junk")
    np.savez(folders / "pred/lamp/extra.npz", voxels=grid(0))
    status, results = run(folders, "--pred", folders / "pred")
    assert status == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "pred: 1 of 4 true shapes have no prediction and count as failures; 1 files belong to none" in said
    row = next(r for r in results["rows"] if r["name"] == "pred")
    reasons = {f["id"]: f["reason"] for f in row["failures"]}
    assert reasons["chair/a"] == "no prediction"
    assert "c.npz: broken npz" in reasons["lamp/c"]
    found = values(results, "pred")
    assert found["cd"][0] == found["cd"][2] == pytest.approx(2 * 3**0.5)
    assert found["iou@val"][0] == found["iou@val"][2] == 0
    assert row["instance_mean"]["iou@val"]["mean"] == pytest.approx(np.mean(found["iou@val"]))


def test_meshes_against_meshes(tmp_path):
    """A box against itself gives the floor; the same box elsewhere does not: nothing is aligned."""
    for name, shift in (("gt", 0.0), ("same", 0.0), ("moved", 0.4)):
        (tmp_path / name).mkdir()
        for k in range(2):
            box = trimesh.creation.box((2, 1.2, 0.6))
            box.apply_translation((shift, k, 0))
            box.export(tmp_path / name / f"{k}.{'ply' if name == 'gt' else 'obj'}")
    status, results = run(tmp_path, "--pred", tmp_path / "same", f"elsewhere={tmp_path / 'moved'}")
    assert status == 0
    same, moved = values(results, "same"), values(results, "elsewhere")
    # the noise floor of a box of edges 1, .6, .3 at 1,024 points is .045 (reference tables)
    assert same["cd"] == pytest.approx([0.045] * 2, rel=0.15)
    assert min(moved["cd"]) > 2 * max(same["cd"])
    assert same["iou@val"] == [None, None]
    assert [r["name"] for r in results["rows"]] == ["same", "elsewhere", "floor"]
    assert results["reference"] == "same"
    status, _ = run(tmp_path, "--pred", tmp_path / "same", "--format", "md")
    assert "*models, best CD first*" in (tmp_path / "out/table.md").read_text(
        encoding="utf-8"
    )  # nobody has an IoU


def test_the_threshold_is_chosen_on_validation_shapes(folders):
    """Predictions that are right from .8 on: one half is wrong for them, and validation shows it."""
    for top in ("val_gt", "val_pred"):
        (folders / top).mkdir()
    for k in range(3):
        write_binvox(folders / "val_gt" / f"{k}.binvox", grid(10 + k))
        np.save(folders / "val_pred" / f"{k}.npy", np.where(grid(10 + k), 0.9, 0.7))
    for k, name in enumerate(IDS):
        np.savez(folders / "pred" / f"{name}.npz", voxels=np.where(grid(k), 0.9, 0.7))
    _, plain = run(folders, "--pred", folders / "pred")
    assert max(values(plain, "pred")["iou@val"]) < 0.3
    status, chosen = run(
        folders,
        *("--pred", folders / "pred", "--val-pred", folders / "val_pred", "--val-gt", folders / "val_gt"),
    )
    assert status == 0
    assert values(chosen, "pred")["iou@val"] == [1.0] * 4
    record = next(r for r in chosen["rows"] if r["name"] == "pred")["records"][0]
    assert record["threshold"] == {"value": 0.75, "chosen": "highest mean IoU on 3 validation instances"}


def test_views_of_one_shape_are_one_cluster(folders):
    names = folders / "names.csv"
    lines = ["name,truth,shape,category,view"]
    for view in range(2):
        for k, name in enumerate(IDS):
            np.savez(folders / "pred" / f"{k}_{view}.npz", voxels=soft(grid(k), 10 * view + k))
            lines.append(f"{k}_{view},{name},{k},,{view}")
    names.write_text("\n".join(lines), encoding="utf-8")
    status, results = run(folders, "--pred", folders / "pred", "--names", names)
    assert status == 0
    assert [(i["id"], i["view"]) for i in results["instances"]] == [
        (str(k), view) for k in range(4) for view in (0, 1)
    ]
    assert results["dataset"]["n"] == 8 and results["dataset"]["views"].startswith("several pictures")
    assert results["paired"] == []


def test_a_second_run_measures_only_what_changed(folders, monkeypatch):
    _, first = run(folders, "--pred", folders / "pred")
    measured = []
    original = evaluation.score

    def counting(predictions, *args, **kwargs):
        measured.append(sorted(predictions))
        return original(predictions, *args, **kwargs)

    monkeypatch.setattr(evaluation, "score", counting)
    _, again = run(folders, "--pred", folders / "pred")
    assert measured == [] and again["values"] == first["values"]
    np.savez(folders / "pred/lamp/d.npz", voxels=grid(0))
    _, changed = run(folders, "--pred", folders / "pred")
    assert measured == [["pred"]]
    assert values(changed, "pred")["cd"][:3] == values(first, "pred")["cd"][:3]
    assert values(changed, "pred")["cd"][3] != values(first, "pred")["cd"][3]


def test_truths_that_cannot_be_read(folders, capsys):
    (folders / "gt/lamp/d.binvox").write_bytes(b"junk")
    write_binvox(folders / "gt/lamp/c.binvox", np.zeros((R, R, R), bool))
    assert run(folders, "--pred", folders / "pred")[0] == 2
    said = capsys.readouterr().err
    assert "2 of 4 true shapes cannot be measured against; mend them, or leave them out" in said
    assert "d.binvox" in said and "'lamp/c' has no occupied cell" in said
    status, results = run(folders, "--pred", folders / "pred", "--allow-missing")
    assert status == 0
    assert results["dataset"]["n"] == 2
    assert results["dataset"]["skipped"] == {"true shape cannot be read": 2}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threshold", "0"], "--threshold must lie in (0, 1], got 0"),
        (["--protocol", "r3d_v2"], "unknown protocol 'r3d_v2'. Did you mean 'r3d-v1'?"),
        (["--val-gt", "x"], "--val-pred and --val-gt go together"),
        (["--reference", "nobody"], "unknown --reference 'nobody'"),
        (["--set", "pints=4000"], "pints"),
        (["--format", "htlm"], "unknown --format 'htlm'. Did you mean 'html'?"),
        (["--names", "nowhere.csv"], "nowhere.csv: No such file"),
    ],
)
def test_bad_words(folders, capsys, words, message):
    assert run(folders, "--pred", folders / "pred", *words)[0] == 2
    assert message in capsys.readouterr().err


def test_folders_that_do_not_fit(folders, capsys):
    (folders / "other").mkdir()
    np.save(folders / "other/z.npy", grid(0))
    for words, message in (
        ([folders / "nowhere"], "nowhere: no such folder"),
        ([folders / "other"], "none of its 1 shapes has the name of a true one: 'z' here, 'chair/a' there"),
        ([folders / "pred", f"pred={folders / 'gt'}"], "two rows 'pred'"),
        ([f"floor={folders / 'pred'}"], "two rows 'floor'"),
    ):
        assert run(folders, "--pred", *words)[0] == 2
        assert message in capsys.readouterr().err
    (folders / "other/z.npy").write_bytes(b"")
    (folders / "other/z.npy").rename(folders / "other/a.npy")
    (folders / "gt/a.binvox").write_bytes((folders / "gt/chair/a.binvox").read_bytes())
    assert run(folders, "--pred", folders / "other")[0] == 2
    assert "'other': none of its shapes can be read; the first:" in capsys.readouterr().err


# -------------------------------------------------------------------------------------- report


def islands(page) -> dict:
    """The JSON of a report by the name of its element."""
    found = re.findall(
        r'<script type="application/json" id="([^"]+)">(.*?)</script>', page.read_text(encoding="utf-8"), re.S
    )
    return {name: json.loads(text) for name, text in found}


def test_the_report_shows_predictions_beside_truths(folders, capsys):
    """Every row of every chosen instance, coloured where wrong; blank where nothing can be read."""
    np.savez(folders / "pred/chair/a.npz", voxels=np.roll(grid(0), 3, 0))
    for k, name in enumerate(IDS[:2]):
        path = folders / "other" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, voxels=grid(k))
    (folders / "other/chair/b.npz").write_bytes(b"junk")
    words = ["--pred", folders / "pred", folders / "other", "--format", "json,html,md"]
    assert run(folders, *words)[0] == 0
    assert "written: " in capsys.readouterr().out
    data = islands(folders / "out/report.html")
    head = data["gallery"]
    assert head["models"] == [["pred", "pred"], ["other", "other"]]
    assert {case["id"] for case in head["cases"]} == set(IDS)
    assert {c for case in head["cases"] for c, _ in case["tags"]} == {"", "chair", "lamp"}
    shown = {case["id"]: data[f"case-{k}"] for k, case in enumerate(head["cases"])}
    assert all(case["image"] is None for case in shown.values())
    assert all(case["truth"]["kind"] == "mesh" and not case["truth"]["shaded"] for case in shown.values())
    assert all(case["models"]["pred"]["surface"]["shaded"] for case in shown.values())
    assert [shown[name]["models"]["other"] is None for name in IDS] == [False, True, True, True]
    scores = dict(shown["chair/a"]["models"]["pred"]["scores"])
    wrong = values(json.loads((folders / "out/results.json").read_text(encoding="utf-8")), "pred")
    assert scores == {"IoU": f"{wrong['iou@val'][0]:.3f}", "CD": f"{wrong['cd'][0]:.4f}"}
    plots = {path.stem for path in (folders / "out/plots").iterdir()}
    assert "iou-threshold" in plots and "training" not in plots
    main = (folders / "out/table.md").read_text(encoding="utf-8").split("## ")[1]
    assert "failed" in main and "params" not in main and "seeds |" not in main  # nobody has any


def test_shapes_in_other_units_are_shown_in_the_box_of_the_truth(tmp_path):
    """Millimetres, off the centre: the truth fills the unit cube, half its length is half a cube."""
    for name, shift in (("gt", 0.0), ("pred", 500.0)):
        (tmp_path / name).mkdir()
        box = trimesh.creation.box((1000, 600, 300))
        box.apply_translation((3000 + shift, -40, 7))
        box.export(tmp_path / name / "a.ply")
        points = trimesh.sample.sample_surface(box, 500, seed=0)[0]
        trimesh.PointCloud(points).export(tmp_path / name / "b.ply")
    wanted = instances(tmp_path / "gt")
    folder = PredictionFiles.below(tmp_path / "pred", "pred", wanted)
    rows = [
        {"id": one.name, "view": 0, "category": "object", "cd": k, "iou@val": None}
        for k, one in enumerate(wanted)
    ]
    protocol = R3DV1(R3DV1Config())
    columns = {column.name: column for column in protocol.columns}
    comparison = SimpleNamespace(
        reference="floor",
        models=[SimpleNamespace(name="pred")],
        protocol=protocol,
        column=columns.__getitem__,
    )
    cases = gather_foreign(comparison, wanted, [folder], {"pred": (SimpleNamespace(threshold=None), rows)})
    assert cases.chosen == "of pred by CD" and {case.id for case in cases.overall} == {"a", "b"}
    for case in cases.overall:
        truth, drawn = case.truth, case.predictions["pred"]
        assert drawn.scores == {"IoU": "n/a", "CD": f"{'ab'.index(case.id):.4f}"}
        found = [s.cloud if case.id == "b" else s.surface.vertices for s in (truth, drawn.shape)]
        low, high = found[0].min(0), found[0].max(0)
        np.testing.assert_allclose(low, -high, atol=1e-6)
        assert (high - low).max() == pytest.approx(1)
        np.testing.assert_allclose(found[1] - found[0], [[0.5, 0, 0]] * len(found[0]), atol=0.01)


def test_pictures_of_one_shape_are_cases_of_their_own(folders):
    names = folders / "names.csv"
    names.write_text(
        "name,truth,shape,view\n0_0,chair/a,s,0\n0_1,chair/a,s,1\n0_2,lamp/c,t,0", encoding="utf-8"
    )
    for view in range(3):
        np.savez(folders / "pred" / f"0_{view}.npz", voxels=soft(grid(0), view))
    status, _ = run(folders, "--pred", folders / "pred", "--names", names, "--format", "html")
    assert status == 0
    cases = islands(folders / "out/report.html")["gallery"]["cases"]
    assert sorted(case["id"] for case in cases) == ["0_0", "0_1", "0_2"]


def test_only_the_formats_that_are_asked_for(folders, capsys):
    status, results = run(folders, "--pred", folders / "pred", "--format", "md")
    assert status == 0 and results == {}
    assert {path.name for path in (folders / "out").iterdir()} == {
        *("cells", "table.md", "gallery.png", "tables")
    }
    assert "models, best" not in capsys.readouterr().out


def test_a_protocol_without_a_number_for_the_rows_has_a_report_without_shapes(tmp_path):
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "a.npz", voxels=grid(0))
    trimesh.creation.box((0.5, 0.5, 0.5)).export(tmp_path / "pred/a.ply")
    (tmp_path / "pred/a.npz").unlink()
    words = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "out", "--workers", 0]
    assert evaluate.main([*map(str, words), "--protocol", "r2n2"]) == 0
    assert islands(tmp_path / "out/report.html")["gallery"]["cases"] == []
    assert not (tmp_path / "out/gallery.png").exists()


# --------------------------------------------------------------------------------------- names


def test_names_are_paths_without_what_all_share(tmp_path):
    for name in ("03001627/abc/models/model_normalized.obj", "03001627/abd/models/model_normalized.obj"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("v 0 0 0", encoding="utf-8")
    (tmp_path / "03001627/abc/models/model_normalized.mtl").write_text("", encoding="utf-8")
    (tmp_path / ".hidden.obj").write_text("", encoding="utf-8")
    assert list(shape_files(tmp_path)) == ["03001627/abc", "03001627/abd"]
    assert [i.category for i in instances(tmp_path)] == ["03001627"] * 2
    (tmp_path / "03001627/abe.obj").write_text("v 0 0 0", encoding="utf-8")
    assert "03001627/abc/models/model_normalized" in shape_files(tmp_path)


def test_one_file_keeps_its_name(tmp_path):
    (tmp_path / "a.obj").write_text("", encoding="utf-8")
    assert list(shape_files(tmp_path)) == ["a"]
    assert instances(tmp_path)[0].category == "object"


def test_two_files_of_one_name(tmp_path):
    for kind in ("obj", "ply"):
        (tmp_path / f"a.{kind}").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.obj and a\.ply are both of 'a'"):
        shape_files(tmp_path)


def test_no_shape_in_a_folder(tmp_path):
    (tmp_path / "readme.txt").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no shape in it; known are"):
        shape_files(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "name,colour\na,red",
            "name and any of category, shape, truth, view; got name, colour",
        ),
        ("truth\na", "columns must be name"),
        ("", "columns must be name"),
        ("name", "no lines below the header"),
        ("name,view\na,0,0", "line 2: not 2 columns"),
        ("name,view\na", "line 2: not 2 columns"),
        ("name,view\na,x", "line 2: view must be a whole number, got 'x'"),
        ("name,truth\na,b", "line 2: no true shape 'b'"),
        ("name\na\na", "occurs twice"),
        ("name,truth\nx,a\ny,a", "occurs twice"),
    ],
)
def test_bad_lists(tmp_path, text, reason):
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt/a.obj").write_text("", encoding="utf-8")
    (tmp_path / "names.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        instances(tmp_path / "gt", tmp_path / "names.csv")


# ------------------------------------------------------------------- faults of the machine


@pytest.mark.parametrize("protocol", ["r3d-v1", "pix3d", "occnet"])
@pytest.mark.parametrize("forced", ["torch:nowhere", "kdtree:cuda", "quick"])
def test_a_backend_that_cannot_run_stores_nothing(folders, monkeypatch, capsys, forced, protocol):
    monkeypatch.setenv("R3D_NEIGHBOURS", forced)
    words = ["--pred", folders / "pred", "--gt", folders / "gt", "--out", folders / "out", "--workers", 0]
    assert evaluate.main([*map(str, words), "--protocol", protocol]) == 2
    said = capsys.readouterr().err
    assert "R3D_NEIGHBOURS" in said and said.count("\n") == 1
    assert not list(folders.glob("out/cells/*/record.json"))


def test_a_fault_while_measuring_stores_nothing_and_the_same_command_goes_on(folders, monkeypatch, capsys):
    original, measured = R3DV1.measure, []

    def measure(self, prediction, threshold, truth, prepared):
        measured.append(truth.id)
        if truth.id == "lamp/c":
            raise RuntimeError("no kernel image is available")
        return original(self, prediction, threshold, truth, prepared)

    with monkeypatch.context() as patch:
        patch.setattr(R3DV1, "measure", measure)
        assert run(folders, "--pred", folders / "pred") == (2, {})
    said = capsys.readouterr().err
    assert "'lamp/c': the truth measured against itself fails" in said and "no kernel image" in said
    assert not list(folders.glob("out/cells/*/record.json"))
    measured.clear()

    def counted(self, prediction, threshold, truth, prepared):
        measured.append(truth.id)
        return original(self, prediction, threshold, truth, prepared)

    monkeypatch.setattr(R3DV1, "measure", counted)
    status, results = run(folders, "--pred", folders / "pred")
    assert status == 0 and set(measured) == {"lamp/c", "lamp/d"}
    assert not list(folders.glob("out/cells/*/measured.jsonl"))
    assert run(folders, "--pred", folders / "pred", "--force")[1]["values"] == results["values"]


STORED = [
    "AssertionError: Torch not compiled with CUDA enabled",
    "RuntimeError: No CUDA GPUs are available",
    "RuntimeError: CUDA error: out of memory",
    "OutOfMemoryError: tried to allocate 2 GiB",
    "OSError: [Errno 24] Too many open files",
    "OSError: [Errno 5] Input/output error",
    "PermissionError: [Errno 13] Permission denied: '/tmp/x'",
    "MemoryError: ",
    "ImportError: libcudart.so.12: cannot open shared object file",
    "ModuleNotFoundError: No module named 'pytorch3d'",
]


def spoil(folders, name: str, reason: str) -> None:
    """Put into a stored result what an earlier version stored of a fault of the machine."""
    for folder in (folders / "out/cells").iterdir():
        record, rows = load(folder)
        if record.name == name:
            rows[1] |= {"failed": True, "reason": reason, "cd": 2 * 3**0.5}
            save(record.model_copy(update={"n_failed": 1}), rows, folder)


@pytest.mark.parametrize("reason", STORED)
def test_what_was_stored_of_a_fault_of_the_machine_is_not_used(folders, capsys, reason):
    assert run(folders, "--pred", folders / "pred")[0] == 0
    spoil(folders, "pred", reason)
    assert run(folders, "--pred", folders / "pred")[0] == 2
    said = capsys.readouterr().err
    assert "counts a fault of the machine as failures of predictions ('chair/b': " in said
    assert "delete the folder" in said and "--force" in said
    status, results = run(folders, "--pred", folders / "pred", "--force")
    assert status == 0 and next(r for r in results["rows"] if r["name"] == "pred")["n_failed"] == 0


def test_a_truth_that_failed_against_itself_is_not_used(folders, capsys):
    assert run(folders, "--pred", folders / "pred")[0] == 0
    spoil(folders, "floor", "ValueError: whatever")
    assert run(folders, "--pred", folders / "pred")[0] == 2
    assert "counts a fault of the machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, "nothing"),
        ("no prediction", "nothing"),
        ("empty", "nothing"),
        ("empty at its threshold of 0.4", "nothing"),
        ("no cell reaches 0.4", "nothing"),
        ("no value reaches 0.1", "nothing"),
        ("BadItem: a/CUDA/x.ply: broken ply", "unreadable"),
        ("ValueError: mesh has no surface area to sample", "unmeasurable"),
        ("no value below 0.1, so marching cubes has no surface to find", "unmeasurable"),
        ("all its points are one", "unmeasurable"),
    ],
)
def test_kinds_of_failures(reason, kind):
    assert kind_of(reason) == kind and not by_the_machine(reason)


def test_the_table_counts_only_what_is_empty_or_missing_as_that(folders):
    (folders / "pred/lamp/c.npz").write_bytes(b"junk")
    (folders / "pred/lamp/d.npz").unlink()
    np.save(folders / "pred/lamp/d.npy", np.random.default_rng(0).choice([-1.7e308, 1.7e308], (50, 3)))
    assert run(folders, "--pred", folders / "pred", "--format", "md")[0] == 0
    text = (folders / "out/table.md").read_text(encoding="utf-8").replace("\\", "")
    assert "empty or missing" not in text
    assert (
        "failed: 1 files that could not be read, over all seeds; they count with the worst value: pred"
        in text
    )
    assert "lamp/c: BadItem" in text and "broken npz" in text
    assert "failed: 1 shapes that could not be measured" in text and "lamp/d: " in text
    np.savez(folders / "pred/lamp/d.npz", voxels=np.zeros((R,) * 3))
    (folders / "pred/lamp/d.npy").unlink()
    np.savez(folders / "pred/lamp/c.npz", voxels=grid(2))
    assert run(folders, "--pred", folders / "pred", "--format", "md")[0] == 0
    text = (folders / "out/table.md").read_text(encoding="utf-8")
    assert (
        "failed: empty or missing predictions, over all seeds" in text and "could not be measured" not in text
    )


# ----------------------------------------------------------------------- names of folders


@pytest.mark.parametrize(
    ("made", "word", "name", "folder"),
    [
        (["epoch=3-step=100"], "epoch=3-step=100", "epoch=3-step=100", "epoch=3-step=100"),
        (["out/epoch=3-step=100"], "out/epoch=3-step=100", "epoch=3-step=100", "out/epoch=3-step=100"),
        (["out/epoch=3"], "ours=out/epoch=3", "ours", "out/epoch=3"),
        (["out/epoch=3"], "ours=out/epoch=3/", "ours", "out/epoch=3"),
        (["out=1/pred"], "out=1/pred", "pred", "out=1/pred"),
        (["out=1/pred"], "a=out=1/pred", "a", "out=1/pred"),
        (["pred"], "lr=0.1=pred", "lr=0.1", "pred"),
        (["pred", "b=pred"], "a=b=pred", "a", "b=pred"),
        (["pred", "ours=pred"], "ours=pred", "ours=pred", "ours=pred"),
        (["pred"], "ours=pred", "ours", "pred"),
        (["a=b"], "a=b=a=b", "a=b", "a=b"),
        (["="], "x==", "x", "="),
    ],
)
def test_a_folder_may_have_equals_signs_in_its_name(tmp_path, monkeypatch, made, word, name, folder):
    monkeypatch.chdir(tmp_path)
    for path in made:
        (tmp_path / path).mkdir(parents=True)
    assert named_folders([word], "floor") == {name: Path(folder)}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("out/epoch=4", "out/epoch=4: no such folder, nor is '4'; say NAME=DIR or DIR"),
        ("ours=out/epoch=4", "no such folder, nor is 'out/epoch=4', nor is '4'; say NAME=DIR"),
        ("nowhere", "nowhere: no such folder"),
        ("ours=", "ours=: no such folder; say NAME=DIR"),
        ("=pred", "=pred: no such folder, nor is 'pred'"),
        ("=", "=: no such folder"),
        ("pred=pred=", "no such folder"),
        ("/", "/ has no name of its own for the row; give it one: NAME=/"),
        ("floor=pred", "two rows 'floor'"),
        ("file=1", "file=1: no such folder"),
    ],
)
def test_what_names_no_folder_says_how_it_is_said(tmp_path, monkeypatch, word, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pred").mkdir()
    (tmp_path / "file=1").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        named_folders([word], "floor")
    assert said in str(found.value)


def test_a_folder_with_equals_signs_is_scored(folders):
    (folders / "pred").rename(folders / "epoch=3-step=100")
    for words in ([folders / "epoch=3-step=100"], [f"ours={folders / 'epoch=3-step=100'}"]):
        status, results = run(folders, "--pred", *words)
        assert status == 0
        assert results["rows"][0]["name"] == ("ours" if "ours" in str(words[0]) else "epoch=3-step=100")


# ------------------------------------------------------------------- written before printed


def occupied(path, kind: str) -> None:
    """Something in the place of a folder or a file that shall be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8") if kind == "file" else path.mkdir()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("out", "file"),
        ("out/cells", "file"),
        ("out/results.json", "folder"),
        ("out/table.md", "folder"),
        ("out/table.csv", "folder"),
        ("out/table.tex", "folder"),
        ("out/gallery.png", "folder"),
        ("out/report.html", "folder"),
    ],
)
def test_an_output_folder_that_cannot_be_written_is_found_first(folders, monkeypatch, capsys, place, kind):
    occupied(folders / place, kind)
    monkeypatch.setattr(evaluation, "score", lambda *args, **options: pytest.fail("it was measured"))
    assert run(folders, "--pred", folders / "pred", "--format", "md")[0] == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: cannot write to {folders / place}: ") and said.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which file is meant")
@pytest.mark.parametrize(
    ("number", "file"),
    [
        (errno.ENOSPC, "rows.csv"),
        (errno.EROFS, "record.json"),
        (errno.EDQUOT, "measured.jsonl"),
        (errno.EACCES, "table.md"),
        (errno.ENOSPC, "gallery.png"),
        (errno.EIO, "report.html"),
    ],
)
def test_a_disk_that_fills_up_is_one_line_with_the_file(folders, monkeypatch, capsys, number, file):
    """Wherever it happens; what was measured is there for the next command."""
    original = os.fsync

    def full(descriptor):
        if file in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(number, os.strerror(number))
        return original(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert run(folders, "--pred", folders / "pred", "--format", "md,html")[0] == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: \S*{re.escape(file)}: {os.strerror(number)}\n", said)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437", "koi8-r"])
def test_a_terminal_that_cannot_print_an_arrow_gets_another_sign(folders, monkeypatch, encoding):
    """As `| tee` is on Windows."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    words = ["--pred", folders / "pred", "--gt", folders / "gt", "--out", folders / "out", "--workers", 0]
    words += ["--format", "all" if encoding == "cp1252" else "rich,md"]
    status = evaluate.main([*map(str, words), "--set", POINTS])
    sys.stdout.flush()
    assert status == 0
    said = raw.getvalue().decode(encoding)
    assert "models, best IoU first" in said and "written: " in said
    written = {path.name for path in (folders / "out").iterdir()}
    every = {"table.md", "table.csv", "table.tex", "results.json", "report.html", "gallery.png"}
    assert (every if encoding == "cp1252" else {"table.md", "gallery.png"}) <= written


def test_a_terminal_that_is_gone_costs_no_file(folders, monkeypatch):
    """Every file is there before the table is printed."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # what the command puts in its place goes with the test

    def gone(*_, **__):
        assert (folders / "out/report.html").exists() and (folders / "out/table.md").exists()
        raise BrokenPipeError

    monkeypatch.setattr(terminal, "to_rich", gone)
    status, _ = run(folders, "--pred", folders / "pred", "--format", "rich,md,html")
    sys.stdout.close()
    assert status == 141


# ------------------------------------------------------------------------- text of others

MARKUP = ["[/data/x]", "[red]", "[/red]", "[bold", "x]", "[link=file:///etc]a[/link]", "[[]]", "[@click=a]b"]


@pytest.mark.parametrize("text", MARKUP)
def test_the_text_of_an_error_is_no_markup(folders, monkeypatch, capsys, text):
    def deadly(predictions, *args, **options):
        others = {name: shapes for name, shapes in predictions.items() if name != "bad"}
        return replace(score(others, *args, **options), died={"bad": f"out of memory: {text}"})

    monkeypatch.setattr(evaluation, "score", deadly)
    words = ["--pred", f"good={folders / 'pred'}", f"bad={folders / 'pred'}"]
    status, _ = run(folders, *words, "--format", "rich,md")
    assert status == 1
    assert f"failed bad: out of memory: {text}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("text", [text for text in MARKUP if "/" not in text])
def test_names_of_rows_and_folders_are_no_markup(folders, capsys, text):
    (folders / "pred/chair/a.npz").unlink()
    (folders / "pred").rename(folders / text)
    status, results = run(folders, "--pred", folders / text, "--format", "rich,json")
    said = "".join(capsys.readouterr().out.split())
    assert status == 0 and results["rows"][0]["name"] == text
    assert f"{text}:1of4true" in said and f"{text}[" not in said


# ----------------------------------------------------------------------- units and frames


@pytest.mark.parametrize("protocol", ["r3d-v1", "occnet", "meshrcnn", "atlasnet", "pix3d"])
def test_leaving_a_bad_prediction_out_never_improves_a_mean(tmp_path, protocol, capsys):
    """Centimetres for metres: worse than a missing one before, now as bad, and said."""
    for name, factor in (("gt", 1), ("cm", 100), ("some", 100)):
        (tmp_path / name).mkdir()
        for k in range(4):
            box = trimesh.creation.box((1, 0.7, 0.4 + 0.1 * k))
            box.apply_scale(factor).export(tmp_path / name / f"{k}.ply")
    (tmp_path / "some/2.ply").unlink()
    words = ["--pred", tmp_path / "cm", tmp_path / "some", "--gt", tmp_path / "gt", "--workers", 0]
    words += ["--out", tmp_path / "out", "--format", "json,md,html", "--protocol", protocol]
    words += [] if protocol == "pix3d" else ["--set", "points=1024"]
    assert evaluate.main([*map(str, words)]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in results["rows"]}
    for column in results["columns"]:
        whole, part = (rows[name]["instance_mean"][column["name"]] for name in ("cm", "some"))
        if whole is None or part is None:
            continue
        worse = column["worst"]
        if column["better"] == "lower":
            assert whole["mean"] <= part["mean"] + 1e-9 and whole["mean"] <= worse + 1e-9
        else:
            assert whole["mean"] >= part["mean"] - 1e-9
    said = " ".join(capsys.readouterr().out.split())
    hint = "the predictions of cm are about 100 times as large as the true shapes: are they in centimetres"
    assert (hint in said) is (protocol != "pix3d")
    for file in ("table.md", "report.html"):
        assert (hint in (tmp_path / "out" / file).read_text(encoding="utf-8")) is (protocol != "pix3d")


def test_a_full_cube_is_named_before_anything_is_measured(folders, capsys, monkeypatch):
    for name in ("gt/lamp/c.binvox", "gt/lamp/d.binvox"):
        write_binvox(folders / name, np.ones((R,) * 3, bool))
    monkeypatch.setattr(evaluation, "score", lambda *args, **options: pytest.fail("it was measured"))
    words = [
        "--pred",
        folders / "pred",
        "--gt",
        folders / "gt",
        "--out",
        folders / "out",
        "--protocol",
        "pix3d",
    ]
    assert evaluate.main([*map(str, words)]) == 2
    said = capsys.readouterr().err
    assert "2 of 4 true shapes cannot be measured against" in said and "--allow-missing" in said
    assert "'lamp/c': no value below 0.1" in said and "'lamp/d'" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "-1"], "--workers must be 0 (measure in this process) or more, got -1"),
        (["--workers", "-99"], "got -99"),
        (["--time-limit", "-3"], "--time-limit must be 0 (no limit) to 100,000 minutes, got -3"),
        (["--time-limit", "nan"], "minutes, got nan"),
        (["--time-limit", "1e9"], "minutes, got 1e+09"),
    ],
)
def test_numbers_that_cannot_be_meant(folders, capsys, words, message):
    given = ["--pred", folders / "pred", "--gt", folders / "gt", "--out", folders / "out"]
    assert evaluate.main([*map(str, given), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.ESTALE])
def test_a_machine_that_cannot_read_now_says_nothing_about_the_file(folders, monkeypatch, capsys, number):
    """Neither a failure of the prediction nor a truth to be left out."""
    original = os.open

    def full(path, *args, **options):
        if "pred" in str(path) and "lamp" in str(path) and armed:
            raise OSError(number, os.strerror(number), str(path))
        return original(path, *args, **options)

    def arm(*args, **options):
        armed.append(True)
        return score(*args, **options)

    armed: list[bool] = []
    monkeypatch.setattr(os, "open", full)
    monkeypatch.setattr(evaluation, "score", arm)
    assert run(folders, "--pred", folders / "pred") == (2, {})
    said = capsys.readouterr().err
    assert os.strerror(number) in said and "a fault of the machine" in said
    assert not list(folders.glob("out/cells/*/record.json"))


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e7, 1e9, 1e15])
def test_what_lies_out_of_sight_is_scored_and_not_drawn(tmp_path, factor):
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
        for k in range(3):
            box = trimesh.creation.box((1, 0.7, 0.4 + 0.1 * k))
            box.apply_scale(1 if name == "gt" else factor)
            box.export(tmp_path / name / f"{k}.ply")
    assert run(tmp_path, "--pred", tmp_path / "pred", "--format", "md,html,json")[0] == 0
    assert (tmp_path / "out/gallery.png").exists() and (tmp_path / "out/report.html").exists()


def test_an_equal_command_that_is_quicker_takes_nothing_away(folders, monkeypatch):
    """Two of them measure into one folder, and the other is done first."""

    def overtaken(*args, **options):
        found = score(*args, **options)
        with monkeypatch.context() as patch:
            patch.setattr(evaluation, "score", score)
            assert run(folders, "--pred", folders / "pred")[0] == 0
        return found

    monkeypatch.setattr(evaluation, "score", overtaken)
    status, results = run(folders, "--pred", folders / "pred")
    assert status == 0 and {row["name"] for row in results["rows"]} == {"pred", "floor"}
    assert not list(folders.glob("out/cells/*/measured.jsonl"))
