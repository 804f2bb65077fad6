"""Processes that hold one task each, of which any may hang or die at the cost of its own task.

A process says where in its task it is, so that the culprit is known. The memory killer also hits innocents:
the task of a process that died is tried once more, while nothing else runs. Where that dies too, or a process
says nothing for longer than its limit of time, the task is lost, and no other.

The pools of the standard library, of pebble and of loky share a queue among their workers, and with it
semaphores in shared memory; they know which task was lost and not what it was at, limit a task as a whole,
import the main module again, and leave workers behind when the command is killed.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from zoo.errors import UserError
from zoo.system.children import Child, start_child

T = TypeVar("T")

STILLBORN = 3
"""So many processes in a row that end before they begin are not tried again."""

LISTEN, LOOK = 0.5, 0.05
"""Seconds to wait for the processes, and for them where the next task is still to come."""


class PoolError(UserError, RuntimeError):
    """Processes cannot be started, or end before they begin; says why, and nothing of what to do instead."""


class Line:
    """What the work says from its process while it is at a task."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def at(self, place: object) -> None:
        """Say what comes next: it is to blame where the process dies or hangs, and has the whole limit."""
        self._pipe.send(("at", place))

    def ask(self, question: object) -> Any:
        """What the other side answers."""
        self._pipe.send(("ask", question))
        return self._pipe.recv()


@dataclass(frozen=True)
class Done(Generic[T]):
    """A task, and what the work gave for it.

    Attributes:
        alone: nothing else ran meanwhile.
    """

    task: T
    result: Any
    alone: bool


@dataclass(frozen=True)
class Lost(Generic[T]):
    """A task that killed its process twice, the second time alone, or that took too long.

    Attributes:
        at: where it was, as `Line.at` was told last; None where it was told nothing.
        death: how its process ended; None where it was ended, for it took too long.
        alone: nothing else ran meanwhile.
    """

    task: T
    at: Any
    death: str | None
    alone: bool


@dataclass
class _Worker(Generic[T]):
    """One process.

    Attributes:
        ready: it has started; task: what it is at now, if anything; at: where in it.
        alone: nothing else runs meanwhile.
        since: when it was last heard or given something, in seconds of the monotonic clock.
    """

    child: Child
    ready: bool = False
    task: T | None = None
    at: Any = None
    alone: bool = False
    since: float = 0.0

    def take(self, task: T, alone: bool) -> None:
        self.task, self.alone, self.at, self.since = task, alone, None, time.monotonic()
        with suppress(OSError):  # it died while idle: reading from it will say so
            self.child.pipe.send(task)


class Pool(Generic[T]):
    """Processes that work on tasks. Whatever travels to them and back is pickled.

    Args:
        work: called in a process as `work(task, line, *state)`; importable by name.
        state: travels to each process once.
        workers: how many processes at most, at least 1; each is started when there is a task for it.
        limit: seconds that a process may say nothing while it is at a task; None for no limit.
        errors: exceptions of the work, made of one text, that end the run and are raised in this process.
        answer: what `Line.ask` gets for a task and its question.
        amend: what becomes of a task before it is handed over, each time anew.
        module: as of `start_child`.

    Attributes:
        deaths: how many processes have died at a task so far.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        state: tuple[Any, ...],
        workers: int,
        *,
        limit: float | None = None,
        errors: Sequence[type[Exception]] = (),
        answer: Callable[[T, Any], Any] = lambda task, question: None,
        amend: Callable[[T], T] = lambda task: task,
        module: str = "",
    ) -> None:
        self.workers, self.limit, self.deaths = workers, limit, 0
        self._work, self._state, self._errors, self._module = work, state, tuple(errors), module
        self._answer, self._amend = answer, amend
        self._pool: list[_Worker[T]] = []
        self._waiting: deque[T] = deque()
        self._suspects: deque[T] = deque()
        self._stillborn = 0

    def run(self, tasks: Iterator[T | None]) -> Generator[Done[T] | Lost[T], None, None]:
        """What becomes of each task, as it comes, with only a few tasks under way at a time.

        Args:
            tasks: asked for one at a time, as processes can take them; None where none is there yet but may
                still come. What is ready meanwhile waits for as long as asking takes.

        Raises:
            PoolError: no process can be started, or none begins.
            RuntimeError: the work raised what is not among `errors`; with the traceback of its process.
        """
        more = True
        try:
            while more or self._waiting or self._suspects or any(w.task is not None for w in self._pool):
                patience = LISTEN
                if more and len(self._waiting) < self.workers:
                    try:
                        task = next(tasks)
                    except StopIteration:
                        more = False
                    else:
                        patience = LOOK if task is None else 0.0
                        self._waiting += [] if task is None else [task]
                self._hand_out()
                yield from self._hear(patience)
                yield from self._stop_overdue()
        finally:
            for worker in self._pool:
                worker.child.end()
            self._pool.clear()

    def again(self, event: Done[T] | Lost[T]) -> None:
        """Put the task of an event back, to be taken before the others; alone where it was so."""
        (self._suspects if event.alone else self._waiting).appendleft(event.task)

    def _hand_out(self) -> None:
        """Give tasks to those that have none; a suspect alone, once all others are done."""
        busy = [w for w in self._pool if w.task is not None]
        source, places = self._waiting, self.workers
        if self._suspects:
            source, places = self._suspects, 0 if busy else 1
        elif any(w.alone for w in busy):
            places = 0
        idle = [w for w in self._pool if w.task is None][:places]
        for worker in [w for w in idle if w.ready][: len(source)]:
            worker.take(self._amend(source.popleft()), alone=source is self._suspects)
        spare = min(places - len(idle), self.workers - len(self._pool), len(source) - len(idle))
        for _ in range(spare):
            self._pool.append(_Worker(self._start()))

    def _start(self) -> Child:
        try:
            return start_child(_serve, self._work, self._errors, *self._state, module=self._module)
        except OSError as error:
            raise PoolError(f"no worker process can be started ({error.strerror or error})") from error

    def _hear(self, patience: float) -> Iterator[Done[T] | Lost[T]]:
        """Handle what the processes say within so many seconds."""
        if not self._pool:
            time.sleep(patience)  # waiting for no pipe at all returns at once on some systems
            return
        heard = wait([w.child.pipe for w in self._pool], patience)
        for worker in [w for w in self._pool if w.child.pipe in heard]:
            try:
                kind, value = worker.child.pipe.recv()
            except (EOFError, OSError):
                yield from self._mourn(worker)
                continue
            worker.since = time.monotonic()
            if kind == "ready":
                worker.ready, self._stillborn = True, 0
            elif kind == "at":
                worker.at = value
            elif kind == "error":
                number, text = value
                raise RuntimeError(text) if number is None else self._errors[number](text)
            else:
                assert worker.task is not None
                if kind == "ask":
                    reply = self._answer(worker.task, value)
                    with suppress(OSError):  # as where a task is handed over
                        worker.child.pipe.send(reply)
                else:
                    task, worker.task = worker.task, None
                    yield Done(task, value, worker.alone)

    def _mourn(self, worker: _Worker[T]) -> Iterator[Lost[T]]:
        """A process is gone: its task is tried once more, alone, or lost."""
        self._pool.remove(worker)
        death = worker.child.bury()
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn == STILLBORN:
                raise PoolError(f"{STILLBORN} worker processes ended before they began (the last: {death})")
        if worker.task is None:
            return
        self.deaths += 1
        if worker.alone:
            yield Lost(worker.task, worker.at, death, alone=True)
        else:
            self._suspects.append(worker.task)

    def _stop_overdue(self) -> Iterator[Lost[T]]:
        for worker in list(self._pool):
            if worker.task is None or self.limit is None or time.monotonic() - worker.since <= self.limit:
                continue
            self._pool.remove(worker)
            worker.child.end()
            yield Lost(worker.task, worker.at, None, worker.alone)


def _serve(
    pipe: Connection, work: Callable[..., Any], errors: tuple[type[Exception], ...], *state: Any
) -> None:
    """Body of a process: task in, result out, until the other side is gone."""
    line = Line(pipe)
    with suppress(EOFError, BrokenPipeError):
        pipe.send(("ready", None))
        while True:
            task = pipe.recv()
            try:
                message = "done", work(task, line, *state)
            except Exception as error:  # the other side raises it, and no task is to blame
                kind = next((n for n, known in enumerate(errors) if isinstance(error, known)), None)
                message = "error", (kind, traceback.format_exc() if kind is None else str(error))
            pipe.send(message)
