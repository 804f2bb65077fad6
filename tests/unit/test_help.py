"""What a command needs before it says what it does: no network, no compiler."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_structure import ROOT, python, sources

COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in sources("zoo", "benchmarks", "datasets")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
SLOW = {"torch", "timm", "numba", "scipy.ndimage", "scipy.spatial", "trimesh"}

CODE = """
import json, runpy, sys
sys.argv = ["command", "--help"]
try:
    runpy.run_module(NAME, run_name="__main__")
except SystemExit as end:
    assert not end.code
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_loads_nothing_slow(name):
    done = python("-c", CODE.replace("NAME", repr(name)))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert not SLOW & set(json.loads(done.stdout.splitlines()[-1]))
