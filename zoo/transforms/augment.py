"""Augmentation of whole samples: what changes the picture and the truth together.

What changes the picture alone (crops, colours, backgrounds) belongs to `zoo.transforms.preprocess`.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from zoo.geometry.camera import ROW
from zoo.types import Batch


def random_mirror(batch: Batch, generator: torch.Generator) -> Batch:
    """`mirror`, of each sample with probability one half; `generator` draws on the CPU."""
    return mirror(batch, torch.rand(len(batch), generator=generator) < 0.5)


def mirror(batch: Batch, chosen: Bool[Tensor, " batch"]) -> Batch:
    """Mirror the chosen samples of a batch: picture, shape, camera and every other field.

    A picture with left and right swapped is the picture of the object mirrored in the plane z = 0, taken by
    the camera mirrored in that plane: azimuth, in-plane rotation and horizontal principal point change
    their signs. Only a light that stands left of the camera then stands right of it.

    Args:
        batch: what comes back is decoded.
        chosen: (B) the samples to mirror, on any device.
    """
    batch = batch.decode()  # eight cells in a byte have no order that could be turned round
    mirrored: dict[str, Tensor] = {"image": batch.image.flip(-1)}
    if batch.voxels is not None:
        mirrored["voxels"] = batch.voxels.flip(-1)
    if batch.points is not None:
        mirrored["points"] = _negated(batch.points, 2)
    if batch.depth is not None:
        mirrored["depth"] = batch.depth.flip(-1)
    if batch.normals is not None:
        mirrored["normals"] = _negated(batch.normals.flip(-1).movedim(2, -1), 0).movedim(-1, 2)
    if batch.camera is not None:
        mirrored["camera"] = _negated(batch.camera, *map(ROW.index, ("azimuth", "in_plane", "cx")))
    chosen = chosen.to(batch.image.device, non_blocking=True)
    changed: dict[str, Any] = {
        name: torch.where(chosen.view(-1, *[1] * (field.dim() - 1)), field, getattr(batch, name))
        for name, field in mirrored.items()
    }
    return replace(batch, **changed)


def _negated(field: Tensor, *places: int) -> Tensor:
    """A copy with other signs at some places of the last axis."""
    copy = field.clone()
    for place in places:
        copy[..., place].neg_()
    return copy
