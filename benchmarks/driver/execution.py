"""All cells of a plan that have no result yet, given to its executor."""

from __future__ import annotations

from benchmarks.cells.events import Event, Tell
from benchmarks.cells.session import sweep_scratch
from benchmarks.cells.work import CellWork, DescribeWork, Work
from benchmarks.controls import recognition
from benchmarks.driver.plan import Plan
from benchmarks.protocols import TruthError
from benchmarks.request.settings import patience
from benchmarks.scoring.measuring import MeasuringError
from zoo.errors import UserError
from zoo.metrics.neighbours import BackendError
from zoo.training.checkpoint import checkpoints

NOBODYS = (TruthError, MeasuringError, BackendError)
"""Errors that say nothing about a row: the command fails, and nothing that they touched counts."""


def run_cells(plan: Plan, tell: Tell) -> dict[str, Exception]:
    """Train and measure what is missing: what failed, by label.

    Raises:
        TruthError, MeasuringError, BackendError: measuring failed by no prediction's fault; what was measured
            before is kept.
        Stopped: by a signal; what runs has saved its state.
    """
    works, failed = make_works(plan), _decide(plan)
    missing = {each.label for each in works}
    for label in dict.fromkeys(cell.label for _, cell in plan.all_cells()):
        if label not in missing:
            tell(Event("note", "", f"{label}: measured already"))
    try:
        found = plan.executor.run(works, tell) if works else {}
    finally:
        sweep_scratch(plan.request.out)
    for each in works:
        error = found.get(each.key)
        if isinstance(error, NOBODYS):
            raise error
        if isinstance(error, Exception):
            failed.setdefault(each.label, error)
    return failed


def _decide(plan: Plan) -> dict[str, Exception]:
    """Note in the checkpoints what was measured before, by whatever version: what went wrong, by label."""
    failed: dict[str, Exception] = {}
    for session, cell in plan.all_cells():
        try:
            session.decide(cell)
        except UserError as error:  # the result itself is there
            failed[cell.label] = error
    return failed


def make_works(plan: Plan) -> list[Work]:
    """The models first, for they take longest; then what is measured beside them."""
    limit = None if plan.request.workers == 0 else patience(plan.request.time_limit)
    workers = plan.executor.workers
    works: list[Work] = []
    trains: dict[str, str] = {}
    for session, cell in plan.all_cells():
        if session.results.find(cell.hash) is None:
            # the sessions share their trainings: the second waits for the first, not for a lock
            first = trains.setdefault(cell.label, cell.hash)
            works.append(CellWork(session, cell, workers, limit, () if first == cell.hash else (first,)))
    session, by_latent = plan.session, latent_names(plan)
    begun = {each.key for each in works}
    described: dict[str, tuple[str, ...]] = {}
    for beside in plan.controls:
        control, waits_for = beside.control, tuple[str, ...]()
        if session.results.find(beside.hash) is not None:
            continue
        if control.name in by_latent:
            if plan.latent_of.hash in begun:
                waits_for = (plan.latent_of.hash,)
            elif not checkpoints(plan.latent_of.run_dir):
                continue
        if control.feature is not None and plan.executor.at_once > 1:
            if control.feature.name not in described:
                parts = [
                    DescribeWork(session, control.feature, k, plan.executor.at_once, waits_for)
                    for k in range(plan.executor.at_once)
                ]
                works += parts
                described[control.feature.name] = tuple(part.key for part in parts)
            waits_for = described[control.feature.name]
        works.append(CellWork(session, beside, workers, limit, waits_for))
    return works


def latent_names(plan: Plan) -> set[str]:
    """Names of the controls that compare pictures by a model's latent."""
    return set() if plan.latent is None else {control.name for control in recognition(plan.latent)}
