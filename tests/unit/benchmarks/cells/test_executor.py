"""Trainings in processes of their own: results, crashes and stops."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.cells.executor import CellDied, Executor, Job, _Running, slots
from benchmarks.cells.predictor import PredictorHere, PredictorProcess
from benchmarks.request.settings import patience
from zoo.cli.command import run_command
from zoo.config import ConfigError
from zoo.decoders import DECODERS
from zoo.encoders import ENCODERS
from zoo.system.locks import hold
from zoo.testing.smoke import SmokeSource, smoke_model
from zoo.training.checkpoint import checkpoints, load_state
from zoo.training.sampler import LoadError
from zoo.training.trainer import TrainReport, train

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[4]


class Deadly(SmokeSource):
    """A source that kills the process that reads it, in the middle of a training."""

    signal, reads = signal.SIGKILL, 0

    def fetch(self, indices, views):
        self.reads += 1
        if self.reads > 30:  # batches are read ahead of the steps
            os.kill(os.getpid(), self.signal)
        return super().fetch(indices, views)


class Segfaulting(Deadly):
    """The same, as broken native code would do it."""

    signal = signal.SIGSEGV


class Stuck(SmokeSource):
    """A source that never comes back, some steps into a training."""

    reads = 0

    def fetch(self, indices, views):
        self.reads += 1
        if self.reads > 30:
            time.sleep(600)
        return super().fetch(indices, views)


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
    return Executor((torch.device("cpu"),) * jobs, threads=1)


INLINE = Executor((torch.device("cpu"),), threads=1, inline=True)


def test_a_crash_and_an_error_cost_their_own_cells_only(tmp_path):
    jobs = [
        job("dead", tmp_path, Deadly(), steps=100),
        job("faulty", tmp_path, Faulty()),
        job("good", tmp_path),
    ]
    steps = []
    found = executor(2).run(jobs, lambda label, done, figures: steps.append((label, done)))
    assert isinstance(found["dead"], CellDied)
    assert str(found["dead"]) == "its process ended with status -9 (SIGKILL)"
    assert isinstance(found["faulty"], LoadError)
    assert "disk on fire" in str(found["faulty"])
    report = found["good"]
    assert isinstance(report, TrainReport)
    assert (report.checkpoint / "model.safetensors").is_file()
    assert ("good", 2) in steps


def test_a_segfault_in_the_middle_of_a_training_gives_its_slot_back(tmp_path):
    """One slot: whatever comes after the crash runs on the slot that the crash held."""
    jobs = [job("dead", tmp_path, Segfaulting(), steps=100), job("good", tmp_path)]
    steps = []
    found = executor(1).run(jobs, lambda label, done, figures: steps.append(label))
    assert "dead" in steps  # it had begun
    assert str(found["dead"]) == "its process ended with status -11 (SIGSEGV)"
    assert isinstance(found["good"], TrainReport)


def test_a_training_that_stands_still_is_ended_and_the_others_go_on(tmp_path, monkeypatch):
    """One slot: the good one needs the slot of the stuck one. An hour passes after each of its steps."""
    hours, steps = [], []
    monkeypatch.setattr("benchmarks.cells.executor.monotonic", lambda: time.monotonic() + 3600 * len(hours))

    def on_step(label, done, figures):
        steps.append(label)
        if label == "stuck":
            hours.append(1)

    jobs = [job("stuck", tmp_path, Stuck(), steps=100), job("good", tmp_path)]
    found = replace(executor(1), patience=1800).run(jobs, on_step)
    assert isinstance(found["stuck"], CellDied) and "stuck" in steps  # it had begun
    said = "no step was finished for 30 minutes (--time-limit); its process was ended"
    assert str(found["stuck"]) == said
    assert isinstance(found["good"], TrainReport)


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(30, 1800.0), (0, None), (0.5, 30.0), (1440, 86400.0), (100_000, 6e6)]
)
def test_a_limit_of_time_in_minutes(minutes, seconds):
    assert patience(float(minutes)) == seconds


def test_the_limit_of_time_reaches_the_trainings_and_the_predictions():
    made = Executor.of("local", CPU, plugins=["a"], patience=90.0)
    asked = made.predictor(CPU)
    assert isinstance(asked, PredictorProcess) and (made.patience, asked.patience) == (90.0, 90.0)
    assert isinstance(Executor.of("inline", CPU, patience=90.0).predictor(CPU), PredictorHere)


@pytest.mark.parametrize("minutes", [-1, -0.001, float("nan"), float("inf"), 100_001])
def test_limits_of_time_that_are_none(minutes):
    with pytest.raises(ConfigError, match=r"--time-limit must be 0 \(no limit\) to 100,000 minutes, got"):
        patience(float(minutes))


def test_each_running_job_holds_a_slot_of_its_own(tmp_path, monkeypatch):
    """Two slots, four jobs of different lengths: never two at a time on one, and both go back."""
    devices = [torch.device("cuda", k) for k in range(2)]
    held, seen = [], []

    class Process:
        exitcode = 0

        def __init__(self, slot):
            self.slot = slot

        def join(self):
            held.remove(self.slot)

    def start(self, job, slot):
        assert slot not in held
        held.append(slot)
        seen.append((job.label, slot))
        ours, theirs = multiprocessing.Pipe(duplex=False)
        theirs.send(("end", RuntimeError(job.label)))
        theirs.close()
        return ours, _Running(job, Process(slot), slot)

    monkeypatch.setattr(Executor, "_start", start)
    labels = ["a", "b", "c", "d"]
    found = Executor(tuple(devices), 1).run([job(x, tmp_path) for x in labels], lambda *args: None)
    assert {label: str(error) for label, error in found.items()} == {x: x for x in labels}
    assert seen[:2] == [("a", devices[0]), ("b", devices[1])]
    assert {slot for _, slot in seen[2:]} <= set(devices) and not held


def test_the_same_weights_as_in_this_process(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = INLINE.run([job("here", tmp_path)], lambda *args: None)["here"]
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


@pytest.mark.parametrize(
    ("device", "jobs", "gpus", "cores", "expected"),
    [
        ("cpu", None, 0, 8, ["cpu"] * 2),
        ("cpu", None, 0, 1, ["cpu"]),
        ("cpu", 3, 4, 8, ["cpu"] * 3),
        ("mps", None, 0, 8, ["mps"]),
        ("cuda", None, 1, 8, ["cuda:0"]),
        ("cuda", None, 3, 8, ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda", 2, 3, 8, ["cuda:0", "cuda:1"]),
        ("cuda", 5, 3, 8, ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]),
        ("cuda:1", None, 3, 8, ["cuda:1"]),
        ("cuda:1", 2, 3, 8, ["cuda:1"] * 2),
    ],
)
def test_one_slot_per_gpu_or_a_stated_number(device, jobs, gpus, cores, expected):
    assert slots(torch.device(device), jobs, gpus, cores) == tuple(map(torch.device, expected))


@pytest.mark.parametrize(("device", "gpus", "count"), [("cpu", 0, 2), ("cuda", 1, 1), ("cuda", 4, 4)])
def test_defaults_share_the_cores(device, gpus, count, monkeypatch):
    monkeypatch.setattr("benchmarks.cells.executor.available_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    made = Executor.of("local", torch.device(device), plugins=["a"])
    assert (len(made.slots), made.threads, made.plugins, made.inline) == (count, 8 // count, ("a",), False)
    inline = Executor.of("inline", torch.device(device))
    assert (inline.slots, inline.threads, inline.inline) == ((torch.device(device),), 8, True)


@pytest.mark.parametrize(
    ("asked", "cores", "threads"),
    [
        ("1", 8, 1),
        ("3", 8, 3),
        ("16", 8, 16),
        ("2,1", 8, 2),
        ("", 8, 4),
        ("0", 8, 4),
        ("many", 8, 4),
        ("1", 1, 1),
    ],
)
def test_what_the_environment_asks_for_goes_before_a_share_of_the_cores(asked, cores, threads, monkeypatch):
    monkeypatch.setattr("benchmarks.cells.executor.available_cores", lambda: cores)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert Executor.of("local", torch.device("cpu")).threads == threads
    inline = threads if asked not in ("", "0", "many") else cores
    assert Executor.of("inline", torch.device("cpu")).threads == inline


def test_a_second_signal_ends_what_runs_at_once(tmp_path):
    """The first one asks a training to save, which this one never comes to."""
    first, second = signal.SIGTERM, signal.SIGHUP
    sent = []

    def send(label, done, figures):
        if not sent:
            sent.append(first)
            os.kill(os.getpid(), first)
            threading.Timer(1, os.kill, (os.getpid(), second)).start()

    def body():
        executor(1).run([job("stuck", tmp_path, Stuck(), steps=100)], send)

    assert run_command(body) == 128 + second
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("inline", [True, False])
def test_every_signal_saves_what_runs_and_is_told_by_the_exit_status(tmp_path, number, inline):
    sent = []

    def send(label, done, figures):
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    def body():
        (INLINE if inline else executor(1)).run([job("long", tmp_path, steps=100_000)], send)

    assert run_command(body) == 128 + number
    (saved,) = checkpoints(tmp_path / "long")
    assert 0 < load_state(saved).step < 100_000


def test_a_folder_that_is_trained_in_is_waited_for_and_found_done(tmp_path, monkeypatch):
    """Two equal commands at once train once."""
    config, source = job("one", tmp_path).config, SmokeSource()
    steps, waited, reports = [], [], []

    def second():
        reports.append(train(config, source, tmp_path / "one", seed=0, device=CPU, on_wait=waited.append))

    def on_step(done, of, figures):
        steps.append(done)
        if done == 1:
            other.start()
            while not waited:
                time.sleep(0.01)

    other = threading.Thread(target=second)
    reports.append(train(config, source, tmp_path / "one", seed=0, device=CPU, on_step=on_step))
    other.join()
    assert waited == [tmp_path / "one"] and steps == [1, 2]
    assert reports[0] == reports[1]
    log = (tmp_path / "one" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in log] == sorted({json.loads(line)["step"] for line in log})


def test_a_job_says_that_it_waits(tmp_path):
    waited = []
    with hold(tmp_path / "busy"):

        def on_wait(label, folder):
            waited.append((label, folder))
            os.kill(os.getpid(), signal.SIGTERM)  # it waits without end: nothing is to be saved

        body = partial(executor(1).run, [job("busy", tmp_path)], lambda *args: None, on_wait)
        assert run_command(body) == 128 + signal.SIGTERM
    assert waited == [("busy", tmp_path / "busy")] and not (tmp_path / "busy").exists()
    assert not multiprocessing.active_children()


COMMAND = """
import sys
from pathlib import Path
import torch
from benchmarks.cells.executor import Executor
from tests.unit.benchmarks.cells.test_executor import job
if __name__ == "__main__":
    tell = lambda label, done, figures: print(done, flush=True)
    Executor((torch.device("cpu"),), threads=1).run([job("long", Path(sys.argv[1]), steps=10**6)], tell)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_training_ends_with_a_command_that_is_killed(tmp_path):
    (tmp_path / "command.py").write_text(COMMAND, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "R3D_TEST_MARK": str(tmp_path)}
    words = [sys.executable, str(tmp_path / "command.py"), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as command:
        assert command.stdout is not None and command.stdout.readline()
        assert len(processes(str(tmp_path))) > 1
        command.kill()
        _, said = command.communicate()  # returns when the last process that writes there is gone
    until = time.monotonic() + 10
    while processes(str(tmp_path)) and time.monotonic() < until:
        time.sleep(0.05)
    assert processes(str(tmp_path)) == []
    assert b"Traceback" not in said
    with hold(tmp_path / "long", on_wait=lambda path: pytest.fail("still held")):
        pass


def processes(mark):
    """Those that a test's command has started, zombies aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"R3D_TEST_MARK={mark}".encode() in (folder / "environ").read_bytes():
                found += [folder.name] if (folder / "cmdline").read_bytes() else []
    return found
