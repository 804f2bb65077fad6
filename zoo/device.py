"""Devices: which one to use, how much memory was used on it, what to print about it."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from zoo.config import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """'auto' is CUDA where there is a GPU, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: the device that was asked for is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}'; use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device '{name}' asked for, but torch {torch.__version__} sees no GPU; use --device cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ConfigError(
            f"device '{name}' asked for, but torch sees {count} GPU{'s' if count > 1 else ''}, counted from "
            f"cuda:0"
        )
    return device


def describe_device(device: torch.device) -> str:
    """Name of the device as a reader of a table wants it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """A block in which CPU arithmetic takes numbers below 1.2e-38 for 0.

    Once a model is sure of most cells their gradients are that small, and a CPU is many times slower at them:
    the backward pass of a trained 3D-R2N2 takes five times as long. The thread that enters is concerned, and
    those of torch's that do not run yet.
    """
    before = bool(torch.tensor(2.0**-140) * 1 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


class PeakMemory:
    """Peak memory in MiB from `reset` on: allocated by torch on CUDA, resident of the process elsewhere.

    Where the process's mark cannot be reset (anything but Linux, some containers), it is the peak since
    the start of the process.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.reset()

    def reset(self) -> None:
        """Forget the peak so far."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):  # not Linux, or not allowed in this container: see above
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # see proc(5): VmHWM

    def mib(self) -> float | None:
        """The peak in MiB; None where the system does not tell (Windows)."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        status = Path("/proc/self/status")
        if status.exists():
            for line in status.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2**10
        return _peak_since_start()


def _peak_since_start() -> float | None:
    try:
        import resource
    except ImportError:  # Windows has no such module
        return None
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
