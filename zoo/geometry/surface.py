"""The surface of an occupancy grid: as it is, and without its stairs."""

from __future__ import annotations

import numpy as np
import scipy  # its parts, and skimage's, are loaded when they are used
import skimage

from zoo.geometry.mesh import Mesh

MARGIN = 1e-3
"""Least difference between a value and the level: below it triangles collapse in single precision."""

STEPS, RINGS = 10, 4
"""Averagings of the positions, and of the shrinkage that is undone. Fewer leave stairs on slopes of one
cell in four, more blunt the edges of true boxes: chosen by pictures of real solids at 32^3, and by the
normals and silhouettes of known meshes that were voxelised and smoothed again."""

REACH = 0.5
"""How far (in cells) a smoothed vertex may be from where marching cubes put it."""


def marching_cubes(volume: np.ndarray, level: float) -> Mesh:
    """Closed surface between the cells with value >= `level` and the others, in the canonical frame.

    Lewiner et al. 2003 (scikit-image), on the grid padded with one layer of zeros, so that shapes which
    touch the border stay closed. For a binary grid and level 0.5 the surface lies halfway between cell
    centres, hence on the cells' faces: a block of n cells gets an extent of exactly n / R.

    Args:
        volume: (R, R, R) bool or real, zero meaning empty.
        level: above 0; 0.5 for binary grids.

    Returns:
        Mesh with outward orientation; 0 faces when no cell reaches the level.

    Raises:
        ValueError: `volume` is no cube or not finite, or `level` is not above 0.
    """
    vertices, faces = _triangles(volume, level)
    return _mesh(vertices, faces, volume)


def smooth_surface(volume: np.ndarray) -> Mesh:
    """Marching cubes without stairs, for pictures of coarse binary grids.

    Every vertex becomes the mean of itself and its neighbours, `STEPS` times, and stays within half a cell
    of where it was (Gibson 1998, "Constrained elastic surface nets"). Averaging alone would thin a bar of
    one cell to a thread, since all around it pulls inwards, while the steps of a stair go in and out by
    turns. So the motion along the normal, averaged over `RINGS` rings of neighbours, is taken back: bars
    and plates keep their width, stairs do not come back.

    Neighbours are joined by an edge on a face of a marching cube, four for nearly every vertex. The edges
    inside the cubes are left out, for which way they run is arbitrary: symmetric grids give vertices with
    the same symmetry, unless cells touch along a mere edge, where marching cubes has to choose.

    Args:
        volume: (R, R, R) bool.

    Returns:
        Mesh with the faces of `marching_cubes(volume, 0.5)`; 0 faces for an empty grid.

    Raises:
        ValueError: `volume` is no cube or not bool.
    """
    if volume.dtype != np.bool_:
        raise ValueError(f"only a binary grid has stairs: got {volume.dtype}, threshold it (volume >= level)")
    start, faces = _triangles(volume, 0.5)
    if not len(faces):
        return _mesh(start, faces, volume)
    mean, normals = _neighbour_mean(start, faces), _normals(volume, start)
    moved = start
    for _ in range(STEPS):
        moved = mean @ moved
    shrunk = np.einsum("ij,ij->i", moved - start, normals)
    for _ in range(RINGS):
        shrunk = mean @ shrunk
    motion = moved - start - shrunk[:, None] * normals
    return _mesh(start + motion * (REACH / np.maximum(_lengths(motion), REACH)), faces, volume)


def _triangles(volume: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in cells, and faces (F, 3); (1, 1, 1) is the centre of the first cell."""
    if volume.ndim != 3 or len(set(volume.shape)) != 1 or volume.shape[0] == 0:
        raise ValueError(f"volume must be a cube (R, R, R), got {volume.shape}")
    if not level > 0:
        raise ValueError(f"level must be above 0, the value of empty space, got {level}")
    values = np.pad(volume.astype(np.float32), 1)
    if not np.isfinite(values).all():
        raise ValueError("volume holds NaN or infinity")
    inside = values >= np.float32(level)
    if not inside.any():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    # "ascent" gives outward normals in array coordinates, whatever scikit-image means by it; a test holds it.
    # A value equal to the level would put vertices of several edges into one point
    margin = min(MARGIN, level / 2)
    values = np.where(inside, np.maximum(values, level + margin), np.minimum(values, level - margin))
    vertices, faces, _, _ = skimage.measure.marching_cubes(
        values.astype(np.float32), level, gradient_direction="ascent", allow_degenerate=True
    )
    return vertices.astype(np.float64), faces


def _mesh(vertices: np.ndarray, faces: np.ndarray, volume: np.ndarray) -> Mesh:
    """Index i of the padded grid is the centre of cell i - 1."""
    return Mesh((vertices - 0.5) / volume.shape[0] - 0.5, faces)


def _neighbour_mean(vertices: np.ndarray, faces: np.ndarray) -> scipy.sparse.csr_matrix:
    """Matrix (V, V) that replaces every vertex by the mean of itself and its neighbours."""
    a, b = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    a, b = a[a < b], b[a < b]  # of a closed surface: every edge once
    coordinates = np.ascontiguousarray(vertices.T)
    whole = coordinates == np.rint(coordinates)
    # the few vertices that lie inside a cube, not on one of its edges, have no edge on its faces
    inside = whole.sum(0) != 2
    kept = inside[a] | inside[b]
    for x, is_whole in zip(coordinates, whole, strict=True):
        kept |= is_whole[a] & (x[a] == x[b])
    a, b, each = a[kept], b[kept], np.arange(len(vertices))
    rows, columns = np.concatenate([a, b, each]), np.concatenate([b, a, each])
    weights = 1 / np.bincount(rows)[rows]
    return scipy.sparse.csr_matrix((weights, (rows, columns)), shape=(len(each), len(each)))


def _normals(volume: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Outward unit normals (V, 3) from the grid's gradient, which knows nothing of triangles."""
    values = np.pad(volume.astype(np.float32), 1)
    gradient = [
        scipy.ndimage.map_coordinates(scipy.ndimage.sobel(values, d), vertices.T, order=1) for d in range(3)
    ]
    outward = -np.stack(gradient, axis=1).astype(np.float64)
    length = _lengths(outward)
    return outward / np.where(length > 0, length, 1)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
