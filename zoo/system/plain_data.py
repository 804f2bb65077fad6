"""YAML and JSON that may come from anybody, as plain data: no code, no bomb, nothing that contains itself.

`yaml.safe_load` runs no code, but ten lines of aliases and merge keys can stand for more nodes than there is
memory, brackets can nest deeper than the stack, and of two equal keys the first is dropped in silence. Here a
file is refused before anything of it is built; every limit is far above what a config needs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1_000_000
"""Bytes of a YAML file."""
MAX_NODES = 20_000
"""Scalars, lists and mappings, each counted as often as aliases repeat it."""
MAX_DEPTH = 64
"""Lists and mappings within each other, aliases followed."""
MAX_TEXT = 10_000
"""Characters of one scalar."""
MAX_DIGITS = 100
"""Characters of one number: reading those of base 60 takes the square of their length."""

_YAML = "tag:yaml.org,2002:"
_NUMBERS = (f"{_YAML}int", f"{_YAML}float")


def load_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        OSError: it cannot be read. ValueError: as `parse_yaml`.
    """
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    _limit(len(raw), MAX_BYTES, "bytes")
    return parse_yaml(raw.decode("utf-8"))


def parse_yaml(text: str) -> Any:
    """A YAML text as plain data, as `yaml.safe_load` has it; keys are texts, each once.

    Raises:
        ValueError: no valid YAML, too much of it, or a key that is no text or stands twice; says where. Takes
            a bounded time whatever the text.
    """
    _limit(len(text), MAX_BYTES, "characters")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _expanded(node, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(_explained(error)) from None
    except _Refused as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # a tag whose text does not fit it, as !!int with letters: of any type
        raise ValueError(f"a value does not fit its tag ({type(error).__name__}: {error})") from None


def parse_json(text: str | bytes) -> Any:
    """A JSON text as plain data.

    Raises:
        ValueError: no valid JSON, or nested deeper than anything of ours.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested too deeply; at most {MAX_DEPTH} levels are read") from None
    level, depth = [data], 0
    while level := [v for node in level for v in _inner(node)]:
        depth += 1
        _limit(depth, MAX_DEPTH, "levels")
    return data


class _Refused(ValueError):
    """What is valid YAML and refused all the same."""


class _Loader(yaml.SafeLoader):
    """Counts while it composes, so that it stops in time."""

    depth, nodes = 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node; `index` is its place, or its key, in `parent`."""
        self.depth += 1
        self.nodes += 1
        _limit(self.depth, MAX_DEPTH, "levels")
        _limit(self.nodes, MAX_NODES, "values")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _expanded(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many nodes one stands for and how deep they go, each looked at once.

    Args:
        known: of the nodes that were seen, by identity; None while one is being counted.
    """
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise _Refused(f"{_line(node)}: contains itself")
        return found
    known[id(node)] = None
    nodes, depth = 1, 0
    if isinstance(node, yaml.ScalarNode):
        _limit(len(node.value), MAX_DIGITS if node.tag in _NUMBERS else MAX_TEXT, "characters", node)
    else:
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                more, below = _expanded(part, known)
                nodes, depth = nodes + more, max(depth, below + 1)
        _limit(nodes, MAX_NODES, "values", node)
        _limit(depth, MAX_DEPTH, "levels", node)
    known[id(node)] = nodes, depth
    return nodes, depth


def _check_keys(mapping: yaml.MappingNode) -> None:
    seen: dict[str, yaml.Node] = {}
    for key, _ in mapping.value:
        if key.tag not in (f"{_YAML}str", f"{_YAML}merge"):
            shown = f"'{key.value[:40]}'" if isinstance(key, yaml.ScalarNode) else "what is no text"
            raise _Refused(f"{_line(key)}: {shown} as a key; keys are texts, put it into quotes")
        if key.value in seen:
            raise _Refused(
                f"{_line(key)}: the key '{key.value[:40]}' stands twice, first in {_line(seen[key.value])}"
            )
        seen[key.value] = key


def _inner(node: Any) -> Any:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _limit(found: int, most: int, what: str, node: yaml.Node | None = None) -> None:
    if found > most:
        where = "" if node is None else f"{_line(node)}: "
        raise _Refused(f"{where}more than {most:,} {what}, which is the most that is read")


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _explained(error: yaml.YAMLError) -> str:
    """PyYAML's words in one line."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return f"not valid YAML: {' '.join(said.split())}{where}"
    return f"not valid YAML: {' '.join(str(error).split())}"
