"""A trained model at work on a split, block by block, and whether what it gives can be scored.

Last bits of a prediction depend on how many pictures are computed together: libraries choose other kernels
for other sizes. So a split is always cut into the same blocks of `BLOCK` pictures, those of the whole split,
however few of them are asked for; the last one is filled up with its last picture. Every prediction is then
the same number to the last bit, whatever else is measured in the same command: with other models, other
--workers, or a --limit. On another processor, device or number of threads last bits may differ still:
between kernels of one processor by up to 1e-5 of a probability (3D-R2N2's), mostly below 1e-7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from benchmarks.cells.predictor import Recipe
from zoo.config import RefineConfig
from zoo.decoders import Decoder
from zoo.model.refine import refine_fields
from zoo.seeding import derive
from zoo.shapes import Shape
from zoo.system.source import require_code
from zoo.training.checkpoint import load_pretrained
from zoo.types import ContractError, Prediction, Shapes, Sketches, Voxels

if TYPE_CHECKING:
    from datasets.store import StoreSplit
    from zoo.model import Reconstructor

BLOCK = 8
"""Pictures, or sets of views, that are predicted together; more are hardly faster on a CPU."""
VIEW = 0
"""The stored picture that every prediction is made from; the first of them for models of several views."""


@dataclass(frozen=True, eq=False)
class Trained(Recipe):
    """A checkpoint, to be set to work on whole splits.

    Attributes:
        refine: how a picture fine-tunes the weights; may be another than the checkpoint was trained with.
        splits: by name; the weights are loaded once for all of them.
        views: predictions are made from the first so many pictures of each shape.
        code: digests of the code that the command was started with; see `zoo.system.source`.
    """

    checkpoint: Path
    refine: RefineConfig
    splits: Mapping[str, StoreSplit]
    views: int = 1
    code: dict[str, str] = field(default_factory=dict)

    def make(self, device: torch.device) -> Blocks:
        """The model on the device, with what it reads of the splits."""
        model = load_pretrained(self.checkpoint).to(device)
        require_code(self.code, model.config)
        model.config = model.config.model_copy(update={"refine": self.refine})
        model.batch_fields = model.batch_fields | refine_fields(model.config)
        fields = sorted(model.batch_fields - {"image"})
        return Blocks(model, {name: s.with_fields(fields) for name, s in self.splits.items()}, self.views)


@dataclass(frozen=True)
class Block:
    """What a model made of one block.

    Attributes:
        shapes: of each picture, or what is wrong with its prediction.
        seconds: preprocessing and copies to numpy included, reading the pictures not.
    """

    shapes: list[Shape | str]
    seconds: float


class Blocks:
    """A model that predicts splits; see the top of the file.

    Args:
        model: in evaluation mode, on its device.
    """

    def __init__(self, model: Reconstructor, splits: Mapping[str, StoreSplit], views: int = 1) -> None:
        self.model, self.splits, self.views = model, splits, views
        self._sketches: tuple[tuple[str, int], Sketches | None] = (("", -1), None)

    def block(self, name: str, number: int) -> Block:
        """The predictions of one block of a split, in its order.

        Raises:
            ContractError: they are not of the kind, the number or the shape that the decoder declares.
        """
        split = self.splits[name]
        own = range(number * BLOCK, min((number + 1) * BLOCK, len(split)))
        indices = [*own, *[own[-1]] * (BLOCK - len(own))]
        batch = split.fetch(indices, [list(range(VIEW, VIEW + self.views))] * BLOCK)
        started = perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(number, "predict"))  # for whoever draws, whatever was predicted before
            found = self.model.predict(batch)
        shapes = checked(found, self.model.decoder, BLOCK)
        self._sketches = (name, number), found.sketches
        return Block(shapes[: len(own)], perf_counter() - started)

    def sketches(self, name: str, index: int) -> Sketches | None:
        """The 2.5D maps that a shape was made from, on the CPU; None of a model without a sketcher."""
        number, place = divmod(index, BLOCK)
        if self._sketches[0] != (name, number):
            self.block(name, number)
        maps = self._sketches[1]
        if maps is None:
            return None
        one = maps.item(place * self.views)
        return Sketches(one.depth.cpu(), one.normals.cpu(), one.silhouette.cpu())


def checked(found: Prediction, decoder: Decoder, count: int) -> list[Shape | str]:
    """The shapes of a prediction; for one with values that are no numbers, how many there are.

    Raises:
        ContractError: another kind, number or shape than `count` times what the decoder declares.
    """
    shapes: object = found.shapes  # somebody else's decoder may give anything
    who = f"decoder '{type(decoder).__name__}'"
    if not isinstance(shapes, Shapes):
        raise ContractError(f"{who} gave {type(shapes).__name__}, not zoo.types.Shapes")
    if shapes.representation != decoder.representation:
        raise ContractError(f"{who} declares {decoder.representation}, but gave {shapes.representation}")
    if len(shapes) != count:
        raise ContractError(f"{who} gave {len(shapes)} shapes for {count} pictures")
    if isinstance(shapes, Voxels) and decoder.resolution is not None:
        wanted, got = (decoder.resolution,) * 3, tuple(shapes.logits.shape[1:])
        if got != wanted:
            raise ContractError(f"{who} declares voxels {wanted}, but gave {got}")
    bad = np.zeros(count, np.int64)
    mended: dict[str, Any] = {}
    for name, values in shapes.tensors().items():
        wrong = ~torch.isfinite(values)
        bad += wrong.flatten(1).sum(1).cpu().numpy()
        # one bad shape must not cost the others, which are split off together
        mended[name] = values.masked_fill(wrong, 0)
    split = (replace(cast(Any, shapes), **mended) if bad.any() else shapes).split()
    if len(split) != count:
        raise ContractError(f"{type(shapes).__name__} split into {len(split)} shapes for {count} pictures")
    return [_words(int(n)) if n else shape for n, shape in zip(bad, split, strict=True)]


def _words(count: int) -> str:
    values = "value is" if count == 1 else "values are"
    return f"{count:,} {values} NaN or infinite"
