"""What the processes that train and predict have in common: how they begin, how they end, what they send."""

from __future__ import annotations

import os
import pickle
import signal
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from zoo.system.processes import die_with_parent

if TYPE_CHECKING:
    import torch


def settle(device: str, threads: int) -> torch.device:
    """First thing in a child: it goes with its parent, and computes on a device with so many threads."""
    import torch

    die_with_parent()
    if hasattr(os, "setsid"):
        os.setsid()  # a Ctrl-C in the terminal reaches the parent alone, which passes it on once
    torch.set_num_threads(threads)
    own = torch.device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)  # else whatever names no index would land on the first GPU
    return own


def portable(error: Exception) -> Exception:
    """The error itself where it can travel between processes, else its text."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with unusual constructors do not survive pickling
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(copy, type(error)) else RuntimeError(str(error))


def ended(process: BaseProcess) -> str:
    """How a process that is gone ended, for a reader."""
    code = process.exitcode or 0
    killers = {-one.value: one.name for one in signal.Signals}
    return f"its process ended with status {code}" + (f" ({killers[code]})" if code in killers else "")


def minutes(seconds: float) -> str:
    """A limit of time, for a reader."""
    return f"{seconds / 60:g} minutes (--time-limit)"
