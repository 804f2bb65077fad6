"""``python -m benchmarks.speed.loading``: how fast training samples come off the disk, by layout.

The same rendered shapes are written in every layout and read back at random, a batch at a time: as files,
from the store of this project, and by the libraries that one would take otherwise. Each layout is read by a
process of its own; they take turns in several rounds, and the median counts. The page cache is warm. What
comes back is compared before anything is timed. Libraries that are not installed are listed with what to
install.

The last line sets the store against what a training can take in: the ceiling that the arithmetic of a
model's step leaves on an H100, or a figure that was measured (``--consumed``). With ``--json`` the figures
are kept as a record with versions and commit.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.loading", description=__doc__)
    parser.add_argument("--samples", type=int, default=512, help="how many shapes (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="samples per read (default: %(default)s)")
    parser.add_argument("--views", type=int, default=1, help="pictures per sample, all of them read")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(192, 256),
        metavar=("H", "W"),
        help="of the pictures (default: 192 256)",
    )
    parser.add_argument("--resolution", type=int, default=64, help="of the voxels (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds after one untimed")
    parser.add_argument("--model", default="r3d", help="whose training the store must feed")
    parser.add_argument("--preset", default="standard", help="with which sizes (default: %(default)s)")
    parser.add_argument(
        "--consumed",
        metavar="X",
        help="images per second that the training takes in, instead of the ceiling on an H100: a number, or "
        "a file that benchmarks.speed.training --json wrote",
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    if args.resolution % 8:
        parser.error(f"--resolution must be a multiple of 8, got {args.resolution}")
    from benchmarks.speed.loading.measure import run  # after a --help, for it loads what is slow

    run(args)


if __name__ == "__main__":
    main()
