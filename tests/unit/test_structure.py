"""The shape of the repository: which way imports go, what stays cheap to import, what a test must do."""

from __future__ import annotations

import ast
import configparser
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks import guard
from zoo.config import list_models
from zoo.decoders import DECODERS
from zoo.discriminators import DISCRIMINATORS
from zoo.encoders import ENCODERS

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("zoo", "datasets", "benchmarks")
"""From the bottom up: each may import itself and those before it."""


def sources(*folders: str) -> list[Path]:
    """Python files below the folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_packages(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level packages of all absolute imports of a file, inside functions too, with their lines."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno


def python(*arguments: str, path: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a fresh process, `path` being what PYTHONPATH holds."""
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTHONSAFEPATH", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def loaded_by(imports: str) -> set[str]:
    """Top-level names in sys.modules after the statements ran in a fresh process."""
    code = f"{imports}\nimport json, sys\nprint(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    result = python("-c", code)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout))


# Imports go one way


def test_imports_go_one_way():
    wrong = []
    for level, layer in enumerate(LAYERS):
        above = {*LAYERS[level + 1 :], "tests"}
        for path in sources(layer):
            wrong += [
                f"{path.relative_to(ROOT)}:{line} imports {name}"
                for name, line in imported_packages(path)
                if name in above
            ]
    assert wrong == [], "imports go benchmarks -> datasets -> zoo"


def test_the_import_check_sees_every_form(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(
        "import datasets.store as s\ndef f():\n    from benchmarks import run\n    from . import x\n",
        encoding="utf-8",
    )
    assert list(imported_packages(path)) == [("datasets", 1), ("benchmarks", 3)]


@pytest.mark.parametrize("folder", LAYERS)
def test_every_folder_of_code_is_a_regular_package(folder):
    """A folder without __init__.py loses against any installed package of its name."""
    folders = {path.parent for path in sources(folder)}
    assert folders and [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_networks_need_no_training():
    folders = ("model", "encoders", "decoders", "losses", "layers", "types", "shapes", "images")
    files = sources(*(f"zoo/{folder}" for folder in folders))
    assert len(files) > 40
    assert [str(p.relative_to(ROOT)) for p in files if "import zoo.training" in _imports(p)] == []


def _imports(path: Path) -> str:
    """The import statements of a file, `from a.b import c` as `import a.b`, a line each."""
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = [[a.name for a in n.names] if isinstance(n, ast.Import) else [n.module or ""] for n in found]
    return "\n".join(f"import {name}" for names in named for name in names)


def test_datasets_imports_itself_relatively():
    """So that its files belong together whatever the name `datasets` means to the interpreter."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("datasets")
        for name, line in imported_packages(path)
        if name == "datasets"
    ]
    assert wrong == [], "write `from .store import ...` inside datasets/"


# What stays cheap to import


def test_import_zoo_is_quick_and_loads_no_heavy_library():
    heavy = {"torch", "timm", "numba", "numpy", "scipy", "skimage", "trimesh", "pydantic", "rich"}
    assert not heavy & loaded_by("import zoo")
    bare, with_zoo = seconds("pass"), seconds("import zoo")
    assert with_zoo < 1 + 3 * bare, f"import zoo takes {with_zoo:.1f} s, an empty program {bare:.1f} s"


def seconds(code: str) -> float:
    start = time.perf_counter()
    assert python("-c", code).returncode == 0
    return time.perf_counter() - start


def test_every_public_name_of_zoo_resolves():
    import zoo

    assert all(getattr(zoo, name) is not None for name in zoo.__all__)
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'creat_model'"):
        _ = zoo.creat_model


def test_scoring_never_loads_torch():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources("zoo/geometry", "zoo/metrics", "zoo/shapes")
    ]
    assert len(modules) > 10
    loaded = loaded_by("import " + ", ".join(modules))
    assert "numpy" in loaded and not {"torch", "timm"} & loaded


def test_listing_parts_never_loads_an_optional_library():
    kinds = ("encoders", "decoders", "discriminators", "losses", "metrics")
    lines = [f"from zoo.{kind} import {kind.upper()}\nassert {kind.upper()}.names()" for kind in kinds]
    loaded = loaded_by("\n".join(lines))
    assert "torch" in loaded and not {"timm", "pytorch3d", "tensorboard", "datasets", "benchmarks"} & loaded


# The trainer is shared


def test_no_file_of_training_names_a_model_system():
    """Nothing in the loop depends on which model is trained; docstrings may cite a source."""
    systems = {*list_models(), *ENCODERS.names(), *DECODERS.names(), *DISCRIMINATORS.names()}
    assert {"r3d", "vae_gan_baseline", "cnn", "voxel_deconv"} <= systems
    found = []
    for path in sources("zoo/training"):
        for name, line in names_in_code(tree(path)):
            if name.lower().replace("-", "_") in systems:
                found.append(f"{path.name}:{line} {name}")
    assert found == []


def names_in_code(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Identifiers, attributes, imported modules and words of strings, docstrings left out."""
    docstrings = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.alias):
            yield from ((part, node.lineno) for part in node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from ((part, node.lineno) for part in (node.module or "").split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from ((word.strip("'\".,:;()[]"), node.lineno) for word in node.value.split())


def test_the_name_check_sees_strings_but_not_docstrings():
    module = ast.parse('"""r3d"""\nfrom zoo.encoders.cnn import CNN\nif x.name == "r3d": pass\n')
    assert {"cnn", "CNN", "r3d", "name", "x"} <= {name for name, _ in names_in_code(module)}
    assert [line for name, line in names_in_code(module) if name == "r3d"] == [3]


# Tests test


def test_every_test_function_asserts_something():
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources("tests")
        if path.name.startswith("test_")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not asserts(node)
    ]
    assert silent == []


def asserts(function: ast.FunctionDef) -> bool:
    """An assert statement, raises or warns, an assert_, check_ or expect_ function, or `check.run()`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(
                node.func
            )  # `check.run` is a zoo.testing.checks.Check, which raises what is wrong
            name = called.rpartition(".")[2]
            if called == "check.run" or name in ("raises", "warns", "gradcheck"):
                return True
            if name.startswith(("assert_", "check_", "expect_")):
                return True
    return False


def test_a_test_without_assertion_is_seen():
    silent, loud = ast.parse(
        "def test_a():\n    f(1)\ndef test_b():\n    with pytest.raises(ValueError): f(1)\n"
    ).body
    assert isinstance(silent, ast.FunctionDef) and isinstance(loud, ast.FunctionDef)
    assert not asserts(silent) and asserts(loud)


def test_the_commit_hooks_are_the_pinned_linters():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    dev = setup["options.extras_require"]["dev"].replace(" ", "").split("\n")
    pins = {line for line in dev if line.startswith("ruff==")}
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    used = {
        pin for hook in hooks for pin in hook.get("additional_dependencies", []) if pin.startswith("ruff")
    }
    assert len(pins) == 1 and used == pins


# `datasets` is ours


@pytest.fixture
def stranger(tmp_path) -> Path:
    """A site folder with another package called datasets, as Hugging Face's would lie there."""
    site = tmp_path / "site"
    (site / "datasets").mkdir(parents=True)
    (site / "datasets" / "__init__.py").write_text(
        "raise RuntimeError('the wrong datasets was imported')\n", encoding="utf-8"
    )
    return site


def test_the_other_datasets_package_does_not_shadow_ours(stranger):
    result = python("-m", "benchmarks.run", "--list", path=str(stranger))
    assert result.returncode == 0, result.stderr
    assert "vae_gan_baseline" in result.stdout


def test_spawned_workers_get_our_datasets_too(stranger, tmp_path):
    worker = "import datasets\n\ndef where(_):\n    return datasets.__file__\n"
    (tmp_path / "probe_worker.py").write_text(worker, encoding="utf-8")
    code = (
        "import multiprocessing as m, probe_worker\n"
        "if __name__ == '__main__':\n"
        "    with m.get_context('spawn').Pool(1) as pool:\n"
        "        print(probe_worker.where(0), *pool.map(probe_worker.where, [0]), sep='\\n')\n"
    )
    result = python("-c", code, path=os.pathsep.join([str(stranger), str(tmp_path)]))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [str(ROOT / "datasets" / "__init__.py")] * 2


def test_the_start_up_check_names_the_wrong_package_and_the_command(stranger):
    """With the other package first on the path, `-P` keeping the working folder off it."""
    path = os.pathsep.join([str(stranger), str(ROOT)])
    result = python("-P", "-m", "benchmarks.run", "--list", path=path)
    found = stranger / "datasets" / "__init__.py"
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: `datasets` must be {ROOT / 'datasets'}, but Python found {found}.\n"
        f"Run from the root of the repository, as a module: cd {ROOT} && python -m benchmarks.run\n"
    )


def test_the_start_up_check_knows_folders_and_absence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(guard, "ROOT", tmp_path)
    assert guard.wrong_datasets_package() == str(ROOT / "datasets" / "__init__.py")
    for asked, command in (
        (
            ["python", "-P", "-m", "benchmarks.studies.classify", "--help"],
            "python -m benchmarks.studies.classify",
        ),
        (["python", "notebook.py"], "python -m benchmarks.run"),
    ):
        monkeypatch.setattr(sys, "orig_argv", asked)
        with pytest.raises(SystemExit) as error:
            guard.check_datasets_package()
        assert error.value.code == 2
        assert capsys.readouterr().err.endswith(f"&& {command}\n")

    (tmp_path / "datasets").mkdir()
    for name in [name for name in sys.modules if name.partition(".")[0] == "datasets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert guard.wrong_datasets_package() == str(tmp_path / "datasets")
    monkeypatch.setattr(sys, "path", [])
    assert guard.wrong_datasets_package() == "nothing of that name"


def test_the_start_up_check_accepts_ours():
    assert guard.wrong_datasets_package() is None
