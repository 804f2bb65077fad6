"""Trainings in processes of their own: results, crashes and stops."""

import os
import signal
import threading

import pytest
import torch

from benchmarks.executor import CellDied, Executor, Job
from zoo.decoders import DECODERS
from zoo.encoders import ENCODERS
from zoo.smoke import SmokeSource, smoke_model
from zoo.training.checkpoint import checkpoints, load_state
from zoo.training.sampler import LoadError
from zoo.training.trainer import TrainReport


class Deadly(SmokeSource):
    """A source that kills the process that reads it."""

    def fetch(self, indices, views):
        os.kill(os.getpid(), signal.SIGKILL)


class Faulty(SmokeSource):
    """A source that cannot be read."""

    def fetch(self, indices, views):
        raise OSError("disk on fire")


def job(label, folder, source=None, steps=2):
    config = smoke_model(ENCODERS.get("cnn"), DECODERS.get("voxel_deconv"))
    train = config.train.model_copy(update={"steps": steps, "checkpoint_every": 10**6})
    config = config.model_copy(update={"train": train})
    return Job(label, config, source or SmokeSource(), folder / label, seed=0)


def executor(jobs):
    return Executor(torch.device("cpu"), jobs, threads=1)


def test_a_crash_and_an_error_cost_their_own_cells_only(tmp_path):
    jobs = [job("dead", tmp_path, Deadly()), job("faulty", tmp_path, Faulty()), job("good", tmp_path)]
    steps = []
    found = executor(2).run(jobs, lambda label, done, figures: steps.append((label, done)))
    assert isinstance(found["dead"], CellDied)
    assert "status -9" in str(found["dead"])
    assert isinstance(found["faulty"], LoadError)
    assert "disk on fire" in str(found["faulty"])
    report = found["good"]
    assert isinstance(report, TrainReport)
    assert (report.checkpoint / "model.safetensors").is_file()
    assert ("good", 2) in steps


def test_the_same_weights_as_in_this_process(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = executor(0).run([job("here", tmp_path)], lambda *args: None)["here"]
    finally:
        torch.set_num_threads(threads)
    there = executor(1).run([job("there", tmp_path)], lambda *args: None)["there"]
    assert isinstance(here, TrainReport) and isinstance(there, TrainReport)
    weights = [(r.checkpoint / "model.safetensors").read_bytes() for r in (here, there)]
    assert weights[0] == weights[1]


def test_a_stop_saves_what_runs(tmp_path):
    jobs = [job("long", tmp_path, steps=100_000), job("never", tmp_path)]

    def stop_at_the_first_step(label, done, figures):
        if not stopped.is_set():
            stopped.set()
            os.kill(os.getpid(), signal.SIGINT)

    stopped = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        executor(1).run(jobs, stop_at_the_first_step)
    (saved,) = checkpoints(tmp_path / "long")
    assert 0 < load_state(saved).step < 100_000
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(("device", "jobs"), [("cpu", 2), ("cuda", 1)])
def test_defaults_share_the_cores(device, jobs, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    made = Executor.of(torch.device(device), None, ["a"])
    assert (made.jobs, made.threads, made.plugins) == (jobs, 8 // jobs, ("a",))
