"""What processes share: how many cores there are for them, and that none outlives its command."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from zoo.errors import UserError

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process may use: what the machine has, its affinity and its container's quota allow."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; PYTHON_CPU_COUNT and -X cpu_count count too
        affinity = os.process_cpu_count() or 1
    else:
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, quota() or affinity))


def quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Whole cores' worth of time that the container may use, rounded up; None where nothing limits it.

    The least of what this process's group and those around it allow, in versions 1 and 2 of control groups.

    Args:
        root: where control groups are mounted.
        membership: which group of each hierarchy this process is in.
    """
    shares = [_share(folder) for folder in _groups(root, membership)]
    return min((math.ceil(share) for share in shares if share is not None), default=None)


def _groups(root: Path, membership: Path) -> list[Path]:
    """Folders that may limit the time of this process: its groups and all around them, roots included."""
    mounts = {"": ("", "unified"), "cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu")}
    own = {controller: "/" for controller in mounts}  # what a container sees of itself
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        lines = []
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        own |= {name: path for name in controllers.split(",") if name in mounts}
    found = []
    for controller, path in own.items():
        steps = [step for step in path.split("/") if step not in ("", "..")]
        for mount in mounts[controller]:
            found += [(root / mount).joinpath(*steps[:depth]) for depth in range(len(steps) + 1)]
    return found


def _share(folder: Path) -> float | None:
    """Cores' worth of time that one group allows; None where it sets no limit."""
    try:
        limit, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            limit = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
    try:
        share = int(limit) / int(period)  # 'max' of version 2 is no number
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None  # version 1 says -1 for no limit


def asked_threads() -> int | None:
    """Threads per process that OMP_NUM_THREADS asks for; None where it is unset or no number above 0."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def die_with_parent() -> None:
    """End this process as soon as the one that started it is gone, however that ended.

    A child of `multiprocessing` that waits on a queue is told of its parent's end by nobody when the parent
    is killed. To be called first thing in the child; does nothing in a process that is no child.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="die with parent", daemon=True).start()


def alive(number: int) -> bool:
    """Whether a process of this number runs on this machine; False on Windows, where asking would end it."""
    if os.name == "nt":
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True


class TookTooLong(UserError):
    """Something of somebody else's did not end within its limit of time."""


class _Late(BaseException):
    """No Exception, so that code which swallows those is left all the same."""


@contextmanager
def time_limit(seconds: float | None, what: str) -> Iterator[None]:
    """Leave a block that takes too long.

    Python's own code is left wherever it stands, and calls that a signal interrupts; a library's that hangs
    in C is not. Without limit outside the main thread and on Windows, where no signal comes.

    Args:
        seconds: None for no limit.
        what: goes on, for the message, like "importing plugin 'x'".

    Raises:
        TookTooLong: the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second, for code that swallows everything
    try:
        yield
    except _Late:
        raise TookTooLong(f"{what} did not end within {seconds / 60:g} minutes (--time-limit)") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
