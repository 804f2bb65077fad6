"""The main job from data to table, with what it tells the user on the way."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, time

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.executor import Executor, Job
from benchmarks.cells.forget import forget, forget_results
from benchmarks.cells.session import Session
from benchmarks.cells.stale import stale_results, stale_weights
from benchmarks.controls import Control, controls, recognition, title_of
from benchmarks.controls.backbone import DEFAULT, find_backbone
from benchmarks.controls.features import Feature, latent_feature
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.report import charts
from benchmarks.report.pages import FILES as PAGES
from benchmarks.report.pages import FOLDERS, write_pages
from benchmarks.request.models import asked_by_name
from benchmarks.request.settings import Settings, patience, settings
from benchmarks.scoring.score import check_truths
from benchmarks.statistics.comparison import Comparison, compare
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.kept import TABLES as KEPT
from benchmarks.tables.kept import keep
from benchmarks.tables.outputs import FILES, FORMATS, TABLES, parse_formats, write_outputs
from benchmarks.tables.rich import to_rich
from benchmarks.tables.say import say, say_failed
from benchmarks.tables.views import FILES as VIEWS
from benchmarks.tables.views import ByViews, parse_views, views_rich, write_views
from datasets import DataError
from datasets.prepare import open_dataset
from datasets.store import MANIFEST
from zoo.config import ConfigError, ModelConfig
from zoo.device import describe_device, pick_device
from zoo.errors import UserError
from zoo.files import sweep, try_folder
from zoo.model import takes_views
from zoo.registry import RegistryError, did_you_mean
from zoo.system.locks import OnWait, hold
from zoo.system.processes import TookTooLong, time_limit
from zoo.system.text import printable
from zoo.training.checkpoint import checkpoints
from zoo.training.trainer import TrainReport
from zoo.types import ContractError

REFERENCE = "r3d"
"""What the others are compared with where it is among them and nothing else was asked for."""

Plan = dict[Session, list[ModelCell]]
"""One session for each number of views, ascending, with the cells that it measures."""


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


def run(args: Namespace, names: Sequence[str], overrides: Sequence[str], console: Console) -> int:
    """Train, measure, print and write; returns the exit status.

    Args:
        names: of the models; overrides: settings as ``key=value``.

    Raises:
        UserError: bad input, or folders that cannot be written, before training.
        OSError: what was made at the end cannot be written.
    """
    since, phases, device = time(), Phases(), pick_device(args.device)
    formats = parse_formats(args.format or ",".join(TABLES if args.only_cache else FORMATS))
    limit = patience(args.time_limit)
    executor = Executor.of(args.executor, device, args.jobs, args.plugin, limit)
    torch.set_num_threads(executor.threads)
    chosen = settings(args.preset, args.dataset, overrides)
    protocol = chosen.protocol(args.protocol)
    columns = None if args.columns is None else parse_columns(args.columns, protocol)
    configs = [_config(chosen, name, limit) for name in names]
    labels = [config.name for config in configs]
    _check_rows(labels)
    if args.reference and args.reference not in labels:
        raise RegistryError(
            f"--reference '{args.reference}' is not among the models.{did_you_mean(args.reference, labels)} "
            f"Models: {', '.join(labels)}"
        )
    _try_folders(args.out, args.only_cache)
    say(
        console,
        f"on {args.dataset}, preset {args.preset}, protocol {protocol.id}, {describe_device(device)}",
        ", ".join(labels),
        "bold",
    )
    backbone = find_backbone(args.retrieval_backbone, device, download=not args.only_cache)
    with phases("data"):
        store = open_dataset(
            args.dataset,
            data_root=args.data_root,
            config_overrides=chosen.data_config,
            options=chosen.options,
            workers=args.workers,
            allow_missing=args.allow_missing,
            build=not args.only_cache,
        )
    predictor = executor.predictor(device)
    sessions = [
        Session(chosen, store, protocol, device, args.out, views, args.limit, predictor)
        for views in parse_views(args.views)
    ]
    session = sessions[0]
    info = session.dataset_info
    if info.leaks and not args.allow_leaks:
        raise DataError(
            f"{info.leaks:,} of the {info.n:,} test instances show a shape that training or validation holds "
            f"too ({store.path / MANIFEST} names them). Leave them out with --set prepare.leaks=drop, or "
            f"measure on them with --allow-leaks"
        )
    failed: dict[str, Exception] = {}
    configs = _fitting(session, configs, asked_by_name(args.models), limit, failed, console)
    plan: Plan = {
        each: [
            each.cell(config, seed)
            for config in configs
            if each is session or takes_views(config)
            for seed in range(args.seeds)
        ]
        for each in sessions
    }
    cells = plan[session]
    if not args.only_cache:
        check_truths(session.truths("test"), protocol)
    if args.force:
        _forget(plan, backbone, since, console)
    for note in () if args.only_cache else stale_weights(plan):
        say(console, note, "note", "yellow")
    outcomes: dict[str, TrainReport | Exception] = {}
    if not args.only_cache:
        with phases("training"):
            outcomes = _train(plan, executor, console)
        failed |= {label: outcome for label, outcome in outcomes.items() if isinstance(outcome, Exception)}
    own = next((cell for cell in cells if cell.config.name == (args.reference or REFERENCE)), cells[0])
    features, notes = _features(session, own, outcomes.get(own.label), backbone)
    beside = controls(features)
    if not args.only_cache:
        with phases("measuring"):
            failed |= _measure(plan, outcomes, beside, args.workers, limit, console)
    late: dict[str, Exception] = {}
    results = [*_collect(session, cells), *_found(session, map(session.control_cell, beside))]
    notes += stale_results(results, configs)
    lacking = len(cells) + len(beside) - len(results)
    if args.only_cache and lacking:
        say(
            console,
            f"{lacking} of {len(cells) + len(beside)} results are not there; the same command without "
            f"--only-cache makes them",
        )
    for label, error in failed.items():
        say_failed(console, label, error)
    if not any(record.kind == "model" for record, _ in results):
        if args.only_cache:
            raise ResultError(
                f"{session.results.root} holds no result of {', '.join(labels)} with exactly these settings; "
                f"the same command without --only-cache makes them"
            )
        console.print("no model has a result; see the failures above", style="red")
        return 1
    with phases("table"):
        shown = [record.name for record, _ in results]
        wanted = args.reference or REFERENCE
        reference = wanted if wanted in shown else None
        unbuilt = {name: list(range(args.seeds)) for name in failed if name in labels}
        asked = _seeds(cells) | unbuilt | {control.name: [] for control in beside}
        comparison = compare(results, protocol, reference, notes=notes, wanted=asked)
        by_views: ByViews = {
            each.views: compare(found, protocol, wanted=_seeds(own))
            for each, own in plan.items()
            if len(plan) > 1 and (found := _collect(each, own))
        }
        written: list[Path] = []
        try:
            written += write_outputs(comparison, args.out, formats, columns=columns)
            written += write_views(by_views, args.out) if by_views else []
            if "html" in formats or not args.only_cache:
                pages, late = write_pages(session, cells, comparison, formats, args.out)
                written += pages
                failed |= late
            keep(comparison, args.out, [*written, *charts(written)])
            for folder in (args.out, *(args.out / name for name in FOLDERS)):
                sweep(folder)
        finally:  # whatever became of the files, what was measured is seen
            if "rich" in formats:
                _show(comparison, by_views, console, columns, args.verbose)
    for name, error in late.items():
        say_failed(console, name, error)
    say(console, phases.line())
    say(console, "written: " + ", ".join(map(str, written)))
    return 1 if failed else 0


def _try_folders(out: Path, only_cache: bool) -> None:
    """Before anything is spent: whether what is made can be kept.

    Raises:
        UserError: a folder takes no files, or something stands where a file shall be.
    """
    try_folder(out, [*FILES, *VIEWS, *PAGES])
    for name in (*(() if only_cache else ("cells", "runs")), KEPT, *FOLDERS):
        try_folder(out / name)


def _show(
    comparison: Comparison,
    by_views: ByViews,
    console: Console,
    columns: Sequence[str] | None,
    verbose: bool,
) -> None:
    if by_views:
        console.print("", views_rich(by_views, console.width))
    console.print("", to_rich(comparison, console.width, verbose=verbose, columns=columns))


def _check_rows(names: Sequence[str]) -> None:
    """Raise ConfigError where two rows of the table would go by one name."""
    for k, name in enumerate(names):
        taken = "of a control" if title_of(name) is not None else "twice" if name in names[:k] else ""
        if taken:
            raise ConfigError(f"--models: the name '{name}' is there {taken}; give a YAML another 'name:'")


def _config(chosen: Settings, name: str, limit: float | None) -> ModelConfig:
    """A model's config; reading it imports whatever registers its parts."""
    with time_limit(limit, f"importing the parts of model '{name}'"):
        return chosen.model(name)


def _fitting(
    session: Session,
    configs: Sequence[ModelConfig],
    named: set[str],
    limit: float | None,
    failed: dict[str, Exception],
    console: Console,
) -> list[ModelConfig]:
    """The models that can be trained on the data set; those that a pattern matched may be left out.

    Args:
        limit: seconds that building one may take.
        failed: what somebody's part raised while it was built, or that it was not built in time.

    Raises:
        ContractError: one that was asked for by name does not fit, or none does.
    """
    fitting = []
    for config in configs:
        try:
            with time_limit(limit, f"building model '{config.name}'"):
                session.check(config)
        except ContractError as error:
            if config.name in named or len(configs) == 1:
                raise
            say(console, str(error), "left out", "yellow")
        except (Exception, SystemExit) as error:
            if isinstance(error, UserError) and not isinstance(error, TookTooLong):
                raise
            failed[config.name] = RuntimeError(f"{type(error).__name__} while it was built: {error}")
        else:
            fitting.append(config)
    if not fitting:
        for name, why in failed.items():
            raise ContractError(f"no model of --models can be trained: {name}: {why}")
        raise ContractError(f"no model of --models can be trained on '{session.store.dataset}'")
    return fitting


def _train(plan: Plan, executor: Executor, console: Console) -> dict[str, TrainReport | Exception]:
    """Train what some session has no result of, each model and seed once: a report or an error, by label."""
    missing: dict[str, Job] = {}
    for session, cells in plan.items():
        for cell in cells:
            if cell.label not in missing and session.results.find(cell.hash) is None:
                missing[cell.label] = session.job(cell)
    for label in {cell.label: None for cells in plan.values() for cell in cells}:
        if label not in missing:
            say(console, f"{label}: measured already")
    jobs, out = list(missing.values()), next(iter(plan)).out
    with _progress(console) as bar:
        tasks = {
            j.label: bar.add_task(printable(f"training {j.label}"), total=j.config.train.steps, note="")
            for j in jobs
        }

        def on_step(label: str, done: int, figures: dict[str, float]) -> None:
            shown = [("loss", "loss"), ("rate", "im/s")]
            note = "  ".join(f"{name} {figures[key]:.4g}" for key, name in shown if key in figures)
            bar.update(tasks[label], completed=done, note=note)

        def on_wait(label: str, folder: Path) -> None:
            say(console, f"{label}: waiting for {folder}, which another command is training")

        try:
            return executor.run(jobs, on_step, on_wait)
        except KeyboardInterrupt:
            say(console, f"stopped; the state is saved in {out}. The same command goes on from there.")
            raise


def _features(
    session: Session, cell: ModelCell, outcome: TrainReport | Exception | None, backbone: Feature | None
) -> tuple[list[Feature], list[str]]:
    """What pictures are compared by beside pixels, and why what is missing among it is missing.

    Args:
        cell: whose latent is one of them, where it was trained and makes it of the picture alone.
        outcome: of its training, where it was trained now.
    """
    found, notes, left_out = [], [], f"Left out: recognition by the latent of {cell.config.name}"
    latent = latent_feature(cell, session.predictor)
    if latent is None:
        notes.append(f"{left_out}, which reads depth beside the picture.")
    elif not isinstance(outcome, TrainReport) and session.results.find(cell.hash) is None:
        notes.append(f"{left_out}, which has no result.")
    elif checkpoints(cell.run_dir) or session.results.find(session.control_cell(recognition(latent)[0])):
        found.append(latent)
    else:
        notes.append(f"{left_out}, whose weights are not in {cell.run_dir}; --force trains it again.")
    if backbone is None:
        notes.append(
            f"Left out: recognition by a pretrained backbone; the weights of {DEFAULT} are not on this "
            f"machine, --retrieval-backbone {DEFAULT} downloads them."
        )
    else:
        found.append(backbone)
    return found, notes


def _measure(
    plan: Plan,
    outcomes: dict[str, TrainReport | Exception],
    beside: Sequence[Control],
    workers: int | None,
    limit: float | None,
    console: Console,
) -> dict[str, Exception]:
    """Measure what was trained and has no result yet, the controls with the first session: what failed."""
    failed: dict[str, Exception] = {}
    for k, (session, cells) in enumerate(plan.items()):
        with hold(session.results.root, _on_wait(console)), _progress(console) as bar:
            trained = {  # of what another command has measured meanwhile, nothing
                cell: report
                for cell in cells
                if isinstance(report := outcomes.get(cell.label), TrainReport)
                and session.results.find(cell.hash) is None
            }
            task = bar.add_task(f"measuring, {session.views} of each shape's views", total=None, note="")

            def on_instance(done: int, total: int, bar: Progress = bar, task: TaskID = task) -> None:
                bar.update(task, completed=done, total=total)

            failed |= session.measure(trained, on_instance, workers, () if k else beside, limit)
    return failed


def _collect(session: Session, cells: Sequence[ModelCell]) -> list[tuple[Record, Rows]]:
    return _found(session, (cell.hash for cell in cells))


def _found(session: Session, hashes: Iterable[str]) -> list[tuple[Record, Rows]]:
    """The finished ones of some cells."""
    return [found for found in map(session.results.find, hashes) if found is not None]


def _seeds(cells: Sequence[ModelCell]) -> dict[str, list[int]]:
    """Model to the seeds that were asked for."""
    found: dict[str, list[int]] = {}
    for cell in cells:
        found.setdefault(cell.config.name, []).append(cell.seed)
    return found


def _on_wait(console: Console) -> OnWait:
    """Say what is waited for."""
    return lambda folder: say(console, f"waiting for {folder}, which another command is working in")


def _forget(plan: Plan, backbone: Feature | None, since: float, console: Console) -> None:
    """Delete the results and the trainings of a plan, and the results of its controls."""
    on_wait, root = _on_wait(console), next(iter(plan)).results.root
    measured: dict[Path, list[Path]] = {}
    beside: list[Path] = []
    for session, cells in plan.items():
        latents = (latent_feature(cell, session.predictor) for cell in cells)
        features = [*filter(None, latents), *filter(None, [backbone])]
        hashes = map(session.control_cell, controls(features))
        beside += map(session.results.folder, hashes)
        for cell in cells:
            measured.setdefault(cell.run_dir, []).append(session.results.folder(cell.hash))
    forget(measured, root, since, on_wait)
    with hold(root, on_wait):
        forget_results(beside, since)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )
