"""What is written of trained models with pictures in it: `gallery.png` and `report.html`.

Every model has to predict once more for it. By then all is measured and the tables are written: whatever goes
wrong here, a model, a shape that cannot be drawn, a log, costs its pictures and is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.session import Session
from benchmarks.gallery.cases import Cases, gather_cases, write_gallery
from benchmarks.report import PLOTS, REPORT, write_report
from benchmarks.report.surfaces import lighten
from benchmarks.report.training import read_curves
from benchmarks.statistics.comparison import Comparison
from zoo.training.checkpoint import CheckpointError

GALLERY = "gallery.png"
FILES = (GALLERY, REPORT)
FOLDERS = (PLOTS,)


def write_pages(
    session: Session,
    cells: Sequence[ModelCell],
    comparison: Comparison,
    formats: Collection[str],
    out: Path,
) -> tuple[list[Path], dict[str, Exception]]:
    """Write the gallery, and the report where `formats` has html.

    Returns:
        The files that were written, and what could not be made, by name.

    Raises:
        OSError: a file cannot be written.
    """
    written: list[Path] = []
    failed: dict[str, Exception] = {}
    cases = Cases("of nobody", ())
    with _noted(failed, "pictures of predictions"):
        cases = gather_cases(session, cells, comparison, lighten if "html" in formats else None)
    failed |= {
        f"pictures of {name}": error for name, error in cases.failed.items() if not _weights_gone(error)
    }
    if cases.overall:
        with _noted(failed, GALLERY):
            written.append(write_gallery(out / GALLERY, cases, comparison))
    if "html" in formats:
        with _noted(failed, REPORT):
            curves = read_curves((cell.config.name, cell.seed, cell.run_dir) for cell in cells)
            written.append(write_report(comparison, cases, out, curves))
    return written, failed


def _weights_gone(error: Exception) -> bool:
    """Whether a result stands without its weights: the gallery says so, and nothing failed."""
    return isinstance(error, CheckpointError) or isinstance(error.__cause__, CheckpointError)


@contextmanager
def _noted(failed: dict[str, Exception], name: str) -> Iterator[None]:
    """What goes wrong within the block is noted under a name; a disk that is full is nobody's picture."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        failed[name] = error
