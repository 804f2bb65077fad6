"""A process for each work, as many at a time as there are slots on this machine.

A slot is one work's share of the machine: a GPU, or some of the cores. A crash, even of the interpreter,
costs its own work only and gives its slot back, as does standing still for longer than the limit of time,
and the peak memory of a process is that of its model. On a CPU two trainings side by side, each with half of
the cores, are also faster than one after the other with all of them: small convolutions spend much of their
time waiting for each other's threads. What needs no device runs in whichever slot is free, so that controls
are measured while models train; beside GPUs it has slots of its own.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

import torch
from pydantic import field_validator

from benchmarks.cells.child import ended, minutes, portable, settle
from benchmarks.cells.events import Event, Tell
from benchmarks.cells.executors import EXECUTORS, Executor, Place, Queue
from benchmarks.cells.predictor import PredictorHere
from benchmarks.cells.work import CellDied, Work
from zoo.cli.command import Stopped
from zoo.config import ConfigError
from zoo.registry import EntryConfig, load_plugin
from zoo.system.processes import asked_threads, available_cores
from zoo.training.interrupt import graceful_stop

SECONDS_BETWEEN_STEPS = 0.2
"""A running training says how far it is at most this often."""
BESIDE = 4
"""At most so many works that need no device run beside those on GPUs."""
NO_STEP = "no step was finished"


class LocalConfig(EntryConfig):
    """How many works run at a time."""

    jobs: int | None = None
    """Works at a time, spread over the GPUs in turn; None for one per GPU, and for two on a CPU."""

    @field_validator("jobs")
    @classmethod
    def _jobs(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ConfigError(
                f"--jobs must be at least 1, got {value}; to train in this process use --executor inline"
            )
        return value


def slots(device: torch.device, jobs: int | None, gpus: int, cores: int) -> tuple[torch.device, ...]:
    """The device of each work that runs at the same time.

    Args:
        device: 'cuda' stands for every GPU of the machine, round robin where there are more jobs than GPUs; a
            device with an index, like 'cuda:1', is the only one.
        jobs: how many; None for one per GPU, and on a CPU for two where there are several cores.
        gpus, cores: what the machine has.
    """
    spread = device.type == "cuda" and device.index is None
    where = [torch.device("cuda", k) for k in range(gpus)] if spread else [device]
    if jobs is None:
        jobs = 2 if device.type == "cpu" and cores > 1 else len(where)
    return tuple(where[k % len(where)] for k in range(jobs))


@EXECUTORS.register("local", config=LocalConfig)
class Local(Executor):
    """A process for each work on this machine, so that one that crashes costs its row alone.

    Attributes:
        slots: device of each work that may run at the same time; 'cpu' beside GPUs for what needs none.
    """

    def __init__(self, config: LocalConfig, place: Place) -> None:
        super().__init__(config, place)
        cores = available_cores()
        own = slots(place.device, config.jobs, torch.cuda.device_count(), cores)
        self.threads, self.at_once = asked_threads() or max(1, cores // len(own)), len(own)
        beside = 0 if place.device.type == "cpu" else max(1, min(BESIDE, cores - len(own)))
        self.slots = (*own, *[torch.device("cpu")] * beside)
        share = cores if place.workers is None else place.workers
        self.workers = 0 if share == 0 else max(1, share // len(self.slots))

    def run(self, works: Sequence[Work], tell: Tell) -> dict[str, Any]:
        """See `Executor.run`."""
        queue, running, free = Queue(works), dict[Connection, _Worker](), list(self.slots)
        stopped = 0
        with graceful_stop() as stop, _killed(running):
            while True:
                if not stopped:
                    self._begin(queue, running, free)
                if not running:
                    break
                if stop() and not stopped:
                    stopped = stop()
                    for one in running.values():
                        one.process.terminate()  # SIGTERM: a training saves its state and leaves
                for one in running.values():
                    if one.late(self.place.patience):
                        why = f"{one.doing} for {minutes(self.place.patience or 0)}{one.more}"
                        queue.found.setdefault(one.work.key, CellDied(f"{why}; its process was ended"))
                        one.process.kill()
                for line in wait(list(running), timeout=0.2):
                    assert isinstance(line, Connection)
                    if not running[line].hear(queue, tell):
                        self._bury(running.pop(line), queue, free, quietly=bool(stopped))
                    elif stopped and running[line].done:
                        running[line].leave()
        if stopped:
            raise Stopped(stopped)
        return queue.found

    def _begin(self, queue: Queue, running: dict[Connection, _Worker], free: list[torch.device]) -> None:
        """Give what is ready to processes that are done and to free slots; end the processes left over."""
        for worker in [worker for worker in running.values() if worker.done]:
            fits = partial(self._fits, worker.slot)
            work = queue.first(fits)
            if work is None or not (work.shares and worker.work.shares):
                worker.leave()  # its slot is free for the next once it is gone
            else:
                queue.take(fits)
                worker.give(work, queue)
        for slot in list(free):
            work = queue.take(partial(self._fits, slot))
            if work is not None:
                free.remove(slot)
                worker = self._start(work, slot)
                running[worker.line] = worker
                worker.give(work, queue)

    def _fits(self, slot: torch.device, work: Work) -> bool:
        """Whether a slot is good for a work: one of the device that was asked for is for any."""
        return not work.on_device or slot.type == self.place.device.type

    def _bury(self, worker: _Worker, queue: Queue, free: list[torch.device], quietly: bool) -> None:
        """A process is gone: its slot is free, and where it left no word its work has failed."""
        worker.process.join()
        worker.line.close()
        free.append(worker.slot)
        if worker.work.key not in queue.found and not quietly:
            queue.found[worker.work.key] = CellDied(ended(worker.process) + worker.more)

    def _start(self, work: Work, slot: torch.device) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        args = (theirs, str(slot), self.threads, self.place.plugins)
        # no daemon: it has children of its own, which measure
        process = context.Process(target=_serve, args=args, name=work.label)
        process.start()
        theirs.close()
        return _Worker(work, process, slot, ours, monotonic())


@dataclass
class _Worker:
    """A process, the slot that it holds, and what it is at.

    Attributes:
        work: what it does, or did last; done: it is ready for another.
        heard: when it last gave a sign of life; infinite while it is in others' hands, who have limits too.
        doing, more: what it is at, for a message: "no step was finished", " while r3d predicted 'chair/3'".
    """

    work: Work
    process: BaseProcess
    slot: torch.device
    line: Connection
    heard: float = math.inf
    doing: str = NO_STEP
    more: str = ""
    done: bool = False

    def give(self, work: Work, queue: Queue) -> None:
        """Send it something to do."""
        self.work, self.done = work, False
        self.heard, self.doing, self.more = monotonic(), NO_STEP, ""
        try:
            self.line.send(work)
        except OSError:  # it is gone already: listening to it will say so
            return
        except Exception as error:  # somebody else's part cannot travel
            queue.found[work.key] = error
            self.leave()

    def leave(self) -> None:
        """Let it end."""
        self.done = False
        with suppress(OSError):
            self.line.send(None)

    def late(self, patience: float | None) -> bool:
        """Whether it has stood still for too long."""
        return patience is not None and not self.done and monotonic() - self.heard > patience

    def hear(self, queue: Queue, tell: Tell) -> bool:
        """Take one message; False where there will be none any more."""
        try:
            kind, content = self.line.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return False
        self.heard, self.doing, self.more = math.inf, NO_STEP, ""
        if kind == "end":
            queue.found[self.work.key] = content
            self.done = True
            return True
        event: Event = content
        if event.kind == "training":
            self.heard = monotonic()
        if event.kind == "doing":
            if event.text:
                self.heard, self.doing, self.more = monotonic(), "no answer", f" while {event.text}"
            return True  # how long somebody's model predicts is between it and its process
        tell(event)
        return True


@contextmanager
def _killed(running: dict[Connection, _Worker]) -> Iterator[None]:
    """Whatever still runs when the block ends is killed: by then nobody waits for it any more."""
    try:
        yield
    finally:
        for one in running.values():
            one.process.kill()
            one.process.join()


def _serve(line: Connection, device: str, threads: int, plugins: Sequence[str]) -> None:
    """Body of a process: works until there is none."""
    slot = settle(device, threads)
    last = 0.0

    def send(kind: str, content: object) -> None:
        try:
            line.send((kind, content))
        except OSError:  # the command is gone, and nobody is left to hear of an error
            os._exit(1)

    def tell(event: Event) -> None:
        nonlocal last
        if event.kind == "training" and event.done != event.total:
            if monotonic() - last < SECONDS_BETWEEN_STEPS:
                return
            last = monotonic()
        send("event", event)

    def on_ask(doing: str) -> None:
        tell(Event("doing", text=doing))

    ready = False
    while True:
        try:
            work: Work | None = line.recv()
            if work is None:
                return
            if not ready:
                for module in plugins:
                    load_plugin(module)
                ready = True
            send("end", work.run(slot, tell, PredictorHere(slot, on_ask)))
        except EOFError:  # the command is gone
            return
        except Exception as error:  # travels to the command, which reports it in the row's place
            send("end", portable(error))
