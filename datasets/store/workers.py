"""Build items in worker processes that may fail, hang or die without taking the run along.

A process pool of the standard library is broken for good when one worker dies, and does not say which job
killed it. Here every worker holds one item at a time, so the culprit is known: it is tried once more in a
fresh process (the memory killer also hits innocents) and then given up with the reason.

The workers write their rows themselves; only the layout and the digests travel through the pipe.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from zoo.system.children import Child, start_child

from .. import BadItem, DataError, DataSource, Item, PrepareOptions
from .rows import Layout, layout_of, pack, write_row

Place = Callable[[Layout], "int | str"]
"""Where a sample of this layout goes: its row, or the reason why it cannot be taken."""

MOST_WORKERS = 1024
"""More processes are a slip of the finger, and more than most machines survive."""

_TRIES = 2
_HOPELESS = 20


@dataclass(frozen=True)
class Outcome:
    """What became of one item: its row, digests and note, or the reason why it was skipped."""

    index: int
    row: int | None = None
    digests: dict[str, bytes] | None = None
    reason: str | None = None
    note: str = ""


@dataclass
class _Worker:
    child: Child
    started: bool = False
    overdue: bool = False
    index: int | None = None
    row: int | None = None
    since: float = 0.0


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
    if workers == 0:
        for index, item in items.items():
            yield _build_here(source, options, index, item, folder, place)
        return
    queue = deque(items)
    tries = dict.fromkeys(items, 0)
    pool: list[_Worker] = []
    built = deaths = 0
    try:
        while queue or any(w.index is not None for w in pool):
            spare = workers - len(pool)
            unclaimed = len(queue) - sum(w.index is None for w in pool)
            pool += [_start(source, options, folder) for _ in range(min(spare, unclaimed))]
            for worker in pool:
                if worker.started and worker.index is None and queue:
                    tries[queue[0]] += 1
                    _hand_over(worker, queue[0], items[queue.popleft()])
                elif worker.index is not None and time.monotonic() - worker.since > timeout:
                    worker.overdue = True
                    worker.child.process.kill()  # the closed pipe brings it to the branch below
            ready = wait([w.child.pipe for w in pool], timeout=1.0)
            for worker in [w for w in pool if w.child.pipe in ready]:
                try:
                    outcome = _answer(worker, place)
                except (EOFError, OSError):  # the process is gone
                    pool.remove(worker)
                    death = worker.child.bury()
                    if worker.row is not None:
                        release(worker.row)
                    if not worker.started:
                        raise DataError(
                            f"a worker process could not start ({death}); its own message is above. "
                            f"With 0 workers the items are built in this process, with the whole error"
                        ) from None
                    if worker.index is None:
                        continue
                    deaths += 1
                    if not built and deaths >= _HOPELESS:
                        raise DataError(
                            f"{deaths} worker processes died before one item was built (last: {death})"
                        ) from None
                    if not worker.overdue and tries[worker.index] < _TRIES:
                        queue.append(worker.index)
                        continue
                    outcome = Outcome(worker.index, reason=_obituary(worker, death, timeout))
                if outcome is not None:
                    worker.index = worker.row = None
                    built += outcome.row is not None
                    yield outcome
    finally:
        for worker in pool:
            worker.child.end()


def check_workers(workers: int) -> None:
    """Raise `DataError` for a number of processes that cannot be."""
    if not 0 <= workers <= MOST_WORKERS:
        raise DataError(
            f"--workers must be from 0 (none: the items are built in this process) to {MOST_WORKERS}, "
            f"got {workers}; leave it out for one per core"
        )


def _build_here(
    source: DataSource, options: PrepareOptions, index: int, item: Item, folder: Path, place: Place
) -> Outcome:
    """The protocol of `_serve` without a process."""
    try:
        sample = source.build(item, options)
        rows = pack(sample, options)
    except DataError:
        raise
    except Exception as error:
        return Outcome(index, reason=_reason(error))
    row = place(layout_of(rows))
    if isinstance(row, str):
        return Outcome(index, reason=row)
    try:
        return Outcome(index, row, write_row(folder, row, rows), note=sample.note)
    except OSError as error:
        raise DataError(_unwritable(folder, error)) from error


def _serve(conn: Connection, source: DataSource, options: PrepareOptions, folder: Path) -> None:
    """Body of a worker: item in, layout out, row in, digests and note out; until the other side is gone."""
    try:
        conn.send(("ready", None))
        while True:
            item = conn.recv()
            try:
                sample = source.build(item, options)
                rows = pack(sample, options)
            except DataError as error:
                conn.send(("fatal", str(error)))
                continue
            except Exception as error:  # of one item: reported as its reason, the run goes on
                conn.send(("skip", _reason(error)))
                continue
            conn.send(("built", layout_of(rows)))
            row = conn.recv()
            if row is None:
                continue
            try:
                conn.send(("done", (write_row(folder, row, rows), sample.note)))
            except OSError as error:
                conn.send(("fatal", _unwritable(folder, error)))
    except (EOFError, BrokenPipeError):
        return


def _answer(worker: _Worker, place: Place) -> Outcome | None:
    """Handle one message; an `Outcome` when the item is settled."""
    kind, value = worker.child.pipe.recv()
    if kind == "ready":
        worker.started = True
        return None
    if kind == "fatal":
        raise DataError(value)
    index = worker.index
    assert index is not None
    if kind == "skip":
        return Outcome(index, reason=value)
    if kind == "done":
        digests, note = value
        return Outcome(index, worker.row, digests, note=note)
    row = place(value)
    worker.row = row if isinstance(row, int) else None
    worker.child.pipe.send(worker.row)
    return Outcome(index, reason=row) if isinstance(row, str) else None


def _start(source: DataSource, options: PrepareOptions, folder: Path) -> _Worker:
    return _Worker(start_child(_serve, source, options, folder, module=type(source).__module__))


def _hand_over(worker: _Worker, index: int, item: Item) -> None:
    worker.index = index
    worker.since = time.monotonic()
    # when it died while idle, reading from it will say so and the item is tried again
    with suppress(OSError):
        worker.child.pipe.send(item)


def _obituary(worker: _Worker, death: str, timeout: float) -> str:
    if worker.overdue:
        return f"took longer than {timeout:g} s and was stopped"
    return f"killed the process that built it, {_TRIES} times ({death})"


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, BadItem) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _unwritable(folder: Path, error: OSError) -> str:
    why = error.strerror or error
    return f"cannot write to {folder}: {why}; what is done is kept, the same command goes on"
