"""What the speed benchmarks of geometry compare is comparable; no time is tested."""

import importlib.util

import numpy as np
import pytest
import trimesh

from benchmarks.speed import timing
from benchmarks.speed.damage import closed_meshes
from benchmarks.speed.rendering import __main__ as rendering
from benchmarks.speed.rendering.measure import Rays
from benchmarks.speed.voxelizing import __main__ as voxelizing
from benchmarks.speed.voxelizing import measure as measured
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import render
from zoo.geometry.voxelize import solid, surface_cells
from zoo.metrics.iou import iou


def test_trimesh_fills_the_same_grid():
    """The cells of the surface and those inside; half a cell beside, it would agree visibly less."""
    for name in ("ball", "car"):
        mesh = closed_meshes()[name]
        expected = solid(mesh, 32)[0] | surface_cells(mesh, 32)
        found = measured.filled(mesh, 32)
        assert iou(found, expected) > 0.97
        for axis in range(3):
            for step in (-1, 1):
                assert iou(np.roll(found, step, axis), expected) < 0.95


def test_calls_take_turns_after_a_warm_up(monkeypatch):
    order, clock = [], iter(np.cumsum([0, 0, 0, 1, 0, 4, 0, 3, 0, 5, 0, 2, 0, 6]))
    monkeypatch.setattr(timing, "perf_counter", lambda: float(next(clock)))
    ms = timing.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert ms == {"a": 2000.0, "b": 5000.0}


def test_voxelizing_prints_speed_and_quality(monkeypatch, capsys):
    torus = closed_meshes()["torus"]
    monkeypatch.setattr(measured, "closed_meshes", lambda: {"torus": torus})
    monkeypatch.setattr(measured, "TIMED", ("torus",))
    monkeypatch.setattr("sys.argv", ["voxelizing", "--resolutions", "8", "--runs", "1", "--seeds", "1"])
    monkeypatch.setenv("COLUMNS", "160")
    voxelizing.main()
    printed = capsys.readouterr().out
    assert "5,184" in printed and "20 % gone" in printed
    undamaged = next(line for line in printed.splitlines() if line.startswith("│ none"))
    assert undamaged.rstrip(" │").endswith("1.000 (1.000)")


def test_rendering_says_how_to_get_embree(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["rendering"])
    with pytest.raises(SystemExit) as error:
        rendering.main()
    assert error.value.code == 2
    assert "pip install --no-deps --target DIR embreex" in capsys.readouterr().err


def test_embree_sees_what_the_rasteriser_draws():
    pytest.importorskip("embreex", reason="embreex is not installed: no ray caster to compare with")
    ball = trimesh.creation.icosphere(2, 0.4)
    mesh, camera, size = Mesh(ball.vertices, ball.faces), Camera(35, 20, 1.6), (48, 64)
    mask, depth, normals = Rays(mesh).view(camera, size)
    picture = render(mesh, camera, size, supersample=1)
    assert mask.sum() > 500 and (mask != picture.mask).sum() <= 3
    both = mask & picture.mask
    np.testing.assert_allclose(depth[both], picture.depth[both], atol=1e-5)
    assert (np.abs(normals - picture.normals)[both].max(-1) < 1e-5).mean() > 0.97  # but for edges of faces
