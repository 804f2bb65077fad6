"""A card for every model, from what its record holds: sources, departures, the whole config."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow
from benchmarks.tables.blocks import row_names

SAID = ("title", "summary", "follows", "licence")
"""Texts of a config, in the order of the card."""


@dataclass(frozen=True)
class ModelCard:
    """What stands behind a model's name.

    Attributes:
        anchor: id of its place on the page.
        sources: as its config cites them.
        departs: where it departs from its source.
        config: JSON that can be fed back.
    """

    name: str
    anchor: str
    lines: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    departs: tuple[str, ...]
    config: str


def model_cards(comparison: Comparison) -> list[ModelCard]:
    """Cards of the models, in the order of the table."""
    cites = {name: cell.cites for name, cell in row_names(comparison, "name").items()}
    return [_card(row, f"model-{k}", cites[row.name]) for k, row in enumerate(comparison.models)]


def _card(row: ComparedRow, anchor: str, sources: tuple[str, ...]) -> ModelCard:
    record, config = row.records[0], row.records[0].config
    lines = [(term, config[term]) for term in SAID if isinstance(config.get(term), str)]
    parts = [(term, str(part["name"])) for term, part in config.items() if _is_part(part)]
    trained = [] if record.train is None else [("steps", f"{record.train.steps:,}")]
    departs = config.get("departs")
    return ModelCard(
        row.name,
        anchor,
        tuple([*lines, *parts, *trained]) or (("title", row.title),),
        sources,
        tuple(map(str, departs)) if isinstance(departs, list | tuple) else (),
        json.dumps(config, indent=1, ensure_ascii=False),
    )


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)
