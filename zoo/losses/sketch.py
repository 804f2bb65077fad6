"""What a sketcher learns from: its maps against the true ones."""

from pydantic import Field
from torch import Tensor

from zoo.discriminators import Discriminator
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.sketches import true_sketches
from zoo.types import Batch, Prediction


class SketchConfig(LossConfig):
    """The three terms have equal weights."""

    scale: float = Field(100.0, gt=0)
    """Factor of predicted and true maps before they are compared. As the errors are squared, it is a weight
    of scale^2: 10,000 by default, the published one. Under Adam alone that changes next to nothing; beside
    other losses, with gradient clipping or SGD it does."""


@LOSSES.register(
    "sketch", config=SketchConfig, cite="arXiv:1711.03129 (MarrNet); xiumingzhang/GenRe-ShapeHD, marrnet1.py"
)
class SketchError(Loss):
    """Mean squared error of depth and normals on the object, and of the silhouette everywhere.

    The means run over pixels and channels of the whole batch, those of depth and normals over the true
    object's pixels alone: what a sketcher draws beside the object is free.
    """

    batch_fields = frozenset({"depth", "normals", "camera"})
    until = "sketches"
    requires_parts = frozenset({"sketcher"})

    def forward(
        self, prediction: Prediction, batch: Batch, discriminator: Discriminator | None = None
    ) -> Tensor:
        assert isinstance(self.config, SketchConfig) and prediction.sketches is not None
        found = prediction.sketches
        height, width = found.depth.shape[-2:]
        true = true_sketches(batch, (height, width))
        inside = (true.silhouette > 0.5).float()
        pixels = inside.sum().clamp(min=1)
        depth = ((found.depth.float() - true.depth) ** 2 * inside).sum() / pixels
        normals = ((found.normals.float() - true.normals) ** 2 * inside[:, None]).sum() / (3 * pixels)
        silhouette = ((found.silhouette.float() - true.silhouette) ** 2).mean()
        return self.config.scale**2 * (depth + normals + silhouette)
