"""From a mesh to a sample: pictures taken as 3D-R2N2's were, and points on the surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import ColoredMesh, Mesh
from zoo.geometry.render import render
from zoo.geometry.resample import max_pool, resample
from zoo.geometry.sample import sample_surface
from zoo.geometry.surface import marching_cubes, smooth_surface

from .. import PrepareOptions, Sample
from .draw import Draw, seed_of

R2N2_DISTANCE = 1.75
"""Largest distance of 3D-R2N2's cameras, in lengths of the bounding box' diagonal."""


def r2n2_views(mesh: Mesh, *keys: str | int) -> Iterator[Camera]:
    """Endless views as 3D-R2N2 took them; the first ones do not depend on how many are asked for.

    Azimuth U[0, 360), elevation U[25, 30], distance 1.75 U[.65, .95] in lengths of the bounding box'
    diagonal, which was the unit there (Choy et al. 2016; metadata of ShapeNetRendering).

    Args:
        mesh: what the cameras look at.
        keys: seed, data set and id: they fix the stream.
    """
    low, high = mesh.bounds
    diagonal = float(np.sqrt(((high - low) ** 2).sum()))
    draw = Draw("camera", *keys)
    while True:
        azimuth, elevation = draw.between(0, 360), draw.between(25, 30)
        yield Camera(azimuth, elevation, R2N2_DISTANCE * draw.between(0.65, 0.95) * diagonal)


def sample_of(
    shape: ColoredMesh,
    voxels: Mapping[int, np.ndarray],
    options: PrepareOptions,
    *keys: str | int,
    smooth: bool = False,
    points: bool = True,
) -> Sample:
    """Pictures, cameras, maps and points of a mesh, beside voxels that are made already.

    Args:
        shape: in the canonical frame.
        voxels: by resolution, as `Sample` holds them.
        options: how many pictures of which size, how many points, with or without maps.
        keys: seed, data set and id: they fix cameras and points.
        smooth: shade with interpolated normals.
        points: whether the mesh is the true surface, so that points on it are true ones.
    """
    views = r2n2_views(shape.mesh, *keys)
    cameras = [next(views) for _ in range(options.views)]
    pictures = [
        render(shape.mesh, c, options.image_size, face_colors=shape.face_colors, smooth=smooth)
        for c in cameras
    ]
    cloud = surface_points(shape.mesh, options, *keys) if points else None
    if not pictures:
        return Sample(None, dict(voxels), None, cloud)
    return Sample(
        images=np.stack([p.rgba for p in pictures]),
        voxels=dict(voxels),
        cameras=np.stack([c.as_row() for c in cameras]),
        points=cloud,
        depth=np.stack([p.depth for p in pictures]) if options.maps else None,
        normals=np.stack([p.normals for p in pictures]) if options.maps else None,
    )


def sample_of_grid(
    grid: np.ndarray, options: PrepareOptions, *keys: str | int, smoothing: bool = True
) -> Sample:
    """A solid that has no mesh: coarser grids, and pictures of its surface in one colour; no true points.

    Args:
        grid: (R, R, R) bool in the canonical frame, not empty.
        options: as for `sample_of`; resolutions that R is a multiple of.
        keys: seed, data set and id: they fix cameras and colour.
        smoothing: draw the smoothed surface; without, the faces of the cells.

    Raises:
        ValueError: as `coarser`.
    """
    voxels = coarser(grid, options)
    if not options.views:
        return Sample(None, voxels)
    mesh = smooth_surface(grid) if smoothing else marching_cubes(grid, 0.5)
    shape = ColoredMesh(mesh, np.tile(muted_color(*keys), (len(mesh.faces), 1)))
    return sample_of(shape, voxels, options, *keys, smooth=smoothing, points=False)


def muted_color(*keys: str | int) -> np.ndarray:
    """A grey with a slight tint (3,) in [0, 1]: shapes differ, but no colour is worth learning."""
    draw = Draw("colour", *keys)
    grey = draw.between(0.4, 0.85)
    return np.array([grey * draw.between(0.9, 1.1) for _ in range(3)])


def surface_points(mesh: Mesh, options: PrepareOptions, *keys: str | int) -> np.ndarray | None:
    """As many points (P, 3) float32 on a mesh as were asked for, uniform by area; None for none.

    Args:
        mesh: in the canonical frame.
        options: how many.
        keys: seed, data set and id: they fix the points.
    """
    if not options.points:
        return None
    rng = np.random.Generator(np.random.PCG64(seed_of("points", *keys)))
    return sample_surface(mesh, options.points, rng).astype(np.float32)


def coarser(grid: np.ndarray, options: PrepareOptions) -> dict[int, np.ndarray]:
    """A bool grid (R, R, R) at the resolutions that were asked for, pooled as `options.pooling` says.

    Raises:
        ValueError: R is not a multiple of a resolution.
    """
    if options.pooling == "max":
        return {r: max_pool(grid, r) for r in options.resolutions}
    if bad := [r for r in options.resolutions if grid.shape[0] % r]:
        raise ValueError(f"cannot average {grid.shape[0]} cells per edge to {bad[0]}: not a whole ratio")
    return {r: np.rint(resample(grid, r) * 255).astype(np.uint8) for r in options.resolutions}
