"""Planted faults: each is the fault that it says, and the protocols see or forgive it as they must."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import evaluate
from benchmarks.studies import planted
from datasets.formats.shapes import read_shape
from zoo.geometry.surface import marching_cubes

R = 32


def table(seed: int) -> np.ndarray:
    """A top on four legs, off the centre and with no two axes alike."""
    rng = np.random.default_rng(seed)
    grid = np.zeros((R, R, R), bool)
    width, depth, height = rng.integers(16, 22), rng.integers(9, 13), rng.integers(11, 15)
    grid[5 : 5 + width, 4 + height : 7 + height, 10 : 10 + depth] = True
    for x in (5, 2 + width):
        for z in (10, 7 + depth):
            grid[x : x + 3, 4 : 5 + height, z : z + 3] = True
    return grid


def test_every_fault_is_what_it_says():
    grid, rng = table(0), np.random.default_rng(0)
    found = {fault.__name__: fault(grid, rng) for fault in planted.FAULTS}
    assert all(f.dtype == np.float32 and f.shape == grid.shape for f in found.values())
    assert all(f.min() >= 0 and f.max() <= 1 for f in found.values())
    np.testing.assert_array_equal(found["perfect"], grid)
    assert (found["stray"] != grid).sum() == 1 and found["stray"][found["stray"] != grid] == np.float32(0.15)
    np.testing.assert_array_equal(found["shifted"][4:], grid[:-4].astype(np.float32))
    assert (found["scaled"] >= 0.5).sum() == pytest.approx(0.7**3 * grid.sum(), rel=0.2)
    np.testing.assert_array_equal(np.rot90(found["turned"], -1, axes=(0, 2)), grid)
    np.testing.assert_array_equal(found["swapped"].transpose(0, 2, 1), grid)
    assert found["cube"].sum() == (R - 2) ** 3 and not found["empty"].any()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("planted")
    return out, planted.write(out, {f"table/{k}": table(k) for k in range(3)})


def means(folders, protocol: str, metric: str, *words: str) -> dict[str, float]:
    """Mean of a metric by fault."""
    out, predictions = folders
    status = evaluate.main(
        [
            *("--gt", str(out / "gt"), "--pred", *map(str, predictions), "--protocol", protocol),
            *("--out", str(out / protocol), "--workers", "0", "--format", "json"),
            *words,
        ]
    )
    assert status == 0
    rows = json.loads((out / protocol / "results.json").read_text(encoding="utf-8"))["rows"]
    return {row["name"]: row["instance_mean"][metric]["mean"] for row in rows}


def test_the_default_protocol_ranks_as_a_sceptic_expects(folders):
    """Perfect first, a good network next, every fault of frame far behind, nothing at all last."""
    for metric, sign in (("iou@.5", -1), ("cd", 1)):
        score = {k: sign * v for k, v in means(folders, "r3d-v1", metric, "--set", "points=2048").items()}
        assert score["stray"] == pytest.approx(score["perfect"], rel=0.02)
        assert score["perfect"] < score["noise"] or metric == "cd"
        for fault in ("shifted", "scaled", "turned", "swapped", "cube"):
            assert score["noise"] < score[fault] < score["empty"], (metric, fault)
    iou = means(folders, "r3d-v1", "iou@.5", "--set", "points=2048")
    assert iou["perfect"] == 1 and iou["noise"] > 0.8 and iou["scaled"] < 0.5 and iou["swapped"] < 0.4


def test_pix3d_forgives_size_and_place_and_punishes_a_stray_voxel(folders):
    cd = means(folders, "pix3d", "cd")
    assert cd["shifted"] == pytest.approx(cd["perfect"], rel=0.05)
    assert cd["scaled"] < 1.4 * cd["perfect"]
    assert min(cd["stray"], cd["noise"]) > 2 * cd["scaled"]  # both are nearly perfect
    iou = means(folders, "pix3d", "iou_oracle")
    assert iou["shifted"] == iou["perfect"] == 1
    assert max(iou["stray"], iou["noise"]) < 0.3 < iou["scaled"]


def test_predictions_as_meshes_are_the_surfaces_of_the_grids(tmp_path):
    grids = {f"table/{k}": table(k) for k in range(2)}
    found = planted.write(tmp_path, grids, meshes=True)
    assert [folder.name for folder in found] == [f.__name__ for f in planted.FAULTS if f is not planted.empty]
    for name, grid in grids.items():
        surface = read_shape(tmp_path / f"swapped/{name}.ply").surface
        expected = marching_cubes(grid.transpose(0, 2, 1).astype(np.float32), 0.5)
        np.testing.assert_allclose(surface.bounds, expected.bounds, atol=1e-6)
        assert len(surface.faces) == len(expected.faces)
        np.testing.assert_array_equal(read_shape(tmp_path / f"gt/{name}.npz").occupancy, grid)
    cd = means((tmp_path, found), "r3d-v1", "cd", "--set", "points=2048")
    assert cd["perfect"] < cd["noise"] < min(cd["shifted"], cd["scaled"], cd["swapped"])


def test_the_command_writes_what_it_says(tmp_path, capsys):
    words = ["--out", str(tmp_path / "p"), "--data-root", str(tmp_path / "data"), "--limit", "2"]
    small = ["data.categories=chair", "data.train=1", "data.val=1", "data.test=3", "prepare.views=1"]
    assert planted.main([*words, *(w for s in small for w in ("--set", s))]) == 0
    said = capsys.readouterr().out
    assert "2 shapes of 'procedural' in 9 folders" in said
    assert f"python -m benchmarks.evaluate --gt {tmp_path / 'p' / 'gt'}" in said
    assert len(list((tmp_path / "p").rglob("*.npz"))) == 2 * 10
    assert planted.main(["--dataset", "procedurel"]) == 2
    assert "Did you mean 'procedural'?" in capsys.readouterr().err
