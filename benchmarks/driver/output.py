"""Everything that a comparison is written as."""

from __future__ import annotations

from pathlib import Path

from benchmarks.driver.plan import Plan
from benchmarks.report import charts
from benchmarks.report.pages import FOLDERS, write_pages
from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.kept import keep
from benchmarks.tables.outputs import write_outputs
from benchmarks.tables.views import ByViews, write_views
from zoo.files import sweep


def write_all(
    plan: Plan, comparison: Comparison, by_views: ByViews, written: list[Path]
) -> dict[str, Exception]:
    """Write the tables, then pictures and report: what could not be made of those, by name.

    Args:
        written: where the files are noted, as they are written.

    Raises:
        OSError: a file cannot be written.
    """
    out, formats = plan.request.out, plan.formats
    late: dict[str, Exception] = {}
    written += write_outputs(comparison, out, formats, columns=plan.columns)
    written += write_views(by_views, out) if by_views else []
    if "html" in formats or not plan.request.only_cache:
        pages, late = write_pages(plan.session, plan.cells, comparison, formats, out)
        written += pages
    keep(comparison, out, [*written, *charts(written)])
    for folder in (out, *(out / name for name in FOLDERS)):
        sweep(folder)
    return late
