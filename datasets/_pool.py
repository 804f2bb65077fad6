"""Build items in worker processes that may fail, hang or die without taking the run along.

A process pool of the standard library is broken for good when one worker dies, and does not say which job
killed it. Here every worker holds one item at a time, so the culprit is known: it is tried once more in a
fresh process (the memory killer also hits innocents) and then given up with the reason.

The workers write their rows themselves; only the layout and the digests travel through the pipe.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from zoo.processes import die_with_parent

from . import BadItem, DataError, DataSource, Item, PrepareOptions
from ._pack import Layout, layout_of, pack, write_row

Place = Callable[[Layout], "int | str"]
"""Where a sample of this layout goes: its row, or the reason why it cannot be taken."""

MOST_WORKERS = 1024
"""More processes are a slip of the finger, and more than most machines survive."""

_TRIES = 2
_HOPELESS = 20
_START_LOCK = threading.Lock()
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


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
    process: multiprocessing.process.BaseProcess
    conn: Connection
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
                    worker.process.kill()  # the closed pipe brings it to the branch below
            ready = wait([w.conn for w in pool], timeout=1.0)
            for worker in [w for w in pool if w.conn in ready]:
                try:
                    outcome = _answer(worker, place)
                except (EOFError, OSError):  # the process is gone
                    pool.remove(worker)
                    death = _bury(worker)
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
            worker.process.kill()
            _bury(worker)


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
    die_with_parent()  # whatever an item is at: the pipe only ends those that wait for the next
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
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
    kind, value = worker.conn.recv()
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
    worker.conn.send(worker.row)
    return Outcome(index, reason=row) if isinstance(row, str) else None


def _start(source: DataSource, options: PrepareOptions, folder: Path) -> _Worker:
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe()
    process = context.Process(target=_serve, args=(child, source, options, folder), daemon=True)
    with _quiet_start(type(source).__module__):
        process.start()
    child.close()
    return _Worker(process, parent)


@contextmanager
def _quiet_start(module: str) -> Iterator[None]:
    """Start a process that does not run the caller's main module again, with single-threaded libraries.

    A spawned process imports the parent's `__main__`; for `python -m benchmarks.run` that would load torch
    into every worker. The classes needed here are importable by name, unless `module` is `__main__` itself.
    """
    with _START_LOCK:
        main = sys.modules["__main__"]
        saved = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
        if module != "__main__":
            sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name, value in saved.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _hand_over(worker: _Worker, index: int, item: Item) -> None:
    worker.index = index
    worker.since = time.monotonic()
    # when it died while idle, reading from it will say so and the item is tried again
    with suppress(OSError):
        worker.conn.send(item)


def _bury(worker: _Worker) -> str:
    """Close the pipe, wait for the process, and say how it ended."""
    worker.conn.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    if code < 0:
        try:
            return f"signal {-code}, {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"
    return f"exit status {code}"


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
