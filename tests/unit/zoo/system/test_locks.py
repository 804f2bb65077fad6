"""What a command works on is held: others wait, and one that dies holds nothing."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from zoo.system.locks import hold

ROOT = Path(__file__).resolve().parents[4]
HOLDER = """
import sys, time
from pathlib import Path
from zoo.system.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a path."""
    words = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", cwd=ROOT
    ) as started:
        assert started.stdout is not None and started.stdout.readline() == "held\n"
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.parametrize(
    "name", ["run", "vae-1a2b", "with space", "ünïcode", "a.b.c", "x" * 200, "[0]", "-f"]
)
@pytest.mark.parametrize("there", [True, False])
def test_nobody_waits_for_what_nobody_holds(tmp_path, name, there):
    if there:
        (tmp_path / name).mkdir()
    for _ in range(2):  # what an earlier one left is no lock
        with hold(tmp_path / name, on_wait=lambda path: pytest.fail(f"waits for {path}")):
            assert [p.name for p in tmp_path.glob(".*.lock")] == [f".{name}.lock"]


def test_another_process_is_waited_for_and_named_once(tmp_path):
    waited = []

    def on_wait(path):
        waited.append(path)
        threading.Timer(0.2, other.terminate).start()

    with holder(tmp_path / "run") as other, hold(tmp_path / "run", on_wait):
        assert other.wait() == -signal.SIGTERM
    assert waited == [tmp_path / "run"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_process_that_is_killed_holds_nothing(tmp_path, number):
    with holder(tmp_path / "run") as other:
        other.send_signal(number)
        other.wait()
    waited = []
    with hold(tmp_path / "run", on_wait=waited.append):
        assert waited == []


def test_what_is_deleted_while_it_is_held_stays_held(tmp_path):
    """`--force` deletes a run folder and keeps others out of it."""
    (tmp_path / "run").mkdir()
    waited = []

    def on_wait(path):
        waited.append(path)
        other.kill()

    with holder(tmp_path / "run") as other:
        rmtree(tmp_path / "run")
        (tmp_path / "run").mkdir()
        with hold(tmp_path / "run", on_wait):
            pass
    assert waited == [tmp_path / "run"]


def test_different_folders_do_not_wait_for_each_other(tmp_path):
    with hold(tmp_path / "a"), hold(tmp_path / "b"), hold(tmp_path / "deep" / "er"):
        assert (tmp_path / "deep").is_dir()


def test_an_error_inside_lets_go(tmp_path):
    with pytest.raises(RuntimeError), hold(tmp_path / "run"):
        raise RuntimeError("inside")
    with hold(tmp_path / "run", on_wait=lambda path: pytest.fail("still held")):
        pass
