"""The main job from data to table, with what it tells the user on the way."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.comparison import Comparison, compare
from benchmarks.executor import Executor
from benchmarks.gallery import VIEWS, Case, Drawn, choose_cases, gallery
from benchmarks.names import asked_by_name
from benchmarks.protocols import PROTOCOLS, Protocol
from benchmarks.results import Record, Rows
from benchmarks.session import ModelCell, Session
from benchmarks.settings import settings
from benchmarks.table import to_rich, write_outputs
from datasets.prepare import open_dataset
from zoo.config import ModelConfig, validate
from zoo.device import describe_device, pick_device
from zoo.geometry.camera import Camera
from zoo.registry import RegistryError, did_you_mean
from zoo.sketches import sketch_pictures
from zoo.training.checkpoint import checkpoints
from zoo.training.trainer import TrainReport
from zoo.types import ContractError

REFERENCE = "r3d"
"""What the others are compared with where it is among them and nothing else was asked for."""
CROWDED = 6
"""Models from which on each shape of the gallery is drawn from one side alone."""


class Phases:
    """Seconds per phase, for the line at the end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a block; blocks of one name add up."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def line(self) -> str:
        """One line for a reader."""
        parts = [f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items()]
        return f"{', '.join(parts)}; {sum(self.seconds.values()):.0f} s in all"


def run(args: Namespace, names: Sequence[str], console: Console) -> int:
    """Train, measure, print and write; returns the exit status.

    Raises:
        RegistryError, ConfigError, ContractError, DataError, ResultError: bad input, before training.
    """
    phases, device = Phases(), pick_device(args.device)
    executor = Executor.of(device, args.jobs, args.plugin)
    torch.set_num_threads(executor.threads)
    named = [f"data.categories={args.categories}"] if args.categories else []
    chosen = settings(args.preset, args.dataset, [*named, *args.overrides])
    protocol = build_protocol(args.protocol, chosen.protocol)
    configs = [chosen.model(name) for name in names]
    labels = [config.name for config in configs]
    if args.reference and args.reference not in labels:
        raise RegistryError(
            f"--reference '{args.reference}' is not among the models.{did_you_mean(args.reference, labels)} "
            f"Models: {', '.join(labels)}"
        )
    console.print(
        f"[bold]{', '.join(labels)}[/bold] on {args.dataset}, preset {args.preset}, protocol {protocol.id}, "
        f"{describe_device(device)}",
        highlight=False,
    )
    with phases("data"):
        store = open_dataset(
            args.dataset,
            data_root=args.data_root,
            config_overrides=chosen.data_config,
            options=chosen.options,
            workers=args.workers,
            allow_missing=args.allow_missing,
        )
    session = Session(chosen, store, protocol, device, args.out)
    configs = _fitting(session, configs, asked_by_name(args.models), console)
    cells = [session.cell(config, seed) for config in configs for seed in range(args.seeds)]
    if args.force:
        _forget(session, cells)
    with phases("training"):
        outcomes = _train(session, cells, executor, console)
    failed = {label: outcome for label, outcome in outcomes.items() if isinstance(outcome, Exception)}
    trained = {c: r for c in cells if isinstance(r := outcomes.get(c.label), TrainReport)}
    with phases("measuring"), _progress(console) as bar:
        task = bar.add_task("measuring", total=None, note="")
        failed |= session.measure(
            trained, lambda done, total: bar.update(task, completed=done, total=total), args.workers
        )
    results = _collect(session, cells)
    for label, error in failed.items():
        console.print(f"[red]failed[/red] {label}: {type(error).__name__}: {error}", highlight=False)
    if not any(record.kind == "model" for record, _ in results):
        console.print("no model has a result; see the failures above", style="red")
        return 1
    with phases("table"):
        shown = [record.name for record, _ in results]
        wanted = args.reference or REFERENCE
        reference = wanted if wanted in shown else None
        comparison = compare(results, protocol, reference)
        console.print("", to_rich(comparison, console.width))
        written = write_outputs(comparison, args.out)
        written.append(_gallery(session, cells, comparison, args.out / "gallery.png"))
    console.print(phases.line(), highlight=False)
    console.print("written: " + ", ".join(str(path) for path in written), highlight=False)
    return 1 if failed else 0


def _fitting(
    session: Session, configs: Sequence[ModelConfig], named: set[str], console: Console
) -> list[ModelConfig]:
    """The models that can be trained on the data set; those that a pattern matched may be left out.

    Raises:
        ContractError: one that was asked for by name does not fit, or none does.
    """
    fitting = []
    for config in configs:
        try:
            session.check(config)
        except ContractError as error:
            if config.name in named or len(configs) == 1:
                raise
            console.print(f"[yellow]left out[/yellow] {error}", highlight=False)
        else:
            fitting.append(config)
    if not fitting:
        raise ContractError(f"no model of --models can be trained on '{session.store.dataset}'")
    return fitting


def build_protocol(name: str, config: dict[str, Any]) -> Protocol:
    """A protocol with its settings.

    Raises:
        RegistryError: unknown name. ConfigError: a setting does not validate.
    """
    entry = PROTOCOLS.get(name)
    return entry.cls(validate(entry.config, config, "protocol", f"protocol '{name}'"))


def _train(
    session: Session, cells: Sequence[ModelCell], executor: Executor, console: Console
) -> dict[str, TrainReport | Exception]:
    """Train the cells that have no result: a report or an error each, by label."""
    jobs = []
    for cell in cells:
        if session.results.find(cell.hash) is not None:
            console.print(f"{cell.label}: measured already", highlight=False)
        else:
            jobs.append(session.job(cell))
    with _progress(console) as bar:
        tasks = {
            j.label: bar.add_task(f"training {j.label}", total=j.config.train.steps, note="") for j in jobs
        }

        def on_step(label: str, done: int, figures: dict[str, float]) -> None:
            shown = [("loss", "loss"), ("rate", "im/s")]
            note = "  ".join(f"{name} {figures[key]:.4g}" for key, name in shown if key in figures)
            bar.update(tasks[label], completed=done, note=note)

        try:
            return executor.run(jobs, on_step)
        except KeyboardInterrupt:
            console.print(
                f"stopped; the state is saved in {session.out}. The same command goes on from there."
            )
            raise


def _collect(session: Session, cells: Sequence[ModelCell]) -> list[tuple[Record, Rows]]:
    hashes = [*(cell.hash for cell in cells), *session.control_cells().values()]
    return [found for found in map(session.results.find, hashes) if found is not None]


def _forget(session: Session, cells: Sequence[ModelCell]) -> None:
    for cell in cells:
        for folder in (session.results.folder(cell.hash), cell.run_dir):
            if folder.is_dir():
                shutil.rmtree(folder)


def _gallery(session: Session, cells: Sequence[ModelCell], comparison: Comparison, path: Path) -> Path:
    """Best, median and worst cases of the reference model, with every model's first seed beside it."""
    first = {cell.config.name: cell for cell in reversed(cells)}
    reference = comparison.reference or comparison.models[0].name
    found = session.results.find(first[reference].hash)
    assert found is not None
    metric = "iou@val" if found[1][0]["iou@val"] is not None else "cd"
    chosen = choose_cases(found[1], metric, "higher" if metric == "iou@val" else "lower")
    places = {shape_id: k for k, shape_id in enumerate(session.test.ids)}
    drawn: dict[str, dict[str, Drawn]] = {shape_id: {} for _, shape_id, _ in chosen}
    for row in comparison.models:
        record_rows = session.results.find(first[row.name].hash)
        weights = checkpoints(first[row.name].run_dir)
        if record_rows is None or not weights:
            continue
        record, rows = record_rows
        by_id = {r["id"]: r for r in rows}
        predictions = session.predictions(first[row.name], weights[-1], session.test)
        for shape_id in drawn:
            scores = by_id[shape_id]
            level = 0.5 if record.threshold is None else record.threshold.value
            shape, maps = predictions[places[shape_id]], predictions.sketches(places[shape_id])
            pictures = sketch_pictures(maps) if maps is not None else []
            drawn[shape_id][row.name] = Drawn(shape, level, scores["iou@val"], scores["cd"], pictures)
    truths = session.truths("test")
    cases = []
    for group, shape_id, view in chosen:
        k = places[shape_id]
        picture = session.test.images([k], [[view or 0]])[0, 0].transpose(1, 2, 0)
        camera = Camera.from_row(np.asarray(session.test.cameras([k], [[view or 0]])[0, 0]))
        cases.append(
            Case(
                shape_id, session.test.categories[k], group, picture, truths[k].shape, drawn[shape_id], camera
            )
        )
    gallery(
        path,
        cases,
        {row.name: row.name for row in comparison.models},
        views=VIEWS[:1] if len(comparison.models) > CROWDED else VIEWS,
        caption=f"best, median and worst test instances of {reference} by {metric}; {comparison.protocol.id}",
    )
    return path


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
