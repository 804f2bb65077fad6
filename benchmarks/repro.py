"""Run a stored result again, from its record alone, and say whether its numbers hold.

    python -m benchmarks.repro runs/cells/0123456789abcdef

A record that somebody else made is data, not an order: modules that it would import, folders that it would
read and weights that it would download are named first, and left alone unless you agree (on a terminal), say
--trust, or name them yourself (--plugin, --data-root). Nothing is written where the record says: data that
are made anew lie in your own cache, or below --data-root.

The record names command, data, preset, seed, protocol and the whole config. The data are made or opened again
and must have the same fingerprint; the model is trained anew with the same seed, measured, and compared
instance by instance. On the same machine with the same versions the numbers are equal to the last digit;
elsewhere the last bits of a training differ, and what is asked is whether each mean lies within the interval
of the first.
"""

from __future__ import annotations

import argparse
import io
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import run
from benchmarks.cells.executor import Executor
from benchmarks.cells.session import Session
from benchmarks.protocols import Protocol
from benchmarks.records import environment
from benchmarks.records.results import Record, ResultError, Rows, load
from benchmarks.request.settings import patience, settings
from benchmarks.statistics.stats import cluster_bootstrap
from datasets import DATASETS
from datasets.prepare import open_dataset
from zoo.cli.command import leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.config import parse_model
from zoo.device import pick_device
from zoo.parts import MODEL_PARTS
from zoo.system.processes import available_cores
from zoo.system.source import changed as changed_code
from zoo.system.source import parts_of
from zoo.system.text import printable
from zoo.training.trainer import TrainReport


@dataclass(frozen=True)
class Held:
    """One metric before and again.

    Attributes:
        before, again: means over the instances.
        low, high: 95 % interval of the first.
        equal: whether every instance has the same number, to the last digit.
    """

    metric: str
    before: float
    again: float
    low: float
    high: float
    equal: bool

    @property
    def holds(self) -> bool:
        """Equal, or at least within the interval of the first."""
        return self.equal or self.low <= self.again <= self.high


def compare_rows(before: Rows, again: Rows, protocol: Protocol) -> list[Held]:
    """Every metric that both have for all instances.

    Raises:
        ResultError: the instances differ.
    """
    if [(r["id"], r["view"]) for r in before] != [(r["id"], r["view"]) for r in again]:
        raise ResultError("the instances are not those of the record: other data, or another split")
    shapes, categories = [r["id"] for r in before], [r["category"] for r in before]
    found = []
    for column in protocol.columns:
        pair = [[row[column.name] for row in rows] for rows in (before, again)]
        if any(value is None for values in pair for value in values):
            continue
        first = cluster_bootstrap(np.array(pair[0], dtype=float), shapes, categories)
        mean = float(np.mean(pair[1]))
        found.append(Held(column.name, first.mean, mean, first.low, first.high, pair[0] == pair[1]))
    return found


def arguments(record: Record) -> argparse.Namespace:
    """The command line of a record.

    Raises:
        ResultError: it is not one of `benchmarks.run`, or cannot be read.
    """
    try:
        words = shlex.split(record.command)
    except ValueError:
        words = []
    if record.kind != "model" or words[:3] != ["python", "-m", "benchmarks.run"]:
        raise ResultError(
            f"'{printable(record.name)}' was not trained by benchmarks.run; run its command again: "
            f"{printable(record.command)}"
        )
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            return run.parser().parse_args(words[3:])
    except SystemExit:
        why = said.getvalue().strip().rpartition("error: ")[2] or "it runs nothing"
        raise ResultError(
            f"the command of '{printable(record.name)}' cannot be run again: {printable(why)}"
        ) from None


def foreign_modules(record: Record, asked: argparse.Namespace) -> list[str]:
    """Modules that the cell needs: those of --plugin, and those of ``module:Class`` anywhere in it."""
    losses = record.config.get("losses")
    parts = [record.config.get(part) for part in MODEL_PARTS]
    parts += losses.values() if isinstance(losses, dict) else []
    named = [asked.dataset, asked.protocol, *(str(p.get("name")) for p in parts if isinstance(p, dict))]
    return list(dict.fromkeys([*asked.plugin, *(n.partition(":")[0] for n in named if ":" in n)]))


def reaches(record: Record, asked: argparse.Namespace, own: argparse.Namespace) -> list[str]:
    """What a record asks for beside training and measuring, and the user of this command does not, in words.

    Args:
        asked: the command line of the record; own: that of this command.
    """
    modules = [m for m in foreign_modules(record, asked) if m not in own.plugin]
    found = [f"import the module {module} and run its code" for module in modules]
    if asked.data_root is not None and own.data_root is None and not _generated(asked.dataset):
        found.append(f"read the data set '{asked.dataset}' from {asked.data_root}")
    found += [f"read what {text} names" for text in run.overrides(asked) if set("/\\") & set(text)]
    parts = {part: record.config.get(part) for part in MODEL_PARTS}
    return found + [
        f"download pretrained weights for the {part}"
        for part, config in parts.items()
        if isinstance(config, dict) and config.get("pretrained")
    ]


def agree(record: Record, wishes: Sequence[str], trust: bool, console: Console) -> None:
    """Say what a record asks for, and ask whether it may.

    Raises:
        ResultError: it may not, or nobody is there to be asked; says how to agree beforehand.
    """
    if not wishes:
        return
    console.print(escape(printable(f"'{record.name}' was made by: {record.command}")), soft_wrap=True)
    console.print("To run it again is to:", soft_wrap=True)
    for wish in wishes:
        console.print(escape(printable(f"- {wish}")), soft_wrap=True)
    if trust:
        return
    if sys.stdin.isatty() and input("Do you trust it? [y/N] ").strip().lower() in ("y", "yes"):
        return
    raise ResultError(
        "nothing was done. If you trust the record, say --trust; or name what you trust of it yourself, "
        "modules with --plugin MODULE, the folder of the data with --data-root DIR"
    )


def _generated(dataset: str) -> bool:
    """Whether a data set is one of ours that needs no files; asked before anything is imported."""
    return dataset in DATASETS and DATASETS.get(dataset).cls.kind == "generated"


def again(
    record: Record, args: argparse.Namespace, own: argparse.Namespace, console: Console
) -> tuple[Rows, Protocol]:
    """Train and measure the cell of a record anew, in a folder that is gone afterwards.

    Args:
        args: command line of the record; own: of this command, whose plug-ins and folder of data win.

    Raises:
        ResultError: its data are others now, or the training failed.
    """
    plugins = list(dict.fromkeys([*own.plugin, *foreign_modules(record, args)]))
    load_plugins(plugins)
    chosen = settings(args.preset, args.dataset, run.overrides(args))
    protocol = chosen.protocol(args.protocol)
    store = open_dataset(
        args.dataset,
        data_root=own.data_root or (None if _generated(args.dataset) else args.data_root),
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=own.workers,
        allow_missing=args.allow_missing,
    )
    if args.jobs == 0:  # what older records say for --executor inline
        args.executor, args.jobs = "inline", None
    elif args.jobs is not None:
        args.jobs = min(args.jobs, available_cores())  # the same share of the cores, of however many jobs
    device = pick_device(args.device)
    executor = Executor.of(args.executor, device, args.jobs, plugins, patience(args.time_limit))
    torch.set_num_threads(executor.threads)
    predictor = executor.predictor(device)
    config = parse_model(record.config, source=str(own.result / "record.json"))
    with tempfile.TemporaryDirectory() as folder:
        # the views are in words in the record: the session that says the same is the right one
        for views in range(1, store.split("test").num_views + 1):
            session = Session(chosen, store, protocol, device, Path(folder), views, args.limit, predictor)
            if session.dataset_info.views == record.dataset.views:
                break
        info = session.dataset_info
        if info.fingerprint != record.dataset.fingerprint:
            raise ResultError(
                f"the data are not those of the record: fingerprint {info.fingerprint[:12]}, there "
                f"{record.dataset.fingerprint[:12]}; check out its commit {record.git.commit}, or its data"
            )
        cell = session.cell(config, record.seed or 0)
        with console.status(f"training {escape(cell.label)}") as status:
            outcome = executor.run(
                [session.job(cell)],
                lambda label, done, _: status.update(
                    f"training {escape(label)}: {done} of {config.train.steps}"
                ),
            )[cell.label]
        if not isinstance(outcome, TrainReport):
            raise ResultError(f"training failed: {type(outcome).__name__}: {outcome}")
        with console.status("measuring"):
            failed = session.measure({cell: outcome}, workers=own.workers)
        found = session.results.find(cell.hash)
        if failed or found is None:
            raise ResultError(f"measuring failed: {failed}")
        return found[1], protocol


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0 when every number holds, 1 when one does not, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.repro",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("result", type=Path, help="folder of a cell: that of its record.json")
    parser.add_argument(
        "--workers", type=int, help="processes for data and measuring (default: one per core)"
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        help="folder of the data set's files; of 'procedural', where to keep it (default: what the record "
        "read, where you agree to it; your own cache)",
    )
    add_plugin(parser)
    parser.add_argument(
        "--trust", action="store_true", help="let the record import, read and download what it asks for"
    )
    args = parser.parse_args(argv)
    return run_command(lambda: run_again(args, Console(highlight=False, emoji=False)))


def run_again(args: argparse.Namespace, console: Console) -> int:
    """Measure the record's cell again and print what holds."""
    record, before = load(args.result)
    asked = arguments(record)
    agree(record, reaches(record, asked, args), args.trust, console)
    rows, protocol = again(record, asked, args, console)
    held = compare_rows(before, rows, protocol)
    title = escape(f"{printable(record.name)}, seed {record.seed}, {protocol.id}")
    table = Table(title=title, title_justify="left")
    for heading in ("metric", "record", "again", "95 % interval of the record", "verdict"):
        table.add_column(heading, justify="left" if heading in ("metric", "verdict") else "right")
    for one in held:
        verdict = "equal" if one.equal else "within the interval" if one.holds else "[red]does not hold[/red]"
        interval = f"{one.low:.5f} to {one.high:.5f}"
        table.add_row(one.metric, f"{one.before:.5f}", f"{one.again:.5f}", interval, verdict)
    console.print(table)
    now = environment.versions()
    changed = [f"{k} {v}, now {now.get(k)}" for k, v in record.versions.items() if now.get(k) != v]
    if all(one.equal for one in held):
        return 0
    if changed:
        console.print("versions that differ: " + escape("; ".join(changed)))
    if edited := changed_code(record.code, parts_of(parse_model(record.config, source=record.name))):
        console.print("code that has changed since: " + escape("; ".join(edited)))
    return 0 if all(one.holds for one in held) else 1


if __name__ == "__main__":
    leave(main())
