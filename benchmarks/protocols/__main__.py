"""`python -m benchmarks.protocols`: what the protocols are, and every choice that one makes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.protocols import PROTOCOLS
from zoo.cli.command import known_command, leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins

EXAMPLES = """examples:
  python -m benchmarks.protocols list                every protocol, in a line each
  python -m benchmarks.protocols show pix3d          formulas, units, points, thresholds, failures
  python -m benchmarks.run --models r3d --protocol occnet --set protocol.points=10000

A protocol turns a prediction into numbers. Its name and version stand over every table; numbers of two
protocols, versions or settings are never put into one. r3d-v1 is the default; the others measure as a
published table was measured, to be compared with that table and with nothing else."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, or 2 for a user's error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.protocols",
        description="What the protocols of the benchmark are.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    add_plugin(common)
    commands.add_parser(
        "list", parents=[common], help="name, version, what it measures, what it compares with"
    )
    show = commands.add_parser(
        "show", parents=[common], help="all that one protocol decides, with its settings"
    )
    show.add_argument("name", metavar="NAME", help="as `list` prints it")
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = list(commands.choices)

    def body() -> None:
        known_command(arguments, known)
        args = parser.parse_args(arguments)
        load_plugins(args.plugin, getattr(args, "name", None))
        out = Console(highlight=False, markup=False)
        if args.command == "list":
            _list(out)
        else:
            _show(out, args.name)

    return run_command(body)


def _list(out: Console) -> None:
    table = Table("name", "version", "measures", "compares with", box=None, pad_edge=False)
    for entry in PROTOCOLS:
        table.add_row(entry.name, str(entry.cls.version), entry.summary, entry.cls.compares)
    out.print(table)


def _show(out: Console, name: str) -> None:
    entry = PROTOCOLS.get(name)
    protocol = entry.cls(entry.config())
    out.print(protocol.describe(), soft_wrap=True)
    if entry.cite:
        out.print(f"Source     {entry.cite}", soft_wrap=True)
    for key, field in entry.config.model_fields.items():
        text = " ".join((field.description or "").split())
        out.print(f"--set protocol.{key}={field.get_default()}: {text}", soft_wrap=True)


if __name__ == "__main__":
    leave(main())
