"""True 2.5D maps of a batch, and what an encoder is shown of predicted ones."""

import torch
from torch import Tensor

from zoo.frames import SPAN, Frame
from zoo.preprocess import Preprocess
from zoo.types import Batch, ContractError, Sketches

SILHOUETTE = 0.3
"""Share of the object from which on a predicted pixel is taken for object (MarrNet's released code)."""


def true_sketches(batch: Batch, preprocess: Preprocess, frame: Frame) -> Sketches:
    """The 2.5D maps of every view that the model reads, at the size of its input; views before samples flat.

    Depth and normals of a pixel are means over the object's part of it, normals of unit length again.

    Args:
        batch: in the model's frame, which is `frame`.

    Raises:
        ContractError: the batch lacks depth, normals or cameras.
    """
    if batch.depth is None or batch.normals is None or batch.camera is None:
        raise ContractError("sketches need depth, normals and camera in the batch")
    views = batch.inputs or batch.image.shape[1]
    depth, normals = batch.depth[:, :views].flatten(0, 1), batch.normals[:, :views].flatten(0, 1)
    distance = batch.camera[:, :views, 3].flatten(0, 1)[:, None, None]
    there = torch.isfinite(depth)
    near = torch.where(
        there, 0.5 + (distance - depth) * SPAN[frame] / SPAN["viewer"], torch.zeros_like(depth)
    )
    object_ = there.to(near)[:, None]
    maps = preprocess.fit(torch.cat([near[:, None], normals, object_], 1), clamp=False)
    share = maps[:, 4:]
    mean = torch.where(share > 0, maps[:, :4] / share.clamp(min=1e-6), torch.zeros_like(maps[:, :4]))
    inside = (share > 0.5).to(mean)
    return Sketches(
        (mean[:, 0] * inside[:, 0]).clamp(0, 1),
        torch.nn.functional.normalize(mean[:, 1:4], dim=1) * inside,
        share[:, 0].clamp(0, 1),
    )


def cut_out(sketches: Sketches) -> Sketches:
    """The maps with the background set to 0, as an encoder reads them."""
    inside: Tensor = (sketches.silhouette > SILHOUETTE).to(sketches.depth)
    return Sketches(sketches.depth * inside, sketches.normals * inside[:, None], sketches.silhouette)
