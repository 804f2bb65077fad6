"""Distance from the code that was predicted to the true shape's own."""

from typing import cast

import torch
from torch import Tensor, nn

from zoo.decoders.shape_space import ShapeSpace
from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.types import Batch, Prediction


@LOSSES.register(
    "shape_code",
    config=LossConfig,
    cite="this project",
    tags={"representation": "voxels"},
)
class ShapeCode(Loss):
    """Share of the variance of shapes that a code leaves unexplained, within the space of the decoder.

    sum_k s_k^2 (z_k - z*_k)^2 / sum_k s_k^2, mean over the batch. The components are orthogonal, so that it
    is the squared voxel distance to the true shape but for constants. No shape is decoded for it.
    """

    batch_fields = frozenset({"voxels"})
    representations = ("voxels",)
    decoders = ("shape_space",)
    until = "latent"

    def bind(self, model: nn.Module) -> None:
        self._space = [cast(ShapeSpace, model.decoder)]  # in a list: it is no part of the loss

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert prediction.z is not None and batch.voxels is not None
        (space,) = self._space
        with torch.no_grad():
            true = space.project(batch.voxels)
        variances = space.scales.square()
        return ((prediction.z - true).square() @ (variances / variances.sum())).mean()
