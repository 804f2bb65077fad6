"""Executors: results, crashes, stops, slots, and what waits for what."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.cells.events import Event
from benchmarks.cells.executors import EXECUTORS, Executor, Place, make_executor
from benchmarks.cells.executors.local import Local, LocalConfig, slots
from benchmarks.cells.predictor import PredictorHere, PredictorProcess
from benchmarks.cells.work import CellDied, Work
from benchmarks.request.settings import patience
from zoo.cli.command import run_command
from zoo.config import ConfigError
from zoo.decoders import DECODERS
from zoo.encoders import ENCODERS
from zoo.registry import RegistryError
from zoo.system.locks import hold
from zoo.testing.smoke import SmokeSource, smoke_model
from zoo.training.checkpoint import checkpoints, load_state
from zoo.training.report import TrainReport
from zoo.training.sampler import LoadError
from zoo.training.trainer import train

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


@dataclass(frozen=True)
class Training(Work):
    """A training alone."""

    name: str
    folder: Path
    source: Any = field(default_factory=SmokeSource)
    steps: int = 2
    key = label = property(lambda self: self.name)

    def run(self, device, tell, predictor):
        config = smoke_model(ENCODERS.get("cnn"), DECODERS.get("voxel_deconv"))
        steps = config.train.model_copy(update={"steps": self.steps, "checkpoint_every": 10**6})
        return train(
            config.model_copy(update={"train": steps}),
            self.source,
            self.folder / self.name,
            seed=0,
            device=device,
            on_step=lambda done, of, figures: tell(Event("training", self.name, done=done, total=of)),
            on_wait=lambda path: tell(Event("waiting", self.name, str(path))),
        )


@dataclass(frozen=True)
class Small(Work):
    """Something quick: says where it ran."""

    name: str
    waits: str = ""
    fails: bool = False
    light: bool = True
    key = label = property(lambda self: self.name)
    after = property(lambda self: (self.waits,) if self.waits else ())
    shares = property(lambda self: self.light)
    on_device = property(lambda self: not self.light)

    def run(self, device, tell, predictor):
        if self.fails:
            raise ValueError(f"{self.name} cannot")
        tell(Event("measuring", self.name, done=1, total=1))
        return os.getpid(), str(device)


def job(label, folder, source=None, steps=2):
    return Training(label, folder, source or SmokeSource(), steps)


def local(jobs, patience=None):
    return Local(LocalConfig(jobs=jobs), Place(CPU, patience=patience))


def inline():
    return make_executor("inline", Place(CPU))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_crash_and_an_error_cost_their_own_cells_only(tmp_path):
    jobs = [
        job("dead", tmp_path, Deadly(), steps=100),
        job("faulty", tmp_path, Faulty()),
        job("good", tmp_path),
    ]
    steps = []
    found = local(2).run(jobs, lambda event: steps.append((event.label, event.done)))
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
    found = local(1).run(jobs, lambda event: steps.append(event.label))
    assert "dead" in steps  # it had begun
    assert str(found["dead"]) == "its process ended with status -11 (SIGSEGV)"
    assert isinstance(found["good"], TrainReport)


def test_a_training_that_stands_still_is_ended_and_the_others_go_on(tmp_path, monkeypatch):
    """One slot: the good one needs the slot of the stuck one. An hour passes after each of its steps."""
    hours, steps = [], []
    monkeypatch.setattr(
        "benchmarks.cells.executors.local.monotonic", lambda: time.monotonic() + 3600 * len(hours)
    )

    def on_step(event):
        steps.append(event.label)
        if event.label == "stuck":
            hours.append(1)

    jobs = [job("stuck", tmp_path, Stuck(), steps=100), job("good", tmp_path)]
    found = local(1, patience=1800).run(jobs, on_step)
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
    place = Place(CPU, ("a",), 90.0)
    asked = make_executor("local", place).predictor()
    assert isinstance(asked, PredictorProcess) and asked.patience == 90.0
    assert isinstance(make_executor("inline", place).predictor(), PredictorHere)


@pytest.mark.parametrize("minutes", [-1, -0.001, float("nan"), float("inf"), 100_001])
def test_limits_of_time_that_are_none(minutes):
    with pytest.raises(ConfigError, match=r"--time-limit must be 0 \(no limit\) to 100,000 minutes, got"):
        patience(float(minutes))


def test_a_slot_holds_one_work_at_a_time():
    """Two slots, six works: never three at once, and each is done."""
    works = [Small(str(k), light=k % 2 == 0) for k in range(6)]
    running, most = set(), []

    class Watched(Local):
        def _start(self, work, slot):
            worker = super()._start(work, slot)
            running.add(worker.process.pid)
            most.append(len([p for p in multiprocessing.active_children() if p.pid in running]))
            return worker

    found = Watched(LocalConfig(jobs=2), Place(CPU)).run(works, lambda event: None)
    assert sorted(found) == sorted(str(k) for k in range(6)) and max(most) <= 2


def test_works_that_may_share_a_process_do_and_others_have_one_each():
    works = [*(Small(f"light {k}") for k in range(3)), *(Small(f"own {k}", light=False) for k in range(2))]
    found = local(1).run(works, lambda event: None)
    processes = {key: pid for key, (pid, _) in found.items()}
    assert len({processes[f"light {k}"] for k in range(3)}) == 1
    assert len(set(processes.values())) == 3 and os.getpid() not in processes.values()
    assert {device for _, device in found.values()} == {"cpu"}


@pytest.mark.parametrize("make", [inline, partial(local, 2)])
def test_what_waits_is_run_after_and_what_waits_for_a_failure_is_left_out(make):
    works = [
        Small("latent", waits="model"),
        Small("model"),
        Small("broken", fails=True),
        Small("by broken", waits="broken"),
        Small("by by broken", waits="by broken"),
        Small("alone"),
    ]
    order = []
    found = make().run(works, lambda event: order.append(event.label))
    assert found.keys() == {"latent", "model", "broken", "alone"}
    assert order.index("model") < order.index("latent")
    assert isinstance(found["broken"], ValueError) and str(found["broken"]) == "broken cannot"


def test_beside_a_gpu_what_needs_none_has_slots_of_its_own(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("benchmarks.cells.executors.local.available_cores", lambda: 16)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    made = make_executor("local", Place(torch.device("cuda")))
    assert [str(slot) for slot in made.slots] == ["cuda:0", "cpu", "cpu", "cpu", "cpu"]
    assert (made.threads, made.workers) == (16, 3)
    model, control = Small("m", light=False), Small("c")
    assert made._fits(made.slots[0], model) and made._fits(made.slots[0], control)
    assert made._fits(made.slots[1], control) and not made._fits(made.slots[1], model)


def test_an_executor_from_outside_is_found_by_name_and_given_its_settings(monkeypatch):
    from tests.helpers.own_executor import Backwards

    path = "tests.helpers.own_executor:Backwards"
    made = make_executor(path, Place(CPU), {"shout": True})
    assert isinstance(made, Backwards) and made.config.shout
    said = []
    found = made.run([Small("a"), Small("b")], lambda event: said.append(event.label))
    assert list(found) == ["b", "a"] and said == ["B", "A"]
    assert issubclass(EXECUTORS.get("local").cls, Executor)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("slurm", {}, r"unknown executor 'slurm'. Known: .*inline, local"),
        ("locl", {}, r"unknown executor 'locl'. Did you mean 'local'\? Known: .*inline, local"),
        ("my_cluster:Ray", {}, r"executor 'my_cluster:Ray': its module is not imported"),
        ("local", {"job": 3}, r"executor.job: unknown key. Did you mean 'jobs'\? Known: jobs"),
        ("local", {"jobs": 0}, r"--jobs must be at least 1, got 0"),
        ("local", {"jobs": "many"}, r"executor.jobs: .*got 'many'"),
        ("inline", {"jobs": 2}, r"--jobs 2 is for --executor local; --executor inline trains one after"),
    ],
)
def test_what_is_no_executor_or_no_setting_of_it(name, settings, message):
    with pytest.raises((RegistryError, ConfigError), match=message):
        make_executor(name, Place(CPU), settings)


def test_the_same_weights_as_in_this_process(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = inline().run([job("here", tmp_path)], lambda event: None)["here"]
    finally:
        torch.set_num_threads(threads)
    there = local(1).run([job("there", tmp_path)], lambda event: None)["there"]
    assert isinstance(here, TrainReport) and isinstance(there, TrainReport)
    weights = [(r.checkpoint / "model.safetensors").read_bytes() for r in (here, there)]
    assert weights[0] == weights[1]


def test_a_stop_saves_what_runs(tmp_path):
    jobs = [job("long", tmp_path, steps=100_000), job("never", tmp_path)]

    def stop_at_the_first_step(event):
        if not stopped.is_set():
            stopped.set()
            os.kill(os.getpid(), signal.SIGINT)

    stopped = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        local(1).run(jobs, stop_at_the_first_step)
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
    monkeypatch.setattr("benchmarks.cells.executors.local.available_cores", lambda: 8)
    monkeypatch.setattr("benchmarks.cells.executors.inline.available_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    place = Place(torch.device(device))
    made = make_executor("local", place)
    assert sum(slot.type == device for slot in made.slots) == count and made.threads == 8 // count
    assert make_executor("inline", place).threads == 8


@pytest.mark.parametrize(
    ("asked", "jobs", "cores", "each"),
    [(None, 2, 8, 4), (None, 2, 1, 1), (None, 1, 8, 8), (8, 2, 2, 4), (1, 2, 8, 1), (0, 2, 8, 0)],
)
def test_processes_that_measure_are_shared_out(asked, jobs, cores, each, monkeypatch):
    monkeypatch.setattr("benchmarks.cells.executors.local.available_cores", lambda: cores)
    assert make_executor("local", Place(CPU, workers=asked), {"jobs": jobs}).workers == each


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
    for name in ("local", "inline"):
        monkeypatch.setattr(f"benchmarks.cells.executors.{name}.available_cores", lambda: cores)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert make_executor("local", Place(CPU)).threads == threads
    here = threads if asked not in ("", "0", "many") else cores
    assert make_executor("inline", Place(CPU)).threads == here


def test_a_second_signal_ends_what_runs_at_once(tmp_path):
    """The first one asks a training to save, which this one never comes to."""
    first, second = signal.SIGTERM, signal.SIGHUP
    sent = []

    def send(event):
        if not sent:
            sent.append(first)
            os.kill(os.getpid(), first)
            threading.Timer(1, os.kill, (os.getpid(), second)).start()

    def body():
        local(1).run([job("stuck", tmp_path, Stuck(), steps=100)], send)

    assert run_command(body) == 128 + second
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("make", [inline, partial(local, 1)])
def test_every_signal_saves_what_runs_and_is_told_by_the_exit_status(tmp_path, number, make):
    sent = []

    def send(event):
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    def body():
        make().run([job("long", tmp_path, steps=100_000)], send)

    assert run_command(body) == 128 + number
    (saved,) = checkpoints(tmp_path / "long")
    assert 0 < load_state(saved).step < 100_000


def test_a_folder_that_is_trained_in_is_waited_for_and_found_done(tmp_path, monkeypatch):
    """Two equal commands at once train once."""
    config, source = smoke_model(ENCODERS.get("cnn"), DECODERS.get("voxel_deconv")), SmokeSource()
    config = config.model_copy(update={"train": config.train.model_copy(update={"steps": 2})})
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

        def tell(event):
            waited.append((event.kind, event.label, event.text))
            os.kill(os.getpid(), signal.SIGTERM)  # it waits without end: nothing is to be saved

        body = partial(local(1).run, [job("busy", tmp_path)], tell)
        assert run_command(body) == 128 + signal.SIGTERM
    assert waited == [("waiting", "busy", str(tmp_path / "busy"))] and not (tmp_path / "busy").exists()
    assert not multiprocessing.active_children()


COMMAND = """
import sys
from pathlib import Path
from tests.unit.benchmarks.cells.test_executors import job, local
if __name__ == "__main__":
    tell = lambda event: print(event.done, flush=True)
    local(1).run([job("long", Path(sys.argv[1]), steps=10**6)], tell)
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
