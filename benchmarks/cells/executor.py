"""Where trainings run: each in a process of its own, as many at a time as there are slots.

A slot is one training's share of the machine: a GPU, or some of the cores. A crash, even of the interpreter,
costs its own cell only and gives its slot back, as does standing still for longer than the limit of time,
and the peak memory of a process is that of its model. On a CPU two trainings side by side, each with half of
the cores, are also faster than one after the other with all of them: small convolutions spend much of their
time waiting for each other's threads. Predicting has a process of its own too: `benchmarks.cells.predictor`.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

import torch

from benchmarks.cells.child import ended, minutes, portable, settle
from benchmarks.cells.predictor import Predictor, PredictorHere, PredictorProcess
from zoo.cli.command import Stopped
from zoo.config import ConfigError, ModelConfig
from zoo.registry import load_plugin
from zoo.system.processes import asked_threads, available_cores
from zoo.system.source import require_code
from zoo.training.interrupt import Interrupted, graceful_stop
from zoo.training.trainer import TrainReport, train
from zoo.types import Source

EXECUTORS = ("local", "inline")
"""`local`: a process for each training. `inline`: this process, one after the other, unprotected."""

SECONDS_BETWEEN_STEPS = 0.2
"""A running training says how far it is at most this often."""


class CellDied(RuntimeError):
    """The process that trained or measured a cell ended without a word or was ended; the message says how."""


@dataclass(frozen=True)
class Job:
    """One training to be run.

    Attributes:
        label: for messages.
        source: training split; must be picklable.
        code: digests of the code that the command was started with; see `zoo.system.source`.
    """

    label: str
    config: ModelConfig
    source: Source
    run_dir: Path
    seed: int
    code: dict[str, str] = field(default_factory=dict)


Progress = Callable[[str, int, dict[str, float]], None]
"""Called with a job's label, its steps done and its latest figures."""

OnWait = Callable[[str, Path], None]
"""Called with a job's label and its run folder, where another command is training in that."""


def slots(device: torch.device, jobs: int | None, gpus: int, cores: int) -> tuple[torch.device, ...]:
    """The device of each training that runs at the same time.

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


@dataclass(frozen=True)
class Executor:
    """Runs jobs.

    Attributes:
        slots: device of each training that may run at the same time.
        threads: torch threads of each: what OMP_NUM_THREADS says, else its share of the cores, never on how
            many jobs there are, because sums depend on it in their last bits.
        inline: in this process, on the only slot.
        patience: seconds that a training may go without finishing a step, and a block of predictions without
            being there; None for no limit. In this process there is none.
    """

    slots: tuple[torch.device, ...]
    threads: int
    plugins: tuple[str, ...] = ()
    inline: bool = False
    patience: float | None = None

    @classmethod
    def of(
        cls,
        name: str,
        device: torch.device,
        jobs: int | None = None,
        plugins: Sequence[str] = (),
        patience: float | None = None,
    ) -> Executor:
        """One of `EXECUTORS` on this machine; the cores are shared out evenly.

        Raises:
            ConfigError: a number of jobs that it cannot run.
        """
        cores = available_cores()
        if name == "inline":
            if jobs is not None:
                raise ConfigError(
                    f"--jobs {jobs} is for --executor local; --executor inline trains one after the other"
                )
            return cls((device,), asked_threads() or cores, tuple(plugins), inline=True)
        if jobs is not None and jobs < 1:
            raise ConfigError(
                f"--jobs must be at least 1, got {jobs}; to train in this process use --executor inline"
            )
        chosen = slots(device, jobs, torch.cuda.device_count(), cores)
        threads = asked_threads() or max(1, cores // len(chosen))
        return cls(chosen, threads, tuple(plugins), patience=patience)

    def predictor(self, device: torch.device) -> Predictor:
        """Where what was trained predicts."""
        if self.inline:
            return PredictorHere(device)
        return PredictorProcess(device, self.threads, self.plugins, self.patience)

    def run(
        self, jobs: Sequence[Job], progress: Progress, on_wait: OnWait = lambda label, folder: None
    ) -> dict[str, TrainReport | Exception]:
        """Run all jobs; what fails is returned in its place, the others go on.

        Raises:
            Stopped: by a signal, after every running job has saved its state; a second one ends them at once.
        """
        run = self._here if self.inline else self._in_processes
        return run(jobs, progress, on_wait)

    def _here(
        self, jobs: Sequence[Job], progress: Progress, on_wait: OnWait
    ) -> dict[str, TrainReport | Exception]:
        found: dict[str, TrainReport | Exception] = {}
        for job in jobs:
            try:
                found[job.label] = _train(
                    job, self.slots[0], partial(progress, job.label), partial(on_wait, job.label)
                )
            except Interrupted as stop:
                raise Stopped(stop.number) from None
            except Exception as error:  # reported in its cell's place
                found[job.label] = error
        return found

    def _in_processes(
        self, jobs: Sequence[Job], progress: Progress, on_wait: OnWait
    ) -> dict[str, TrainReport | Exception]:
        found: dict[str, TrainReport | Exception] = {}
        waiting, running = list(jobs), dict[Connection, _Running]()
        free = list(self.slots)
        stopped = 0
        with graceful_stop() as stop, _ended(running):
            while running or (waiting and not stopped):
                while waiting and free and not stopped:
                    connection, started = self._start(waiting.pop(0), free.pop(0))
                    running[connection] = started
                if stop() and not stopped:
                    stopped = stop()
                    for one in running.values():
                        one.process.terminate()  # SIGTERM: each saves its state and leaves
                for one in running.values():
                    if self.patience is not None and monotonic() - one.heard > self.patience:
                        why = f"no step was finished for {minutes(self.patience)}; its process was ended"
                        found.setdefault(one.job.label, CellDied(why))
                        one.process.kill()
                for ready in wait(list(running), timeout=0.2):
                    assert isinstance(ready, Connection)
                    one = running[ready]
                    one.heard = monotonic()
                    try:
                        kind, content = ready.recv()
                    except (EOFError, OSError):  # OSError: it died in the middle of a message
                        one.process.join()
                        del running[ready]
                        ready.close()
                        free.append(one.slot)
                        if one.job.label not in found and not stopped:
                            found[one.job.label] = CellDied(ended(one.process))
                        continue
                    if kind == "step":
                        progress(one.job.label, *content)
                    elif kind == "wait":
                        one.heard = math.inf  # however long the other command trains
                        on_wait(one.job.label, content)
                    else:
                        found[one.job.label] = content
        if stopped:
            raise Stopped(stopped)
        return found

    def _start(self, job: Job, slot: torch.device) -> tuple[Connection, _Running]:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        args = (theirs, job, str(slot), self.threads, self.plugins)
        process = context.Process(target=_serve, args=args, name=job.label, daemon=True)
        process.start()
        theirs.close()
        return ours, _Running(job, process, slot, monotonic())


@dataclass
class _Running:
    """A training under way, the slot that it holds, and when it last gave a sign of life."""

    job: Job
    process: BaseProcess
    slot: torch.device
    heard: float = math.inf


@contextmanager
def _ended(running: dict[Connection, _Running]) -> Iterator[None]:
    """Whatever still runs when the block ends is killed: by then nobody waits for it any more."""
    try:
        yield
    finally:
        for one in running.values():
            one.process.kill()
            one.process.join()


def _serve(connection: Connection, job: Job, device: str, threads: int, plugins: Sequence[str]) -> None:
    slot = settle(device, threads)
    last = 0.0

    def say(kind: str, content: object) -> None:
        try:
            connection.send((kind, content))
        except OSError:  # the command is gone, and nobody is left to hear of an error
            os._exit(1)

    def tell(done: int, figures: dict[str, float]) -> None:
        nonlocal last
        if monotonic() - last >= SECONDS_BETWEEN_STEPS or done == job.config.train.steps:
            last = monotonic()
            say("step", (done, figures))

    try:
        for module in plugins:
            load_plugin(module)
        require_code(job.code, job.config)
        say("end", _train(job, slot, tell, partial(say, "wait")))
    except Exception as error:  # travels to the parent, which reports it in the cell's place
        say("end", portable(error))


def _train(
    job: Job,
    device: torch.device,
    tell: Callable[[int, dict[str, float]], None],
    on_wait: Callable[[Path], None],
) -> TrainReport:
    return train(
        job.config,
        job.source,
        job.run_dir,
        seed=job.seed,
        device=device,
        on_step=lambda done, steps, figures: tell(done, figures),
        on_wait=on_wait,
    )
