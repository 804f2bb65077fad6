"""A copy of the real samples with one file of each kind damaged: each is named, and nothing else is lost."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.__main__ import main
from datasets.store import SKIPPED, Store

SAMPLES = os.environ.get("R3D_SAMPLE_DATA")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not SAMPLES, reason="R3D_SAMPLE_DATA is not set: no real samples"),
]


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def zeros(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("<html>404: the page is gone</html>\n", encoding="utf-8")


Damage = tuple[str, Callable[[Path], object]]

R2N2: dict[str, Damage] = {
    "0": ("ShapeNetRendering/{id}/rendering/05.png", truncate),
    "1": ("ShapeNetRendering/{id}/rendering/00.png", text),
    "2": ("ShapeNetRendering/{id}/rendering/rendering_metadata.txt", truncate),
    "3": ("ShapeNetVox32/{id}/model.binvox", truncate),
    "4": ("ShapeNetVox32/{id}/model.binvox", zeros),
    "5": ("ShapeNetRendering/{id}/rendering/23.png", Path.unlink),
}
"""Position of the shape among the sorted ids: what is done to which of its files."""

SHAPENET: dict[str, Damage] = {
    "0": ("{id}/models/model_normalized.obj", empty),
    "1": ("{id}/models/model_normalized.obj", text),
    "2": ("{id}/models/model_normalized.solid.binvox", truncate),
    "3": ("{id}/models/model_normalized.obj", Path.unlink),
    "4": ("{id}/models/model_normalized.solid.binvox", text),
}


LACKING = {"shapenet": {"02942699/6d036fd1c70e5a5849493d905c02fa86"}}
"""Shapes of the samples that have no mesh to begin with."""

PIXELS: dict[str, Callable[[Path], object]] = {
    "Images/BoxA/0.png": truncate,
    "Images/BoxA/1.png": text,
    "masks/BoxA/2.png": zeros,
    "masks/BoxB/3.png": Path.unlink,
}


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Callable[[str], Path]:
    monkeypatch.setenv("R3D_CACHE", str(tmp_path / "cache"))

    def copied(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(Path(SAMPLES or "") / name, target, copy_function=shutil.copyfile)
        for folder in (target, *(p for p in target.rglob("*") if p.is_dir())):
            folder.chmod(0o755)
        return target

    return copied


def shapes(root: Path, files: str) -> list[str]:
    """Sorted '<synset>/<model>' below a folder."""
    return sorted(f"{p.parent.name}/{p.name}" for p in (root / files).glob("*/*") if p.is_dir())


@pytest.mark.parametrize(
    ("name", "folder", "files", "damages", "options"),
    [
        ("r2n2", "r2n2", "ShapeNetVox32", R2N2, ["--views", "24"]),
        (
            "shapenet",
            "shapenet_v2",
            ".",
            SHAPENET,
            [
                "--views",
                "1",
                "--image-size",
                "32",
                "32",
                "--points",
                "100",
                "--set",
                "split=r2n2",
                "--set",
                "voxels=binvox",
            ],
        ),
    ],
)
def test_each_damaged_file_is_named_and_nothing_else_is_lost(
    copy, tmp_path, capsys, name, folder, files, damages, options
):
    root = copy(folder)
    ids = shapes(root, files)
    hurt = {}
    for place, (file, damage) in damages.items():
        model = ids[int(place)]
        path = root / file.format(id=model)
        damage(path)
        hurt[model] = path
    lost = set(hurt) | LACKING.get(name, set())
    assert len(lost) == len(hurt) + len(LACKING.get(name, set()))
    command = [name, "--root", str(root), "--workers", "2", *options]

    assert main(["verify", *command]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{len(ids)} items under {root}: {len(lost)} damaged" in lines
    for model, path in hurt.items():
        (line,) = (line for line in lines if line.startswith(f"  {model}: "))
        assert str(path) in line or str(path.parent) in line

    assert main(["prepare", *command]) == 2
    error = capsys.readouterr().err
    assert f"{len(lost)} of {len(ids)} items could not be read" in error and "--allow-missing" in error

    assert main(["prepare", *command, "--allow-missing"]) == 0
    (path,) = (tmp_path / "cache" / "stores").glob(f"{name}-????????????")
    store = Store.open(path)
    assert sorted(store.ids) == sorted(set(ids) - lost)
    assert store.verify() == []
    with (path / SKIPPED).open(encoding="utf-8", newline="") as handle:
        rows = {row["id"]: row for row in csv.DictReader(handle)}
    assert set(rows) == lost
    assert all(rows[model]["kind"] == "missing" and rows[model]["reason"] for model in lost)


def test_damaged_photographs_are_named(copy, capsys):
    root = copy("pix3d_layout")
    for file, damage in PIXELS.items():
        damage(root / file)
    command = ["verify", "pix3d", "--root", str(root), "--workers", "2"]
    assert main([*command, "--set", "split=shapes", "--set", "voxel_axes=model"]) == 1
    out = capsys.readouterr().out
    assert f"32 items under {root}: {len(PIXELS)} damaged" in out
    named = {line.split(": ")[0].strip(): line for line in out.splitlines() if line.startswith("  ")}
    assert set(named) == {file.replace("masks", "Images") for file in PIXELS}
    assert all(str(root / file) in named[file.replace("masks", "Images")] for file in PIXELS)
