"""``python -m benchmarks.speed.binvox``: reading binvox files, against trimesh.

Files are solids of the embedded data set's test shapes, written for the run, or your own with ``--root``.
The readers take turns, each reads all the files of a turn, and the median of the turns' CPU times is shown:
other load on the machine matters little. 'dense' is the grid that trimesh's loader gives, bit for bit;
'packed' is a bit per cell, as stores hold it, and 'dense, then packbits' the long way there.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.binvox", description=__doc__)
    parser.add_argument(
        "--resolutions",
        type=int,
        nargs="+",
        default=[32, 64, 128],
        metavar="R",
        help="of the solids that are made (default: 32 64 128; 256 takes a minute more)",
    )
    parser.add_argument("--shapes", type=int, default=26, help="solids per resolution (default: %(default)s)")
    parser.add_argument(
        "--root",
        type=Path,
        help="a folder of your own: all its .binvox files, such as ShapeNetVox32, instead of made ones",
    )
    parser.add_argument("--turns", type=int, default=30, help="turns per set of files (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    from benchmarks.speed.binvox.measure import run  # after a --help, for it loads what is slow

    run(args)


if __name__ == "__main__":
    main()
