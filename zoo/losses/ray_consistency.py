"""Differentiable ray consistency: what pictures of known pose say of the cells that their rays cross.

A ray stops in the i-th cell that it crosses with probability (1 - x_i) x_1 ... x_{i-1}, and escapes with
x_1 ... x_K, where x is the probability that a cell is empty. Every one of these events has a cost, by what
the picture shows at the ray's pixel; the loss is the expected cost. No true shape is needed.

Products run as sums of logarithms, and those come from the logits: nothing vanishes, neither value nor
gradient, where a cell is all but surely empty or occupied.
"""

from abc import abstractmethod
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses._rays import Crossings, Rays, cross, pixel_rays
from zoo.types import Batch, ContractError, Prediction, Voxels


class RayConfig(LossConfig):
    """What the two terms share."""

    rays: int = Field(600, ge=1)
    """Pixels drawn per view, anew at each step, uniformly."""
    background: float = Field(0.2, ge=0)
    """Weight of a ray through a background pixel; one through an object pixel has weight 1."""
    reduction: Literal["sum", "mean"] = "sum"
    """Over the rays of one sample, with those that miss the grid, at no cost. 'sum' is the published gradient
    but for the factor of the batch size."""


class DrawnRays(NamedTuple):
    """Rays of drawn pixels.

    Attributes:
        pixel: index of each ray's pixel in its flattened picture.
        crossings: of those rays that cross the grid.
    """

    pixel: Int[Tensor, "batch views n"]
    rays: Rays
    crossings: Crossings


class RayConsistency(Loss):
    """Expected cost of the rays of drawn pixels, reduced over rays as stated, mean over the batch.

    Pictures are the views for the losses alone (`zoo.config.TrainConfig.extra_views`), or all views where
    there are none such.
    """

    representations = ("voxels",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        config = self.config
        assert isinstance(config, RayConfig) and isinstance(prediction.shapes, Voxels)
        if batch.camera is None:
            raise ContractError("ray consistency needs the cameras of the pictures")
        logits = prediction.shapes.logits.float()
        camera = batch.camera[:, batch.inputs or 0 :]
        count, views = camera.shape[:2]
        height, width = batch.image.shape[-2:]
        # pixels are drawn on the CPU, so that a seed draws the same ones on every device
        pixel = torch.randint(height * width, (count, views, config.rays)).to(logits.device)
        uv = torch.stack([pixel % width, pixel // width], -1) + 0.5
        rays = pixel_rays(camera.flatten(0, 1), uv.flatten(0, 1).to(camera), (height, width))
        crossings = cross(rays, logits.shape[-1])
        sample = crossings.ray // (views * config.rays)
        empty = log_empty(logits, sample, crossings)
        object_, cost = self.expected(empty, DrawnRays(pixel, rays, crossings), batch)
        weighted = torch.where(object_, cost, config.background * cost).sum() / count
        return weighted if config.reduction == "sum" else weighted / (views * config.rays)

    @abstractmethod
    def expected(
        self, empty: Float[Tensor, "m k"], drawn: DrawnRays, batch: Batch
    ) -> tuple[Bool[Tensor, " m"], Float[Tensor, " m"]]:
        """Which of the rays that cross the grid pass through object pixels, and the expected cost of each.

        Args:
            empty: from `log_empty`.
        """


class RayMaskConfig(RayConfig):
    """Ray consistency with masks."""


@LOSSES.register(
    "ray_mask",
    config=RayMaskConfig,
    smoke={"rays": 20},
    cite="arXiv:1704.06254, section 3.3 (foreground masks)",
    tags={"representation": "voxels"},
)
class RayMask(RayConsistency):
    """Probability that rays through the object escape, and that rays through the background stop.

    An object pixel is one of alpha from one half on.
    """

    batch_fields = frozenset({"mask", "camera"})

    def expected(
        self, empty: Float[Tensor, "m k"], drawn: DrawnRays, batch: Batch
    ) -> tuple[Bool[Tensor, " m"], Float[Tensor, " m"]]:
        object_ = _at(batch.mask, batch, drawn.pixel)[drawn.crossings.ray]
        escape = empty.sum(1)
        return object_, torch.where(object_, escape.exp(), -escape.expm1())


class RayDepthConfig(RayConfig):
    """Ray consistency with depth."""

    escape: float = Field(10.0, gt=0)
    """Distance at which a ray that escapes is taken to end, and what is observed on the background; in cube
    edges. The number is the published one; its unit there is not stated. If it is that of ShapeNetCore v1,
    in which the bounding box' diagonal is 1, it is between 10 and 17.3 of our edges."""
    noise: float = Field(0.0, ge=0)
    """Uniform noise of at most this much, in cube edges, is added to the depth of object pixels, anew at each
    step."""


@LOSSES.register(
    "ray_depth",
    config=RayDepthConfig,
    smoke={"rays": 20, "noise": 0.1},
    cite="arXiv:1704.06254, section 3.2 (depth)",
    tags={"representation": "voxels"},
)
class RayDepth(RayConsistency):
    """Expected difference between where a ray stops and where it was seen to stop.

    A ray stops at the distance, along the ray, at which it enters a cell. A background pixel is one of
    infinite depth.
    """

    batch_fields = frozenset({"depth", "camera"})

    def expected(
        self, empty: Float[Tensor, "m k"], drawn: DrawnRays, batch: Batch
    ) -> tuple[Bool[Tensor, " m"], Float[Tensor, " m"]]:
        assert isinstance(self.config, RayDepthConfig)
        if batch.depth is None:
            raise ContractError("ray_depth needs depth in the batch")
        depth, escape = _at(batch.depth, batch, drawn.pixel), torch.tensor(self.config.escape).to(empty)
        if self.config.noise > 0:
            depth = depth + self.config.noise * (2 * torch.rand(depth.shape) - 1).to(depth)
        seen = (depth / drawn.rays.cosine)[drawn.crossings.ray]
        object_ = seen.isfinite()
        seen = torch.where(object_, seen, escape)[:, None]
        return object_, expected_cost(
            empty, (drawn.crossings.entry - seen).abs(), (escape - seen[:, 0]).abs()
        )


def log_empty(
    logits: Float[Tensor, "batch r r r"], sample: Int[Tensor, " m"], crossings: Crossings
) -> Float[Tensor, "m k"]:
    """Log-probability that each crossed cell is empty; 0 at the places of a row that are not inside.

    Args:
        logits: of occupancy.
        sample: item of the batch that each ray belongs to.
    """
    place = sample[:, None] * logits[0].numel() + crossings.cell
    values = F.logsigmoid(-logits).flatten().gather(0, place.flatten()).view(place.shape)
    return values.masked_fill(~crossings.inside, 0)


def expected_cost(
    empty: Float[Tensor, "m k"], stop: Float[Tensor, "m k"], escape: Float[Tensor, " m"]
) -> Float[Tensor, " m"]:
    """Mean of the costs of a ray's events, by their probabilities.

    Summed by parts: the cost of stopping at once, and at each cell what going on costs more, times the
    probability of going on.

    Args:
        empty: log-probability that each cell is empty, near ones first.
        stop: cost of stopping in each cell.
        escape: cost of stopping nowhere.
    """
    more = torch.cat([stop[:, 1:], escape[:, None]], 1) - stop
    return stop[:, 0] + (more * empty.cumsum(1).exp()).sum(1)


def _at(maps: Tensor, batch: Batch, pixel: Int[Tensor, "batch views n"]) -> Tensor:
    """Values (rays) of the maps (B, V, H, W) of all views at the pixels of the views that are read."""
    return maps[:, batch.inputs or 0 :].flatten(2).gather(2, pixel).flatten()
