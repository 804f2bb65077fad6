"""One table of the kinds of parts: a new kind is its folder and one row."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from zoo.config import ModelConfig
from zoo.parts import KINDS, MODEL_PARTS, PartName, kind_of, registries
from zoo.registry import RegistryError
from zoo.testing.checks import checks_for

KIND = '''
"""Refiners: a shape to a better one."""
from zoo.registry import EntryConfig, Registry
from zoo.testing.asserts import Check, CheckFailed

class Refiner:
    """Makes a shape better."""

REFINERS = Registry("refiner", Refiner, "refiners")

class SmoothConfig(EntryConfig):
    """Settings."""
    width: int = 3
    """Cells of the filter."""

@REFINERS.register("smooth", config=SmoothConfig, cite="none, a test", tags={"reads": "voxels"})
class Smooth(Refiner):
    """Smooths."""
    def __init__(self, config):
        self.config = config

def refiner_checks(entry):
    """The contract."""
    def width():
        if entry.cls(entry.smoke_config()).config.width % 2 == 0:
            raise CheckFailed("the width must be odd")
    return [Check("odd width", width)]
'''
RUN = """
import sys
import zoo.parts
zoo.parts.KINDS += (zoo.parts.Kind("refiner", "refiners", "refiners:refiner_checks"),)
from zoo.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def command(tmp_path):
    """`python -m zoo` in which the table has one more row, of a kind in a folder of its own."""
    (tmp_path / "refiners").mkdir()
    (tmp_path / "refiners/__init__.py").write_text(KIND, encoding="utf-8")

    def run(*arguments: str) -> str:
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{RUN}"
        words = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, cwd=Path.cwd())
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_new_kind_is_listed_shown_and_checked(command):
    (row,) = json.loads(command("list", "refiners", "reads=voxels", "--json"))["refiners"]
    assert row["name"] == "smooth" and row["summary"] == "Smooths."
    assert (
        json.loads(command("show", "smooth", "--json"))["config"]["width"]["help"] == "Cells of the filter."
    )
    assert command("check", "smooth") == "ok    odd width\n"


def test_every_kind_is_what_its_registry_says():
    for kind, registry in registries():
        assert (registry.kind, registry.package) == (kind.name, kind.module)
        assert registry.group == kind.module, "outside packages add parts by an entry point of the same name"
        assert kind_of(kind.name) is kind


def test_a_model_holds_every_kind_that_it_may_have():
    assert get_args(PartName) == MODEL_PARTS
    assert set(MODEL_PARTS) <= set(ModelConfig.model_fields)
    assert {kind.name for kind in KINDS} - set(MODEL_PARTS) == {"loss", "metric"}


def test_a_kind_without_checks_says_who_checks_it():
    with pytest.raises(
        RegistryError, match="'fscore' is a metric; metrics are checked by their protocol's tests"
    ):
        checks_for(kind_of("metric").registry.get("fscore"))
