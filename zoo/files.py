"""Files that are whole or not there: written beside their place and renamed into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from zoo.errors import UserError


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

    An older folder at `path` is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("r+b") as handle:  # Windows flushes what may be written alone
                    os.fsync(handle.fileno())
        temporary.chmod(0o755)
        if path.exists():
            rmtree(path)
        temporary.rename(path)
    finally:
        if temporary.exists():
            rmtree(temporary)
