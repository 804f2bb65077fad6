"""CONTRIBUTING's recipe "Add an encoder in one file", taken out of the page and run as it stands.

From inside: the two files are put into a copy of the library, and the commands of the page run there. From
outside: the same file in a package of its own, found through its entry point, `--plugin` and `module:Class`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """The code blocks of the recipe: files by path, and the commands in order."""

    files: dict[str, str]
    commands: list[list[str]]


def read_recipe() -> Recipe:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## Add an encoder in one file\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    assert section is not None, "CONTRIBUTING.md has lost its recipe"
    files, commands = {}, []
    for language, body in BLOCK.findall(section[1]):
        first, _, rest = body.partition("\n")
        if language == "bash":
            commands += [shlex.split(line, comments=True) for line in body.splitlines() if line]
        elif first.startswith("# "):
            files[first.removeprefix("# ")] = rest
    return Recipe(files, commands)


def run(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run this interpreter and expect an exit status; the encoder must come from where the test put it."""
    base = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "R3D_CONFIGS")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**base, "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def listed(*kind: str, **where) -> dict[str, dict[str, dict[str, str]]]:
    """What `zoo list --json` prints: rows by kind and name."""
    kinds = json.loads(run("-m", "zoo", "list", *kind, "--json", **where).stdout)
    return {name: {row["name"]: row for row in rows} for name, rows in kinds.items()}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe()


@pytest.fixture(scope="module")
def inside(recipe, tmp_path_factory) -> Path:
    """A copy of library and configs with the encoder and its YAML added."""
    tree = tmp_path_factory.mktemp("inside")
    for name in ("zoo", "configs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for path in ("zoo/encoders/gated_cnn.py", "configs/gated_vae_gan.yaml"):
        assert not (tree / path).exists(), f"{path} is there already; the recipe must add it"
        (tree / path).write_text(recipe.files[path], encoding="utf-8")
    return tree


def test_the_recipe_is_one_file_and_one_yaml(recipe):
    assert list(recipe.files) == ["zoo/encoders/gated_cnn.py", "configs/gated_vae_gan.yaml", "pyproject.toml"]
    assert len(recipe.commands) == 6


def test_inside_the_encoder_and_its_model_are_listed(inside):
    kinds = listed(cwd=inside)
    encoder, model = kinds["encoders"]["gated_cnn"], kinds["models"]["gated_vae_gan"]
    assert encoder["summary"].startswith("Gated CNN:") and encoder["citation"] == "arXiv:1612.08083"
    assert model["encoder"] == "gated_cnn" and model["decoder"] == "voxel_deconv"


def test_inside_the_commands_of_the_page_pass(recipe, inside):
    zoo = [words for words in recipe.commands if words[:3] == ["python", "-m", "zoo"]]
    commands = [words for words in zoo if "my_encoders" not in str(words)]
    assert [words[3:] for words in commands] == [
        ["check", "gated_cnn"],
        ["check", "gated_vae_gan"],
        ["show", "gated_vae_gan"],
    ]
    for words in commands:
        done = run(*words[1:], cwd=inside)
        assert "FAILED" not in done.stdout
    check = run(*commands[0][1:], cwd=inside).stdout
    assert {"shapes", "gradients", "independence"} <= set(check.replace("ok", "").split())
    assert "one training step" in check


def test_the_file_passes_the_linter(inside):
    for arguments in (("check",), ("format", "--check")):
        done = run("-m", "ruff", *arguments, "zoo/encoders/gated_cnn.py", cwd=inside)
        assert "passed" in done.stdout or "already formatted" in done.stdout


@pytest.fixture(scope="module")
def package(recipe, tmp_path_factory) -> Path:
    """The package of the page: the same encoder file, an empty __init__.py, the pyproject.toml."""
    source = tmp_path_factory.mktemp("package")
    (source / "my_encoders").mkdir()
    (source / "my_encoders" / "__init__.py").touch()
    (source / "my_encoders" / "gated_cnn.py").write_text(
        recipe.files["zoo/encoders/gated_cnn.py"], encoding="utf-8"
    )
    (source / "pyproject.toml").write_text(recipe.files["pyproject.toml"], encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def site(package, tmp_path_factory) -> Path:
    """A folder that pip installed the package into, without network."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(folder)]
    run("-m", "pip", "install", *options, str(package), cwd=package)
    return folder


@pytest.fixture(scope="module")
def site_with_broken(site, tmp_path_factory) -> dict[str, str]:
    """An environment that has a plugin which fails to import besides the good one."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken_encoders.py").write_text(
        "raise ImportError('needs a library that is not here')\n", encoding="utf-8"
    )
    info = folder / "broken_encoders-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-encoders\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[zoo.encoders]\nbroken_cnn = broken_encoders\n", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(site), str(folder)])}


def test_outside_the_entry_point_is_listed_and_checked(recipe, site):
    environment = {"PYTHONPATH": str(site)}
    assert "gated_cnn" in listed("encoders", cwd=ROOT, environment=environment)["encoders"]
    done = run("-m", "zoo", "check", "gated_cnn", cwd=ROOT, environment=environment)
    assert done.stdout.count("ok ") >= 8 and "FAILED" not in done.stdout


def test_outside_without_installing(recipe, package):
    commands = [words for words in recipe.commands if "my_encoders" in str(words)]
    assert [words[3:] for words in commands] == [
        ["check", "gated_cnn", "--plugin", "my_encoders.gated_cnn"],
        ["show", "my_encoders.gated_cnn:GatedCNN"],
    ]
    where = {"cwd": ROOT, "environment": {"PYTHONPATH": str(package)}}
    check, show = (run(*words[1:], **where).stdout for words in commands)
    assert check.count("ok ") >= 8 and "FAILED" not in check
    assert "Gated CNN:" in show and "each stage halves height and width" in show


def test_outside_a_yaml_may_name_module_and_class(recipe, package, tmp_path):
    text = recipe.files["configs/gated_vae_gan.yaml"]
    assert "{name: gated_cnn," in text
    changed = text.replace("{name: gated_cnn,", "{name: 'my_encoders.gated_cnn:GatedCNN',")
    (tmp_path / "mine.yaml").write_text(changed, encoding="utf-8")
    # the modules alone: what building a wheel leaves beside them would announce them as installed
    shutil.copytree(package / "my_encoders", tmp_path / "modules" / "my_encoders")
    environment = {"PYTHONPATH": str(tmp_path / "modules"), "R3D_CONFIGS": str(tmp_path)}
    where, show = {"cwd": ROOT, "environment": environment}, ("-m", "zoo", "show", "mine", "--json")
    alone = run(*show, status=2, **where)  # a YAML may come from anybody: it does not choose what is imported
    assert "if you trust it, add --plugin my_encoders.gated_cnn" in alone.stderr
    card = json.loads(run(*show, "--plugin", "my_encoders.gated_cnn", **where).stdout)
    assert card["encoder"] == {
        "name": "my_encoders.gated_cnn:GatedCNN",
        "latent_dim": 512,
        "widths": [32, 64, 128],
    }


def test_a_broken_plugin_is_reported_and_never_fatal(site_with_broken):
    where = {"cwd": ROOT, "environment": site_with_broken}
    why = "ImportError: needs a library that is not here"
    done = run("-m", "zoo", "list", "encoders", **where)
    assert "gated_cnn" in done.stdout and "attention_cnn" in done.stdout
    assert done.stderr == f"warning: encoder 'broken_cnn' comes from a plugin that failed to import: {why}\n"
    doctor = run("-m", "zoo", "doctor", status=1, **where).stdout
    assert "plugin broken_cnn" in doctor and why in doctor
    used = run("-m", "zoo", "check", "broken_cnn", status=2, **where)
    assert used.stderr == f"error: encoder 'broken_cnn' comes from a plugin that failed to import: {why}\n"
