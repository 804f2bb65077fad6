"""Rooms: how many files a package shows first, which ways lead between them, where no torch is needed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_structure import ROOT, loaded_by, sources, tree

PACKAGES = ("zoo", "datasets", "benchmarks")
TORCH_FREE = (
    "request",
    "records",
    "protocols",
    "scoring",
    "statistics",
    "tables",
    "controls",
    "files",
    "results",
)
"""Folders of `benchmarks` that can be used, and tested, where there is no network."""


LONGEST_FILE, LONGEST_FUNCTION, MOST_BRANCHES = 400, 60, 15
"""Lines of a file; lines of a function with its signature and docstring; its branches, see `branches`."""
FAMILIES = ROOT / "datasets/sources/procedural/families"
"""Each is one shape told from top to bottom, and frozen: its sizes are its own."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, modules: set[str]) -> Iterator[str]:
    """Modules of ours that a file imports, wherever in it: for types alone and within functions too."""
    own = module_of(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in modules:
                    yield inner
                elif base in modules:
                    yield base


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Modules that can be reached from themselves: what remains when the ends are cut off again and again."""
    left = {name: set(targets) for name, targets in graph.items()}
    while ends := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ends:
            del left[name]
    while starts := left.keys() - {target for targets in left.values() for target in targets}:
        for name in starts:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize(("package", "most"), [("zoo", 15), ("datasets", 8), ("benchmarks", 6)])
def test_a_package_shows_few_files_first(package, most):
    files = sorted(path.name for path in (ROOT / package).glob("*.py"))
    assert len(files) <= most, f"{package}: {', '.join(files)}; give what belongs together a folder"


def test_no_import_leads_back():
    files = {module_of(path): path for path in sources(*PACKAGES)}
    graph = {name: set(imports(path, set(files))) - {name} for name, path in files.items()}
    assert sum(map(len, graph.values())) > 500
    assert circles(graph) == []


def test_circles_are_seen():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set[str](), "e": {"a"}}
    assert circles(graph) == ["b", "c"] and circles({"a": {"b"}, "b": set[str]()}) == []


def test_relative_imports_are_followed():
    path = ROOT / "datasets/store/split.py"
    found = set(imports(path, {"datasets", "datasets.splits", "datasets.store.rows"}))
    assert found == {"datasets", "datasets.splits", "datasets.store.rows"}


def test_what_needs_no_network_loads_none():
    modules = [module_of(path) for path in sources(*(f"benchmarks/{folder}" for folder in TORCH_FREE))]
    modules = [name for name in modules if not name.endswith("__main__")] + ["datasets.prepare", "zoo.config"]
    assert len(modules) > 30
    # loaded only where it is named: it describes pictures by a network of timm
    loaded = loaded_by("import " + ", ".join(sorted({*modules} - {"benchmarks.controls.backbone"})))
    assert not {"torch", "timm"} & loaded


def test_data_sets_are_found_in_their_folder():
    from datasets import DATASETS

    ours = [entry.cls.__module__ for entry in DATASETS if entry.cls.__module__.startswith("datasets.")]
    assert len(ours) >= 6 and {name.split(".")[1] for name in ours} == {"sources"}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def branches(function: Function) -> int:
    """Places where a function may go one way or another, without those of functions and classes within it.

    `if` (also as an expression and in a comprehension), `for`, `while`, `except` and `case`, and each further
    operand of `and` and `or`. Neither `with`, `assert` nor `else` counts.
    """
    count, waiting = 0, list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        if isinstance(node, ast.If | ast.IfExp | ast.For | ast.While | ast.ExceptHandler | ast.match_case):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        waiting += ast.iter_child_nodes(node)
    return count


def compiled(function: Function) -> bool:
    """Whether numba compiles it: a kernel is one function for speed."""
    return any("jit" in ast.unparse(decorator) for decorator in function.decorator_list)


def too_long() -> set[str]:
    found = set()
    for path in sources(*PACKAGES):
        if path.is_relative_to(FAMILIES):
            continue
        name = path.relative_to(ROOT).as_posix()
        if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE:
            found.add(name)
        for node in ast.walk(tree(path)):
            if isinstance(node, Function) and not compiled(node):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION or branches(node) > MOST_BRANCHES:
                    found.add(f"{name}:{node.name}")
    return found


def test_files_and_functions_stay_short():
    found = too_long()
    assert not found, f"cut {', '.join(sorted(found))}"


def test_branches_are_counted():
    code = """
def f(a, b):
    if a and b or a:                       # 1 + 1 + 1
        return [x for x in a if x]         # 1 + 1
    for x in a:                            # 1
        try:
            y = 1 if x else 2              # 1
        except ValueError:                 # 1
            pass
    def inner():
        if a:
            pass
    match a:
        case 1:                            # 1
            pass
"""
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef) and branches(function) == 9


LEANING = ("Of ", "The same ", "Those ", "Its ", "Theirs ")


def test_texts_stand_alone():
    """What `zoo show` and `help` print has no name above it to lean on."""
    found = {
        path.relative_to(ROOT).as_posix(): node.value.value
        for path in sources(*PACKAGES)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and str(node.value.value).startswith(LEANING)
    }
    assert found == {}
