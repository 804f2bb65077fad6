"""Nearest neighbours: every backend against brute force in double precision, and the choice between them."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch

from zoo.metrics import neighbours
from zoo.metrics.boxtree import LEAF, BoxTree, morton_order
from zoo.metrics.neighbours import (
    BackendError,
    Index,
    active_backend,
    nearest,
    nearest_both_ways,
    running_backend,
    why_not,
)

ON_CPU = ("boxtree", "kdtree", "torch")


def brute_force(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(1)


def sphere(n: int, seed: int, radius: float = 0.5) -> np.ndarray:
    p = np.random.default_rng(seed).normal(size=(n, 3))
    return p / np.linalg.norm(p, axis=1, keepdims=True) * radius


@pytest.fixture(autouse=True)
def _no_forced_backend(monkeypatch):
    monkeypatch.delenv(neighbours.ENVIRONMENT, raising=False)
    neighbours._failure.cache_clear()
    yield
    neighbours._failure.cache_clear()


@pytest.mark.parametrize("backend", ON_CPU)
@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["origin", "far"])
@pytest.mark.parametrize("case", ["near", "apart", "inside"])
@pytest.mark.sceptic(9)
def test_equals_brute_force(backend, offset, case):
    a = sphere(700, 1)
    b = {
        "near": sphere(900, 2),
        "apart": sphere(900, 2) + np.array([2.0, 0, 0]),
        "inside": sphere(900, 2, 0.1),
    }[case]
    a, b = a + offset, b + offset
    np.testing.assert_allclose(nearest(a, b, backend), brute_force(a, b), rtol=1e-6, atol=0)


@pytest.mark.parametrize("backend", ON_CPU)
@pytest.mark.parametrize("count", [1, 2, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF + 1, 333])
def test_every_size_of_cloud(backend, count):
    rng = np.random.default_rng(count)
    b = rng.normal(size=(count, 3))
    a = rng.normal(size=(50, 3)) * 2
    distance, index = Index(b, backend).search(a)
    np.testing.assert_allclose(distance, brute_force(a, b), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(a - b[index], axis=1), distance, rtol=1e-12)


@pytest.mark.parametrize("backend", ON_CPU)
def test_duplicates_lines_and_planes(backend):
    rng = np.random.default_rng(0)
    same = np.zeros((40, 3)) + 0.25
    line = np.zeros((300, 3))
    line[:, 1] = rng.random(300)
    plane = rng.random((300, 3)) * [1, 0, 1]
    for b in (same, line, plane, np.repeat(plane, 3, axis=0)):
        a = rng.normal(size=(200, 3))
        np.testing.assert_allclose(nearest(a, b, backend), brute_force(a, b), rtol=1e-12)
        assert (nearest(b, b, backend) == 0).all()  # also: a point is its own neighbour, without rounding


@pytest.mark.parametrize("backend", ON_CPU)
@pytest.mark.sceptic(8)
def test_views_and_single_precision_are_read_right(backend):
    big = np.random.default_rng(0).random((400, 6)).astype(np.float32)
    a, b = big[::2, :3], big[::-1, 3:]
    assert not a.flags.c_contiguous
    expected = brute_force(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(nearest(a, b, backend), expected, rtol=1e-12)


@pytest.mark.sceptic(8)
def test_torch_gives_the_same_for_every_chunk_size(monkeypatch):
    a, b = sphere(300, 1), sphere(200, 2)
    whole = nearest(a, b, "torch")
    for chunk in (1, 200, 999):
        monkeypatch.setattr(neighbours, "CHUNK", chunk)
        assert (nearest(a, b, "torch") == whole).all()


def test_both_ways_is_two_searches():
    a, b = sphere(50, 1), sphere(80, 2, 0.3)
    to_b, to_a = nearest_both_ways(a, b)
    assert (to_b == nearest(a, b)).all() and (to_a == nearest(b, a)).all()
    assert to_b.shape == (50,) and to_a.shape == (80,) and to_b.dtype == np.float64


def test_no_queries_give_no_distances():
    for backend in ON_CPU:
        assert Index(sphere(5, 0), backend).query(np.zeros((0, 3))).shape == (0,)


def test_morton_order_walks_the_octants():
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)
    shuffled = np.random.default_rng(0).permutation(8)
    assert (corners[shuffled][morton_order(corners[shuffled])] == corners).all()


def test_morton_order_keeps_equal_points_as_they_came():
    points = np.random.default_rng(0).integers(0, 3, (400, 3)).astype(float)
    order = morton_order(points)
    assert sorted(order) == list(range(400))
    places = [order[(points[order] == point).all(1)] for point in np.unique(points, axis=0)]
    assert len(places) == 27 and all((np.diff(place) > 0).all() for place in places)


def test_boxtree_boxes_hold_their_points():
    tree = BoxTree(sphere(500, 0))
    np.testing.assert_array_equal(tree.boxes[1], np.r_[tree.points.min(0), tree.points.max(0)])
    assert sorted(tree.order) == list(range(500))


@pytest.mark.parametrize(
    ("cloud", "message"),
    [
        (np.zeros((0, 3)), "empty cloud"),
        (np.array([[0, np.nan, 0]]), "NaN"),
        (np.array([[0, np.inf, 0]]), "NaN or infinity"),
        (np.zeros((4, 2)), r"must be \(N, 3\), got \(4, 2\)"),
    ],
)
def test_clouds_that_cannot_be_searched(cloud, message):
    with pytest.raises(ValueError, match=message):
        Index(cloud)


def test_queries_are_checked_too():
    with pytest.raises(ValueError, match="NaN"):
        Index(sphere(5, 0)).query(np.array([[np.nan, 0, 0]]))


def test_unknown_backend_and_wrong_device():
    with pytest.raises(ValueError, match="unknown backend 'faiss'; choose one of boxtree, kdtree"):
        Index(sphere(5, 0), "faiss")
    with pytest.raises(ValueError, match="'kdtree' runs on the CPU, not on cuda"):
        Index(sphere(5, 0), "kdtree", "cuda")


def test_the_cpu_choice_needs_neither_torch_nor_pytorch3d():
    code = (
        "import sys; from zoo.metrics.neighbours import active_backend, nearest; import numpy as np\n"
        "print(active_backend().name, nearest(np.zeros((1, 3)), np.ones((1, 3)))[0])\n"
        "assert not {'torch', 'pytorch3d'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    name, distance = done.stdout.split()
    assert name == "boxtree" and float(distance) == pytest.approx(3**0.5)


def test_cuda_without_pytorch3d_is_torch_and_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", None)
    choice = active_backend("cuda")
    assert (choice.name, choice.device) == ("torch", "cuda")
    assert "pytorch3d cannot be imported" in choice.reason


def fake_pytorch3d(monkeypatch, error: str = ""):
    """knn_points as documented: squared distances (B, N, K) and indices, single precision."""

    def knn_points(p1, p2, K):
        if error:
            raise RuntimeError(error)
        assert p1.dtype == p2.dtype == torch.float32 and p1.shape[0] == 1
        found = ((p1[:, :, None] - p2[:, None]) ** 2).sum(-1).topk(K, largest=False)
        return types.SimpleNamespace(dists=found.values, idx=found.indices)

    ops = types.ModuleType("pytorch3d.ops")
    ops.knn_points = knn_points
    package = types.ModuleType("pytorch3d")
    package.ops = ops
    package.__spec__ = ModuleSpec("pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d", package)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", ops)


def test_pytorch3d_is_chosen_on_cuda_and_unsquared(monkeypatch):
    fake_pytorch3d(monkeypatch)
    assert active_backend("cpu").name == "boxtree"
    assert why_not("pytorch3d") is None
    for offset in (0.0, 1e4):  # centred before it goes to single precision
        a, b = sphere(300, 1) + offset, sphere(400, 2, 0.4) + offset
        np.testing.assert_allclose(nearest(a, b, "pytorch3d"), brute_force(a, b), rtol=1e-6)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_pytorch3d_is_chosen_where_it_found_a_point(monkeypatch, device):
    """No GPU is needed to try the choice: what is asked of the device is answered for it, once."""
    fake_pytorch3d(monkeypatch)
    asked = []

    def search(queries, points, where):
        asked.append(where)
        return np.zeros(len(queries), np.int64)

    monkeypatch.setattr(neighbours, "_pytorch3d_search", search)
    assert [active_backend(device)[:2] for _ in range(3)] == [("pytorch3d", device)] * 3
    assert asked == [device]


@pytest.mark.parametrize(
    "error",
    [
        "Not compiled with GPU support.\nException raised from KNearestNeighborIdx at knn.h:52",
        "CUDA error: no kernel image is available for execution on the device",
        "undefined symbol: _ZN2at4_ops",
    ],
)
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_a_build_that_cannot_search_on_cuda_is_not_chosen_for_it(monkeypatch, error, device):
    def search(queries, points, where):
        raise RuntimeError(error)

    fake_pytorch3d(monkeypatch)
    monkeypatch.setattr(neighbours, "_pytorch3d_search", search)
    choice = active_backend(device)
    assert choice[:2] == ("torch", device)
    first = error.partition("\n")[0]
    assert choice.reason == f"the clouds are on CUDA, and pytorch3d cannot search on {device} ({first})"


def test_a_forced_pytorch3d_without_its_kernels_is_named(monkeypatch):
    fake_pytorch3d(monkeypatch, "Not compiled")
    monkeypatch.setenv(neighbours.ENVIRONMENT, "pytorch3d")
    with pytest.raises(BackendError, match=r"=pytorch3d: pytorch3d cannot search on cpu \(Not compiled\)"):
        active_backend()


@pytest.mark.parametrize("device", ["mps", "xpu:0", "cpu"])
def test_clouds_on_any_other_device_are_searched_on_the_cpu(monkeypatch, device):
    assert active_backend(device)[:2] == ("boxtree", "cpu")
    monkeypatch.setenv(neighbours.ENVIRONMENT, "kdtree")
    assert running_backend(device)[:2] == ("kdtree", "cpu")


@pytest.mark.sceptic(10)
def test_real_pytorch3d_agrees():
    if (problem := why_not("pytorch3d")) is not None:
        pytest.skip(problem)
    a, b = sphere(300, 1), sphere(400, 2, 0.4)
    np.testing.assert_allclose(nearest(a, b, "pytorch3d"), brute_force(a, b), rtol=1e-6)


def test_forcing_a_backend(monkeypatch):
    monkeypatch.setenv(neighbours.ENVIRONMENT, "kdtree")
    assert active_backend("cpu") == ("kdtree", "cpu", "forced by R3D_NEIGHBOURS=kdtree")
    assert Index(sphere(5, 0)).backend == "kdtree"
    assert Index(sphere(5, 0), "boxtree").backend == "boxtree"  # an argument says more than the environment
    monkeypatch.setenv(neighbours.ENVIRONMENT, "torch:cuda")
    assert active_backend("cpu")[:2] == ("torch", "cuda")


def test_a_forced_backend_is_never_replaced(monkeypatch):
    monkeypatch.setenv(neighbours.ENVIRONMENT, "pytorch3d")
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", None)
    with pytest.raises(ImportError, match="R3D_NEIGHBOURS=pytorch3d: pytorch3d cannot be imported"):
        nearest(sphere(5, 0), sphere(5, 1))
    assert "pytorch3d" in why_not("pytorch3d") and why_not("kdtree") is None
    monkeypatch.setenv(neighbours.ENVIRONMENT, "fast")
    with pytest.raises(ValueError, match="R3D_NEIGHBOURS=fast: no such backend; choose one of boxtree"):
        active_backend()


@pytest.mark.sceptic(9)
def test_cuda_equals_brute_force():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    a, b = sphere(3000, 1) + 1e4, sphere(2000, 2, 0.4) + 1e4
    np.testing.assert_allclose(nearest(a, b, "torch", "cuda"), brute_force(a, b), rtol=1e-6)


@pytest.mark.parametrize("forced", [None, "boxtree", "kdtree", "torch"])
def test_indices_of_batches(monkeypatch, forced):
    """What losses gather by: every sample of a batch against its own cloud, whatever the chunks."""
    if forced:
        monkeypatch.setenv(neighbours.ENVIRONMENT, forced)
    monkeypatch.setattr(neighbours, "CHUNK", 1000)
    generator = torch.Generator().manual_seed(0)
    queries, points = torch.rand(3, 50, 3, generator=generator), torch.rand(3, 70, 3, generator=generator)
    index = neighbours.nearest_indices(queries.requires_grad_(), points)
    assert index.dtype == torch.int64 and not index.requires_grad
    far = (queries[:, :, None] - points[:, None]).double().square().sum(3)
    assert torch.equal(index, far.argmin(2))


def test_a_cloud_that_is_not_finite_has_no_nearest_points():
    clouds = torch.zeros(2, 4, 3)
    clouds[1, 2, 0] = float("inf")
    points = torch.tensor([[1.0, 0, 0], [0.1, 0, 0]]).expand(2, 2, 3)
    assert neighbours.nearest_indices(clouds, points).tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]


NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


@pytest.mark.parametrize(
    ("forced", "said"),
    [
        pytest.param("torch:cuda", "by torch on cuda cannot run here", marks=NO_CUDA),
        pytest.param("torch:cuda:7", "by torch on cuda:7 cannot run here", marks=NO_CUDA),
        ("torch:gpu", "by torch on gpu cannot run here"),
        ("torch:xpu:99", "by torch on xpu:99 cannot run here"),
        ("boxtree:cuda", "runs on the CPU, not on cuda; use torch there"),
        ("kdtree:cuda:0", "runs on the CPU, not on cuda:0; use torch there"),
        ("pytorch3d", "pytorch3d cannot be imported"),
        ("pytorch3d:cuda", "pytorch3d cannot be imported"),
        ("fast", "no such backend; choose one of boxtree"),
        (":cuda", "no such backend"),
        ("TORCH", "no such backend"),
    ],
)
def test_a_forced_backend_that_cannot_run_is_named_before_it_is_relied_on(monkeypatch, forced, said):
    monkeypatch.setenv(neighbours.ENVIRONMENT, forced)
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.ops", None)
    with pytest.raises(BackendError, match="R3D_NEIGHBOURS") as found:
        running_backend()
    assert said in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize("forced", ["", *ON_CPU, "torch:cpu", "boxtree:cpu"])
def test_a_backend_that_runs_is_the_one_that_is_chosen(monkeypatch, forced):
    monkeypatch.setenv(neighbours.ENVIRONMENT, forced)
    assert running_backend() == active_backend()


@pytest.mark.parametrize("error", [ImportError, OSError, AttributeError, RuntimeError])
def test_a_library_that_is_broken_in_any_way_is_why_not(monkeypatch, error):
    def broken(name):
        raise error("undefined symbol")

    monkeypatch.setattr(neighbours, "import_module", broken)
    assert why_not("pytorch3d") == "pytorch3d cannot be imported (undefined symbol)"
