"""MarrNet's consistency of a shape with the 2.5D maps that it was made from."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._rays import cross, pixel_rays
from zoo.sketches import SILHOUETTE, surface_depth
from zoo.transforms.frames import rotation
from zoo.transforms.preprocess import placed
from zoo.types import Batch, Prediction, Sketches, Voxels


class ReprojectionConfig(LossConfig):
    """Which rays, and what the normals count."""

    rays: int | None = Field(2048, ge=1)
    """Pixels drawn per picture, the same for every picture of a batch; None for all."""
    normals: float = Field(1.0, ge=0)
    """Weight of the normals beside depth and silhouette."""


@LOSSES.register(
    "reprojection",
    config=ReprojectionConfig,
    cite="arXiv:1711.03129 (MarrNet), section 3.3",
    tags={"representation": "voxels"},
)
class Reprojection(Loss):
    """Squared disagreement of the occupancy v with depth, silhouette and normals along the rays of pixels.

    On the object, v^2 of every cell before the surface and (1 - v)^2 of the cell that holds it; cells behind
    are free. Beside the object, v^2 of every cell. And (1 - v)^2 of the two cells that lie one cell further
    up and to the left in the surface's plane, as the normal has it: along (0, -1, n_y / n_z) and
    (-1, 0, n_x / n_z) in camera axes, no coordinate further than one cell. Summed over the cells of a ray,
    mean over the rays. Pixels that are neither clearly object nor clearly background say nothing.

    The maps are what the model's sketcher saw, or the true ones in a stage that reads those. They are taken
    as they are: only encoder and decoder learn. The paper's rays are parallel; these are the camera's own.
    """

    batch_fields = frozenset({"camera"})
    representations = ("voxels",)
    requires_parts = frozenset({"sketcher"})

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, ReprojectionConfig)
        assert isinstance(prediction.shapes, Voxels) and prediction.sketches is not None
        assert batch.camera is not None
        logits = prediction.shapes.logits
        occupancy = torch.sigmoid(logits.to(torch.promote_types(logits.dtype, torch.float32)))
        views = batch.inputs or batch.image.shape[1]
        camera = batch.camera[:, :views].flatten(0, 1)
        rows, columns, uv = self._pixels(prediction.sketches, batch)
        depth, normals = _observed(prediction.sketches, batch, rows, columns)

        height, width = batch.image.shape[-2:]
        rays = pixel_rays(camera, uv.to(camera).expand(len(camera), -1, 2), (height, width))
        where = depth / rays.cosine
        at = rays.origin + where[:, None] * rays.direction
        resolution = occupancy.shape[-1]
        found = cross(rays, resolution)
        picture = torch.arange(len(where), device=where.device) // len(uv)
        cells = occupancy.flatten(1)[picture[found.ray] // views].gather(1, found.cell)
        before = found.inside & (found.entry <= where[found.ray, None])
        last = before & (before.cumsum(1) == before.sum(1, keepdim=True))
        surface = last & (at.abs() < 0.5).all(1)[found.ray, None]
        total = torch.where(surface, (1 - cells) ** 2, cells**2 * before).sum()
        if self.config.normals > 0:
            axes = -rotation(camera, "viewer").flip(1).to(normals)[picture]
            for step in _tangents(normals):
                beside = at + torch.einsum("na,nab->nb", step, axes) / resolution
                total = total + self.config.normals * _missing(occupancy, beside, picture // views)
        return total / len(where)

    def _pixels(self, sketches: Sketches, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns of pixels of the maps (N), and their places in the stored pictures (N, 2)."""
        assert isinstance(self.config, ReprojectionConfig)
        (height, width), (rows, columns) = batch.image.shape[-2:], sketches.depth.shape[-2:]
        inner, corner = placed((height, width), (rows, columns))
        count = inner[0] * inner[1]
        chosen = torch.arange(count) if self.config.rays is None else torch.randperm(count)
        chosen = chosen[: self.config.rays].to(sketches.depth.device)
        row, column = chosen // inner[1], chosen % inner[1]
        uv = torch.stack([(column + 0.5) * width / inner[1], (row + 0.5) * height / inner[0]], 1)
        return row + corner[0], column + corner[1], uv


def _observed(
    sketches: Sketches, batch: Batch, rows: Tensor, columns: Tensor
) -> tuple[Float[Tensor, " rays"], Float[Tensor, "rays 3"]]:
    """Depth along the axis and normals of pixels, picture by picture, without gradients.

    Depth is infinite on the background, and NaN where the silhouette does not say what the pixel shows.
    """
    depth = surface_depth(sketches, batch)[:, rows, columns].detach().flatten()
    normals = sketches.normals[:, :, rows, columns].detach().movedim(1, -1).flatten(0, 1)
    silhouette = sketches.silhouette[:, rows, columns].detach().flatten()
    depth = torch.where(silhouette > 0.5, depth, torch.full_like(depth, torch.nan))
    depth = torch.where(silhouette < SILHOUETTE, torch.full_like(depth, torch.inf), depth)
    return depth, normals


def _tangents(normals: Float[Tensor, "rays 3"]) -> list[Float[Tensor, "rays 3"]]:
    """Steps up and to the left within the surface, in camera axes, the longest coordinate 1."""
    x, y, z = normals.unbind(1)
    zero, sign = torch.zeros_like(z), torch.where(z < 0, -1.0, 1.0).to(z)
    steps = [torch.stack([zero, -z, y], 1), torch.stack([-z, zero, x], 1)]
    return [sign[:, None] * s / s.abs().amax(1, keepdim=True).clamp(min=1e-6) for s in steps]


def _missing(occupancy: Tensor, points: Float[Tensor, "rays 3"], shape: Tensor) -> Tensor:
    """Sum of (1 - v)^2 over the cells that hold the points; points outside the grid, and NaN, count 0."""
    resolution = occupancy.shape[-1]
    inside = (points.abs() < 0.5).all(1)
    x, y, z = ((points[inside] + 0.5) * resolution).long().clamp(0, resolution - 1).unbind(1)
    return ((1 - occupancy[shape[inside], x, y, z]) ** 2).sum()
