"""Frames that shapes may be predicted in, and the way from one to the other.

- **canonical**: the data set's; see `zoo.types`.
- **azimuth**: turned about the vertical axis until the camera of the first view stands at azimuth 0, as PSGN
  aligns its targets (its elevation stays in the picture).
- **viewer**: the axes of that camera itself: x towards the viewer, y up in the picture, z to its left
  (MarrNet). The camera then stands at azimuth, elevation and in-plane angle 0.

A turned cube does not fit into the cube. So that nothing is cut off, the frame's cube is sqrt(2) or sqrt(3)
times as long as the canonical one, and every length in it so many times smaller.
"""

from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.types import Batch, ContractError, Shapes
from zoo.types.turning import resampled

Frame = Literal["canonical", "azimuth", "viewer"]
SPAN: dict[str, float] = {"canonical": 1.0, "azimuth": 2**0.5, "viewer": 3**0.5}
"""Edge of the frame's cube in canonical cube edges."""


def rotation(camera: Float[Tensor, "batch 7"], frame: Frame) -> Float[Tensor, "batch 3 3"]:
    """Rotations R with p_frame = R @ p_canonical, before the scaling by `SPAN`.

    Args:
        camera: rows of `zoo.geometry.camera.ROW`.
    """
    azimuth, elevation, roll = torch.deg2rad(camera[:, :3].double()).unbind(1)
    if frame != "viewer":
        elevation = roll = torch.zeros_like(azimuth)
    if frame == "canonical":
        azimuth = torch.zeros_like(azimuth)
    ca, sa, ce, se = azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin()
    zero = torch.zeros_like(ca)
    right = torch.stack([-sa, zero, -ca], 1)
    down = torch.stack([se * ca, -ce, -se * sa], 1)
    forward = torch.stack([-ce * ca, -se, ce * sa], 1)
    cr, sr = roll.cos()[:, None], roll.sin()[:, None]
    right, down = cr * right - sr * down, sr * right + cr * down
    return -torch.stack([forward, down, right], 1)


def to_frame(batch: Batch, frame: Frame) -> Batch:
    """Turn the true shapes of a batch into the frame of each sample's first view.

    Voxels are resampled (trilinear, so occupancy becomes fractional at the surface). Of the cameras, azimuth
    and distance follow; in the viewer's frame only the first view's are then right.

    Raises:
        ContractError: the batch has no cameras, or views for the losses in the viewer's frame, where their
            cameras cannot be written as rows.
    """
    if frame == "canonical":
        return batch
    if batch.camera is None:
        raise ContractError(f"frame '{frame}' needs the camera of each picture")
    if frame == "viewer" and batch.camera.shape[1] > 1:
        raise ContractError(
            "frame 'viewer' is of one view; set train.views to [1, 1] and train.extra_views to 0"
        )
    turn, span = rotation(batch.camera[:, 0], frame).to(batch.camera), SPAN[frame]
    camera = batch.camera.clone()
    camera[..., 0] -= batch.camera[:, :1, 0]
    camera[..., 3] /= span
    if frame == "viewer":
        camera[..., 1:3] = 0
    changed: dict[str, Any] = {"camera": camera, "span": span}
    if batch.points is not None:
        changed["points"] = batch.points @ turn.mT / span
    if batch.voxels is not None:
        changed["voxels"] = resampled(batch.voxels, turn, span)
    if batch.depth is not None:
        changed["depth"] = batch.depth / span
    return replace(batch, **changed)


def to_canonical(shapes: Shapes, camera: Float[Tensor, "batch 7"], frame: Frame) -> Shapes:
    """Predicted shapes turned back by the known pose of the picture that they were made from."""
    if frame == "canonical":
        return shapes
    return shapes.moved(rotation(camera, frame).mT, SPAN[frame])
