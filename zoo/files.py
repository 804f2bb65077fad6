"""Files that are whole or not there: written beside their place and renamed into it."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from zoo.errors import UserError


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


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    raw = data.encode() if isinstance(data, str) else data
    try:
        with temporary.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill; it appears at `path` when the block ends well, and leaves nothing otherwise.

    What lies at `path` already, an older folder or a file, is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        temporary.chmod(0o755)
        remove(path)
        temporary.rename(path)
    finally:
        if temporary.exists():
            rmtree(temporary)


def remove(path: Path) -> None:
    """Delete a file, a link, a folder with all that is in it, or nothing where nothing is."""
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """The plain data of a JSON text.

    Raises:
        ValueError: it is none: no UTF-8, torn, or nested so deeply that no reader could go down to its end.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
