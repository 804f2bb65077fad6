"""One layer of settings onto another, and settings as they stand on a command line or in a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.config.errors import ConfigError, shortened
from zoo.parts import MODEL_PARTS
from zoo.system.plain_data import MAX_DEPTH, parse_yaml

Overrides = Iterable[str] | Mapping[str, Any]
"""``key.path=value`` strings, or a mapping of key paths to values, which may be mappings again."""


def merge(
    base: Mapping[str, Any], over: Mapping[str, Any] | None, path: tuple[str, ...] = ()
) -> dict[str, Any]:
    """`over` onto `base`, key by key; a mapping that names another part replaces the whole part.

    Args:
        path: where in a model config `base` stands: only its parts and losses are replaced so, an optimiser
            keeps its other settings when its name changes.
    """
    merged = dict(base)
    for key, value in (over or {}).items():
        old = merged.get(key)
        is_part = path == ("losses",) or (path == () and key in MODEL_PARTS)
        if not isinstance(value, Mapping) or not isinstance(old, Mapping):
            merged[key] = value
        elif is_part and "name" in value and "name" in old and value["name"] != old["name"]:
            merged[key] = dict(value)
        else:
            merged[key] = merge(old, value, (*path, key))
    return merged


def parse_overrides(overrides: Overrides) -> dict[str, Any]:
    """Nested settings from key paths, as strings or as a mapping.

    Both ``["a.b=1", "c=x"]`` and ``{"a.b": 1, "c": "x"}`` give ``{"a": {"b": 1}, "c": "x"}``.

    Raises:
        ConfigError: no '=' in a string, a value that cannot be read, or a key path that is none.
    """
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: expected a list of strings or a mapping, got the string {overrides!r}")
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_parsed, overrides)
    data: dict[str, Any] = {}
    for path, value in pairs:
        if not all(path.split(".")) or path.count(".") >= MAX_DEPTH:
            raise ConfigError(f"overrides: expected key paths as train.steps, got {shortened(repr(path))}")
        nested = parse_overrides(value) if isinstance(value, Mapping) else value
        for key in reversed(path.split(".")):
            nested = {key: nested}
        data = merge(data, nested)
    return data


def _parsed(text: str) -> tuple[str, Any]:
    """Key path and value of ``key.path=value``."""
    path, equals, value = text.partition("=")
    if not equals or not path or path.count(".") >= MAX_DEPTH:
        raise ConfigError(f"--set {shortened(text)}: expected key.path=value, as --set train.steps=500")
    try:
        return path, parse_yaml(value)
    except ValueError as error:
        raise ConfigError(
            f"--set {shortened(text)}: '{shortened(value)}' is not a YAML value: {error}"
        ) from None
