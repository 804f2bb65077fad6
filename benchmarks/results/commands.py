"""The commands of `python -m benchmarks.results`, each with its options read."""

from __future__ import annotations

import argparse
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from benchmarks.records.schema import ResultError
from benchmarks.results.find import Store, Stored, find_stored, read_store
from benchmarks.results.leaderboard import leaderboard, protocol_of
from benchmarks.results.show import list_block, result_block
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.rich import rich_block, to_rich
from benchmarks.tables.say import say
from zoo.registry import RegistryError


def list_results(args: argparse.Namespace, out: Console) -> None:
    """Print a line for each result."""
    store = read_store(args.out)
    kinds = {None: ("model", "files"), "all": ("model", "files", "control")}.get(args.kind, (args.kind,))
    found = [one for one in _filtered(store, args) if one.record.kind in kinds]
    if not found:
        raise ResultError(_nothing(store, args))
    title = f"{len(found):,} results in {args.out}"
    for line in rich_block(list_block(found, store.results, title), out.width):
        out.print(line)
    _tell_broken(store, out)


def show_result(args: argparse.Namespace, out: Console) -> None:
    """Print every metric and the record of one result."""
    store = read_store(Path(args.name) if (Path(args.name) / "record.json").exists() else args.out)
    one = find_stored(store.results, args.name, args.out)
    try:
        protocol = protocol_of(one.record)
    except (ResultError, RegistryError):
        protocol = None  # labels and digits alone depend on it
    for line in rich_block(result_block(one, protocol), out.width):
        out.print(line)


def show_leaderboard(args: argparse.Namespace, out: Console) -> None:
    """Print a table for each data set, protocol and preset."""
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
