"""What one pass of a model gives."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from zoo.types.latent import Latent, Sketches
from zoo.types.shapes import Shapes


@dataclass(frozen=True)
class Prediction:
    """One forward pass; what a stage of the training does not go as far as is None.

    Attributes:
        sketches: what the model's sketcher saw, or the true ones in a stage that reads those.
        latent: what was inferred. z: the code that was decoded.
        shapes: what came out, in the model's frame.
        prior: shapes decoded from as many draws of the encoder's prior; only where a loss asks for them.

    >>> import torch, zoo
    >>> model = zoo.create_model("vae_gan_baseline", preset="quick", seed=0).eval()
    >>> prediction = model(model.preprocess(torch.zeros(2, 1, 4, 96, 128, dtype=torch.uint8)))
    >>> prediction.z.shape[0], len(prediction.shapes), prediction.prior
    (2, 2, None)
    """

    latent: Latent | None = None
    z: Tensor | None = None
    shapes: Shapes | None = None
    sketches: Sketches | None = None
    prior: Shapes | None = None


T = TypeVar("T")


def joined(parts: Sequence[T]) -> T:
    """Predictions, or what they hold, of several batches as those of one: tensors along their first axis."""
    first: Any = parts[0]
    if isinstance(first, Tensor):
        return cast(T, torch.cat(cast(list[Tensor], list(parts))))
    if isinstance(first, dict):
        return cast(T, {key: joined([cast(dict, part)[key] for part in parts]) for key in first})
    if isinstance(first, tuple):
        return cast(T, tuple(joined(column) for column in zip(*cast(Sequence[tuple], parts), strict=True)))
    if is_dataclass(first) and not isinstance(first, type):
        own = {f.name: joined([getattr(part, f.name) for part in parts]) for f in fields(first) if f.init}
        return cast(T, type(first)(**own))
    return parts[0]
