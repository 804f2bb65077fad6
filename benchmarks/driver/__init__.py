"""The main job: plan, work, compare, write. Whoever calls it is told what happens; nothing is printed."""

from __future__ import annotations

from time import time
from typing import Any

from benchmarks.cells.events import Event, Tell, silent
from benchmarks.cells.stale import stale_weights
from benchmarks.driver.compare import collect, compare_by_views, compare_plan, lacking
from benchmarks.driver.execution import run_cells
from benchmarks.driver.outcome import Outcome
from benchmarks.driver.output import write_all
from benchmarks.driver.plan import Plan, forget_plan, make_plan
from benchmarks.request.run_request import RunRequest
from benchmarks.statistics.comparison import Comparison


def run(request: RunRequest | None = None, progress: Tell | None = None, **asked: Any) -> Comparison:
    """Train what is missing, measure what is missing, write the tables and give the comparison.

    What is trained and measured already with exactly these settings is not done again. Rows that fail are
    missing in the comparison (`Comparison.absent`) and told of; the others are there.

    Args:
        request: what is asked for; or its fields as keywords, like ``models="r3d", seeds=3``.
        progress: called with every event on the way, in this process; see `benchmarks.cells.events`.

    Raises:
        UserError: bad input, or no model has a result.
    """
    return execute(request or RunRequest(**asked), progress or silent).result()


def execute(request: RunRequest, tell: Tell, outcome: Outcome | None = None) -> Outcome:
    """Train and measure what a request asks for: the comparison and all else that came of it.

    Args:
        outcome: is filled as the run goes on, so that what is there can be shown whatever happens.

    Raises:
        UserError: bad input, or folders that cannot be written, before training.
        OSError: what was made at the end cannot be written.
    """
    since, outcome = time(), outcome or Outcome()
    with outcome.phase("data"):
        plan = make_plan(request, tell)
    outcome.failed |= plan.failed
    if request.force:
        forget_plan(plan, since, tell)
    if not request.only_cache:
        for note in stale_weights(plan.sessions):
            tell(Event("note", "note", note))
        with outcome.phase("training and measuring"):
            outcome.failed |= run_cells(plan, tell)
    for label, error in outcome.failed.items():
        tell(Event("failed", label, error=error))
    with outcome.phase("table"):
        _conclude(plan, outcome, tell)
    return outcome


def _conclude(plan: Plan, outcome: Outcome, tell: Tell) -> None:
    """Compare what there is, and write it."""
    results = collect(plan)
    if missing := lacking(plan, results):
        tell(Event("note", "", missing))
    if not any(record.kind == "model" for record, _ in results):
        return
    outcome.comparison = compare_plan(plan, results, outcome.failed)
    outcome.by_views = compare_by_views(plan)
    late = write_all(plan, outcome.comparison, outcome.by_views, outcome.written)
    for label, error in late.items():
        tell(Event("failed", label, error=error))
    outcome.failed |= late
