"""Machines that are not the usual one: Windows, no home, a read-only clone, another encoding, ``python -OO``.

What such a machine lacks is taken away from a fresh process before it imports anything (`BARE`), and from the
processes that it starts.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.records.schema import TrainCost
from datasets import DataError
from datasets.prepare import default_cache, open_dataset, request
from zoo.device import PeakMemory
from zoo.errors import UserError
from zoo.files import expand_home
from zoo.training.checkpoint import checkpoints, load_state
from zoo.training.trainer import report_dict, train

ROOT = Path(__file__).resolve().parents[2]
CODE = ("zoo", "datasets", "benchmarks")
BARE = """
import os, signal, sys
for name in ("resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for module, names in {os: ("sched_getaffinity", "process_cpu_count", "setsid", "getpgid", "killpg", "nice"),
                      signal: ("SIGHUP", "SIGUSR1", "SIGALRM", "ITIMER_REAL", "setitimer", "alarm")}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""
"""What Windows lacks; its own `os.name` cannot be played, for the standard library believes it."""
NOWHERE = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "LC_ALL": "C", "PYTHONUTF8": "0"}
"""No home, and files that are opened as ASCII unless somebody says otherwise."""
TINY = [
    *("--models", "vae_gan_baseline", "--workers", "0", "--executor", "inline", "--device", "cpu"),
    *("--categories", "chair,table", "--set", "data.train=3", "--set", "data.val=1"),
    *("--set", "data.test=2", "--set", "prepare.views=2", "--set", "prepare.points=1024"),
    *("--set", "train.steps=2", "--set", "train.batch_size=2", "--set", "protocol.points=1024"),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the code beside which nothing can be kept: a file in the way binds root, too."""
    folder = tmp_path_factory.mktemp("read-only") / "clone"
    for name in (*CODE, "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for package in folder.rglob("__init__.py"):
        package.with_name("__pycache__").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A folder for PYTHONPATH in whose processes `BARE` ran first."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(BARE, encoding="utf-8")
    return folder


def python(
    *arguments: str, cwd: Path = ROOT, path: Path | str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """This interpreter in a fresh process, with one thread."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path), **environment},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
    )


# --- Windows has no `resource`, no process groups, fewer signals


def test_every_module_imports_without_what_windows_lacks(bare):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in CODE
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)"
    done = python("-c", code, path=bare)
    assert done.returncode == 0 and len(modules) > 150, done.stderr


@pytest.fixture
def untold(monkeypatch):
    """Neither /proc nor `resource` tells how much memory was used."""
    monkeypatch.setitem(sys.modules, "resource", None)
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: self.parts[:2] != ("/", "proc") and there(self))


def test_peak_memory_that_nobody_tells(untold):
    memory = PeakMemory(torch.device("cpu"))
    memory.reset()
    assert memory.mib() is None


def test_training_without_a_peak_of_memory(untold, tiny_config, tiny_source, tmp_path):
    report = train(tiny_config(), tiny_source, tmp_path, seed=0, device=torch.device("cpu"))
    assert report.peak_memory_mib is None
    assert load_state(checkpoints(tmp_path)[-1]).peak_memory_mib is None
    assert json.loads(json.dumps(report_dict(report)))["peak_memory_mib"] is None


def test_a_run_that_goes_on_where_the_peak_was_known(untold, tiny_config, tiny_source, tmp_path, monkeypatch):
    def fit():
        return train(tiny_config(), tiny_source, tmp_path, seed=0, device=torch.device("cpu"))

    with monkeypatch.context() as known:
        known.setattr(PeakMemory, "mib", lambda self: 123.5)
        fit()
    assert fit().peak_memory_mib == 123.5


# --- no home


@pytest.fixture
def homeless(monkeypatch):
    """A container's user whom the system does not know."""
    for name in ("HOME", "XDG_CACHE_HOME", "R3D_CACHE", "USERPROFILE", "HOMEPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


@pytest.mark.parametrize("path", ["~", "~/data", "~nobody-of-that-name/data"])
def test_a_home_that_is_not_known(homeless, path):
    with pytest.raises(UserError, match=f"^{path}: this user has no home folder; set HOME, or give the path"):
        expand_home(path)


@pytest.mark.parametrize("path", ["/data", "data/~x", "."])
def test_a_path_without_a_home_needs_none(homeless, path):
    assert expand_home(path) == Path(path)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"R3D_CACHE": "/a"}, "/a"),
        ({"R3D_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/r3d-zoo"),
        ({"R3D_CACHE": "", "XDG_CACHE_HOME": "/b"}, "/b/r3d-zoo"),
    ],
)
def test_where_prepared_data_lies_without_a_home(homeless, monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == Path(expected)


@pytest.mark.parametrize(("name", "value"), [("R3D_CACHE", ""), ("R3D_CACHE", "~/x")])
def test_nowhere_to_keep_prepared_data(homeless, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"R3D_CACHE|set HOME"):
        request("procedural")


def test_a_folder_for_the_data_needs_no_home(homeless, tmp_path):
    assert request("procedural", data_root=tmp_path).path.parent == tmp_path
    assert request("procedural", cache_root=tmp_path).path.parent == tmp_path / "stores"


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch):
    monkeypatch.setenv("R3D_CACHE", "/dev/null/cache")
    with pytest.raises(DataError, match=r"cannot write to /dev/null/cache/stores, where .*R3D_CACHE"):
        open_dataset("procedural", workers=0, progress=False)


# --- a read-only clone, Python without docstrings and assertions, everything at once


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "zoo", "list", "encoders"],
        ["-m", "zoo", "doctor"],
        ["-m", "datasets", "list"],
        ["-m", "benchmarks.run", "--list"],
        ["-m", "benchmarks.evaluate", "--help"],
    ],
    ids=lambda command: " ".join(command[1:]),
)
def test_commands_where_nothing_can_be_written(clone, bare, command):
    done = python("-OO", *command, cwd=clone, path=bare, **NOWHERE)
    assert done.returncode == 0 and done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_the_main_command_where_nothing_can_be_written(clone, bare, tmp_path):
    folders = ["--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    done = python("-OO", "-m", "benchmarks.run", *TINY, *folders, cwd=clone, path=bare, **NOWHERE)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in results["rows"]}
    assert rows["vae_gan_baseline"]["n_failed"] < 4 and rows["floor"]["instance_mean"]["iou@val"]["mean"] == 1
    assert {"table.md", "table.csv", "report.html", "gallery.png"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


# --- text is UTF-8, whatever the system's encoding


NOT_TEXT = ("os", "Image", "gzip", "lzma", "bz2")
"""What else has an `open`."""


def unspoken(path: Path) -> Iterator[str]:
    """Calls that open text without saying how it is encoded."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _opens_text(node):
            yield f"{path}:{node.lineno} {ast.unparse(node)}"


def _opens_text(call: ast.Call) -> bool:
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in given:
        return False
    if name in ("run", "Popen", "check_output") and owner == "subprocess":
        return bool({"text", "universal_newlines"} & set(given))
    if name in ("read_text", "write_text"):
        return len(call.args) < (1 if name == "read_text" else 2)
    if name not in ("open", "fdopen", "NamedTemporaryFile") or owner in NOT_TEXT:
        return False
    place = 0 if owner and owner not in ("io", "codecs", "os") else 1
    mode = given.get("mode", call.args[place] if len(call.args) > place else ast.Constant("r"))
    return isinstance(mode, ast.Constant) and "b" not in str(mode.value)


def test_every_text_file_has_an_encoding():
    files = [path for folder in (*CODE, "tests") for path in (ROOT / folder).rglob("*.py")]
    assert [call for path in files for call in unspoken(path)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('a')", 1),
        ("open('a', 'w')", 1),
        ("open('a', mode='a')", 1),
        ("path.open()", 1),
        ("path.open('x')", 1),
        ("(folder / 'a').write_text(text)", 1),
        ("path.read_text()", 1),
        ("subprocess.run(['git'], text=True)", 1),
        ("open('a', 'rb')", 0),
        ("path.open('r+b')", 0),
        ("path.open(encoding='utf-8')", 0),
        ("path.write_text(text, 'utf-8')", 0),
        ("path.read_text('utf-8')", 0),
        ("Image.open(path)", 0),
        ("subprocess.run(['git'], encoding='utf-8')", 0),
    ],
)
def test_the_check_of_encodings_sees_every_form(tmp_path, code, found):
    (tmp_path / "sample.py").write_text(code, encoding="utf-8")
    assert len(list(unspoken(tmp_path / "sample.py"))) == found


# --- no number is missing from a record in silence


def test_a_record_without_a_peak_of_memory():
    cost = TrainCost(steps=1, seconds=1.0, images_per_second=1.0, peak_memory_mb=None)
    assert cost.model_dump()["peak_memory_mb"] is None
