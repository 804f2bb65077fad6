"""The pictures of every test instance, small, by category and best first, with what was scored on each."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.gallery.cases import Pictured
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.standing import reads_the_picture
from benchmarks.tables.blocks import ranking
from benchmarks.tables.columns import print_value

EDGE = 56
"""Pixels of the longer side: some kilobytes each, so that a thousand open at once."""
OPENED = 40
"""Categories that are no larger stand open."""


@dataclass(frozen=True)
class Thumbnail:
    """One instance: its picture as a data address, the best model's score, every row's behind it.

    Attributes:
        case: number of the case that shows its shapes; None where none does.
    """

    id: str
    source: str
    score: str
    about: str
    case: int | None


@dataclass(frozen=True)
class Group:
    """A category."""

    heading: str
    opened: bool
    thumbnails: tuple[Thumbnail, ...]


def said(pictures: Sequence[Pictured], comparison: Comparison) -> str:
    """What the pictures are, and how many of the instances they show."""
    column, first = ranking(comparison), comparison.models[0].name
    some = f"{len(pictures):,} of {len(comparison.instances):,}, evenly chosen"
    which = "Every test instance" if len(pictures) == len(comparison.instances) else some
    return (
        f"{which}, by category, those first on which {first} does best; under each its {column.label}, those "
        "of the others when it is pointed at. One with a frame shows its shapes above when it is clicked."
    )


def groups(pictures: Sequence[Pictured], comparison: Comparison, places: Mapping[str, int]) -> list[Group]:
    """The thumbnails by category.

    Args:
        places: shape id to the number of the case that shows it.
    """
    column = ranking(comparison)
    rows = [*comparison.models, *(r for r in comparison.controls if reads_the_picture(r))]
    means = {row.name: row.values[column.name].mean(0) for row in rows}
    place = {(id, view): k for k, (id, view, _) in enumerate(comparison.instances)}
    sign = -1.0 if column.better == "higher" else 1.0
    found: dict[str, list[tuple[float, str, Thumbnail]]] = {}
    for one in pictures:
        k = place[one.id, one.view]
        values = {name: None if np.isnan(own[k]) else float(own[k]) for name, own in means.items()}
        texts = {name: print_value(value, column) for name, value in values.items()}
        first = comparison.models[0].name
        about = f"{one.id}: " + ", ".join(f"{name} {text}" for name, text in texts.items())
        made = Thumbnail(one.id, _source(one.image), texts[first], about, places.get(one.id))
        score = values[first]
        found.setdefault(comparison.instances[k][2], []).append(
            (np.inf if score is None else sign * score, one.id, made)
        )
    return [
        Group(
            f"{category} ({len(own):,})",
            len(own) <= OPENED,
            tuple(made for *_, made in sorted(own, key=lambda each: each[:2])),
        )
        for category, own in sorted(found.items())
    ]


def _source(image: np.ndarray) -> str:
    """A picture uint8 (H, W, 3 or 4) on a plain ground as the address of a small WebP."""
    picture = Image.fromarray(image).convert("RGBA")
    picture.thumbnail((EDGE, EDGE))
    ground = Image.new("RGBA", picture.size, (243, 244, 246, 255))
    buffer = io.BytesIO()
    Image.alpha_composite(ground, picture).convert("RGB").save(buffer, "WEBP", quality=70, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
