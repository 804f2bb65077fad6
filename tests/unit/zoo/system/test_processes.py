"""How many cores and threads there are for a process, and that none outlives its command."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zoo.system import processes
from zoo.system.processes import alive, asked_threads, available_cores, die_with_parent, quota

ROOT = Path(__file__).resolve().parents[4]
V2, V1 = "cpu.max", ("cpu.cfs_quota_us", "cpu.cfs_period_us")


def version_2(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / V2).write_text(text, encoding="utf-8")


def version_1(folder: Path, limit: str, period: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(V1, (limit, period), strict=True):
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # a core and a half keeps two threads busy
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
        ("800000 100000", 8),
        ("25000 10000\n", 3),
        ("max 100000\n", None),
        ("max\n", None),
        ("", None),
        ("0 100000\n", None),
        ("100000 0\n", None),
        ("some thing\n", None),
        ("1 2 3\n", None),
    ],
)
def test_quota_of_version_2(tmp_path, text, cores):
    version_2(tmp_path, text)
    assert quota(tmp_path, tmp_path / "none") == cores


@pytest.mark.parametrize(
    ("limit", "period", "cores"),
    [
        ("200000\n", "100000\n", 2),
        ("250000\n", "100000\n", 3),
        ("10000\n", "100000\n", 1),
        ("-1\n", "100000\n", None),
        ("0\n", "100000\n", None),
        ("\n", "100000\n", None),
        ("100000\n", "0\n", None),
    ],
)
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_quota_of_version_1(tmp_path, mount, limit, period, cores):
    version_1(tmp_path / mount, limit, period)
    assert quota(tmp_path, tmp_path / "none") == cores


@pytest.mark.parametrize(
    ("member", "groups", "cores"),
    [
        ("0::/\n", {"": 4}, 4),
        ("0::/user.slice/job\n", {"user.slice": 3}, 3),
        ("0::/user.slice/job\n", {"user.slice": 3, "user.slice/job": 2}, 2),
        ("0::/user.slice/job\n", {"user.slice": 2, "user.slice/job": 6}, 2),  # the tighter one holds
        ("0::/user.slice/job\n", {"user.slice/other": 1}, None),
        ("0::/../elsewhere\n", {"": 5}, 5),  # a group outside what the container sees
        ("0::/docker/abc\n", {"": 2}, 2),  # the host's path, the container's own mount
        ("12:memory:/a\n0::/b\n", {"b": 2, "a": 1}, 2),
    ],
)
def test_the_tightest_group_around_the_process_holds(tmp_path, member, groups, cores):
    (tmp_path / "self").write_text(member, encoding="utf-8")
    for path, limit in groups.items():
        version_2(tmp_path / "groups" / path, f"{limit}00000 100000\n")
    assert quota(tmp_path / "groups", tmp_path / "self") == cores


def test_groups_of_version_1_are_found_by_their_controller(tmp_path):
    (tmp_path / "self").write_text("5:cpu,cpuacct:/docker/abc\n3:memory:/other\n0::/\n", encoding="utf-8")
    version_1(tmp_path / "groups/cpu,cpuacct/docker/abc", "300000", "100000")
    version_1(tmp_path / "groups/cpu,cpuacct/other", "100000", "100000")
    assert quota(tmp_path / "groups", tmp_path / "self") == 3


def test_without_control_groups_nothing_is_limited(tmp_path):
    assert quota(tmp_path / "none", tmp_path / "none") is None


@pytest.mark.parametrize(
    ("cores", "limit", "expected"), [(8, None, 8), (8, 2, 2), (2, 8, 2), (1, 1, 1), (64, 3, 3), (4, 4, 4)]
)
def test_available_is_what_affinity_and_quota_both_allow(monkeypatch, cores, limit, expected):
    monkeypatch.setattr(os, "process_cpu_count", lambda: cores, raising=False)
    monkeypatch.setattr(processes, "quota", lambda: limit)
    assert available_cores() == expected


def test_without_affinity_the_machine_counts(monkeypatch):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(processes, "quota", lambda: None)
    for count, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert available_cores() == expected


@pytest.mark.parametrize(
    ("text", "threads"),
    [
        ("4", 4),
        (" 4 ", 4),
        ("4,2,1", 4),
        ("1", 1),
        ("", None),
        ("0", None),
        ("-2", None),
        ("2.5", None),
        ("all", None),
        (",2", None),
        (None, None),
    ],
)
def test_threads_that_are_asked_for(monkeypatch, text, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert asked_threads() == threads


def test_in_no_child_nothing_happens():
    before = threading.active_count()
    die_with_parent()
    assert threading.active_count() == before


def test_who_is_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert alive(os.getpid()) and alive(1) and not alive(ended.pid) and not alive(10**30)


COMMAND = """
import multiprocessing, os, time
from zoo.system.processes import die_with_parent

def child(busy):
    die_with_parent()
    print(os.getpid(), flush=True)
    while True:
        if busy == "waits":
            time.sleep(60)
        elif busy == "reads":
            multiprocessing.Pipe()[0].recv()

if __name__ == "__main__":
    import sys
    processes = [multiprocessing.get_context("spawn").Process(target=child, args=sys.argv[1:]) for _ in "ab"]
    [process.start() for process in processes]
    time.sleep(60)
"""


@pytest.mark.parametrize("busy", ["waits", "reads", "computes"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_child_ends_with_its_parent(tmp_path, busy, number):
    (tmp_path / "command.py").write_text(COMMAND, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(tmp_path / "command.py"), busy]
    with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8", env=environment) as command:
        assert command.stdout is not None
        children = [int(command.stdout.readline()) for _ in "ab"]
        command.send_signal(number)
        command.wait()
    until = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(alive, children))
