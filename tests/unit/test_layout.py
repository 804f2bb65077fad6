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
