"""What a plan's cells have given, as one comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.cells.session import Session
from benchmarks.cells.stale import stale_results
from benchmarks.controls.backbone import DEFAULT
from benchmarks.driver.execution import latent_names
from benchmarks.driver.plan import Plan, seeds_of
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.statistics.comparison import Comparison, compare
from benchmarks.tables.views import ByViews

Found = tuple[Record, Rows]
"""A result, as it is stored."""


def collect(plan: Plan) -> list[Found]:
    """The results of the main table that are there, controls after models.

    Raises:
        ResultError: nothing may be made, and no model has one.
    """
    hashes = [cell.hash for cell in plan.cells] + [cell.hash for cell in plan.controls]
    results = _found(plan.session, hashes)
    if plan.request.only_cache and not any(record.kind == "model" for record, _ in results):
        raise ResultError(
            f"{plan.session.results.root} holds no result of {', '.join(plan.names)} with exactly these "
            f"settings; the same command without --only-cache makes them"
        )
    return results


def lacking(plan: Plan, results: list[Found]) -> str:
    """What to say of results that are not there, where none may be made; empty without any."""
    wanted = len(plan.cells) + len(_asked_controls(plan, results))
    if not plan.request.only_cache or len(results) == wanted:
        return ""
    return (
        f"{wanted - len(results)} of {wanted} results are not there; the same command without --only-cache "
        f"makes them"
    )


def compare_plan(plan: Plan, results: list[Found], failed: Mapping[str, Exception]) -> Comparison:
    """The comparison of the main table."""
    shown = {record.name for record, _ in results}
    unbuilt = {name: list(plan.request.seeds) for name in failed if name in plan.names}
    asked = seeds_of(plan.cells) | unbuilt | {name: [] for name in _asked_controls(plan, results)}
    return compare(
        results,
        plan.protocol,
        plan.reference if plan.reference in shown else None,
        notes=[*_notes(plan, results), *stale_results(results, plan.configs)],
        wanted=asked,
    )


def compare_by_views(plan: Plan) -> ByViews:
    """One comparison for each number of views, where several were asked for."""
    if len(plan.sessions) == 1:
        return {}
    return {
        session.views: compare(found, plan.protocol, wanted=seeds_of(cells))
        for session, cells in plan.sessions.items()
        if (found := _found(session, [cell.hash for cell in cells]))
    }


def _found(session: Session, hashes: Iterable[str]) -> list[Found]:
    """The finished ones of some cells."""
    return [found for found in map(session.results.find, hashes) if found is not None]


def _asked_controls(plan: Plan, results: list[Found]) -> list[str]:
    """Names of the controls that belong into the table: without those by a latent that cannot be made."""
    there = {record.name for record, _ in results}
    impossible = latent_names(plan) - there if _why_no_latent(plan, results) else set()
    return [cell.control.name for cell in plan.controls if cell.control.name not in impossible]


def _notes(plan: Plan, results: list[Found]) -> list[str]:
    """Why what is missing among the controls is missing."""
    notes = []
    if why := _why_no_latent(plan, results):
        notes.append(f"Left out: recognition by the latent of {plan.latent_of.config.name}, {why}")
    if plan.backbone is None:
        notes.append(
            f"Left out: recognition by a pretrained backbone; the weights of {DEFAULT} are not on this "
            f"machine, --retrieval-backbone {DEFAULT} downloads them."
        )
    return notes


def _why_no_latent(plan: Plan, results: list[Found]) -> str:
    """Why no control compares pictures by a model's latent; empty where one does."""
    own = plan.latent_of
    if plan.latent is None:
        return "which reads depth beside the picture."
    if plan.session.results.find(own.hash) is None:
        return "which has no result."
    if latent_names(plan) & {record.name for record, _ in results}:
        return ""
    return f"whose weights are not in {own.run_dir}; --force trains it again."
