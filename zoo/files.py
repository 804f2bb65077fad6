"""Files that are whole or not there: written beside their place and renamed into it."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp

from zoo.errors import UserError
from zoo.system.processes import alive

TRIED = 2**16
"""Bytes that a folder must take to count as writable: a disk that is full takes an empty file."""


class WriteError(UserError, OSError):
    """Something could not be written: the disk is full, or the folder is not ours to write to."""


@contextmanager
def writing_to(folder: Path, mend: str) -> Iterator[None]:
    """Turn an error of the system within the block into one line that names the folder.

    Args:
        mend: what is kept, and how to go on.

    Raises:
        WriteError: in place of any `OSError`.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        what = error.filename2 or error.filename or folder
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = f"no space left in {folder}" if full else f"cannot write to {what}: {error.strerror or error}"
        raise WriteError(f"{why}; {mend}") from error


def expand_home(path: str | Path) -> Path:
    """A path whose ``~`` or ``~user`` is replaced by that home folder.

    Raises:
        UserError: there is no such folder, as for a container's user whom the system does not know.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: this user has no home folder; set HOME, or give the path in full") from None


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or all of the new.

    Raises:
        OSError: it cannot be written; names the file itself, whatever could not be done for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    # a name that is no text (bytes of another encoding in a file's name) stands as its escape
    raw = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    with naming(path):
        try:
            with temporary.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill; it appears at `path` when the block ends well, and leaves nothing otherwise.

    What lies at `path` already, an older folder or a file, is replaced.

    Raises:
        OSError: it cannot be written; names the folder where the error itself names nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        with naming(path):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("r+b") as handle:  # Windows flushes what may be written alone
                        os.fsync(handle.fileno())
            temporary.chmod(0o755)
            remove(path)
            temporary.rename(path)
    finally:
        rmtree(temporary, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a file, a link, a folder with all that is in it, or nothing where nothing is."""
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the system name a file that its user knows.

    A disk that is full names nothing, and what is written beside its place names a file that is gone when
    somebody reads the message.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or ".part" in str(error.filename)):
            error.filename, error.filename2 = str(path), None
        raise


def try_folder(folder: Path, files: Iterable[str] = ()) -> None:
    """Make a folder and write into it, before work is spent on what shall lie there.

    Args:
        files: names that shall be written in it later.

    Raises:
        UserError: the folder cannot be made or takes no files, or a folder stands where a file shall be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(TRIED))
            file.flush()
        for name in files:
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folder / name))
    except OSError as error:
        inside = error.errno == errno.EISDIR
        where = error.filename if inside else folder
        mend = (
            "remove it, or choose another folder" if inside else "choose another folder, or make room there"
        )
        raise UserError(f"cannot write to {where}: {error.strerror or error}; {mend}") from error


def sweep(folder: Path) -> None:
    """Remove what commands that were killed left half written in a folder; what is being written stays."""
    for left in folder.glob(".*.part"):
        writer = left.name.rpartition(".part")[0].rpartition(".")[2]
        if writer.isdecimal() and (int(writer) == os.getpid() or not alive(int(writer))):
            with suppress(OSError):  # Windows keeps what is open
                left.unlink()
