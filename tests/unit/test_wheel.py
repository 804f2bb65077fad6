"""What `pip install` puts on a user's machine: `zoo` with its models and presets, and nothing else.

A wheel with a top-level `datasets` would overwrite the Hugging Face package of that name. What it is good for
is tried in a fresh environment, which borrows the libraries of the running one.
"""

from __future__ import annotations

import configparser
import email
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import zoo
from zoo.cli.doctor import REQUIRED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """The wheel of this tree, built from a copy, without network and without touching the tree."""
    copy = tmp_path_factory.mktemp("source") / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    copy.mkdir()
    for name in ("zoo", "benchmarks", "datasets", "configs", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [*pip, "--wheel-dir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def top_level(names: list[str]) -> set[str]:
    return {name.partition("/")[0] for name in names}


def test_the_wheel_holds_zoo_alone(wheel):
    assert top_level(wheel.namelist()) == {"zoo", f"r3d_zoo-{zoo.__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_zoo_and_every_config(wheel):
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")} | {"zoo/py.typed"}
    configs = {f"zoo/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    packed = {name for name in wheel.namelist() if name.startswith("zoo/")}
    assert len(ours) > 30 and len(configs) > 30 and packed == ours | configs


def test_configs_hold_nothing_that_the_wheel_leaves_out():
    files = [
        path for path in (ROOT / "configs").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {path.suffix for path in files} == {".yaml"}
    assert {path.parent.relative_to(ROOT).as_posix() for path in files} == {"configs", "configs/presets"}


def test_the_metadata_name_the_version_the_licence_and_the_pythons(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Name"] == "r3d-zoo" and metadata["Version"] == zoo.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    pythons = [line.rpartition(" ")[2] for line in metadata.get_all("Classifier") if ":: 3." in line]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert metadata.get("License-Expression", metadata["License"]) == "MIT"
    assert set(metadata.get_all("Provides-Extra")) == {
        "browser",
        "dev",
        "pytorch3d",
        "speed",
        "studies",
        "tracking",
    }


# In an empty folder of a fresh environment


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Path:
    """A folder with an environment into which the wheel alone was installed, without network."""
    folder = tmp_path_factory.mktemp("fresh")
    environment = folder / "venv"
    _run([sys.executable, "-m", "venv", "--without-pip", environment])
    pip = [sys.executable, "-m", "pip", "--python", _python(environment), "install"]
    _run([*pip, "--quiet", "--no-deps", "--no-index", wheel.filename])
    # a folder named in a .pth is searched last, and its own .pth, as that of the editable clone, is not read
    site = _run([_python(environment), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])
    borrowed = {sysconfig.get_paths()[key] for key in ("purelib", "platlib")}
    (Path(site.strip()) / "borrowed.pth").write_text("\n".join(sorted(borrowed)), encoding="utf-8")
    return folder


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list, status: int = 0, **given) -> str:
    """The output of a command, of its errors where it fails as it should."""
    left_out = ("PYTHONPATH", "R3D_CONFIGS")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        env=environment,
        **given,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def test_a_fresh_environment_lists_creates_checks_trains_loads_and_reconstructs(fresh, tmp_path):
    script = tmp_path / "use.py"
    shutil.copy(ROOT / "tests/helpers/wheel_zoo.py", script)
    (tmp_path / "empty").mkdir()
    out = _run([_python(fresh / "venv"), script], cwd=tmp_path / "empty")
    said = json.loads(out.splitlines()[-1])
    assert Path(said["installed"]).is_relative_to(fresh / "venv")
    assert said["models"] == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    assert said["presets"] == sorted(path.stem for path in (ROOT / "configs/presets").glob("*.yaml"))
    assert (said["steps"], said["shapes"], said["clone"]) == (5, ["VoxelShape"] * 2, [])


def test_the_console_script(fresh, tmp_path):
    script = _python(fresh / "venv").with_name("r3d-zoo.exe" if os.name == "nt" else "r3d-zoo")
    rows = json.loads(_run([script, "list", "models", "r3d", "--json"], cwd=tmp_path))["models"]
    assert [(row["name"], row["parameters"]) for row in rows] == [("r3d", "11.96 M")]
    assert "usage: r3d-zoo " in _run([script, "--help"], cwd=tmp_path)


def test_the_benchmark_is_not_in_the_wheel(fresh, tmp_path):
    for arguments in ((), ("run", "--models", "r3d")):
        command = [_python(fresh / "venv"), "-m", "zoo", "benchmark", *arguments]
        said = _run(command, status=2, cwd=tmp_path)
        assert (
            said.startswith("error: the benchmark lives in a clone of the repository")
            and said.count("\n") == 1
        )
        assert "python -m benchmarks.run" in said


def test_every_requirement_has_a_lower_bound():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    groups = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    lines = [line for group in groups for line in group.split("\n") if line and not line.startswith("#")]
    assert len(lines) > 20
    assert [line for line in lines if ">=" not in line and "==" not in line] == []


def test_doctor_looks_for_what_is_required():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    required = {line.partition(" ")[0] for line in parser["options"]["install_requires"].split("\n") if line}
    assert set(REQUIRED) <= required
    assert parser["options.extras_require"]["pytorch3d"].split()[0] == "pytorch3d"
