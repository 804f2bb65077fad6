"""What `pip install` puts on a user's machine: `zoo`, its metadata, and nothing else.

A wheel with a top-level `datasets` would overwrite the Hugging Face package of that name.
"""

from __future__ import annotations

import configparser
import email
import shutil
import subprocess
import sys
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
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
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


def test_the_wheel_holds_every_file_of_zoo(wheel):
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")}
    packed = {name for name in wheel.namelist() if name.startswith("zoo/")}
    assert len(ours) > 30 and packed == ours


def test_the_metadata_name_the_version_the_licence_and_the_pythons(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Name"] == "r3d-zoo" and metadata["Version"] == zoo.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get("License-Expression", metadata["License"]) == "MIT"
    assert set(metadata.get_all("Provides-Extra")) == {"browser", "dev", "pytorch3d", "speed", "studies"}


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
