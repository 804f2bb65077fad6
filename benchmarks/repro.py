"""Run a stored result again, from its record alone, and say whether its numbers hold.

    python -m benchmarks.repro runs/cells/0123456789abcdef

The record names command, data, preset, seed, protocol and the whole config. The data are made or opened again
and must have the same fingerprint; the model is trained anew with the same seed, measured, and compared
instance by instance. On the same machine with the same versions the numbers are equal to the last digit;
elsewhere the last bits of a training differ, and what is asked is whether each mean lies within the interval
of the first.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import environment, run
from benchmarks.executor import Executor
from benchmarks.protocols import Protocol
from benchmarks.results import Record, ResultError, Rows, load
from benchmarks.session import Session
from benchmarks.settings import settings
from benchmarks.stats import cluster_bootstrap
from datasets.prepare import open_dataset
from zoo.command import run_command
from zoo.config import parse_model
from zoo.device import pick_device
from zoo.registry import load_plugin
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


def again(record: Record, workers: int | None, console: Console) -> tuple[Rows, Protocol]:
    """Train and measure the cell of a record anew, in a folder that is gone afterwards.

    Raises:
        ResultError: it is no model that was trained here, its data are others now, or the training failed.
    """
    words = shlex.split(record.command)
    if record.kind != "model" or words[:3] != ["python", "-m", "benchmarks.run"]:
        raise ResultError(
            f"'{record.name}' was not trained by benchmarks.run; run its command again: {record.command}"
        )
    args = run.parser().parse_args(words[3:])
    for module in args.plugin:
        load_plugin(module)
    chosen = settings(args.preset, args.dataset, run.overrides(args))
    protocol = chosen.protocol(args.protocol)
    store = open_dataset(
        args.dataset,
        data_root=args.data_root,
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=workers,
        allow_missing=args.allow_missing,
    )
    if args.jobs == 0:  # what older records say for --executor inline
        args.executor, args.jobs = "inline", None
    device = pick_device(args.device)
    executor = Executor.of(args.executor, device, args.jobs, args.plugin)
    torch.set_num_threads(executor.threads)
    config = parse_model(record.config, source=record.name)
    with tempfile.TemporaryDirectory() as folder:
        # the views are in words in the record: the session that says the same is the right one
        for views in range(1, store.split("test").num_views + 1):
            session = Session(chosen, store, protocol, device, Path(folder), views, args.limit)
            if session.dataset_info.views == record.dataset.views:
                break
        info = session.dataset_info
        if info.fingerprint != record.dataset.fingerprint:
            raise ResultError(
                f"the data are not those of the record: fingerprint {info.fingerprint[:12]}, there "
                f"{record.dataset.fingerprint[:12]}; check out its commit {record.git.commit}, or its data"
            )
        cell = session.cell(config, record.seed or 0)
        with console.status(f"training {cell.label}") as status:
            outcome = executor.run(
                [session.job(cell)],
                lambda label, done, _: status.update(f"training {label}: {done} of {config.train.steps}"),
            )[cell.label]
        if not isinstance(outcome, TrainReport):
            raise ResultError(f"training failed: {type(outcome).__name__}: {outcome}")
        with console.status("measuring"):
            failed = session.measure({cell: outcome}, workers=workers)
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
    args = parser.parse_args(argv)
    return run_command(lambda: run_again(args, Console(highlight=False)))


def run_again(args: argparse.Namespace, console: Console) -> int:
    """Measure the record's cell again and print what holds."""
    record, before = load(args.result)
    rows, protocol = again(record, args.workers, console)
    held = compare_rows(before, rows, protocol)
    table = Table(title=f"{record.name}, seed {record.seed}, {protocol.id}", title_justify="left")
    for heading in ("metric", "record", "again", "95 % interval of the record", "verdict"):
        table.add_column(heading, justify="left" if heading in ("metric", "verdict") else "right")
    for one in held:
        verdict = "equal" if one.equal else "within the interval" if one.holds else "[red]does not hold[/red]"
        interval = f"{one.low:.5f} to {one.high:.5f}"
        table.add_row(one.metric, f"{one.before:.5f}", f"{one.again:.5f}", interval, verdict)
    console.print(table)
    now = environment.versions()
    changed = [f"{k} {v}, now {now.get(k)}" for k, v in record.versions.items() if now.get(k) != v]
    if changed and not all(one.equal for one in held):
        console.print("versions that differ: " + "; ".join(changed))
    return 0 if all(one.holds for one in held) else 1


if __name__ == "__main__":
    sys.exit(main())
