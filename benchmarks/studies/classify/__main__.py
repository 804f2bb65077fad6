"""``python -m benchmarks.studies.classify``: what a discriminator knows of shapes, told by their categories.

The 3D-GAN paper's experiment: shapes go through a trained discriminator, the responses of its convolutions
2 to 4 are max-pooled and joined to one vector, and a linear classifier learns the categories from these
vectors, the discriminator staying as it is. A number alone says little, so three controls stand beside it:
the same discriminator untrained, the shapes themselves (max-pooled voxels), and the commonest category.

Departures: the classifier is a multinomial logistic regression (the paper's a linear support vector machine)
whose regularisation is chosen on the validation split; discriminator and classifier learn from the same data
set (the paper's from ShapeNet and ModelNet); smaller grids have fewer convolutions to read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.request.common_options import DATA, add_common
from zoo.cli.command import leave, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0, 2 for bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.classify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="gan_3d", help="a model with a discriminator (default: %(default)s)"
    )
    parser.add_argument("--weights", type=Path, help="a run or a checkpoint, instead of training --model")
    add_common(parser, *DATA, "out", "device")
    args = parser.parse_args(argv)
    from benchmarks.studies.classify.measure import run  # after a --help, for it loads what is slow

    return run_command(
        lambda: run(args, Console(markup=False, emoji=False)), "stopped; the same command goes on from there"
    )


if __name__ == "__main__":
    leave(main())
