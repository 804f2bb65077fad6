"""The smallest models and random samples: what checks and tests run parts with, and never figures."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.config import ModelConfig, TrainConfig, parse_model
from zoo.decoders import Decoder
from zoo.discriminators import DISCRIMINATORS
from zoo.encoders import Encoder
from zoo.losses import LOSSES
from zoo.parts import registry_of
from zoo.registry import Entry
from zoo.seeding import derive
from zoo.types import Batch

SIZES = ((64, 64), (48, 64))
"""Image sizes that every encoder must take."""


def smoke_model(
    encoder: Entry[Encoder],
    decoder: Entry[Decoder],
    size: tuple[int, int] = SIZES[0],
    parts: Sequence[str] = (),
) -> ModelConfig:
    """The smallest model of an encoder and a decoder, with every registered loss that fits both.

    Args:
        parts: kinds of optional parts that it has besides, the first registered one of each.
    """
    fits = [
        loss
        for loss in LOSSES
        if (not loss.cls.representations or decoder.cls.representation in loss.cls.representations)
        and (not loss.cls.decoders or decoder.name in loss.cls.decoders)
        and loss.cls.requires_parts <= set(parts)
        and loss.cls.latent_fields <= encoder.cls.provides
        and loss.cls.batch_fields <= SmokeSource.provides
        and (not loss.cls.adversarial or DISCRIMINATORS.names(representation=decoder.cls.representation))
    ]
    data: dict[str, Any] = {
        "name": f"{encoder.name}+{decoder.name}",
        "title": "smoke",
        "summary": "smoke",
        "citation": "none",
        "follows": "nothing",
        "preprocess": {"size": size, "channels": 3},
        "encoder": {"name": encoder.name, **encoder.smoke},
        "decoder": {"name": decoder.name, **decoder.smoke},
        "losses": {loss.name: dict(loss.smoke) for loss in fits},
        "train": TrainConfig(steps=1, batch_size=2, gate=None).model_dump(),
    }
    for kind in parts:
        first = next(iter(registry_of(kind)))
        data[kind] = {"name": first.name, **first.smoke}
    if any(loss.cls.adversarial for loss in fits):
        name = DISCRIMINATORS.names(representation=decoder.cls.representation)[0]
        data["discriminator"] = {"name": name, **DISCRIMINATORS.get(name).smoke}
    return parse_model(data, source="smoke config")


class SmokeSource:
    """Random samples that fill every field of a batch; only for checks, never for figures."""

    provides = frozenset({"image", "voxels", "points", "mask", "depth", "normals", "camera", "views"})
    num_views = 5
    fingerprint = "smoke"

    points = 4096
    """More than any loss draws of them."""

    def __init__(self, count: int = 4, resolution: int = 32, size: tuple[int, int] = SIZES[0]) -> None:
        self.ids = [f"smoke/{i}" for i in range(count)]
        self.resolution, self.size = resolution, size

    def __len__(self) -> int:
        return len(self.ids)

    def fetch(self, indices: Sequence[int], views: Sequence[Sequence[int]]) -> Batch:
        """Samples that are a function of their index and view only."""
        r, samples, seen = self.resolution, [], []
        for index, own in zip(indices, views, strict=True):
            rand = partial(torch.rand, generator=torch.Generator().manual_seed(index))
            samples.append({"voxels": (rand(r, r, r) < 0.2).float(), "points": rand(self.points, 3) - 0.5})
            seen.append(_stack([self._view(index, view) for view in own]))
        return Batch(ids=tuple(self.ids[i] for i in indices), **_stack(samples), **_stack(seen))

    def _view(self, index: int, view: int) -> dict[str, Tensor]:
        rand = partial(torch.rand, generator=torch.Generator().manual_seed(derive(index, view)))
        return {
            "image": (rand(4, *self.size) * 255).to(torch.uint8),
            "depth": rand(*self.size) + 1,
            "normals": nn.functional.normalize(rand(3, *self.size) - 0.5, dim=0),
            "camera": rand(7) * torch.tensor([360.0, 30, 0, 1, 0, 0, 0])
            + torch.tensor([0, 0, 0, 1.5, 49, 0, 0]),
        }


def _stack(rows: Sequence[dict[str, Tensor]]) -> dict[str, Any]:
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
