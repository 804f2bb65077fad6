"""Running a stored result again, from its record alone; see `benchmarks.repro`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.cells.events import Event
from benchmarks.cells.executors import Place, make_executor
from benchmarks.cells.session import Session
from benchmarks.cells.work import CellWork
from benchmarks.protocols import Protocol
from benchmarks.records import environment
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.records.storage import load
from benchmarks.request.run_request import RunRequest
from benchmarks.request.settings import patience, settings
from benchmarks.results.find import find_result
from benchmarks.statistics.bootstrap import cluster_bootstrap
from datasets import DATASETS
from datasets.prepare import open_dataset
from zoo.cli.plugins import load_plugins
from zoo.config import ConfigError, parse_model, validate
from zoo.device import pick_device
from zoo.parts import MODEL_PARTS
from zoo.system.processes import available_cores
from zoo.system.source import changed as changed_code
from zoo.system.source import parts_of
from zoo.system.text import printable


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


def request_of(record: Record) -> RunRequest:
    """What made a record.

    Raises:
        ResultError: no run of a model did, or it cannot be read.
    """
    if record.kind != "model" or record.request is None:
        why = "was not trained by benchmarks.run" if record.kind != "model" else "does not say what made it"
        raise ResultError(
            f"'{printable(record.name)}' {why}; run its command again: {printable(record.command)}"
        )
    try:
        return validate(RunRequest, record.request, "request", f"the record of '{printable(record.name)}'")
    except ConfigError as error:
        raise ResultError(printable(str(error))) from None


def foreign_modules(record: Record, asked: RunRequest) -> list[str]:
    """Modules that the cell needs: its plug-ins, and those of ``module:Class`` anywhere in it."""
    losses = record.config.get("losses")
    parts = [record.config.get(part) for part in MODEL_PARTS]
    parts += losses.values() if isinstance(losses, dict) else []
    named = [asked.dataset, asked.protocol, asked.executor]
    named += [str(p.get("name")) for p in parts if isinstance(p, dict)]
    return list(dict.fromkeys([*asked.plugins, *(n.partition(":")[0] for n in named if ":" in n)]))


def reaches(record: Record, asked: RunRequest, own: argparse.Namespace) -> list[str]:
    """What a record asks for beside training and measuring, and the user of this command does not, in words.

    Args:
        own: the command line of this command.
    """
    modules = [m for m in foreign_modules(record, asked) if m not in own.plugin]
    found = [f"import the module {module} and run its code" for module in modules]
    if asked.data_root is not None and own.data_root is None and not _generated(asked.dataset):
        found.append(f"read the data set '{asked.dataset}' from {asked.data_root}")
    found += [f"read what {text} names" for text in asked.settings if set("/\\") & set(text)]
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
    record: Record, asked: RunRequest, own: argparse.Namespace, console: Console
) -> tuple[Rows, Protocol]:
    """Train and measure the cell of a record anew, in a folder that is gone afterwards.

    Args:
        asked: what made the record; own: command line of this command, whose plug-ins and folder of data win.

    Raises:
        ResultError: its data are others now, or the training failed.
    """
    plugins = tuple(dict.fromkeys([*own.plugin, *foreign_modules(record, asked)]))
    load_plugins(plugins)
    chosen = settings(asked.preset, asked.dataset, asked.settings)
    protocol = chosen.protocol(asked.protocol)
    store = open_dataset(
        asked.dataset,
        data_root=own.data_root or (None if _generated(asked.dataset) else asked.data_root),
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=own.workers,
        allow_missing=asked.allow_missing,
    )
    device = pick_device(asked.device)
    # the same share of the cores, of however many jobs
    jobs = None if asked.jobs is None else min(asked.jobs, available_cores())
    place = Place(device, plugins, patience(asked.time_limit), own.workers)
    executor = make_executor(asked.executor, place, asked.model_copy(update={"jobs": jobs}).executor_settings)
    torch.set_num_threads(executor.threads)
    config = parse_model(record.config, source=f"the record of {printable(record.name)}")
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        session = Session(chosen, store, protocol, device, Path(folder), asked.views[0], asked.limit)
        info = session.dataset_info
        if info.fingerprint != record.dataset.fingerprint:
            raise ResultError(
                f"the data are not those of the record: fingerprint {info.fingerprint[:12]}, there "
                f"{record.dataset.fingerprint[:12]}; check out its commit {record.git.commit}, or its data"
            )
        cell = session.cell(config, record.seed or 0)

        def tell(event: Event) -> None:
            status.update(f"{event.kind} {escape(cell.label)}: {event.done} of {event.total}")

        found = executor.run([CellWork(session, cell, executor.workers)], tell)[cell.hash]
        if isinstance(found, Exception):
            raise ResultError(f"it cannot be made again: {type(found).__name__}: {found}") from found
        result = session.results.find(cell.hash)
        if result is None:
            raise ResultError(f"measuring '{printable(record.name)}' again left no result")
        return result[1], protocol


def run_again(args: argparse.Namespace, console: Console) -> int:
    """Measure the record's cell again and print what holds."""
    named = Path(args.result)
    folder = named if named.is_dir() or len(named.parts) > 1 else find_result(args.out, args.result)
    record, before = load(folder)
    asked = request_of(record)
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
