"""What the fields of `tests.helpers.fourier_field` learn from: labels read off the stored voxels."""

import torch.nn.functional as F

from tests.helpers.fourier_field import FourierFields, centres
from zoo.losses import LOSSES, Loss, LossConfig


class FieldConfig(LossConfig):
    """Nothing to choose."""


@LOSSES.register("field_bce", config=FieldConfig, cite="none")
class FieldBCE(Loss):
    """Cross-entropy at the centres of the cells."""

    batch_fields = frozenset({"voxels"})
    representations = ("fourier",)

    def forward(self, prediction, batch, discriminator=None):
        assert isinstance(prediction.shapes, FourierFields)
        logits = prediction.shapes.query(centres(batch.voxels.shape[-1]).to(batch.voxels))
        return F.binary_cross_entropy_with_logits(logits, batch.voxels.flatten(1))
