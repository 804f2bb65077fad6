"""What work says of itself on its way: the same few words from this process and from another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["note", "data", "training", "measuring", "doing", "waiting", "failed"]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: `note`: something to be read. `training`, `measuring`: steps or instances that are done.
            `doing`: something begins that may hang, a text says what; whatever follows says that it ended.
            `waiting`: another command holds what is needed. `failed`: a row has no result. `data`: the data
            set is being opened or prepared.
        label: of the row that it is about, like "r3d (seed 0)"; of a note, the word that marks it.
        text: for a reader.
        error: what a row failed with.
        done, total: steps of a training, or instances of a measurement.
        figures: latest loss and rate of a training.
    """

    kind: Kind
    label: str = ""
    text: str = ""
    error: Exception | None = None
    done: int = 0
    total: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)


Tell = Callable[[Event], None]
"""Called with each event, in the process of the command."""


def silent(event: Event) -> None:
    """Tell nobody."""
