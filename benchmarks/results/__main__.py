"""`python -m benchmarks.results`: what was measured so far, all of it or one, and who leads where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from benchmarks.records.schema import ResultError
from benchmarks.results.find import Store, Stored, find_stored, read_store
from benchmarks.results.leaderboard import leaderboard, protocol_of
from benchmarks.results.show import list_block, result_block
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.options import add_table_options
from benchmarks.tables.rich import rich_block, to_rich
from benchmarks.tables.say import say
from zoo.cli.command import known_command, leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.registry import RegistryError

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
        load_plugins(args.plugin)
        out = Console(highlight=False, markup=False)
        return {"list": _list, "show": _show, "leaderboard": _leaderboard}[args.command](args, out)

    return run_command(body)


def _list(args: argparse.Namespace, out: Console) -> int:
    store = read_store(args.out)
    kinds = {None: ("model", "files"), "all": ("model", "files", "control")}.get(args.kind, (args.kind,))
    found = [one for one in _filtered(store, args) if one.record.kind in kinds]
    if not found:
        raise ResultError(_nothing(store, args))
    title = f"{len(found):,} results in {args.out}"
    for line in rich_block(list_block(found, store.results, title), out.width):
        out.print(line)
    _tell_broken(store, out)
    return 0


def _show(args: argparse.Namespace, out: Console) -> int:
    store = read_store(Path(args.name) if (Path(args.name) / "record.json").exists() else args.out)
    one = find_stored(store.results, args.name, args.out)
    try:
        protocol = protocol_of(one.record)
    except (ResultError, RegistryError):
        protocol = None  # labels and digits alone depend on it
    for line in rich_block(result_block(one, protocol), out.width):
        out.print(line)
    return 0


def _leaderboard(args: argparse.Namespace, out: Console) -> int:
    store = read_store(args.out)
    # controls stay: models are measured against them
    found = [*_filtered(store, args, controls=True)]
    shown = 0
    for table in leaderboard(found):
        shown += 1
        if table.comparison is None:
            say(out, f"{table.title}: {table.why}", "left out", "yellow")
            continue
        chosen = None if args.columns is None else parse_columns(args.columns, table.comparison.protocol)
        out.print("", to_rich(table.comparison, out.width, verbose=args.verbose, columns=chosen))
    if not shown:
        raise ResultError(_nothing(store, args))
    _tell_broken(store, out)
    return 0


def _filtered(store: Store, args: argparse.Namespace, controls: bool = False) -> list[Stored]:
    """The results that the options ask for; with `controls`, those of every name."""

    def fits(one: Stored) -> bool:
        record = one.record
        named = controls and record.kind == "control"
        asked = [
            (record.dataset.name, args.dataset),
            (record.protocol.id, args.protocol and f"{args.protocol}*"),
            (record.preset, args.preset),
            *([] if named else [(record.name, args.model)]),
        ]
        return all(glob is None or fnmatchcase(text, glob) for text, glob in asked)

    return [one for one in store.results if fits(one)]


def _nothing(store: Store, args: argparse.Namespace) -> str:
    have = {
        "models": {one.record.name for one in store.results if one.record.kind != "control"},
        "data sets": {one.record.dataset.name for one in store.results},
        "protocols": {one.record.protocol.id for one in store.results},
        "presets": {one.record.preset for one in store.results},
    }
    known = "; ".join(f"{what}: {', '.join(sorted(names)) or 'none'}" for what, names in have.items())
    return f"no result in {args.out} is what was asked for. There are {known}"


def _tell_broken(store: Store, out: Console) -> None:
    for error in store.broken:
        say(out, str(error), "left out", "yellow")


if __name__ == "__main__":
    leave(main())
