"""Which models a command means: names, globs, YAML paths, 'all'."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from zoo.config import list_models
from zoo.registry import RegistryError, did_you_mean


def asked_by_name(text: str) -> set[str]:
    """Names of a comma-separated list that are no patterns: such a model is trained, or the command ends."""
    words = [w for w in (w.strip() for w in text.split(",")) if w != "all" and not set(w) & set("*?[")]
    return {Path(w).stem if w.endswith((".yaml", ".yml")) else w for w in words}


def resolve_models(text: str) -> list[str]:
    """Model names of a comma-separated list, in its order, each once.

    Args:
        text: names, shell patterns (``*vae*``), paths of YAML files, or ``all``.

    Raises:
        RegistryError: a name or pattern matches nothing; names the nearest.
    """
    known, chosen = list_models(), []
    for word in (w.strip() for w in text.split(",")):
        if not word:
            continue
        if word.endswith((".yaml", ".yml")):
            found = [word]
        else:
            found = known if word == "all" else [name for name in known if fnmatchcase(name, word)]
        if not found:
            raise RegistryError(
                f"unknown model '{word}'.{did_you_mean(word, known)} Known: {', '.join(known)}"
            )
        chosen += [name for name in found if name not in chosen]
    if not chosen:
        raise RegistryError(f"no models given; --models takes names from: {', '.join(known)}")
    return chosen
