"""``python -m zoo show``: the card of a model or a part."""

from __future__ import annotations

import argparse
import json
from typing import Any

from zoo.cards import ModelCard, PartCard, describe
from zoo.cli.console import Verbs, add_verb, plain_console
from zoo.parts import MODEL_PARTS


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "show", _show, "print the card of a model or a part", **given)
    parser.add_argument("name")
    parser.add_argument("--preset", help="show a model as this preset trains it")
    parser.add_argument(
        "--json", action="store_true", help="machine-readable; of a model, its resolved config"
    )


def _show(args: argparse.Namespace) -> int:
    card = describe(args.name, preset=args.preset)
    if isinstance(card, ModelCard):
        if args.json:
            print(json.dumps(card.config.resolved(), indent=1))
        else:
            _print_model(card)
    elif args.json:
        print(json.dumps(_plain(card), indent=1, default=str))
    else:
        _print_part(card)
    return 0


def _plain(card: PartCard) -> dict[str, Any]:
    return {
        "kind": card.kind,
        "name": card.name,
        "summary": card.summary,
        "citation": card.citation,
        "tags": dict(card.tags),
        "origin": card.origin,
        "config": {
            name: {"type": field.type, "default": field.default, "help": field.help}
            for name, field in card.fields.items()
        },
    }


def _print_part(card: PartCard) -> None:
    from rich.table import Table
    from rich.text import Text

    console = plain_console()
    console.print(Text.assemble((f"{card.kind} {card.name}", "bold"), f"   {card.citation}\n"))
    console.print(card.description)
    table = Table(title="config", title_justify="left", box=None, pad_edge=False)
    for column in ("field", "type", "default", "help"):
        table.add_column(column, overflow="fold")
    for name, field in card.fields.items():
        table.add_row(name, field.type, str(field.default), field.help)
    tags = "".join(f"\n{key}: {value}" for key, value in card.tags.items())
    console.print("", table, f"{tags}\nfrom {card.origin}")


def _print_model(card: ModelCard) -> None:
    import yaml
    from rich.table import Table
    from rich.text import Text

    console = plain_console()
    console.print(Text.assemble((card.title, "bold"), f" ({card.name})"))
    console.print(card.summary)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    shares = ", ".join(f"{kind} {count:,}" for kind, count in card.parts.items())
    table.add_row("parameters", f"{card.parameters:,} ({shares})")
    table.add_row("supervision", ", ".join(card.supervision) + ", of each picture")
    table.add_row("citation", card.citation)
    table.add_row("follows", card.follows)
    table.add_row("departs", "\n".join(f"- {text}" for text in card.departs) or "in nothing that is known")
    table.add_row("licence", card.licence)
    console.print(table, "")
    shown = ("frame", "preprocess", *MODEL_PARTS, "losses", "train")
    parts = {
        key: value for key, value in card.config.resolved().items() if key in shown and value is not None
    }
    console.print(yaml.safe_dump(parts, sort_keys=False, default_flow_style=None))
