"""Rays of pixels through the voxel grid, in torch: what losses on pictures need of cameras and cells.

The traversal asks for no case distinctions: along each axis the distances at which a ray crosses the planes
between cells only grow, so that after sorting all of them, the cell behind a crossing is known by counting
how many planes of each axis lie before it. A count cannot jump over a cell or leave the grid, however the
distances are rounded, and in float32 as in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zoo.geometry.camera import ROW
from zoo.transforms.frames import rotation


@dataclass(frozen=True)
class Rays:
    """Half lines in the object frame.

    Attributes:
        origin: (N, 3) optical centres.
        direction: (N, 3) of unit length.
        cosine: (N) of the angle to the optical axis: a depth along that axis is `cosine` times the distance
            along the ray.
    """

    origin: Float[Tensor, "rays 3"]
    direction: Float[Tensor, "rays 3"]
    cosine: Float[Tensor, " rays"]


@dataclass(frozen=True)
class Crossings:
    """The cells that rays cross, near ones first.

    Rays cross different numbers of cells: the places of a row that count are those `inside`. They need not
    be the first ones, as a ray through an edge passes a cell on no length at all.

    Attributes:
        ray: (M) which rays cross the grid, rising; the others are left out.
        cell: (M, K) index into the flattened [x][y][z] grid; a valid one everywhere.
        entry: (M, K) distance along the ray at which the cell is entered, 0 where the ray begins in it;
            finite everywhere, and never falling along a row.
        inside: (M, K) whether the ray crosses the cell, on a length above 0.
    """

    ray: Int[Tensor, " m"]
    cell: Int[Tensor, "m k"]
    entry: Float[Tensor, "m k"]
    inside: Bool[Tensor, "m k"]


def pixel_rays(camera: Float[Tensor, "rows 7"], uv: Float[Tensor, "rows n 2"], size: tuple[int, int]) -> Rays:
    """The rays of points of pictures, (rows * n) of them: `Camera.project` undone.

    Args:
        camera: rows of `zoo.geometry.camera.ROW`.
        uv: column and row in pixels; the centre of pixel (i, j) is (i + 0.5, j + 0.5).
        size: of the pictures, (height, width).
    """
    height, width = size
    viewer = rotation(camera, "viewer")  # towards the viewer, up, left
    axes = -viewer.flip(1)  # right, down, forward
    number = dict(zip(ROW, camera.double().unbind(1), strict=True))
    focal = 0.5 * height / torch.tan(torch.deg2rad(number["fov"]) / 2)
    middle = torch.stack([width / 2 + number["cx"] * height, height / 2 + number["cy"] * height], 1)
    slope = (uv.double() - middle[:, None]) / focal[:, None, None]
    cosine = 1 / torch.sqrt(1 + slope.square().sum(-1))
    along = torch.cat([slope, torch.ones_like(slope[..., :1])], -1) * cosine[..., None]
    direction = along @ axes  # rows times R is R^T times columns
    origin = -number["distance"][:, None] * axes[:, 2]
    origin = origin[:, None].expand_as(direction)
    return Rays(*(part.flatten(0, 1).to(camera) for part in (origin, direction, cosine)))


def cross(rays: Rays, resolution: int) -> Crossings:
    """The cells of the cube [-0.5, 0.5]^3 that rays cross, in order.

    A ray within a plane between cells belongs to the cells above the plane; one that only touches a cell at
    an edge or a corner does not cross it.

    Args:
        resolution: R, cells along an edge. K is at most 3 (R - 1) + 1, as no line crosses more.
    """
    like = rays.origin
    planes = torch.arange(resolution + 1, device=like.device, dtype=like.dtype) / resolution - 0.5
    outer = _distances(rays.origin, rays.direction, planes[[0, -1]])
    near, far = outer.amin(2).amax(1).clamp(min=0), outer.amax(2).amin(1)
    ray = (near < far).nonzero()[:, 0]
    near, far, direction = near[ray, None], far[ray, None], rays.direction[ray]
    between = _distances(rays.origin[ray], direction, planes[1:-1])
    before = between <= near[..., None]
    ahead = between.masked_fill(before | (between >= far[..., None]), torch.inf).flatten(1)
    distance, order = ahead.sort(1)
    met = distance < torch.inf
    most = int(met.any(0).sum())
    distance, order, met = distance[:, :most], order[:, :most], met[:, :most]
    # a count of planes along an axis is the cell's index, from the far side where the ray runs backwards
    backwards = direction < 0
    strides = torch.tensor([resolution**2, resolution, 1], device=ray.device)
    index = before.sum(2)
    first = (torch.where(backwards, resolution - 1 - index, index) * strides).sum(1, keepdim=True)
    steps = torch.where(backwards, -strides, strides)[..., None].expand(between.shape).flatten(1)
    steps = steps.gather(1, order) * met
    entry, leave = torch.cat([near, distance], 1), torch.cat([distance, far], 1).minimum(far)
    there = entry < leave
    cell = torch.cat([first, steps], 1).cumsum(1)
    return Crossings(ray, cell, entry.minimum(far), there)


def _distances(origin: Tensor, direction: Tensor, planes: Tensor) -> Tensor:
    """Where rays meet planes across each axis (N, 3, P), along the ray.

    An axis along which a ray does not move has its planes behind it, at -infinity, or never reached.
    """
    ahead = planes - origin[..., None]
    still = direction == 0
    found = ahead / direction.masked_fill(still, 1)[..., None]
    if still.any():
        never = torch.where(ahead <= 0, -torch.inf, torch.inf).to(ahead)
        found = torch.where(still[..., None], never, found)
    return found
