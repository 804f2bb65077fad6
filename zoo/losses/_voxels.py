"""What losses on occupancy share."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from zoo.types import Batch, ContractError, Prediction, Voxels


def logits_and_target(
    name: str, prediction: Prediction, batch: Batch
) -> tuple[Float[Tensor, "batch r r r"], Float[Tensor, "batch r r r"]]:
    """Predicted logits, as float32, and true occupancy on one grid.

    Raises:
        ContractError: loss `name` has no voxels to compare with, or they are of another resolution.
    """
    assert isinstance(prediction.shapes, Voxels)
    logits, target = prediction.shapes.logits.float(), batch.voxels
    if target is None:
        raise ContractError(f"{name} needs voxels in the batch")
    if target.shape != logits.shape:
        raise ContractError(
            f"{name}: the decoder gives {tuple(logits.shape)} voxels, the data set {tuple(target.shape)}; "
            f"set decoder.resolution to the data set's"
        )
    return logits, target


def per_voxel(value: Tensor, reduction: Literal["sum", "mean"]) -> Tensor:
    """Values (B, R, R, R) summed or averaged over the voxels of a sample, then averaged over the batch."""
    flat = value.flatten(1)
    return (flat.sum(1) if reduction == "sum" else flat.mean(1)).mean()
