"""``python -m zoo``, and ``r3d-zoo`` where it is installed: look at the zoo, check a part, draw shapes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.cli import benchmark, check, doctor, listing, sample, show
from zoo.cli.command import leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins

EXAMPLES = """examples:
  python -m zoo list                       every model and part
  python -m zoo list encoders --json       one kind, for a script
  python -m zoo show r3d                   the card of a model: parts, parameters, departures
  python -m zoo show attention_cnn         the card of a part: config fields with help
  python -m zoo check my_encoder --plugin my_package.my_module
  python -m zoo sample gan_3d -n 16 --out drawn      shapes without a picture, from a trained model
  python -m zoo doctor                     versions, device, which optional backends are active
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status, 2 for bad input."""
    args = parser().parse_args(argv)

    def body() -> int:
        load_plugins(args.plugin)
        return int(args.run(args))

    return run_command(body)


def command() -> None:
    """Entry point of the installed command; ends the process."""
    leave(main())


def program() -> str:
    """What the command is called: ``r3d-zoo`` as it is installed, ``python -m zoo`` else."""
    name = Path(sys.argv[0]).stem
    return name if name == "r3d-zoo" else "python -m zoo"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=program(),
        description="R3D zoo: encoders and decoders for 3D shape from a single image.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    add_plugin(common)
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for verb in (listing, show, check, sample, doctor, benchmark):
        verb.add(verbs, parents=[common])
    return top


if __name__ == "__main__":
    command()
