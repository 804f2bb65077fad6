"""What `python -m benchmarks.evaluate` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.request.settings import add_set, patience
from benchmarks.tables.options import add_table_options
from zoo.cli.plugins import add_plugin
from zoo.config import ConfigError

EXAMPLES = """examples:
  python -m benchmarks.evaluate --pred out/my_model --gt data/true_meshes
  python -m benchmarks.evaluate --pred ours=out/a theirs=out/b --gt voxels/test --protocol r2n2
  python -m benchmarks.evaluate --pred out/a --gt voxels/test --val-pred out/a_val --val-gt voxels/val
  python -m benchmarks.evaluate --pred photos/out --gt models --names pairs.csv --protocol pix3d

pairs.csv has the column `name` (of the prediction) and any of `truth` (name of the true shape, where it
differs), `shape` and `view` (several pictures of one shape are one shape to the statistics) and `category`.
"""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate",
        description=description,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--pred", nargs="+", required=True, metavar="[NAME=]DIR", help="folders of predictions")
    p.add_argument("--gt", type=Path, required=True, metavar="DIR", help="folder of the true shapes")
    p.add_argument(
        "--protocol",
        default="r3d-v1",
        help="how they are measured, see python -m benchmarks.protocols list (default: %(default)s)",
    )
    p.add_argument("--names", type=Path, metavar="CSV", help="which prediction belongs to which truth")
    p.add_argument(
        "--threshold",
        type=float,
        default=0.5,
        help="occupancy from which on a predicted cell is inside, for protocols without a rule of their own "
        "(default: %(default)s); never to be chosen by looking at these scores",
    )
    p.add_argument(
        "--val-pred",
        nargs="+",
        default=[],
        metavar="[NAME=]DIR",
        help="predictions of validation shapes, on which the protocol chooses the threshold",
    )
    p.add_argument("--val-gt", type=Path, metavar="DIR", help="folder of the true validation shapes")
    p.add_argument("--reference", help="row that the others are paired with (default: the first of --pred)")
    p.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out true shapes that cannot be read; the table counts them",
    )
    add_table_options(p)
    p.add_argument("--out", type=Path, default=Path("runs/evaluate"), help="default: %(default)s")
    p.add_argument(
        "--format",
        default="all",
        metavar="A,B",
        help="what is printed (rich) and written (md, csv, latex, json, html); default: %(default)s of it",
    )
    p.add_argument(
        "--workers",
        type=int,
        help="processes that measure (default: one per core); 0: measure in the command's own, where a crash "
        "ends it",
    )
    p.add_argument(
        "--time-limit",
        type=float,
        default=30.0,
        metavar="MINUTES",
        help="the longest that one prediction may be measured: then its row fails and the others go on; 0 "
        "for no limit. With --workers 0 there is none (default: %(default)g)",
    )
    p.add_argument("--force", action="store_true", help="measure again what has a result")
    add_set(p, "a setting of the protocol, like points=10000")
    add_plugin(p)
    return p


def check(args: argparse.Namespace) -> None:
    """Raise `ConfigError` for a number that cannot be meant."""
    if not 0 < args.threshold <= 1:
        raise ConfigError(f"--threshold must lie in (0, 1], got {args.threshold:g}")
    if args.workers is not None and args.workers < 0:
        raise ConfigError(f"--workers must be 0 (measure in this process) or more, got {args.workers}")
    patience(args.time_limit)
