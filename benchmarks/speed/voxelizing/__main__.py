"""``python -m benchmarks.speed.voxelizing``: solids of meshes, our voxeliser against trimesh's, one core.

trimesh marks the cells of the surface and fills what they enclose (``voxelized().fill()``). Speed and
quality come from one run: the second table damages closed meshes as real ones are, and compares what both
find with the solid of the undamaged mesh.
"""

from __future__ import annotations

import argparse


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.voxelizing", description=__doc__)
    parser.add_argument(
        "--resolutions", type=int, nargs="+", default=[32, 64, 128], help="even (default: 32 64 128)"
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="timed runs of each, by turns; the median is shown"
    )
    parser.add_argument("--seeds", type=int, default=3, help="damages of each kind (default: %(default)s)")
    args = parser.parse_args()
    from benchmarks.speed.voxelizing.measure import run  # after a --help, for it loads what is slow

    run(args)


if __name__ == "__main__":
    main()
