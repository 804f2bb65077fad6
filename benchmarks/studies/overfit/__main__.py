"""``python -m benchmarks.studies.overfit``: can a system learn eight shapes by heart?

Each model is trained under the preset 'overfit' on a handful of shapes and measured on those same shapes,
from the first of the views that it was trained on. The bar: a voxel IoU of at least 0.9, or a Chamfer
distance of at most 1.5 times the floor, which is the truth itself brought to the form of the prediction: to
the model's grid in the model's frame and back, or to as many points of the true surface.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console

from benchmarks.request.common_options import DATA, add_common
from zoo.cli.command import leave, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 1 when a model misses the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.overfit", description=__doc__)
    parser.add_argument("--models", default="all", help="names, globs or 'all' (default: %(default)s)")
    add_common(parser, *DATA, "device", preset="overfit")
    args = parser.parse_args(argv)
    from benchmarks.studies.overfit.measure import run  # after a --help, for it loads what is slow

    return run_command(lambda: run(args, Console(markup=False, emoji=False)))


if __name__ == "__main__":
    leave(main())
