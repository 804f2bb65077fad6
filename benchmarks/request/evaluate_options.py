"""What `python -m benchmarks.evaluate` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.request.filling import add_config, add_plugins
from benchmarks.tables.options import add_table_options

EXAMPLES = """examples:
  python -m benchmarks.evaluate --pred out/my_model --gt data/true_meshes
  python -m benchmarks.evaluate --pred ours=out/a theirs=out/b --gt voxels/test --protocol r2n2
  python -m benchmarks.evaluate --pred out/a --gt voxels/test --val-pred out/a_val --val-gt voxels/val
  python -m benchmarks.evaluate --pred photos/out --gt models --names pairs.csv --protocol pix3d

pairs.csv has the column `name` (of the prediction) and any of `truth` (name of the true shape, where it
differs), `shape` and `view` (several pictures of one shape are one shape to the statistics) and `category`.
"""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line; what is not given is not in its namespace."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate",
        description=description,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_config(p)
    p.add_argument("--pred", nargs="+", metavar="[NAME=]DIR", help="folders of predictions")
    p.add_argument("--gt", type=Path, metavar="DIR", help="folder of the true shapes")
    p.add_argument(
        "--protocol",
        help="how they are measured, see python -m benchmarks.protocols list (default: r3d-v1)",
    )
    p.add_argument("--names", type=Path, metavar="CSV", help="which prediction belongs to which truth")
    p.add_argument(
        "--threshold",
        type=float,
        help="occupancy from which on a predicted cell is inside, for protocols without a rule of their own "
        "(default: 0.5); never to be chosen by looking at these scores",
    )
    p.add_argument(
        "--val-pred",
        nargs="+",
        metavar="[NAME=]DIR",
        help="predictions of validation shapes, on which the protocol chooses the threshold",
    )
    p.add_argument("--val-gt", type=Path, metavar="DIR", help="folder of the true validation shapes")
    p.add_argument("--reference", help="row that the others are paired with (default: the first of --pred)")
    _add_where(p)
    return p


def _add_where(p: argparse.ArgumentParser) -> None:
    """Folders, formats, machine: what no number depends on."""
    p.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out true shapes that cannot be read; the table counts them",
    )
    add_table_options(p)
    p.add_argument("--out", type=Path, help="folder of results and tables (default: runs/evaluate)")
    p.add_argument(
        "--format",
        dest="formats",
        metavar="A,B",
        help="what is printed (rich) and written (md, csv, latex, json, html); default: all of it",
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
        metavar="MINUTES",
        help="the longest that one prediction may be measured: then its row fails and the others go on; 0 "
        "for no limit. With --workers 0 there is none (default: 30)",
    )
    p.add_argument("--force", action="store_true", help="measure again what has a result")
    p.add_argument(
        "--set",
        action="append",
        dest="overrides",
        metavar="KEY=VALUE",
        help="a setting of the protocol, like points=10000",
    )
    add_plugins(p)
