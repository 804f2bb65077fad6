"""2.5D maps: the true ones of a batch, what an encoder is shown of predicted ones, and their pictures."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zoo.transforms.frames import SPAN
from zoo.transforms.preprocess import fit
from zoo.types import Batch, ContractError, Sketches

SILHOUETTE = 0.3
"""Share of the object from which on a predicted pixel is taken for object (MarrNet's released code)."""


def true_sketches(batch: Batch, size: tuple[int, int]) -> Sketches:
    """The 2.5D maps of every view that the model reads, in the order of its pictures, (B x V) of them.

    Depth and normals of a pixel are means over the object's part of it, normals of unit length again. They
    are there where the object covers more than half of the pixel.

    Args:
        batch: in any frame, decoded.
        size: (height, width) of the model's pictures, to which the maps are fitted as the pictures are.

    Raises:
        ContractError: the batch lacks depth, normals or cameras.
    """
    if batch.depth is None or batch.normals is None or batch.camera is None:
        raise ContractError("sketches need depth, normals and camera in the batch")
    views = batch.inputs or batch.image.shape[1]
    depth, normals = batch.depth[:, :views].flatten(0, 1), batch.normals[:, :views].flatten(0, 1)
    there = torch.isfinite(depth)
    scale = batch.span / SPAN["viewer"]
    near = 0.5 + scale * (distance(batch)[:, None, None] - depth)
    near = torch.where(there, near, torch.zeros_like(depth))
    maps = fit(torch.cat([near[:, None], normals, there.to(near)[:, None]], 1), size, clamp=False)
    share = maps[:, 4:]
    inside = (share > 0.5).to(share)
    mean = inside * maps[:, :4] / share.clamp(min=0.5)
    return Sketches(mean[:, 0].clamp(0, 1), F.normalize(mean[:, 1:], dim=1), share[:, 0].clamp(0, 1))


def surface_depth(sketches: Sketches, batch: Batch) -> Float[Tensor, "pictures height width"]:
    """Depth along the optical axis that the maps speak of, in edges of the batch's frame."""
    scale = SPAN["viewer"] / batch.span
    return distance(batch)[:, None, None] - scale * (sketches.depth - 0.5)


def distance(batch: Batch) -> Float[Tensor, " pictures"]:
    """Distance of the camera of every view that the model reads, in edges of the batch's frame."""
    assert batch.camera is not None
    return batch.camera[:, : batch.inputs or batch.image.shape[1], 3].flatten(0, 1)


def cut_out(sketches: Sketches) -> Sketches:
    """The maps with the background set to 0, as an encoder reads them."""
    inside: Tensor = (sketches.silhouette > SILHOUETTE).to(sketches.depth)
    return Sketches(sketches.depth * inside, sketches.normals * inside[:, None], sketches.silhouette)


def sketch_pictures(sketches: Sketches) -> list[np.ndarray]:
    """Depth, normals and silhouette of the first picture as uint8 (H, W, 4), clear off the object.

    Near is bright. A normal to the right is red, upwards green, towards the viewer blue.
    """
    shown = cut_out(sketches)
    depth, silhouette = shown.depth[0].float().cpu().numpy(), shown.silhouette[0].float().cpu().numpy()
    normals = shown.normals[0].float().cpu().numpy() * np.array([1, -1, -1])[:, None, None]
    alpha = silhouette > SILHOUETTE
    colours = [np.stack([depth] * 3), (normals + 1) / 2, np.stack([silhouette] * 3)]
    layers = [np.concatenate([colour, alpha[None]]).clip(0, 1) for colour in colours]
    layers[2][3] = 1
    return [np.rint(255 * layer).astype(np.uint8).transpose(1, 2, 0) for layer in layers]
