"""Distances between point clouds, and the one place that picks how they are computed.

| backend     | what it is                                | when `auto` takes it                         |
|-------------|-------------------------------------------|----------------------------------------------|
| `boxtree`   | `zoo.metrics.boxtree`, compiled by numba  | on a CPU: the fastest there at every size    |
| `kdtree`    | scipy's cKDTree                           | never; an independent reference              |
| `torch`     | exact differences in chunks, CPU or CUDA  | on CUDA, when PyTorch3D cannot search there  |
| `pytorch3d` | PyTorch3D's K-nearest kernel              | on CUDA, when it was built for it            |

All give the same float64 distances (to 1e-6 relative; PyTorch3D searches in single precision, so its
choice between two almost equally near points may differ, but the distance is recomputed in double).
`R3D_NEIGHBOURS=kdtree` or `R3D_NEIGHBOURS=torch:cuda` forces one; a forced backend that cannot run is an
error and never replaced by another.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from zoo.errors import UserError
from zoo.metrics.boxtree import BoxTree

if TYPE_CHECKING:
    from torch import Tensor

TREES = ("boxtree", "kdtree")
"""Backends of the CPU alone; clouds on another device are brought to it."""
BACKENDS = (*TREES, "torch", "pytorch3d")
ENVIRONMENT = "R3D_NEIGHBOURS"
CHUNK = 1 << 22
"""Distances held at once by the torch backend."""


class BackendError(UserError, ImportError, ValueError):
    """The backend that is asked for is none, or cannot run here; says why, and what to choose instead."""


class Backend(NamedTuple):
    """A choice of backend and why it was made."""

    name: str
    device: str
    reason: str


def active_backend(device: str = "cpu") -> Backend:
    """What `auto` means for clouds on `device`, with the reason in words.

    Raises:
        BackendError: the environment variable names no backend, or one that cannot be imported here.
    """
    forced = os.environ.get(ENVIRONMENT, "")
    if forced:
        name, _, wanted = forced.partition(":")
        if name not in BACKENDS:
            raise BackendError(
                f"{ENVIRONMENT}={forced}: no such backend; choose one of {', '.join(BACKENDS)}, "
                f"for torch and pytorch3d optionally with a device as in torch:cuda"
            )
        if (problem := why_not(name)) is not None:
            raise BackendError(f"{ENVIRONMENT}={forced}: {problem}")
        own = wanted or ("cpu" if name in TREES else device)
        return Backend(name, own, f"forced by {ENVIRONMENT}={forced}")
    if not device.startswith("cuda"):
        return Backend("boxtree", "cpu", "exact and the fastest on a CPU at every size")
    problem = why_not("pytorch3d", device)
    if problem is None:
        return Backend("pytorch3d", device, "PyTorch3D searches on CUDA, where the clouds are")
    return Backend("torch", device, f"the clouds are on CUDA, and {problem}")


def running_backend(device: str = "cpu") -> Backend:
    """`active_backend`, once it has found a nearest point: to be asked for before hours rely on it.

    Raises:
        BackendError: as `active_backend`; or the search fails, on a device that is not there for one.
    """
    backend = active_backend(device)
    corner = np.zeros((1, 3))
    try:
        nearest(corner, corner, backend.name, backend.device)
    except Exception as error:  # whatever a library raises that was built for another machine
        raise BackendError(
            f"nearest neighbours by {backend.name} on {backend.device} cannot run here ({backend.reason}): "
            f"{' '.join(str(error).split())}; choose another by {ENVIRONMENT}, or unset it"
        ) from error
    return backend


def why_not(backend: str, device: str = "cpu") -> str | None:
    """Why a backend cannot be used here, or None when it can. Asking about a torch backend imports torch.

    Args:
        device: PyTorch3D finds one point on it, once in a process: a build for the CPU alone has the same
            functions as one for CUDA, and refuses when they are called.
    """
    module = {"torch": "torch", "pytorch3d": "pytorch3d.ops"}.get(backend)
    if module is None:
        return None
    try:
        import_module(module)
    except Exception as error:  # OSError, AttributeError and others: a kernel built for another torch
        return f"{module.partition('.')[0]} cannot be imported ({error})"
    return _failure(device) if backend == "pytorch3d" else None


@cache
def _failure(device: str) -> str | None:
    """What PyTorch3D says when it shall search on a device; None when it does."""
    corner = np.zeros((1, 3))
    try:
        _pytorch3d_search(corner, corner, device)
    except Exception as error:  # its own errors, torch's, and those of an extension for another torch
        return f"pytorch3d cannot search on {device} ({str(error).partition(chr(10))[0]})"
    return None


class Index:
    """A cloud to search in, prepared once and asked many times.

    Args:
        points: (M, 3), M >= 1, finite.
        backend: one of `BACKENDS`, or 'auto' for `active_backend`.
        device: 'cpu' or 'cuda'; the tree backends run on the CPU only.

    Raises:
        ValueError: no points, NaN or infinity, an unknown backend, a tree backend asked to use CUDA.
        ImportError: the backend cannot be imported.
    """

    def __init__(self, points: np.ndarray, backend: str = "auto", device: str = "cpu") -> None:
        self.points = _check(points)
        if not len(self.points):
            raise ValueError("there is no nearest neighbour in an empty cloud")
        if backend == "auto":
            backend, device, _ = active_backend(device)
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend '{backend}'; choose one of {', '.join(BACKENDS)} or auto")
        if (problem := why_not(backend)) is not None:
            raise ImportError(f"backend '{backend}': {problem}")
        if backend in TREES and device != "cpu":
            raise ValueError(f"backend '{backend}' runs on the CPU, not on {device}; use torch there")
        self.backend, self.device = backend, device
        self._search: Any = None
        if backend == "boxtree":
            self._search = BoxTree(self.points)
        elif backend == "kdtree":  # midpoint splits without shrinking: the fastest of its settings, as exact
            self._search = cKDTree(self.points, leafsize=32, balanced_tree=False, compact_nodes=False)

    def query(self, points: np.ndarray) -> np.ndarray:
        """Euclidean distance of each point (N, 3) to the nearest in the cloud, (N,) float64."""
        return self.search(points)[0]

    def search(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the nearest point and its index, (N,) float64 and (N,) int64."""
        queries = _check(points)
        if not len(queries):
            return np.zeros(0), np.zeros(0, np.int64)
        if self._search is not None:
            distance, index = self._search.query(queries)
            return distance, index.astype(np.int64, copy=False)
        search = _torch_search if self.backend == "torch" else _pytorch3d_search
        index = search(queries, self.points, self.device)
        return np.linalg.norm(queries - self.points[index], axis=1), index


def nearest(a: np.ndarray, b: np.ndarray, backend: str = "auto", device: str = "cpu") -> np.ndarray:
    """Distance of each point of `a` (N, 3) to the nearest point of `b` (M, 3): (N,) float64."""
    return Index(b, backend, device).query(a)


def nearest_both_ways(
    a: np.ndarray, b: np.ndarray, backend: str = "auto", device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from `a` to `b` (N,) and from `b` to `a` (M,)."""
    return nearest(a, b, backend, device), nearest(b, a, backend, device)


def _check(points: np.ndarray) -> np.ndarray:
    points = np.ascontiguousarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"a point cloud must be (N, 3), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("point cloud holds NaN or infinity")
    return points


def nearest_indices(queries: Tensor, points: Tensor) -> Tensor:
    """Which point is nearest, for batches of clouds in tensors: what losses differentiate through.

    Args:
        queries: (B, N, 3), any floating type.
        points: (B, M, 3), M >= 1, on the same device.

    Returns:
        Indices into the second axis of `points`, (B, N) int64 on that device, without gradient. A cloud that
        is not finite has no nearest points and gets index 0, so that what is computed from it says NaN.
    """
    import torch

    backend, device, _ = active_backend(str(queries.device))
    queries, points = queries.detach(), points.detach()
    if backend in ("torch", "pytorch3d"):
        search = _torch_nearest if backend == "torch" else _pytorch3d_nearest
        return search(queries.to(device), points.to(device)).to(queries.device)
    found = torch.zeros(queries.shape[:2], dtype=torch.int64)
    for row, a, b in zip(found, queries.cpu().double(), points.cpu().double(), strict=True):
        if a.isfinite().all() and b.isfinite().all():
            row.copy_(torch.from_numpy(Index(b.numpy(), backend).search(a.numpy())[1]))
    return found.to(queries.device)


def _torch_search(queries: np.ndarray, points: np.ndarray, device: str) -> np.ndarray:
    import torch

    a, b = (torch.from_numpy(cloud).to(device)[None] for cloud in (queries, points))
    return _torch_nearest(a, b)[0].cpu().numpy()


def _torch_nearest(queries: Tensor, points: Tensor) -> Tensor:
    """Squared differences axis by axis: no matrix product, whose cancellation costs half the digits."""
    import torch

    found = []
    for part in queries.split(max(1, CHUNK // (points.shape[0] * points.shape[1])), dim=1):
        squared = torch.zeros((), dtype=points.dtype, device=points.device)
        for axis in range(3):
            squared = squared + (part[:, :, None, axis] - points[:, None, :, axis]).square()
        found.append(squared.argmin(2))
    return torch.cat(found, 1)


def _pytorch3d_search(queries: np.ndarray, points: np.ndarray, device: str) -> np.ndarray:
    import torch

    a, b = (torch.from_numpy(cloud).to(device)[None] for cloud in (queries, points))
    return _pytorch3d_nearest(a, b)[0].cpu().numpy()


def _pytorch3d_nearest(queries: Tensor, points: Tensor) -> Tensor:
    """PyTorch3D's kernels take single precision: centred first, so that a far origin costs no digits."""
    from pytorch3d.ops import knn_points

    centre = points.mean(1, keepdim=True)
    return knn_points((queries - centre).float(), (points - centre).float(), K=1).idx[..., 0].long()
