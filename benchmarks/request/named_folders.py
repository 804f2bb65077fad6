"""Folders as a command line names them: ``NAME=DIR``, or ``DIR`` alone, whose own name may hold '='."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.config import ConfigError
from zoo.names import check_name
from zoo.system.text import printable


def named_folders(words: Sequence[str], taken: str) -> dict[str, Path]:
    """Folders by row name: ``NAME=DIR``, or the folder's own name.

    Args:
        taken: a name that none may have.

    Raises:
        ConfigError: no such folder, a name twice, or the one that is taken.
        BadName: a name that no row may have.
    """
    found: dict[str, Path] = {}
    for word in words:
        name, folder = _split(word)
        name = check_name(name, f"{printable(word)}: say NAME={printable(str(folder))}")
        if name in found or name == taken:
            raise ConfigError(f"two rows '{name}'; give one of them another name: NAME={folder}")
        found[name] = folder
    return found


def _split(word: str) -> tuple[str, Path]:
    """Name and folder: what exists as it stands is a folder; else the first '=' after which there is one."""
    whole = Path(word)
    if whole.is_dir():
        if not whole.resolve().name:
            raise ConfigError(f"{word} has no name of its own for the row; give it one: NAME={word}")
        return whole.resolve().name, whole
    parts = word.split("=")
    splits = [("=".join(parts[:k]), "=".join(parts[k:])) for k in range(1, len(parts))]
    for name, folder in splits:
        if name and folder and Path(folder).is_dir():
            return name, Path(folder)
    tried = "".join(f", nor is '{folder}'" for _, folder in splits if folder)
    mend = f"{tried}; say NAME=DIR or DIR, where the folder may have '=' in its own name" if splits else ""
    raise ConfigError(f"{word}: no such folder{mend}")
