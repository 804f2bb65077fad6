"""What code a part is made of, so that an edited part is told from what it was.

A digest covers the file of the part's class and the files that it imports from the same package, or from
beside it, and so on; comments, docstrings, blank lines and layout do not count, nor does where a file lies.
Of our own packages it follows the folders of parts (`zoo.encoders`, `zoo.layers`, ...), not what every part
stands on, the files directly in `zoo` and its folders `GROUND`: those are told by the version and commit that
a record holds.
Where there is no source (compiled, or zipped without it) the bytes that Python loads stand for it.
"""

from __future__ import annotations

import ast
import hashlib
import site
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo.errors import UserError

if TYPE_CHECKING:
    from zoo.config import ModelConfig, Part

OURS = ("zoo", "datasets", "benchmarks")
"""Packages of this project, which lie side by side."""
GROUND = (
    *("zoo.cli", "zoo.config", "zoo.images", "zoo.model", "zoo.shapes", "zoo.system", "zoo.testing"),
    *("zoo.transforms", "zoo.types"),
)
ROOT = Path(__file__).resolve().parents[2]
LAYOUT = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of a syntax tree that say nothing about what it does."""


class CodeChanged(UserError):
    """A part's code is not the one that a command, or weights, began with."""


def parts_of(config: ModelConfig) -> dict[str, type]:
    """The class of every part and loss of a model, by what messages call it, like 'encoder cnn'."""
    from zoo.parts import MODEL_PARTS, registry_of

    named: list[tuple[str, Part]] = [
        *((kind, part) for kind in MODEL_PARTS if (part := getattr(config, kind)) is not None),
        *(("loss", part) for part in config.losses.values()),
    ]
    return {f"{kind} {part.name}": registry_of(kind).get(part.name).cls for kind, part in named}


def digests(parts: Mapping[str, type]) -> dict[str, str]:
    """The digest of each part's code, by its name."""
    return {name: _joined(_closure(cls.__module__).values()) for name, cls in sorted(parts.items())}


def foreign(parts: Mapping[str, type]) -> dict[str, str]:
    """The digest of the code of each part that is not of this project; other parts are left out."""
    found = {}
    for name, cls in sorted(parts.items()):
        theirs = [text for module, text in _closure(cls.__module__).items() if not is_ours(module)]
        if theirs:
            found[name] = _joined(theirs)
    return found


def changed(before: Mapping[str, str], parts: Mapping[str, type]) -> list[str]:
    """The parts whose code is not what it was, each with its file.

    Args:
        before: digests from then; a part that is not among them is unknown, and not named.
    """
    now = digests({name: cls for name, cls in parts.items() if name in before})
    return [f"{name} ({_place(parts[name])})" for name in now if now[name] != before[name]]


def followed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Digests of what was begun by one code and went on by another: both, where they differ."""
    both = {name: (code, now.get(name, "none")) for name, code in before.items()}
    return {name: old if old == new else f"{old} then {new}" for name, (old, new) in both.items()}


def require_code(before: Mapping[str, str], config: ModelConfig) -> None:
    """Raises CodeChanged unless the parts of a model are what they were when the command was started."""
    if names := changed(before, parts_of(config)):
        raise CodeChanged(
            f"the code of {' and '.join(names)} was changed while the command ran; run the command again"
        )


def is_ours(module: str) -> bool:
    """Whether a module is one of this project's, not another package of such a name."""
    if module.partition(".")[0] not in OURS:
        return False
    spec = _find(module)
    return spec is not None and spec.origin is not None and _in_root(spec.origin)


@cache
def _in_root(file: str) -> bool:
    return Path(file).resolve().is_relative_to(ROOT)


def _joined(texts: Any) -> str:
    """One digest of the part's own file, which comes first, and of the others in whatever order."""
    own, *others = texts
    return hashlib.sha256("\n".join([own, *sorted(others)]).encode()).hexdigest()[:16]


def _closure(module: str) -> dict[str, str]:
    """Digest of each file that counts, by its module; the first is the module's own."""
    found: dict[str, str] = {}
    todo = deque([module])
    while todo:
        name = todo.popleft()
        spec = None if name in found else _find(name)
        if spec is None:
            continue
        text, imports = _read(spec)
        found[name] = text
        package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
        todo += [other for other in _absolute(imports, package) if _counts(other, name)]
    return found


def _absolute(imports: tuple[str, ...], package: str) -> Iterator[str]:
    for name in imports:
        try:
            yield resolve_name(name, package)
        except ImportError:  # more dots than packages: it would not have been imported
            continue


def _counts(other: str, importer: str) -> bool:
    """Whether an imported module belongs to the code of the module that imports it."""
    if is_ours(other):
        spec = _find(other)
        assert spec is not None
        if any(other == ground or other.startswith(f"{ground}.") for ground in GROUND):
            return False
        return other.count(".") > 1 or (other.count(".") == 1 and spec.submodule_search_locations is not None)
    top, own = other.partition(".")[0], importer.partition(".")[0]
    if is_ours(importer):
        return False
    beside = _folder(own)
    return top == own or (beside is not None and _folder(top) == beside)


def _folder(top: str) -> Path | None:
    """The folder that a module or package without a parent lies in; None where others lie by chance."""
    spec = _find(top)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).resolve()
    folder = file.parent.parent if spec.submodule_search_locations is not None else file.parent
    return None if folder in _shared_folders() else folder


@cache
def _shared_folders() -> frozenset[Path]:
    """Folders of the standard library and of installed packages."""
    paths = [*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()]
    return frozenset(Path(path).resolve() for path in paths)


def _find(name: str) -> ModuleSpec | None:
    """How a module is loaded; nothing is imported to find out."""
    module = sys.modules.get(name)
    spec = cast(ModuleSpec | None, getattr(module, "__spec__", None))
    if spec is not None:
        return spec
    if module is not None:  # a script that was run
        file = getattr(module, "__file__", None)
        return None if file is None else spec_from_file_location(name, file)
    parent = name.rpartition(".")[0]
    if not parent:
        return PathFinder.find_spec(name)
    above = _find(parent)
    folders = None if above is None else above.submodule_search_locations
    return None if folders is None else PathFinder.find_spec(name, folders)


def _read(spec: ModuleSpec) -> tuple[str, tuple[str, ...]]:
    """Digest of a module, and the names of what it imports."""
    loader: Any = spec.loader
    text = loader.get_source(spec.name) if hasattr(loader, "get_source") else None
    if text is not None:
        return _parsed(text)
    if not hasattr(loader, "get_data") or spec.origin is None:
        return "no source", ()  # a package without a file, or what is built into Python
    raw: bytes = loader.get_data(spec.origin)
    return hashlib.sha256(raw[16:] if spec.origin.endswith(".pyc") else raw).hexdigest(), ()  # 16: dates


@cache
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # edited since it was imported
        return hashlib.sha256(text.encode()).hexdigest(), ()
    digest = hashlib.sha256("\n".join(_lines(tree)).encode())
    return digest.hexdigest(), tuple(name for node in ast.walk(tree) for name in _imported(node))


def _lines(tree: ast.AST) -> Iterator[str]:
    """One line for each node, parents first, that says its kind, its values and how many children follow."""
    todo = deque([tree])
    while todo:
        node = todo.popleft()
        words = [type(node).__name__]
        for name, value in ast.iter_fields(node):
            values = [v for v in value if not _is_docstring(v)] if isinstance(value, list) else [value]
            if name in LAYOUT or value is None or not values:
                continue
            words.append(f"{name} {len(values)}")
            words += ["" if isinstance(v, ast.AST) else repr(v) for v in values]
            todo += [v for v in values if isinstance(v, ast.AST)]
        yield " ".join(words)


def _is_docstring(node: Any) -> bool:
    """Whether a statement is a string by itself, which says something and does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported(node: ast.AST) -> Iterator[str]:
    """Modules that a statement may import, relative ones with their dots."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        yield base
        yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)


def _place(cls: type) -> str:
    """The file of a class, from the root of the clone where it lies in it."""
    spec = _find(cls.__module__)
    if spec is None or spec.origin is None:
        return cls.__module__
    file = Path(spec.origin).resolve()
    return (file.relative_to(ROOT) if _in_root(spec.origin) else file).as_posix()
