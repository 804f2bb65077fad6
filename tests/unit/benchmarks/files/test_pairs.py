"""Which prediction belongs to which truth, by names that are the same to people and not to the system."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import trimesh

from benchmarks import evaluate
from benchmarks.files.pairing import ShapeFolder, instances, shape_files
from benchmarks.files.predictions import PredictionFiles
from datasets import DataError
from datasets.names import Named, files_below, lone_folders, paired, some

NFD = "do\u0072e\u0301e"
"""'dorée' as macOS unpacks it: the accent is a character of its own."""
NFC = normalize("NFC", NFD)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("v 0 0 0", encoding="utf-8")
    return root


def matched(tmp_path: Path, truths: list[str], predictions: list[str]) -> dict[str, str]:
    """Prediction of each truth, as their files are called; checks that all the others are named."""
    wanted = instances(touch(tmp_path / "gt", *truths))
    found = PredictionFiles.below(touch(tmp_path / "pred", *predictions), "pred", wanted)
    pairs = {
        str(one.truth.relative_to(tmp_path / "gt")): str(file.relative_to(tmp_path / "pred"))
        for one, file in zip(wanted, found.files, strict=True)
        if file is not None
    }
    assert len(found.missing) == len(truths) - len(pairs)
    assert len(found.extra) == len(predictions) - len(pairs)
    return pairs


@pytest.mark.parametrize(
    ("truths", "predictions", "expected"),
    [
        # a folder with one file stands for it
        (["a.obj"], ["a/model.obj"], {"a.obj": "a/model.obj"}),
        (["a.obj", "b.obj"], ["a/model.obj"], {"a.obj": "a/model.obj"}),
        (["a/model.obj"], ["a.ply"], {"a/model.obj": "a.ply"}),
        (["a/model.obj", "b/model.obj"], ["b/model.obj"], {"b/model.obj": "b/model.obj"}),
        (["a/model.obj", "b/model.obj"], ["b/mesh.ply"], {"b/model.obj": "b/mesh.ply"}),
        (["a/models/model_normalized.obj"], ["a.obj"], {"a/models/model_normalized.obj": "a.obj"}),
        (["a/models/model_normalized.obj"], ["a/mesh.ply"], {"a/models/model_normalized.obj": "a/mesh.ply"}),
        (["a.obj", "b.obj"], ["a/x.obj", "b/y.obj"], {"a.obj": "a/x.obj", "b.obj": "b/y.obj"}),
        (["a.obj", "b.obj"], ["a/mesh.ply", "b.obj"], {"a.obj": "a/mesh.ply", "b.obj": "b.obj"}),
        (["c/a.obj", "c/b.obj"], ["c/a/model.obj"], {"c/a.obj": "c/a/model.obj"}),
        (["c/a/m.obj", "c/b/m.obj"], ["c/a.npz"], {"c/a/m.obj": "c/a.npz"}),
        (["a.obj", "b.obj"], ["a.obj", "a/model.obj", "b.obj"], {"a.obj": "a.obj", "b.obj": "b.obj"}),
        # not beyond doubt
        (["a.obj", "z.obj"], ["a/x.obj", "a/y.obj", "z.obj"], {"z.obj": "z.obj"}),
        (["c/a.obj", "z.obj"], ["c/b.obj", "z.obj"], {"z.obj": "z.obj"}),
        # letter case
        (["Chair.obj"], ["chair.obj"], {"Chair.obj": "chair.obj"}),
        (["chair/A.OBJ"], ["Chair/a.ply"], {"chair/A.OBJ": "Chair/a.ply"}),
        (["a.obj", "A.obj"], ["A.obj"], {"A.obj": "A.obj"}),
        (["a.obj", "z.obj"], ["A.obj", "a.obj", "z.obj"], {"a.obj": "a.obj", "z.obj": "z.obj"}),
        (["a.obj", "z.obj"], ["ä.obj", "Z.obj"], {"z.obj": "Z.obj"}),
        (["Ab.obj", "aB.obj", "z.obj"], ["ab.obj", "z.obj"], {"z.obj": "z.obj"}),
        (["Ab.obj", "z.obj"], ["ab.obj", "AB.obj", "z.obj"], {"z.obj": "z.obj"}),
        (["ABC.obj", "b.obj"], ["abc/Model.OBJ"], {"ABC.obj": "abc/Model.OBJ"}),
        # Unicode
        ([f"{NFC}.obj"], [f"{NFD}.obj"], {f"{NFC}.obj": f"{NFD}.obj"}),
        ([f"{NFD}/a.obj", f"{NFC}/b.obj"], [f"{NFC}/a.obj"], {f"{NFD}/a.obj": f"{NFC}/a.obj"}),
        ([f"{NFD}.obj"], [f"{NFC.upper()}.obj"], {f"{NFD}.obj": f"{NFC.upper()}.obj"}),
        (["\u1112\u1161\u11ab.obj"], ["\ud55c.obj"], {"\u1112\u1161\u11ab.obj": "\ud55c.obj"}),
        (["A\u030a.obj"], ["\u212b.obj"], {"A\u030a.obj": "\u212b.obj"}),
    ],
)
def test_names_that_mean_the_same(tmp_path, truths, predictions, expected):
    assert matched(tmp_path, truths, predictions) == expected


def test_nothing_alike_names_both_sides(tmp_path):
    with pytest.raises(DataError, match="none of its 1 shapes has the name of a true one: 'c/b' here, 'c/a'"):
        matched(tmp_path, ["c/a.obj"], ["c/b.obj"])


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("a.obj", "a.OBJ", "a"),
        ("c/a.obj", "c/a.binvox", "c/a"),
        (f"{NFC}.obj", f"{NFD}.obj", NFC),
        (f"{NFC}/a.obj", f"{NFD}/a.ply", f"{NFC}/a"),
    ],
)
def test_two_files_of_one_name_are_both_named(tmp_path, first, second, name):
    touch(tmp_path, first, second)
    if len(list(files_below(tmp_path))) < 2:
        pytest.skip("this file system takes both for one name")
    with pytest.raises(DataError, match=f"are both of '{name}'; keep one") as error:
        shape_files(tmp_path)
    assert first in str(error.value) and second in str(error.value)


# ---------------------------------------------------------------------------------------- links


def linked_folder(root: Path) -> set[str]:
    (root / "c").symlink_to(touch(root.parent / "elsewhere", "a.obj", "deep/b.obj"))
    return {"c/a", "c/deep/b"}


def linked_file(root: Path) -> set[str]:
    (root / "a.obj").symlink_to(touch(root.parent, "store/0815.obj") / "store/0815.obj")
    return {"a"}


def link_to_a_link(root: Path) -> set[str]:
    touch(root.parent / "elsewhere", "a.obj")
    (root.parent / "between").symlink_to("elsewhere")
    (root / "c").symlink_to(root.parent / "between")
    return {"c/a"}


def circle(root: Path) -> set[str]:
    touch(root, "c/a.obj")
    (root / "c/again").symlink_to(root)
    (root / "self").symlink_to(root / "self2")
    (root / "self2").symlink_to(root / "self")
    return {"c/a"}


def two_links_to_one(root: Path) -> set[str]:
    touch(root.parent / "elsewhere", "a.obj")
    for name in ("one", "two"):
        (root / name).symlink_to(root.parent / "elsewhere")
    touch(root, "b.obj")
    return {"one/a", "two/a", "b"}


def folders_that_hold_each_other(root: Path) -> set[str]:
    touch(root, "x/a.obj", "y/b.obj")
    (root / "x/y").symlink_to(root / "y")
    (root / "y/x").symlink_to(root / "x")
    return {"x/a", "x/y/b", "y/b", "y/x/a"}


def a_folder_called_like_a_file(root: Path) -> set[str]:
    touch(root, "a.obj/b.obj")
    return {"a.obj/b"}


def a_link_to_nowhere(root: Path) -> set[str]:
    touch(root, "b.obj")
    (root / "a.obj").symlink_to(root / "nowhere.obj")
    return {"a", "b"}  # asked for, and then not there


@pytest.mark.parametrize(
    "make",
    [
        linked_folder,
        linked_file,
        link_to_a_link,
        circle,
        two_links_to_one,
        folders_that_hold_each_other,
        a_folder_called_like_a_file,
        a_link_to_nowhere,
    ],
)
def test_links_are_followed_and_end(tmp_path, make):
    (tmp_path / "gt").mkdir()
    expected = make(tmp_path / "gt")
    assert set(shape_files(tmp_path / "gt")) == expected


def test_a_linked_folder_of_truths(tmp_path):
    touch(tmp_path / "gt", "a.obj")
    (tmp_path / "link").symlink_to(tmp_path / "gt")
    assert set(shape_files(tmp_path / "link")) == {"a"}


def test_a_name_that_is_no_text(tmp_path):
    touch(tmp_path, "a.obj")
    try:
        os.link(tmp_path / "a.obj", os.fsencode(tmp_path) + b"/\xff.obj")
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 alone: {error}")
    assert set(shape_files(tmp_path)) == {"a", "\\xff"}


# ---------------------------------------------------------------------------- what is left aside


@pytest.mark.parametrize(
    "name",
    [
        *("b.dae", "b.FBX", "b.3ds", "b.usdz", "c/b.ply.gz", "b.vtk", "b.blend", "b.x3d", "b.wrl", "b.STEP"),
        *("b.pcd", "b.xyz", "b.las", "b.npz.zip", "b.stl.xz", "b.h5", "b.nrrd", "d.e/b.obj.GZ"),
    ],
)
def test_shapes_of_a_kind_that_is_not_read_are_named(tmp_path, name):
    touch(tmp_path / "gt", "a.obj", name)
    assert ShapeFolder.below(tmp_path / "gt").unread == (Path(name),)
    wanted = instances(tmp_path / "gt")
    touch(tmp_path / "pred", "a.obj", name)
    lines = PredictionFiles.below(tmp_path / "pred", "pred", wanted).unpaired()
    assert lines[-1].startswith(f"{tmp_path / 'pred'}: 1 files of a kind that is not read: {name}; convert")


@pytest.mark.parametrize(
    "name",
    [
        "a.mtl",
        "a.png",
        "readme.txt",
        "a.blend",
        "a.obj.gz",
        "x.tar.gz",
        "list.csv.gz",
        ".b.dae",
        "c/.d/b.dae",
    ],
)
def test_what_is_no_shape_or_stands_for_one_is_not_named(tmp_path, name):
    assert ShapeFolder.below(touch(tmp_path, "a.obj", name)).unread == ()


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path):
    touch(tmp_path, *(f"{k}.dae" for k in range(7)))
    with pytest.raises(
        DataError, match=r"no shape in it; 7 files of a kind that is not read: 0.dae, .* 2 more"
    ):
        shape_files(tmp_path)


def test_what_is_not_paired_is_named_on_both_sides(tmp_path):
    wanted = instances(touch(tmp_path / "gt", *(f"t{k}.obj" for k in range(7)), "both.obj", "Case.obj"))
    touch(tmp_path / "pred", *(f"p{k}.obj" for k in range(6)), "both.obj", "case.obj")
    lines = PredictionFiles.below(tmp_path / "pred", "net", wanted).unpaired()
    assert lines == [
        "net: 7 of 9 true shapes have no prediction and count as failures; 6 files belong to none and are "
        "left aside",
        "  without a prediction: t0, t1, t2, t3, t4 and 2 more",
        "  belong to none: p0, p1, p2, p3, p4 and 1 more",
        "net: 1 found by a folder or another letter case: case is Case",
    ]
    assert PredictionFiles.below(tmp_path / "gt", "gt", wanted).unpaired() == []


# ------------------------------------------------------------------------------------ the parts


def test_pairs_of_one_key_only():
    names = [Named(name) for name in ("a", "B", "c", "C")]
    assert paired(names, [Named(name) for name in ("c", "b", "a", "x")]) == {0: 2, 2: 0, 1: 1}
    assert paired([], names) == paired(names, []) == {}


def test_folders_that_hold_one():
    assert lone_folders(["a/b/c", "a/d", "e/f/g", "h"]) == {
        "a/b/c": ("a/b",),
        "a/d": (),
        "e/f/g": ("e/f", "e"),
        "h": (),
    }


def test_some_names():
    assert (
        some(["a"]) == "a"
        and some("abcde") == "a, b, c, d, e"
        and some("abcdefg") == "a, b, c, d, e and 2 more"
    )


# ---------------------------------------------------------------------------------------- lists


def test_a_list_may_be_written_in_the_other_form(tmp_path):
    touch(tmp_path / "gt", f"{NFD}/model.obj", "Table/model.obj")
    (tmp_path / "names.csv").write_text(f"name,truth\n{NFC}_0,{NFC}\nt,table\n", encoding="utf-8")
    found = instances(tmp_path / "gt", tmp_path / "names.csv")
    assert [(one.name, one.shape, one.truth.parent.name) for one in found] == [
        (f"{NFC}_0", NFC, NFD),
        ("t", "Table", "Table"),
    ]


@pytest.mark.parametrize(
    "view", ["2147483648", "9" * 30, "1" + "0" * 5000, "9" * 200_000, "-1", "1.5", "1e3", "²"]
)
def test_numbers_of_a_list_that_are_too_large(tmp_path, view):
    touch(tmp_path / "gt", "a.obj")
    (tmp_path / "names.csv").write_text(f"name,view\na,{view}\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"names.csv, line 2: view must be a whole number|not a CSV file: field"
    ) as e:
        instances(tmp_path / "gt", tmp_path / "names.csv")
    assert len(str(e.value)) < 400


# ----------------------------------------------------------------------------------- mixed kinds

R = 16


def cells(k: int) -> np.ndarray:
    grid = np.zeros((R, R, R), bool)
    grid[2 : 8 + k, 3:12, 4 : 10 + k] = True
    return grid


def box_of(k: int) -> trimesh.Trimesh:
    """The same box as a mesh: R cells fill the unit cube."""
    corners = np.array([(2, 3, 4), (8 + k, 12, 10 + k)]) / R - 0.5
    return trimesh.creation.box(bounds=corners)


def add(root: Path, k: int, kind: str) -> None:
    root.mkdir(exist_ok=True)
    path = root / f"{k}.{kind}"
    if kind in ("npz", "npy"):
        np.savez(path, voxels=cells(k)) if kind == "npz" else np.save(path, cells(k).astype(np.float32))
    elif kind == "points.npz":
        np.savez(root / f"{k}.npz", points=trimesh.sample.sample_surface(box_of(k), 4000, seed=0)[0])
    else:
        box_of(k).export(path)


MIXTURES = {
    "voxels first": ["npz", "ply", "obj"],
    "a mesh first": ["obj", "npz", "npy"],
    "points first": ["points.npz", "npz", "ply"],
    "a mesh last": ["npy", "npz", "glb"],
    "no voxels": ["points.npz", "ply", "stl"],
    "voxels alone": ["npz", "npy", "npz"],
    "one grid in the middle": ["off", "npz", "points.npz"],
}


@pytest.mark.parametrize("gt", ["npz", "ply"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_every_file_is_scored_by_its_own_kind(tmp_path, mixture, gt):
    for k, kind in enumerate(MIXTURES[mixture]):
        add(tmp_path / "pred", k, kind)
        add(tmp_path / "gt", k, gt)
    words = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "out"]
    more = ["--workers", "0", "--set", "points=1024", "--format", "json"]
    assert evaluate.main([*map(str, words), *more]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    row = next(r for r in results["rows"] if r["name"] == "pred")
    assert row["n_failed"] == 0
    assert max(results["values"]["pred"]["cd"][0]) < 0.1  # the noise floor of 1,024 points is .05
    grids = [kind in ("npz", "npy") for kind in MIXTURES[mixture]]
    iou = results["values"]["pred"]["iou@val"][0]
    assert [value is not None for value in iou] == [grid and gt == "npz" for grid in grids]
    assert row["instance_mean"]["iou@val"] is None or all(grids)  # no mean of some
    threshold = row["records"][0]["threshold"]
    assert (threshold is not None) == any(grids)


def test_truths_of_several_kinds(tmp_path):
    for k, kind in enumerate(["obj", "npz", "points.npz"]):
        add(tmp_path / "gt", k, kind)
        add(tmp_path / "pred", k, "npz")
    words = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "out"]
    more = ["--workers", "0", "--set", "points=1024", "--format", "json"]
    assert evaluate.main([*map(str, words), *more]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    for name in ("pred", "floor"):
        assert next(r for r in results["rows"] if r["name"] == name)["n_failed"] == 0
        assert max(results["values"][name]["cd"][0]) < 0.1
        assert [v is not None for v in results["values"][name]["iou@val"][0]] == [False, True, False]


def test_a_threshold_is_chosen_on_the_grids_of_a_mixture(tmp_path, capsys):
    """Right from .8 on, which validation shows; the meshes beside it have no threshold."""
    for k in range(3):
        add(tmp_path / "gt", k, "npz")
        add(tmp_path / "pred", k, "npz" if k else "ply")
        add(tmp_path / "val_gt", k, "npz")
        add(tmp_path / "val_pred", k, "npz" if k else "ply")
        for top in ("pred", "val_pred") if k else ():
            np.savez(tmp_path / top / f"{k}.npz", voxels=np.where(cells(k), 0.9, 0.7))
    words = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "out"]
    words += ["--val-pred", tmp_path / "val_pred", "--val-gt", tmp_path / "val_gt"]
    more = ["--workers", "0", "--set", "points=1024", "--format", "json"]
    assert evaluate.main([*map(str, words), *more]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    record = next(r for r in results["rows"] if r["name"] == "pred")["records"][0]
    assert record["threshold"] == {"value": 0.75, "chosen": "highest mean IoU on 2 validation instances"}
    assert results["values"]["pred"]["iou@val"][0] == [None, 1.0, 1.0]
    (tmp_path / "val_gt/1.npz").unlink()
    add(tmp_path / "val_gt", 1, "ply")
    capsys.readouterr()
    assert evaluate.main([*map(str, words), *more]) == 2
    assert "a threshold is chosen on voxels; true validation shapes without any: 1" in capsys.readouterr().err


def test_evaluate_says_what_it_leaves_aside(tmp_path, capsys):
    for k in range(2):
        add(tmp_path / "gt", k, "ply")
        add(tmp_path / "pred", k, "ply")
    touch(tmp_path / "gt", "8.dae")
    touch(tmp_path / "pred", "9.fbx", "lost.obj")
    words = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "out"]
    assert evaluate.main([*map(str, words), "--workers", "0", "--set", "points=1024", "--format", "md"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("gt: 1 files of a kind that is not read: 8.dae", "1 files belong to none", "9.fbx", "lost"):
        assert part in said
