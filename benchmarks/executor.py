"""Where trainings run: each in a process of its own, a fixed number at a time.

A crash, even of the interpreter, costs its own cell only, and the peak memory of a process is that of its
model. On a CPU two trainings side by side, each with half of the cores, are also faster than one after the
other with all of them: small convolutions spend much of their time waiting for each other's threads.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from zoo.config import ModelConfig
from zoo.registry import load_plugin
from zoo.training.interrupt import Interrupted, graceful_stop
from zoo.training.trainer import TrainReport, train
from zoo.types import Source

SECONDS_BETWEEN_STEPS = 0.2
"""A running training says how far it is at most this often."""


class CellDied(RuntimeError):
    """The process of a training ended without a word; the message has its exit status."""


@dataclass(frozen=True)
class Job:
    """One training to be run.

    Attributes:
        label: for messages.
        source: training split; must be picklable.
    """

    label: str
    config: ModelConfig
    source: Source
    run_dir: Path
    seed: int


Progress = Callable[[str, int, dict[str, float]], None]
"""Called with a job's label, its steps done and its latest figures."""


@dataclass(frozen=True)
class Executor:
    """Runs jobs.

    Attributes:
        jobs: trainings at once; 0 runs them in this process, one after the other.
        threads: torch threads of each. It depends on the machine and `jobs` alone, never on how many jobs
            there are, because sums depend on it in their last bits.
    """

    device: torch.device
    jobs: int
    threads: int
    plugins: tuple[str, ...] = ()

    @classmethod
    def of(cls, device: torch.device, jobs: int | None, plugins: Sequence[str]) -> Executor:
        """Two at a time on a CPU with several cores, else one; the cores are shared out evenly."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if jobs is None:
            jobs = 2 if device.type == "cpu" and cores > 1 else 1
        return cls(device, jobs, max(1, cores // max(jobs, 1)), tuple(plugins))

    def run(self, jobs: Sequence[Job], progress: Progress) -> dict[str, TrainReport | Exception]:
        """Run all jobs; what fails is returned in its place, the others go on.

        Raises:
            KeyboardInterrupt: stopped by a signal, after every running job has saved its state.
        """
        return self._here(jobs, progress) if self.jobs == 0 else self._in_processes(jobs, progress)

    def _here(self, jobs: Sequence[Job], progress: Progress) -> dict[str, TrainReport | Exception]:
        found: dict[str, TrainReport | Exception] = {}
        for job in jobs:
            try:
                found[job.label] = _train(job, self.device, partial(progress, job.label))
            except Interrupted:
                raise KeyboardInterrupt from None
            except Exception as error:  # reported in its cell's place
                found[job.label] = error
        return found

    def _in_processes(self, jobs: Sequence[Job], progress: Progress) -> dict[str, TrainReport | Exception]:
        found: dict[str, TrainReport | Exception] = {}
        waiting, running = list(jobs), dict[Connection, tuple[Job, BaseProcess]]()
        stopped = False
        with graceful_stop() as stop:
            while running or (waiting and not stopped):
                while waiting and len(running) < self.jobs and not stopped:
                    job = waiting.pop(0)
                    connection, process = self._start(job)
                    running[connection] = (job, process)
                if stop() and not stopped:
                    stopped = True
                    for _, process in running.values():
                        process.terminate()  # SIGTERM: each saves its state and leaves
                for ready in wait(list(running), timeout=0.2):
                    assert isinstance(ready, Connection)
                    job, process = running[ready]
                    try:
                        kind, content = ready.recv()
                    except EOFError:
                        process.join()
                        running.pop(ready)
                        if job.label not in found and not stopped:
                            found[job.label] = CellDied(f"its process ended with status {process.exitcode}")
                        continue
                    if kind == "step":
                        progress(job.label, *content)
                    else:
                        found[job.label] = content
        if stopped:
            raise KeyboardInterrupt
        return found

    def _start(self, job: Job) -> tuple[Connection, BaseProcess]:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        args = (theirs, job, str(self.device), self.threads, self.plugins)
        process = context.Process(target=_serve, args=args, name=job.label, daemon=True)
        process.start()
        theirs.close()
        return ours, process


def _serve(connection: Connection, job: Job, device: str, threads: int, plugins: Sequence[str]) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # a Ctrl-C in the terminal reaches the parent alone, which passes it on once
    torch.set_num_threads(threads)
    last = 0.0

    def tell(done: int, figures: dict[str, float]) -> None:
        nonlocal last
        if monotonic() - last >= SECONDS_BETWEEN_STEPS or done == job.config.train.steps:
            last = monotonic()
            connection.send(("step", (done, figures)))

    try:
        for module in plugins:
            load_plugin(module)
        connection.send(("end", _train(job, torch.device(device), tell)))
    except Exception as error:  # travels to the parent, which reports it in the cell's place
        connection.send(("end", _portable(error)))


def _train(job: Job, device: torch.device, tell: Callable[[int, dict[str, float]], None]) -> TrainReport:
    return train(
        job.config,
        job.source,
        job.run_dir,
        seed=job.seed,
        device=device,
        on_step=lambda done, steps, figures: tell(done, figures),
    )


def _portable(error: Exception) -> Exception:
    """The error itself where it can travel, else its text."""
    import pickle

    try:
        copy: Any = pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with unusual constructors do not survive pickling
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(copy, type(error)) else RuntimeError(str(error))
