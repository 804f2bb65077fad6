"""Run a stored result again, from its record alone, and say whether its numbers hold.

    python -m benchmarks.repro r3d-0
    python -m benchmarks.repro runs/cells/0123456789abcdef

A record that somebody else made is data, not an order: modules that it would import, folders that it would
read and weights that it would download are named first, and left alone unless you agree (on a terminal), say
--trust, or name them yourself (--plugin, --data-root). Nothing is written where the record says: data that
are made anew lie in your own cache, or below --data-root.

The record holds what its run was asked for, and the whole config. The data are made or opened again
and must have the same fingerprint; the model is trained anew with the same seed, measured, and compared
instance by instance. On the same machine with the same versions the numbers are equal to the last digit;
elsewhere the last bits of a training differ, and what is asked is whether each mean lies within the interval
of the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from zoo.cli.command import leave, run_command
from zoo.cli.plugins import add_plugin


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0 when every number holds, 1 when one does not, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.repro",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "result",
        help="folder of a cell, that of its record.json; or what python -m benchmarks.results list calls it",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder of results for names (default: %(default)s/)"
    )
    parser.add_argument(
        "--workers", type=int, help="processes for data and measuring (default: one per core)"
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        help="folder of the data set's files; of 'procedural', where to keep it (default: what the record "
        "read, where you agree to it; your own cache)",
    )
    add_plugin(parser)
    parser.add_argument(
        "--trust", action="store_true", help="let the record import, read and download what it asks for"
    )
    args = parser.parse_args(argv)

    def body() -> int:
        from rich.console import Console

        from benchmarks.driver.repetition import run_again

        return run_again(args, Console(highlight=False, emoji=False))

    return run_command(body)


if __name__ == "__main__":
    leave(main())
