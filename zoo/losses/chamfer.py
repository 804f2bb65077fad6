"""Two-way Chamfer distance between predicted and true surface points, with gradients."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.metrics.neighbours import nearest_indices
from zoo.types import Batch, ContractError, Points, Prediction


class ChamferConfig(LossConfig):
    """Weights of the two halves, and what is compared."""

    squared: bool = True
    """Squared distances (what systems are trained with) or plain ones (the metric `cd`)."""
    to_prediction: float = Field(1.0, ge=0)
    """Weight of the mean over true points: is every part of the truth there?"""
    to_truth: float = Field(1.0, ge=0)
    """Weight of the mean over predicted points: is everything there part of the truth? PSGN: 1/2."""
    truth_points: int | None = Field(None, ge=1)
    """At most so many true points, drawn anew for each step; None for all that the data set has."""


@LOSSES.register(
    "chamfer",
    config=ChamferConfig,
    smoke={"truth_points": 64},
    cite="arXiv:1612.00603 (PSGN); arXiv:1802.05384 (AtlasNet)",
    tags={"representation": "points"},
)
class Chamfer(Loss):
    """to_prediction * mean d(true point, prediction) + to_truth * mean d(predicted point, truth).

    d is the distance to the nearest point of the other cloud, squared or not; means over the points, then
    over the batch. Which point is nearest is piecewise constant, so the gradient flows through the distance
    alone.
    """

    batch_fields = frozenset({"points"})
    representations = ("points", "mesh")

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, ChamferConfig)
        assert isinstance(prediction.shapes, Points)
        xyz = prediction.shapes.xyz.float()
        truth = draw(batch.points, self.config.truth_points, "chamfer")
        to_prediction = nearest_distances(truth, xyz, self.config.squared).mean()
        to_truth = nearest_distances(xyz, truth, self.config.squared).mean()
        return self.config.to_prediction * to_prediction + self.config.to_truth * to_truth


def nearest_distances(
    a: Float[Tensor, "batch n 3"], b: Float[Tensor, "batch m 3"], squared: bool = True
) -> Float[Tensor, "batch n"]:
    """Distance of each point of `a` to the nearest of `b`, with gradients to both; at 0 the gradient is 0."""
    index = nearest_indices(a, b)
    difference = a - b.gather(1, index[..., None].expand(-1, -1, 3))
    return difference.square().sum(2) if squared else torch.linalg.vector_norm(difference, dim=2)


def draw(points: Tensor | None, most: int | None, who: str) -> Float[Tensor, "batch n 3"]:
    """At most so many of the true points, the same places of every sample, whose order is random anyway.

    Raises:
        ContractError: there are none.
    """
    if points is None:
        raise ContractError(f"{who} needs points in the batch")
    if most is None or most >= points.shape[1]:
        return points
    return points[:, torch.randperm(points.shape[1])[:most].to(points.device)]
