"""``python -m zoo``: look at the zoo, check a part, draw shapes, ask what is installed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.cli.command import leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.config import ConfigError, ModelConfig, list_models, load_config
from zoo.kinds import MODEL_PARTS
from zoo.registry import Entry, Registry, RegistryError, did_you_mean, load_plugin

KINDS = (
    *("models", "sketchers", "encoders", "shape_encoders", "fusions", "heads", "decoders"),
    *("discriminators", "losses", "metrics"),
)
EXAMPLES = """examples:
  python -m zoo list                       every model and part
  python -m zoo list encoders --json       one kind, for a script
  python -m zoo show r3d                   the card of a model: parts, parameters, departures
  python -m zoo show attention_cnn         the card of a part: config fields with help
  python -m zoo check my_encoder --plugin my_package.my_module
  python -m zoo sample gan_3d -n 16 --out drawn      shapes without a picture, from a trained model
  python -m zoo doctor                     versions, device, which optional backends are active
"""


SAMPLE = """Draw shapes from a trained model, without a picture.

A latent is drawn from what the model was trained to decode: the uniform distribution for 3D-GAN, the standard
normal for the others. Written are a mesh of each shape, shapes.npz with the latents and what the decoder
made of them, untouched, and sheet.png. As 3D-GAN's authors do, a cell counts from a probability of 0.1 on,
and what is not connected to the largest part is left out of meshes and pictures.

examples:
  python -m benchmarks.run --models gan_3d                     train it first
  python -m zoo sample gan_3d --out drawn                      16 shapes of the newest run in runs/
  python -m zoo sample gan_3d -n 4 --interpolate --out drawn   also the way from the first to the second
  python -m zoo sample r3d --weights runs/runs/r3d-0123456789ab --threshold 0.5 --all-components --out drawn
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status, 2 for bad input."""
    args = parser().parse_args(argv)

    def body() -> int:
        load_plugins(args.plugin)
        return int(args.run(args))

    return run_command(body)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m zoo",
        description="R3D zoo: encoders and decoders for 3D shape from a single image.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    add_plugin(common)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, parents=[common], help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    listing = verb("list", _list, "list models and parts")
    listing.add_argument("kind", nargs="?", choices=KINDS, help="one kind only")
    listing.add_argument("--json", action="store_true", help="machine-readable")
    show = verb("show", _show, "print the card of a model or a part")
    show.add_argument("name")
    show.add_argument("--preset", help="show a model as this preset trains it")
    show.add_argument("--json", action="store_true", help="machine-readable; of a model, its resolved config")
    check = verb("check", _check, "run the contract checks of a model or a part, in seconds")
    check.add_argument("name")
    sample = verb("sample", _sample, "draw shapes from a trained model, without a picture")
    sample.description = SAMPLE
    sample.formatter_class = argparse.RawDescriptionHelpFormatter
    sample.add_argument("name", help="a model of the zoo")
    sample.add_argument("-n", type=int, default=16, metavar="N", help="how many (default: %(default)s)")
    sample.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of what is written")
    sample.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="a run or a checkpoint (default: the newest finished run)",
    )
    sample.add_argument(
        "--runs", type=Path, default=Path("runs"), help="the --out of benchmarks.run (default: %(default)s/)"
    )
    sample.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    sample.add_argument(
        "--interpolate",
        type=int,
        nargs="?",
        const=8,
        metavar="STEPS",
        help="also a strip of shapes between the first two, of so many steps (default: %(const)s)",
    )
    sample.add_argument(
        "--threshold",
        type=float,
        default=0.1,
        help="probability from which on a cell is occupied (default: %(default)s)",
    )
    sample.add_argument(
        "--all-components", action="store_true", help="keep what is not connected to the largest part, too"
    )
    sample.add_argument(
        "--format", choices=("obj", "ply"), default="obj", help="of the meshes (default: %(default)s)"
    )
    verb("doctor", _doctor, "print versions, device and which optional backends are active and why not")
    return top


def _console() -> Console:
    """Prints texts as they are, those of other people too: nothing in them is markup."""
    return Console(markup=False, emoji=False, highlight=False)


def registries() -> dict[str, Registry[Any]]:
    """The registries by their plural name."""
    from zoo.decoders import DECODERS
    from zoo.discriminators import DISCRIMINATORS
    from zoo.encoders import ENCODERS
    from zoo.fusions import FUSIONS
    from zoo.heads import HEADS
    from zoo.losses import LOSSES
    from zoo.metrics import METRICS
    from zoo.shape_encoders import SHAPE_ENCODERS
    from zoo.sketchers import SKETCHERS

    return {
        "sketchers": SKETCHERS,
        "encoders": ENCODERS,
        "shape_encoders": SHAPE_ENCODERS,
        "fusions": FUSIONS,
        "heads": HEADS,
        "decoders": DECODERS,
        "discriminators": DISCRIMINATORS,
        "losses": LOSSES,
        "metrics": METRICS,
    }


def _list(args: argparse.Namespace) -> int:
    data: dict[str, list[dict[str, str]]] = {}
    if args.kind in (None, "models"):
        data["models"] = [_model_row(load_config(name)) for name in list_models()]
    for kind, registry in registries().items():
        if args.kind in (None, kind):
            data[kind] = [_entry_row(entry) for entry in registry]
            for name, error in registry.broken().items():
                why = f"comes from a plugin that failed to import: {type(error).__name__}: {error}"
                print(f"warning: {registry.kind} '{name}' {why}", file=sys.stderr)
    if args.json:
        print(json.dumps(data, indent=1))
        return 0
    console = _console()
    for kind, rows in data.items():
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False)
        shown = [_narrow(row) for row in rows] if kind == "models" else rows
        for column in shown[0] if shown else ():
            table.add_column(column, no_wrap=column in ("name", "size", "output"), overflow="fold")
        for row in shown:
            table.add_row(*row.values())
        console.print(table, "")
    return 0


def _model_row(config: ModelConfig) -> dict[str, str]:
    from zoo.decoders import DECODERS
    from zoo.model import supervision

    return {
        "name": config.name,
        "encoder": config.encoder.name,
        "decoder": config.decoder.name,
        "parameters": f"{count_parameters(config) / 1e6:.2f} M",
        "representation": DECODERS.get(config.decoder.name).cls.representation,
        "supervision": ", ".join(sorted(supervision(config) - {"image"})),
        "licence": config.licence,
        "citation": config.citation,
        "summary": config.summary,
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


def count_parameters(config: ModelConfig) -> int:
    """Parameters of encoder and decoder, counted without allocating them."""
    import torch

    from zoo.model import Reconstructor

    with torch.device("meta"):
        return sum(p.numel() for p in Reconstructor(config).parameters())


def _entry_row(entry: Entry[Any]) -> dict[str, str]:
    return {"name": entry.name, "summary": entry.summary, "citation": entry.cite}


def find(name: str) -> ModelConfig | Entry[Any]:
    """A model by name or YAML file, or a part by name or ``module:Class``.

    Raises:
        RegistryError: neither; names the nearest of all.
    """
    known = list_models()
    if name in known or name.endswith((".yaml", ".yml")):
        return load_config(name)
    if ":" in name:
        return _find_class(name)
    for registry in registries().values():
        if name in registry or name in registry.broken():
            return registry.get(name)
        known += registry.names()
    raise RegistryError(
        f"unknown model or part '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}"
    )


def _find_class(path: str) -> Entry[Any]:
    module = path.partition(":")[0]
    load_plugin(module)
    for registry in registries().values():
        try:
            return registry.get(path)
        except RegistryError:  # the class may be registered as a part of another kind
            continue
    raise RegistryError(
        f"'{path}': {module} registers no part of that class; use @ENCODERS.register or its like"
    )


def _show(args: argparse.Namespace) -> int:
    found = find(args.name)
    if isinstance(found, ModelConfig):
        if args.preset:
            found = load_config(args.name, args.preset)
        if args.json:
            print(json.dumps(found.resolved(), indent=1))
        else:
            _model_card(found)
        return 0
    fields = {
        name: {
            "type": _type_name(f.annotation),
            "default": f.get_default(call_default_factory=True),
            "help": f.description,
        }
        for name, f in found.config.model_fields.items()
    }
    if args.json:
        card = {"kind": found.kind, **_entry_row(found), "origin": found.origin, "config": fields}
        print(json.dumps(card, indent=1, default=str))
        return 0
    console = _console()
    console.print(Text.assemble((f"{found.kind} {found.name}", "bold"), f"   {found.cite}\n"))
    console.print((found.cls.__doc__ or "").strip())
    table = Table(title="config", title_justify="left", box=None, pad_edge=False)
    for column in ("field", "type", "default", "help"):
        table.add_column(column, overflow="fold")
    for name, field in fields.items():
        table.add_row(name, field["type"], str(field["default"]), field["help"] or "")
    console.print("", table, f"\nfrom {found.origin}")
    return 0


def _type_name(annotation: Any) -> str:
    return (
        annotation.__name__
        if isinstance(annotation, type) and not hasattr(annotation, "__args__")
        else (str(annotation).replace("typing.", ""))
    )


def _model_card(config: ModelConfig) -> None:
    import yaml

    from zoo.model import supervision

    console = _console()
    console.print(Text.assemble((config.title, "bold"), f" ({config.name})"))
    console.print(config.summary)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("parameters", f"{count_parameters(config):,} (encoder and decoder)")
    table.add_row("supervision", ", ".join(sorted(supervision(config) - {"image"})) + ", of each picture")
    table.add_row("citation", config.citation)
    table.add_row("follows", config.follows)
    table.add_row("departs", "\n".join(f"- {d}" for d in config.departs) or "in nothing that is known")
    table.add_row("licence", config.licence)
    console.print(table, "")
    parts = {
        k: v
        for k, v in config.resolved().items()
        if k in ("frame", "preprocess", *MODEL_PARTS, "losses", "train") and v is not None
    }
    console.print(yaml.safe_dump(parts, sort_keys=False, default_flow_style=None))


def _check(args: argparse.Namespace) -> int:
    from zoo.testing.checks import checks_for, model_checks

    found = find(args.name)
    if isinstance(found, Entry) and found.kind == "metric":
        raise RegistryError(f"'{args.name}' is a metric; metrics are checked by their protocol's tests")
    console, failed = _console(), 0
    for check in model_checks(found) if isinstance(found, ModelConfig) else checks_for(found):
        try:
            check.run()
            console.print(Text.assemble(("ok", "green"), f"    {check.name}"))
        except Exception as error:  # a user's part may fail in any way; the check names it and goes on
            failed += 1
            why = f" {check.name}: {type(error).__name__}: {error}"
            console.print(Text.assemble(("FAILED", "red"), why))
    return 1 if failed else 0


def _sample(args: argparse.Namespace) -> int:
    from zoo.sampling import Display, between, decode, draw_latents, find_weights, write_samples, write_strip
    from zoo.training.checkpoint import load_pretrained

    if args.n < 1 or (args.interpolate is not None and (args.n < 2 or args.interpolate < 2)):
        raise ConfigError(
            f"-n must be at least 1, with --interpolate at least 2, and STEPS at least 2; got -n {args.n}"
            + ("" if args.interpolate is None else f" --interpolate {args.interpolate}")
        )
    if not 0 < args.threshold < 1:
        raise ConfigError(f"--threshold must lie between 0 and 1, got {args.threshold}")
    weights = find_weights(args.name, args.weights, args.runs)
    model = load_pretrained(weights)
    if model.config.name != args.name:
        raise ConfigError(f"{weights} holds '{model.config.name}', not '{args.name}'")
    console = _console()
    console.print(f"{model.config.title}, weights of {weights}")
    display = Display(args.threshold, args.all_components)
    z = draw_latents(model, args.n, args.seed)
    written = write_samples(args.out, z, decode(model, z), display, args.format)
    if args.interpolate is not None:
        way = decode(model, between(z, args.interpolate))
        written.append(write_strip(args.out, way, display))
    console.print(f"written: {len(written)} files in {args.out}, among them sheet.png")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from zoo.cli.doctor import diagnose

    console, colours = _console(), {"ok": "green", "off": "yellow", "bad": "red"}
    lines = diagnose()
    for line in lines:
        state = (f"{line.state:4}", colours[line.state])
        console.print(Text.assemble(state, f" {line.name:20} {line.text}"))
    return 1 if any(line.state == "bad" for line in lines) else 0


if __name__ == "__main__":
    leave(main())
