"""A camera's angles as classes, and back: the bins of a viewpoint head.

Azimuth and in-plane angle go round: of n bins, bin i is centred at i * 360 / n degrees, so that a front view
lies in the middle of bin 0 and not on an edge. Elevation does not: n bins share [-90, 90], bin 0 the lowest.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zoo.geometry.camera import ROW


@dataclass(frozen=True)
class Angle:
    """One angle of a camera.

    Attributes:
        name: its column in `zoo.geometry.camera.ROW`.
        low: degrees at which bin 0 is centred (round), or begins.
        span: degrees that the bins share.
        round: whether the last bin is a neighbour of the first.
    """

    name: str
    low: float
    span: float
    round: bool

    def of(self, camera: Float[Tensor, "*batch 7"]) -> Float[Tensor, "*batch"]:
        """Degrees of this angle in rows of cameras."""
        return camera[..., ROW.index(self.name)]

    def bins(self, degrees: Float[Tensor, "*batch"], count: int) -> Int[Tensor, "*batch"]:
        """The bin, of so many, that each angle falls into."""
        place = (degrees - self.low) * count / self.span
        if self.round:
            return torch.floor(place + 0.5).long() % count
        return torch.floor(place).long().clamp(0, count - 1)

    def degrees(self, bins: Int[Tensor, "*batch"], count: int) -> Float[Tensor, "*batch"]:
        """The centre of each bin, of so many, in degrees."""
        return self.low + (bins + (0.0 if self.round else 0.5)) * self.span / count

    def error(self, found: Float[Tensor, "*batch"], true: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Absolute difference of two angles in degrees, the short way round."""
        apart = (found - true).abs()
        return (apart % 360).minimum(360 - apart % 360) if self.round else apart


ANGLES = {
    angle.name: angle
    for angle in (
        Angle("azimuth", 0.0, 360.0, True),
        Angle("elevation", -90.0, 180.0, False),
        Angle("in_plane", 0.0, 360.0, True),
    )
}
"""By the name that a head gives its logits."""


def decode(scores: dict[str, Float[Tensor, "batch _"]]) -> dict[str, Float[Tensor, " batch"]]:
    """The likeliest angle of each picture in degrees: centres of bins.

    Args:
        scores: logits (B, bins) by the names of `ANGLES`, as `Latent.aux` holds them; others are left out.
    """
    return {
        name: ANGLES[name].degrees(logits.argmax(1), logits.shape[1])
        for name, logits in scores.items()
        if name in ANGLES
    }
