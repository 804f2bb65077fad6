"""``python -m benchmarks.speed.metrics``: how long scoring takes, metric by metric and from end to end.

The first table times each metric of r3d-v1 against what one would write or import instead: scipy, trimesh,
plain numpy, the other backends of the nearest neighbours, PyTorch3D where it can be imported. The second one
scores voxel predictions through `benchmarks.scoring`, as `benchmarks.run` and `benchmarks.evaluate` do, and
by the script of `benchmarks.speed.straightforward`, which has one process. It prints instances per second in
all and per metric; metric by metric ours are timed in one process too, and IoU filled, which r3d-v1 has and
the script has not, counts in our total. A machine that is busy with other things gives several processes less
than their number: the rate per CPU second, start of the processes included, says what one core does.

Everything is called by turns in one run, so that all see the same machine: read the ratios. Values are
compared before a time is printed; a disagreement beyond the stated tolerance stops the command. The script
draws its own points, so its distances are compared within their sampling spread.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--instances", type=int, default=1000, help="scored by ours (default: %(default)s)")
    parser.add_argument(
        "--subset",
        type=int,
        default=60,
        help="instances that the script scores, half of them before ours and half after; its rate is that of "
        "these (default: %(default)s)",
    )
    parser.add_argument("--resolution", type=int, default=64, help="of the grids (default: %(default)s)")
    parser.add_argument("--points", type=int, default=30_000, help="per surface (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="processes of ours (default: one per available core)")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="*",
        default=[1024, 10_000, 30_000],
        help="of the clouds in the first table; none leaves the table out (default: 1024 10000 30000)",
    )
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each metric, by turns; the median")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    from benchmarks.speed.metrics.measure import FEWEST, run  # after a --help, for it loads what is slow

    if not FEWEST <= args.subset <= args.instances:
        parser.error(f"--subset must be from {FEWEST} to --instances, got {args.subset} of {args.instances}")

    run(args)


if __name__ == "__main__":
    main()
