"""Build items in worker processes that may fail, hang or die without taking the run along.

An item that kills its process is tried once more, alone, and then given up with the reason. The workers write
their rows themselves; only the layout and the digests travel through the pipe.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from zoo.system.pool import Done, Line, Lost, Pool, PoolError

from .. import BadItem, DataError, DataSource, Item, PrepareOptions
from .rows import Layout, layout_of, pack, write_row

Place = Callable[[Layout], "int | str"]
"""Where a sample of this layout goes: its row, or the reason why it cannot be taken."""

MOST_WORKERS = 1024
"""More processes are a slip of the finger, and more than most machines survive."""

_HOPELESS = 20
"""So many deaths before one item is built are no fault of single items."""


@dataclass(frozen=True)
class Outcome:
    """What became of one item: its row, digests and note, or the reason why it was skipped."""

    index: int
    row: int | None = None
    digests: dict[str, bytes] | None = None
    reason: str | None = None
    note: str = ""


class _Rows:
    """The rows of items that are being written."""

    def __init__(self, place: Place, release: Callable[[int], None]) -> None:
        self._place, self._release = place, release
        self._taken: dict[int, int] = {}

    def take(self, task: _Numbered, layout: Layout) -> int | str:
        self.give_back(task.index)  # of a writer that died
        row = self._place(layout)
        if isinstance(row, int):
            self._taken[task.index] = row
        return row

    def give_back(self, index: int) -> None:
        if index in self._taken:
            self._release(self._taken.pop(index))


@dataclass(frozen=True)
class _Numbered:
    """An item and its place in the list of the data set."""

    index: int
    item: Item


def build_all(
    source: DataSource,
    options: PrepareOptions,
    items: dict[int, Item],
    folder: Path,
    place: Place,
    release: Callable[[int], None],
    workers: int,
    timeout: float,
) -> Generator[Outcome, None, None]:
    """Build and write `items` (index -> item), yielding outcomes in the order of completion.

    Args:
        source: what builds them; travels to the workers once.
        options: what each sample shall hold.
        items: what is to be built, in this order.
        folder: where the arrays lie.
        place: called in this process for each built sample, before it is written; must not raise OSError.
        release: gives back a row whose writer died.
        workers: processes; 0 builds here, one after the other, without any protection.
        timeout: seconds after which the process of one item is killed.

    Raises:
        DataError: the data set itself is at fault, nothing can be written, or workers cannot run.
    """
    check_workers(workers)
    tasks = (_Numbered(index, item) for index, item in items.items())
    if workers == 0:
        yield from (_build(task, place, source, options, folder) for task in tasks)
        return
    rows = _Rows(place, release)
    pool = Pool[_Numbered](
        _work,
        (source, options, folder),
        workers,
        limit=timeout,
        errors=(DataError,),
        answer=rows.take,
        module=type(source).__module__,
    )
    built = 0
    with closing(_outcomes(pool, tasks, timeout)) as outcomes:
        for outcome, death in outcomes:
            if outcome.row is None:
                rows.give_back(outcome.index)
            if death and not built and pool.deaths >= _HOPELESS:
                raise DataError(
                    f"{pool.deaths} worker processes died before one item was built (last: {death})"
                )
            built += outcome.row is not None
            yield outcome


def _outcomes(
    pool: Pool[_Numbered], tasks: Iterator[_Numbered], timeout: float
) -> Generator[tuple[Outcome, str | None], None, None]:
    """Outcomes from a pool, each with how the process ended that died of it, if one did."""
    try:
        for event in pool.run(tasks):
            match event:
                case Done():
                    yield event.result, None
                case Lost(death=None):
                    reason = f"took longer than {timeout:g} s and was stopped"
                    yield Outcome(event.task.index, reason=reason), None
                case Lost(death=death):
                    reason = f"killed the process that built it, 2 times ({death})"
                    yield Outcome(event.task.index, reason=reason), death
    except PoolError as error:
        raise DataError(
            f"{error}; their own messages are above. With 0 workers the items are built in this process, "
            f"with the whole error"
        ) from error


def check_workers(workers: int) -> None:
    """Raise `DataError` for a number of processes that cannot be."""
    if not 0 <= workers <= MOST_WORKERS:
        raise DataError(
            f"--workers must be from 0 (none: the items are built in this process) to {MOST_WORKERS}, "
            f"got {workers}; leave it out for one per core"
        )


def _work(task: _Numbered, line: Line, source: DataSource, options: PrepareOptions, folder: Path) -> Outcome:
    """`_build` in a process, which asks the command's where the row goes."""
    return _build(task, line.ask, source, options, folder)


def _build(
    task: _Numbered, place: Place, source: DataSource, options: PrepareOptions, folder: Path
) -> Outcome:
    try:
        sample = source.build(task.item, options)
        rows = pack(sample, options)
    except DataError:
        raise
    except Exception as error:  # of one item: reported as its reason, the run goes on
        return Outcome(task.index, reason=_reason(error))
    row = place(layout_of(rows))
    if isinstance(row, str):
        return Outcome(task.index, reason=row)
    try:
        return Outcome(task.index, row, write_row(folder, row, rows), note=sample.note)
    except OSError as error:
        why = error.strerror or error
        raise DataError(
            f"cannot write to {folder}: {why}; what is done is kept, the same command goes on"
        ) from error


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, BadItem) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
