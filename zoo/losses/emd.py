"""Earth mover's distance between as many predicted as true points, with gradients."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.losses.chamfer import draw
from zoo.metrics.emd import assignment
from zoo.types import Batch, ContractError, Points, Prediction


class EMDConfig(LossConfig):
    """The distance is exact, so there is nothing to set."""


@LOSSES.register(
    "emd",
    config=EMDConfig,
    cite="arXiv:1612.00603 (PSGN); Rubner et al. 2000",
    tags={"representation": "points"},
)
class EMD(Loss):
    """Mean distance under the best one-to-one assignment of predicted to true points, mean over the batch.

    As many true points are drawn for each step as are predicted. The assignment is exact, by
    `zoo.metrics.emd.assignment` on the CPU, and piecewise constant: the gradient flows through the distances
    of the matched pairs alone. Its time grows nearly with the cube of the number of points, and with the
    batch.
    """

    batch_fields = frozenset({"points"})
    representations = ("points",)

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(prediction.shapes, Points)
        xyz = prediction.shapes.xyz.float()
        return matched_distances(xyz, draw(batch.points, xyz.shape[1], "emd")).mean()


def matched_distances(
    a: Float[Tensor, "batch n 3"], b: Float[Tensor, "batch m 3"]
) -> Float[Tensor, "batch n"]:
    """Distance of each point of `a` to its partner in `b`, with gradients to both; at 0 the gradient is 0.

    Raises:
        ContractError: the numbers of points differ.
    """
    if a.shape[1] != b.shape[1]:
        raise ContractError(
            f"emd: {a.shape[1]:,} points are predicted, but there are {b.shape[1]:,} true ones; set "
            "prepare.points to at least as many"
        )
    partner = _partners(a, b)
    return torch.linalg.vector_norm(a - b.gather(1, partner[..., None].expand(-1, -1, 3)), dim=2)


@torch.no_grad()
def _partners(a: Tensor, b: Tensor) -> Int[Tensor, "batch n"]:
    """Index of each point's partner; of a cloud that is not finite its own place, so that the loss is NaN."""
    cost = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").cpu()
    places = torch.arange(a.shape[1])
    rows = [torch.from_numpy(assignment(c.numpy())) if c.isfinite().all() else places for c in cost]
    return torch.stack(rows).to(a.device)
