"""``python -m benchmarks.studies.pose``: how well do models with a viewpoint head know the camera?

Of the test split, picture 0 of each shape: the error between the centre of the likeliest bin and the camera's
true angle. Chance is what the same answers score against the cameras of all the other pictures, so that a
model which always says the commonest angle gains nothing by it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.request.common_options import DATA, add_common
from zoo.cli.command import leave, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 2 for a folder without weights or a model without a head."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.pose", description=__doc__)
    parser.add_argument(
        "runs", nargs="+", type=Path, help="run folders, as benchmarks.run leaves in OUT/runs"
    )
    add_common(parser, *DATA, "device")
    args = parser.parse_args(argv)
    from benchmarks.studies.pose.measure import run  # after a --help, for it loads what is slow

    return run_command(lambda: run(args, Console(markup=False, emoji=False)))


if __name__ == "__main__":
    leave(main())
