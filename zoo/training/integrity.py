"""Whether the files of a checkpoint are what was written: a flipped bit is noticed, not trained on.

`sha256.json` says what they held. Checkpoints that were written before there was one have none, and are read
without.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from zoo.errors import UserError
from zoo.system.plain_data import parse_json

CONFIG, SUMS = "config.json", "sha256.json"


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be used; the message names file and tensors."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint that is not what was written; the one before it may be whole.

    Attributes:
        what: is wrong with it, without the mend.
    """

    def __init__(self, what: str, folder: Path) -> None:
        super().__init__(what, folder)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what}; delete the folder {self.args[1]} and run the same command again, or get it anew "
            f"where it came from somebody else"
        )


def write_sums(folder: Path) -> None:
    """Note the SHA-256 of every file of a folder in its `SUMS`."""
    sums = {path.name: _sum(path) for path in sorted(folder.iterdir())}
    (folder / SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")


def damage(file: Path) -> str | None:
    """Why a file is not what was written, or None where it is, or where its folder has no `SUMS`."""
    sums = file.parent / SUMS
    if not sums.exists():
        return None
    try:
        wanted = parse_json(sums.read_bytes())[file.name]
        found = _sum(file)
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, TypeError, LookupError):
        return f"{sums} does not say what it should hold"
    return None if found == wanted else f"its SHA-256 is not the one in {sums}"


def weights_sum(folder: Path) -> str:
    """SHA-256 of the weights of a checkpoint: what its predictions depend on, and nothing else of it."""
    return _sum(folder / "model.safetensors")


def check_sum(file: Path) -> None:
    """Raise `DamagedCheckpoint` where `damage` finds some."""
    if why := damage(file):
        raise damaged(file, f"cannot be read: {why}")


def damaged(file: Path, what: str) -> DamagedCheckpoint:
    """The error of a file of a checkpoint."""
    return DamagedCheckpoint(f"{file}: {what}", file.parent)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint.

    Raises:
        CheckpointError: missing, damaged, or no object.
    """
    try:
        data = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise damaged(path, f"cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise damaged(path, f"expected keys and values, got {type(data).__name__}")
    return data


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
