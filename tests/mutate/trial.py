"""One trial: a file of a sample is damaged and read, in a process that may crash, hang or take memory."""

from __future__ import annotations

import multiprocessing
import shutil
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.mutate.mutations import draw, truncated
from tests.mutate.readers import Reader, all_readers
from zoo.errors import UserError
from zoo.system.processes import die_with_parent

SPACE = 4 << 30
"""Bytes of address space that reading may take beside what its libraries take."""

MEMORY = 512 << 10
"""KiB of memory that reading a sample of kilobytes may take."""


@dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Attributes:
        outcome: 'accepted', 'refused', or what is wrong.
        what: the file, the mutation, and the error.
    """

    reader: str
    seed: int
    outcome: str
    what: str

    @property
    def failed(self) -> bool:
        return self.outcome not in ("accepted", "refused")


class Bench:
    """A process that trials run in; another one takes its place when it is gone.

    Args:
        seconds: after which one trial is stopped.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start()

    def run(self, reader: str, seed: int) -> Trial:
        """One trial; the same seed gives the same one."""
        try:
            self._ours.send((reader, seed))
            if self._ours.poll(self.seconds):
                return Trial(reader, seed, *self._ours.recv())
            outcome = f"no answer in {self.seconds:g} s"
        except (EOFError, OSError):
            outcome = "the process died"
        self.close()
        self._start()
        return Trial(reader, seed, outcome, "replay it to see the file and the mutation")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._ours.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        if not self._ours.poll(300) or self._ours.recv() != "ready":
            raise RuntimeError("the process of the trials did not start")


def _serve(connection: Connection) -> None:
    import resource  # not on Windows, where no trial runs

    die_with_parent()
    warnings.simplefilter("ignore")
    readers = all_readers()
    size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + SPACE, size + SPACE))
    with TemporaryDirectory() as folder, suppress(EOFError):
        wholes: dict[str, tuple[int, Any]] = {}
        connection.send("ready")
        while True:
            name, seed = connection.recv()
            connection.send(_try(readers, name, seed, Path(folder), wholes))


def _try(
    readers: dict[str, Reader], name: str, seed: int, folder: Path, wholes: dict[str, tuple[int, Any]]
) -> tuple[str, str]:
    """Outcome and what was done.

    Args:
        wholes: what each reader gives of its whole sample; filled as they are met.
    """
    reader = readers[name]
    if name not in wholes:
        try:
            wholes[name] = reader.read(_fresh(reader, folder))
        except Exception:
            return "the sample itself is not read", traceback.format_exc()
    rng = Random(f"{name}/{seed}")
    sample = _fresh(reader, folder)
    file = sample / rng.choice(reader.files)
    kind, what = _damage(file, rng, readers, folder)
    done = f"{file.relative_to(sample)} {what}"
    try:
        with _measured() as taken:
            found = reader.read(sample)
    except UserError as error:
        if not str(error).strip():
            return "an error without a word", done
        return ("refused" if reader.refuses else "refused what it can do without"), f"{done}: {error}"
    except BaseException as error:  # pyo3's panics are no Exception
        return f"{type(error).__name__}", f"{done}: {error}\n{traceback.format_exc(limit=-4)}"
    if taken and taken[0] > MEMORY:
        return "memory", f"{done}: {taken[0]:,} KiB"
    whole = wholes[name]
    if reader.exact and found != whole:
        return "another value was accepted", f"{done}: {str(found)[:300]}"
    if reader.tells and kind is truncated and found[0] < whole[0]:
        return "less was accepted", f"{done}: {found[0]} of {whole[0]}"
    return "accepted", done


def _fresh(reader: Reader, folder: Path) -> Path:
    """A copy of the sample, to be damaged."""
    copy = folder / "trial"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(_sample(reader, folder), copy)
    return copy


def _sample(reader: Reader, folder: Path) -> Path:
    """Where the sample lies; made once."""
    origin = folder / "samples" / reader.name
    if not origin.is_dir():
        origin.mkdir(parents=True)
        reader.make(origin)
    return origin


def _damage(file: Path, rng: Random, readers: dict[str, Reader], folder: Path) -> tuple[Any, str]:
    """Do something to a file; gives the mutation and its name."""
    chance = rng.random()
    if chance < 0.01:
        file.unlink()
        return None, "gone"
    if chance < 0.02:
        file.unlink()
        file.mkdir()
        return None, "became a folder"
    if chance < 0.05:
        other = rng.choice(sorted(readers))
        origin = _sample(readers[other], folder) / rng.choice(readers[other].files)
        shutil.copyfile(origin, file)
        return None, f"became a file of '{other}'"
    kind = draw(rng)
    file.write_bytes(kind(file.read_bytes(), rng))
    return kind, kind.__name__.replace("_", " ")


@contextmanager
def _measured() -> Iterator[list[int]]:
    """KiB by which the process grew at most within the block; empty where the system does not say."""
    taken: list[int] = []
    before = _status("VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets VmHWM, see proc(5)
    yield taken
    taken.append(_status("VmHWM") - before)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
