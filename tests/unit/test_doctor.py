"""``zoo doctor`` tells the truth about PyTorch3D and about forced backends, and never ends in a traceback."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch

from zoo.__main__ import main
from zoo.cli.doctor import diagnose
from zoo.metrics import neighbours


@pytest.fixture
def run(capsys):
    """Run doctor; status, and output with single spaces."""

    def doctor() -> tuple[int, str]:
        status = main(["doctor"])
        done = capsys.readouterr()
        assert "Traceback" not in done.out + done.err
        return status, " ".join(done.out.split())

    return doctor


@pytest.fixture(autouse=True)
def tried_anew(monkeypatch):
    monkeypatch.delenv(neighbours.ENVIRONMENT, raising=False)
    neighbours._failure.cache_clear()
    yield
    neighbours._failure.cache_clear()


def put(monkeypatch, on_cpu: Exception | None = None, on_cuda: Exception | None = None) -> None:
    """A package called pytorch3d whose search fails so; without an error it finds the point."""
    package = types.ModuleType("pytorch3d")
    package.__spec__ = ModuleSpec("pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d", package)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", types.ModuleType("pytorch3d.ops"))

    def search(queries, points, device):
        if (error := on_cpu if device == "cpu" else on_cuda) is not None:
            raise error
        return np.zeros(len(queries), np.int64)

    monkeypatch.setattr(neighbours, "_pytorch3d_search", search)


def take_away(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", None)


def lines() -> dict[str, tuple[str, str]]:
    return {line.name: (line.state, line.text) for line in diagnose()}


def test_a_pytorch3d_that_searches(run, monkeypatch):
    put(monkeypatch)
    assert lines()["pytorch3d"] == ("ok", "searches on the CPU")
    assert run()[0] == 0


def test_no_pytorch3d(run, monkeypatch):
    take_away(monkeypatch)
    state, text = lines()["pytorch3d"]
    assert state == "off" and text.startswith("not installed: ")
    assert run()[0] == 0


@pytest.mark.parametrize(
    "error",
    [
        ImportError("cannot import name '_C' from 'pytorch3d'"),
        OSError("libc10_cuda.so: cannot open shared object file"),
        AttributeError("module 'pytorch3d._C' has no attribute 'MAX_UINT'"),
        RuntimeError("operator torchvision::nms does not exist"),
        TypeError("an integer is required"),
    ],
)
def test_a_pytorch3d_without_its_extension(run, monkeypatch, error):
    def broken(name):
        raise error

    put(monkeypatch)
    monkeypatch.setattr(neighbours, "import_module", broken)
    status, out = run()
    assert status == 1
    assert f"bad pytorch3d pytorch3d cannot be imported ({error}); build it for this torch" in out


@pytest.mark.parametrize("text", ["[/bold] undefined symbol", "[red]Not compiled", "a [0, 1] b"])
def test_a_pytorch3d_whose_kernel_fails(run, monkeypatch, text):
    """What it says is no markup, and only its first line is shown."""
    put(monkeypatch, RuntimeError(f"{text}\nException raised from KNearestNeighborIdx"))
    status, out = run()
    assert status == 1
    assert f"bad pytorch3d pytorch3d cannot search on cpu ({text}); build it for this torch" in out


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_build_for_the_cpu_on_a_machine_with_cuda(monkeypatch, device):
    put(monkeypatch, on_cuda=RuntimeError("Not compiled with GPU support."))
    monkeypatch.setattr("zoo.device.pick_device", lambda: torch.device(device))
    monkeypatch.setattr("zoo.device.describe_device", lambda device: "a GPU")
    monkeypatch.setattr(neighbours, "_torch_search", lambda queries, points, where: np.zeros(1, np.int64))
    found, refusal = lines(), "pytorch3d cannot search on cuda (Not compiled with GPU support.)"
    state, text = found["pytorch3d"]
    assert state == "off" and text.startswith(refusal + "; ")
    assert found["neighbours, cuda"] == ("ok", f"torch: the clouds are on CUDA, and {refusal}")
    assert found["nearest neighbours"][0] == "ok" and found["nearest neighbours"][1].startswith("boxtree")


@pytest.mark.parametrize(
    "forced",
    ["torch:cuda:99", "torch:gpu", "pytorch3d", "pytorch3d:cuda", "kdtree:cuda", "boxtree:mps", "fast"],
)
def test_a_forced_backend_that_cannot_run(run, monkeypatch, forced):
    take_away(monkeypatch)
    monkeypatch.setenv(neighbours.ENVIRONMENT, forced)
    status, out = run()
    assert status == 1
    assert "bad nearest neighbours" in out and f"R3D_NEIGHBOURS={forced}" in out
    assert "off pytorch3d not installed" in out  # the lines that follow are there, too


@pytest.mark.parametrize("forced", ["torch", "torch:cpu", "kdtree", "boxtree:cpu"])
def test_a_forced_backend_that_runs(run, monkeypatch, forced):
    monkeypatch.setenv(neighbours.ENVIRONMENT, forced)
    take_away(monkeypatch)
    status, out = run()
    assert status == 0 and f"forced by R3D_NEIGHBOURS={forced}" in out
