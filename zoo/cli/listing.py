"""``python -m zoo list``: models and parts, all of them or those that fit."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from zoo.cards import ModelFacts, list_models, model_facts
from zoo.cli.console import Verbs, add_verb, plain_console
from zoo.errors import UserError
from zoo.parts import KINDS
from zoo.registry import Entry, Registry, did_you_mean

MODELS = "models"
MODEL_FILTERS = ("encoder", "decoder", "representation", "supervision", "exclude")
HELP = """List models and parts: all, or those that fit a pattern of names and every key=value.

examples:
  python -m zoo list models representation=points       what the decoder makes
  python -m zoo list models supervision=voxels,camera   that need no more than these besides the picture
  python -m zoo list models 'vit*' decoder=voxel_*
  python -m zoo list encoders latent=gaussian           by a tag, as the parts carry them
"""


class FilterError(UserError, ValueError):
    """A filter that no listing of the kind has."""


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    text = "list models and parts"
    raw = argparse.RawDescriptionHelpFormatter
    parser = add_verb(verbs, "list", _list, text, **{**given, "description": HELP, "formatter_class": raw})
    parser.add_argument(
        "kind", nargs="?", choices=(MODELS, *(kind.plural for kind in KINDS)), help="one kind only"
    )
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="a pattern of names, or key=value")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def _list(args: argparse.Namespace) -> int:
    pattern, filters = _filters(args.filters)
    data: dict[str, list[dict[str, str]]] = {}
    if args.kind in (None, MODELS):
        data[MODELS] = [_model_row(facts) for facts in _models(pattern, filters)]
    for kind in KINDS:
        if args.kind not in (None, kind.plural):
            continue
        registry = kind.registry
        data[kind.plural] = [_entry_row(entry) for entry in _entries(registry, pattern, filters)]
        for name, error in registry.broken().items():
            why = f"comes from a plugin that failed to import: {type(error).__name__}: {error}"
            print(f"warning: {registry.kind} '{name}' {why}", file=sys.stderr)
    if args.json:
        print(json.dumps(data, indent=1))
    else:
        _print(data)
    return 0


def _filters(texts: list[str]) -> tuple[str, dict[str, str]]:
    """The pattern of names among the filters, and the others by key."""
    patterns = [text for text in texts if "=" not in text]
    if len(patterns) > 1:
        raise FilterError(f"give one pattern of names, got {', '.join(patterns)}")
    pairs = [text.partition("=") for text in texts if "=" in text]
    return (patterns or ["*"])[0], {key: value for key, _, value in pairs}


def _models(pattern: str, filters: dict[str, str]) -> list[ModelFacts]:
    _check_keys(filters, MODEL_FILTERS, MODELS)
    given: dict[str, Any] = dict(filters)
    for key in {"supervision", "exclude"} & set(filters):
        given[key] = {text for text in filters[key].split(",") if text}
    return model_facts(list_models(pattern, **given))


def _entries(registry: Registry[Any], pattern: str, filters: dict[str, str]) -> list[Entry[Any]]:
    _check_keys(filters, sorted({tag for entry in registry for tag in entry.tags}), f"{registry.kind}s")
    return [registry.get(name) for name in registry.names(pattern, **filters)]


def _check_keys(filters: dict[str, str], known: tuple[str, ...] | list[str], what: str) -> None:
    """Raises FilterError for a key that nothing of the kind has."""
    for key in filters:
        if key not in known:
            raise FilterError(
                f"cannot list {what} by '{key}'.{did_you_mean(key, list(known))} "
                f"Known: {', '.join(known) or 'nothing but a pattern of names'}"
            )


def _model_row(facts: ModelFacts) -> dict[str, str]:
    return {
        "name": facts.name,
        "encoder": facts.encoder,
        "decoder": facts.decoder,
        "parameters": f"{facts.parameters / 1e6:.2f} M",
        "representation": facts.representation,
        "supervision": ", ".join(facts.supervision),
        "licence": facts.licence,
        "citation": facts.citation,
        "summary": facts.summary,
    }


def _narrow(row: dict[str, str]) -> dict[str, str]:
    """A model's row as it fits a terminal; the rest is on its card and in ``--json``."""
    return {
        "name": row["name"],
        "size": row["parameters"],
        "output": row["representation"],
        "learns from": row["supervision"],
        "licence": row["licence"],
        "citation": row["citation"],
        "parts": f"{row['encoder']} > {row['decoder']}",
    }


def _entry_row(entry: Entry[Any]) -> dict[str, str]:
    tags = ", ".join(f"{key}={value}" for key, value in entry.tags.items())
    return {"name": entry.name, "summary": entry.summary, "tags": tags, "citation": entry.cite}


def _print(data: dict[str, list[dict[str, str]]]) -> None:
    from rich.table import Table

    console = plain_console()
    for kind, rows in data.items():
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False)
        shown = [_narrow(row) for row in rows] if kind == MODELS else rows
        for column in shown[0] if shown else ():
            table.add_column(column, no_wrap=column in ("name", "size", "output"), overflow="fold")
        for row in shown:
            table.add_row(*row.values())
        console.print(table, "")
