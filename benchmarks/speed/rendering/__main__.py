"""``python -m benchmarks.speed.rendering``: views of meshes, our rasteriser against Embree's rays, one core.

Both give mask, depth and normals of the same view with one sample per pixel; ours shades a picture too. What
a mesh costs Embree before its first view (its tree) is counted apart, as 'set-up'. 'ours 2x2' is our default
of four samples per pixel, 'depth' the largest difference in cube edges. Needs embreex, which is no
dependency.
"""

from __future__ import annotations

import argparse


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.rendering", description=__doc__)
    parser.add_argument(
        "--faces", type=int, nargs="+", default=[4500, 40_000], help="at least (default: 4500 40000)"
    )
    parser.add_argument("--runs", type=int, default=9, help="of each view, by turns; the median is shown")
    args = parser.parse_args()
    from benchmarks.speed.rendering.measure import run  # after a --help, for it loads what is slow

    run(args)


if __name__ == "__main__":
    main()
