"""What one would write or import instead of each metric, timed against ours on the same input.

Both sides of a row get the same arrays. Their values are compared first, to the tolerance that the row
states; it is relative, and 0 means to the last bit.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import trimesh
from scipy import ndimage

from benchmarks.protocols import CURVE
from benchmarks.speed import straightforward
from benchmarks.speed.blurred import Pair
from benchmarks.speed.timing import interleaved
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes
from zoo.metrics.chamfer import chamfer, from_distances
from zoo.metrics.emd import emd
from zoo.metrics.fscore import fscore
from zoo.metrics.iou import iou, iou_curve
from zoo.metrics.iou_filled import FINE, REACH, fill
from zoo.metrics.neighbours import BACKENDS, active_backend, nearest_both_ways, why_not

NAIVE = 10_000
"""Points up to which every distance is computed: more take too long to wait for."""
MATCHED = 1024
LEVEL = 0.4


@dataclass(frozen=True)
class Compared:
    """One metric, ours and an alternative.

    Attributes:
        why: why the alternative could not run; None where it did.
    """

    metric: str
    ours: str
    alternative: str
    ours_ms: float | None = None
    ms: float | None = None
    tolerance: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class _Contest:
    metric: str
    name: str
    ours: Callable[[], object]
    others: Mapping[str, Callable[[], object]]
    tolerance: float = 1e-9


def compared(made: Sequence[Pair], sizes: Sequence[int], runs: int) -> list[Compared]:
    """Time every metric on the first pair, and distances also between two shapes of different categories.

    Raises:
        RuntimeError: values disagree.
    """
    rows = []
    for contest in _contests(made, sizes):
        for name, other in contest.others.items():
            agree(contest.ours(), other(), contest.tolerance, f"{contest.metric}: {contest.name} and {name}")
        ms = interleaved({"": contest.ours, **contest.others}, runs)
        rows += [
            Compared(contest.metric, contest.name, name, ms[""], ms[name], contest.tolerance)
            for name in contest.others
        ]
    rows += [
        Compared("CD", active_backend().name, backend, why=problem)
        for backend in BACKENDS
        if (problem := why_not(backend)) is not None
    ]
    if not _has_pykdtree():
        rows.append(Compared("CD", active_backend().name, "pykdtree", why='not installed; extra "speed"'))
    return rows


def agree(ours: object, other: object, tolerance: float, what: str) -> None:
    """Compare numbers or arrays of them.

    Raises:
        RuntimeError: they differ by more than the tolerance, relative to the larger one.
    """
    a, b = (np.asarray(value, dtype=np.float64) for value in (ours, other))
    if a.shape != b.shape:
        raise RuntimeError(f"{what} have shapes {a.shape} and {b.shape}")
    off = ~(np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b)))
    if off.any():
        raise RuntimeError(f"{what} disagree: {a[off].flat[0]} and {b[off].flat[0]}")


def _contests(made: Sequence[Pair], sizes: Sequence[int]) -> Iterator[_Contest]:
    pair, other = made[0], made[1]
    most, random = max(*sizes, MATCHED), np.random.default_rng(0)
    truth = sample_surface(marching_cubes(pair.truth, 0.5), most, random)
    near = sample_surface(marching_cubes(pair.prediction, LEVEL), most, random)
    far = sample_surface(marching_cubes(other.truth, 0.5), most, random)
    auto = active_backend().name
    for name, cloud in (("a prediction", near), ("another shape", far)):
        for size in sizes:
            a, b = cloud[:size], truth[:size]
            yield _Contest(f"CD, {size:,} points, {name}", auto, partial(_cd, a, b), _chamfers(a, b, auto))
        a, b = cloud[:most], truth[:most]
        by_script = {"scipy": partial(_script_fscore, a, b)}
        yield _Contest(f"F-score, {most:,} points, {name}", auto, partial(_fscore, a, b), by_script)
        a, b = cloud[:MATCHED], truth[:MATCHED]
        solver = {"scipy": partial(straightforward.emd, a, b)}
        yield _Contest(f"EMD, {MATCHED:,} points, {name}", "auction + scipy", partial(emd, a, b), solver)
    size = len(pair.truth)
    yield _Contest(
        f"IoU, {size}^3",
        "one pass",
        partial(iou, pair.prediction, pair.truth, LEVEL),
        {"numpy": partial(straightforward.iou, pair.prediction, pair.truth, LEVEL)},
    )
    yield _Contest(
        f"IoU curve, {size}^3, {len(CURVE)} levels",
        "one pass",
        partial(iou_curve, pair.prediction, pair.truth, CURVE),
        {"numpy": lambda: [straightforward.iou(pair.prediction, pair.truth, t) for t in CURVE]},
    )
    yield _Contest(
        f"surface, {size}^3, {most:,} points",
        "area",
        lambda: _area(sample_surface(marching_cubes(pair.prediction, LEVEL), most, random)),
        {"scikit-image + trimesh": lambda: _area(_sampled(pair.prediction, LEVEL, most))},
        0.05,
    )
    yield _Contest(
        f"surface of a solid, {size}^3, {most:,} points",
        "area",
        lambda: _area(sample_surface(marching_cubes(pair.truth, 0.5), most, random)),
        {"trimesh voxels": lambda: _area(_of_voxels(pair.truth, most))},
        0.05,
    )
    yield _Contest(
        f"IoU filled, {size}^3, {most:,} points",
        "flood",
        partial(fill, near, size),
        {"scipy filters": partial(by_filters, near, size)},
        0,
    )


def _chamfers(a: np.ndarray, b: np.ndarray, auto: str) -> dict[str, Callable[[], object]]:
    """Every way to the Chamfer distance that can run here and does not take minutes."""
    found: dict[str, Callable[[], object]] = {
        backend: partial(_cd, a, b, backend)
        for backend in BACKENDS
        if backend != auto and why_not(backend) is None and (backend != "torch" or len(a) <= NAIVE)
    }
    if _has_pykdtree():
        found["pykdtree"] = partial(_by_pykdtree, a, b)
    found["scipy"] = lambda: sum(d.mean() for d in straightforward.distances(a, b))
    if len(a) <= NAIVE:
        found["numpy, every distance"] = lambda: every_distance(a, b)
    return found


def _cd(a: np.ndarray, b: np.ndarray, backend: str | None = None) -> float:
    return chamfer(a, b).cd if backend is None else from_distances(*nearest_both_ways(a, b, backend)).cd


def _has_pykdtree() -> bool:
    return importlib.util.find_spec("pykdtree") is not None


def _by_pykdtree(a: np.ndarray, b: np.ndarray) -> float:
    """Search by pykdtree, whose threads are those that OMP_NUM_THREADS allows; ours is one."""
    from pykdtree.kdtree import KDTree

    return from_distances(KDTree(b).query(a)[0], KDTree(a).query(b)[0]).cd


def _fscore(a: np.ndarray, b: np.ndarray) -> float:
    return fscore(a, b, 0.02).fscore


def _script_fscore(a: np.ndarray, b: np.ndarray) -> float:
    return straightforward.fscore(*straightforward.distances(a, b), 0.02)


def every_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Chamfer distance from all the distances, a block of rows at a time."""
    to_b, to_a = [], np.full(len(b), np.inf)
    for rows in np.array_split(a, -(-len(a) // 256)):
        squared = np.square(rows[:, None] - b[None]).sum(-1)
        to_b.append(squared.min(1))
        to_a = np.minimum(to_a, squared.min(0))
    return float(np.sqrt(np.concatenate(to_b)).mean() + np.sqrt(to_a).mean())


def by_filters(points: np.ndarray, resolution: int) -> np.ndarray:
    """`fill` step by step on the whole grid, with the filters and labels of scipy."""
    fine, reach = resolution * FINE, round(resolution * FINE * REACH)
    margin = reach + 1
    body = np.zeros((fine + 2 * margin,) * 3, np.uint8)
    body[tuple((np.floor((points + 0.5) * fine).astype(int).clip(0, fine - 1) + margin).T)] = 1
    body = ndimage.maximum_filter(body, 2 * reach + 1, mode="constant")
    regions, _ = ndimage.label(body == 0)
    filled = (regions != regions[0, 0, 0]).astype(np.uint8)
    filled = ndimage.minimum_filter(filled, 2 * reach + 1, mode="constant")
    filled = filled[margin:-margin, margin:-margin, margin:-margin]
    cells: np.ndarray = filled.reshape(resolution, FINE, resolution, FINE, resolution, FINE).mean((1, 3, 5))
    return cells > 0.5


def _sampled(grid: np.ndarray, level: float, points: int) -> np.ndarray:
    return straightforward.sample(straightforward.surface(grid, level), points, 0)


def _of_voxels(grid: np.ndarray, points: int) -> np.ndarray:
    """trimesh's own marching cubes of a binary grid, brought to the unit cube."""
    mesh = trimesh.voxel.ops.matrix_to_marching_cubes(grid)
    mesh.apply_translation(np.full(3, 0.5)).apply_scale(1 / len(grid)).apply_translation(np.full(3, -0.5))
    return straightforward.sample(mesh, points, 0)


def _area(points: np.ndarray) -> np.ndarray:
    """What two samples of one surface share: centre and spread along each axis, off zero."""
    return np.concatenate([1 + points.mean(0), points.std(0)])
