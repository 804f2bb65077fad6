"""The process in which models predict: one that fails costs itself, whatever it does to the process."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmarks.cells.predictor import PredictionFailed, PredictorHere, PredictorProcess, Recipe

CPU = torch.device("cpu")


class Thing:
    """What a recipe makes; its methods misbehave."""

    def __init__(self, start: int) -> None:
        self.count = start

    def add(self, number: int) -> int:
        self.count += number
        return self.count

    def where(self) -> tuple[int, int]:
        return os.getpid(), torch.get_num_threads()

    def alive(self) -> int:
        gc.collect()
        return sum(isinstance(one, Thing) for one in gc.get_objects())

    def fail(self, how: str) -> object:
        if how == "raise":
            raise ZeroDivisionError("division by zero")
        if how == "own":
            raise Odd("a", "b")
        if how == "exit":
            os._exit(3)
        if how == "leave":
            raise SystemExit(4)
        if how == "hang":
            time.sleep(3600)
        if how == "memory":
            return np.zeros(1 << 60, np.uint8)
        if how == "unsendable":
            return lambda: None
        os.kill(os.getpid(), getattr(signal, how))
        return None


class Odd(Exception):
    """An exception that does not survive pickling."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


@dataclass(frozen=True, eq=False)
class Make(Recipe):
    """Makes a `Thing`, or fails at once."""

    start: int = 0
    fault: str = ""

    def make(self, device: torch.device) -> Thing:
        thing = Thing(self.start)
        if self.fault:
            thing.fail(self.fault)
        return thing


@pytest.fixture(scope="module")
def process():
    """One process for all; it is started anew where a test ends it."""
    made = PredictorProcess(CPU, threads=1)
    yield made
    del made
    gc.collect()


def test_what_is_made_lives_on_in_the_other_process(process):
    one, two = Make(1), Make(10)
    assert [process.ask(one, "adding", "add", 2), process.ask(two, "adding", "add", 2)] == [3, 12]
    assert process.ask(one, "adding", "add", 2) == 5
    pid, threads = process.ask(two, "looking", "where")
    assert pid != os.getpid() and threads == 1


def test_what_is_dropped_here_is_dropped_there(process):
    kept = Make()
    before = process.ask(kept, "counting", "alive")
    others = [Make() for _ in range(3)]
    for other in others:
        process.ask(other, "adding", "add", 1)
    assert process.ask(kept, "counting", "alive") == before + 3
    del other
    others.clear()
    assert process.ask(kept, "counting", "alive") == before


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "ZeroDivisionError while r3d predicted 'a': division by zero"),
        ("own", "RuntimeError while r3d predicted 'a': Odd: a and b"),
        ("memory", "while r3d predicted 'a': Unable to allocate"),
        ("unsendable", "while r3d predicted 'a': "),
        ("exit", "its process ended with status 3 while r3d predicted 'a'"),
        ("leave", "its process ended with status 4 while r3d predicted 'a'"),
        ("SIGSEGV", r"its process ended with status -11 \(SIGSEGV\) while r3d predicted 'a'"),
        ("SIGKILL", r"its process ended with status -9 \(SIGKILL\) while r3d predicted 'a'"),
        ("SIGTERM", r"its process ended with status -15 \(SIGTERM\) while r3d predicted 'a'"),
        ("SIGABRT", r"its process ended with status -6 \(SIGABRT\) while r3d predicted 'a'"),
    ],
)
def test_whatever_goes_wrong_costs_the_one_that_was_asked(process, how, said):
    bad, good = Make(), Make(5)
    assert process.ask(good, "adding", "add", 1) == 6
    with pytest.raises(PredictionFailed, match=said):
        process.ask(bad, "r3d predicted 'a'", "fail", how)
    with pytest.raises(PredictionFailed, match=said):  # it is not asked again
        process.ask(bad, "adding", "add", 1)
    assert process.ask(good, "adding", "add", 1) in (6, 7)  # 6: made anew, in a new process


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_one_that_cannot_be_made_fails_when_it_is_first_asked(process, how):
    with pytest.raises(PredictionFailed, match="while r3d predicted 'a'"):
        process.ask(Make(fault=how), "r3d predicted 'a'", "add", 1)
    assert process.ask(Make(2), "adding", "add", 1) == 3


def test_no_answer_within_the_limit_of_time_ends_the_process():
    predictor = PredictorProcess(CPU, threads=1, patience=600)
    bad, good = Make(), Make(5)
    pid, _ = predictor.ask(good, "looking", "where")
    predictor.patience = 0.5
    with pytest.raises(PredictionFailed, match=r"no answer for 0.008\d+ minutes \(--time-limit\) while r3d"):
        predictor.ask(bad, "r3d predicted 'a'", "fail", "hang")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    predictor.patience = 600
    assert predictor.ask(good, "adding", "add", 1) == 6


def test_a_plugin_that_cannot_be_imported_fails_whoever_asks():
    predictor = PredictorProcess(CPU, threads=1, plugins=("no_such_plugin",))
    for recipe in (Make(), Make()):
        with pytest.raises(PredictionFailed, match="RegistryError while x: plugin 'no_such_plugin' failed"):
            predictor.ask(recipe, "x", "add", 1)


def test_the_process_ends_with_whoever_asks():
    before = set(multiprocessing.active_children())
    predictor = PredictorProcess(CPU, threads=1)
    pid, _ = predictor.ask(Make(), "looking", "where")
    with pytest.raises(PredictionFailed):
        predictor.ask(Make(), "failing", "fail", "raise")
    assert set(multiprocessing.active_children()) != before
    del predictor
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_in_this_process_errors_are_the_same_kind():
    here, recipe = PredictorHere(CPU), Make(1)
    assert here.ask(recipe, "adding", "add", 1) == 2
    assert here.ask(recipe, "looking", "where")[0] == os.getpid()
    for _ in range(2):
        with pytest.raises(PredictionFailed, match="ZeroDivisionError while r3d predicted 'a': division by"):
            here.ask(recipe, "r3d predicted 'a'", "fail", "raise")
    assert here.ask(Make(1), "adding", "add", 1) == 2
