"""`python -m benchmarks.results`: what was measured so far, all of it or one, and who leads where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.tables.options import add_table_options
from zoo.cli.command import known_command, leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins

EXAMPLES = """examples:
  python -m benchmarks.results list                          models, a line for each seed
  python -m benchmarks.results list --model 'r3d*' --kind all
  python -m benchmarks.results show r3d-0                    everything about one: any start of a name that is
  python -m benchmarks.results show 3f2a91                   clear, or of its hash
  python -m benchmarks.results leaderboard                   a table for all that may share one
  python -m benchmarks.results leaderboard --dataset procedural --columns iou,cd --verbose
  python -m benchmarks.repro r3d-0                           train and measure it again

Results lie in the folder of --out: those of benchmarks.run in runs/, those of benchmarks.evaluate in
runs/evaluate/. A leaderboard never mixes protocols, versions, settings, presets, data or sets of instances:
there is a table for each, in which rows are tested on the same instances as in the table of any command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, or 2 for a user's error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.results",
        description="What was measured so far: a list, one result, or who leads where.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder of the results (default: %(default)s)"
    )
    add_plugin(common)
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--model", metavar="GLOB", help="names of rows, like 'r3d*'")
    chosen.add_argument("--dataset", metavar="GLOB", help="names of data sets")
    chosen.add_argument("--protocol", metavar="GLOB", help="names of protocols, like 'r3d-v1*'")
    chosen.add_argument("--preset", metavar="GLOB", help="names of presets")
    listed = commands.add_parser("list", parents=[common, chosen], help="a line for each result")
    listed.add_argument(
        "--kind",
        choices=("model", "control", "files", "all"),
        help="which rows (default: models and predictions from files)",
    )
    show = commands.add_parser("show", parents=[common], help="every metric and the record of one result")
    show.add_argument(
        "name", metavar="NAME", help="the start of a name or hash that `list` prints, or a folder"
    )
    board = commands.add_parser(
        "leaderboard", parents=[common, chosen], help="a table for each data set, protocol and preset"
    )
    add_table_options(board)
    arguments = list(sys.argv[1:] if argv is None else argv)

    def body() -> int:
        known_command(arguments, list(commands.choices))
        args = parser.parse_args(arguments)
        from benchmarks.results import commands as run  # after a --help, for it loads what is slow

        load_plugins(args.plugin)
        does = {"list": run.list_results, "show": run.show_result, "leaderboard": run.show_leaderboard}
        does[args.command](args, Console(highlight=False, markup=False))
        return 0

    return run_command(body)


if __name__ == "__main__":
    leave(main())
