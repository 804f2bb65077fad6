"""What is said of a config that does not validate: file, key path, value, and the nearest key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from zoo.errors import UserError
from zoo.registry import did_you_mean

M = TypeVar("M", bound=BaseModel)


class ConfigError(UserError, ValueError):
    """A config that does not validate; the message names the file, the key path and the mend.

    >>> import zoo
    >>> zoo.load_config("r3d", overrides=["train.step=9"])
    Traceback (most recent call last):
    zoo.config.errors.ConfigError: ...train.step: unknown key. Did you mean 'steps' or 'stages'?...
    """


def validate(cls: type[M], data: Any, where: str, source: str) -> M:
    """pydantic's validation with errors that name file, key path, value and nearest key."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        lines = [_explain(cls, problem, where, source) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(cls: type[BaseModel], problem: Any, where: str, source: str) -> str:
    place = [where] if where else []
    place += [str(p) for p in problem["loc"]]
    path = ".".join(place)
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(cls, problem["loc"][:-1])
        return (
            f"{source}: {path}: unknown key.{did_you_mean(str(problem['loc'][-1]), fields)} "
            f"Known: {', '.join(fields)}"
        )
    if problem["type"] == "missing":
        return f"{source}: {path}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{source}: {path}: {message}".replace(": : ", ": ")
    near = ""
    if problem["type"] == "literal_error":
        near = did_you_mean(str(problem["input"]), re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    return f"{source}: {path}: {message}, got {shortened(repr(problem['input']))}.{near}".removesuffix(".")


def _fields_at(cls: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    for key in loc:
        if key not in cls.model_fields:  # a place in a list, or a key of a mapping
            continue
        found = list(_models(cls.model_fields[key].annotation))
        if not found:
            return []
        cls = found[0]
    return list(cls.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of configs in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def shortened(text: str, most: int = 200) -> str:
    """A text as a message shows it."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
