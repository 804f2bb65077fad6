"""Kernels with nowhere to keep their machine code, files of it that are damaged, a disk that fills up."""

from __future__ import annotations

import errno
import importlib.util
from pathlib import Path
from types import ModuleType

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

ROOT = Path(__file__).resolve().parents[3]
SOURCE = """
from zoo.system.compiled import njit

@njit
def double(x):
    return 2 * x

@njit
def quadruple(x):
    return double(double(x))
"""


class Clone:
    """A folder with kernels, and the three places in which numba may keep them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.source, self.home = folder / "clone" / "kernels.py", folder / "home"
        self.source.parent.mkdir()
        self.home.mkdir()
        self.source.write_text(SOURCE, encoding="utf-8")
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(numba.config, "CACHE_DIR", "")

    def read_only(self) -> None:
        """Nothing can be written beside the source: no permission binds root, but a file in the way does."""
        self.source.with_name("__pycache__").write_bytes(b"")

    def load(self) -> ModuleType:
        """The module, as a new process would import it."""
        spec = importlib.util.spec_from_file_location("kernels", self.source)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def hits(self) -> int:
        """Load and use the kernels; how many came from the disk."""
        kernels = self.load()
        assert kernels.quadruple(3) == 12 and kernels.quadruple(0.5) == 2.0
        return sum(kernels.quadruple.stats.cache_hits.values())

    def kept(self, ending: str = ".nbi") -> list[Path]:
        """Files that numba keeps, anywhere."""
        return sorted(self.folder.rglob(f"*{ending}"))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    return Clone(tmp_path, monkeypatch)


def _beside(clone: Clone) -> Path:
    return clone.source.with_name("__pycache__")


def _chosen(clone: Clone) -> Path:
    clone.monkeypatch.setattr(numba.config, "CACHE_DIR", str(clone.folder / "chosen"))
    return clone.folder / "chosen"


def _chosen_cannot_be(clone: Clone) -> Path:
    clone.monkeypatch.setattr(numba.config, "CACHE_DIR", "/dev/null/chosen")
    return _beside(clone)


def _home(clone: Clone) -> Path:
    clone.read_only()
    return clone.home / ".cache"


def _xdg(clone: Clone) -> Path:
    clone.read_only()
    clone.monkeypatch.setenv("XDG_CACHE_HOME", str(clone.folder / "xdg"))
    return clone.folder / "xdg"


@pytest.mark.parametrize("place", [_beside, _chosen, _chosen_cannot_be, _home, _xdg])
def test_kernels_are_kept_in_the_first_place_that_can_be_written(clone, place):
    where = place(clone)
    assert clone.hits() == 0
    assert clone.kept() and all(where in file.parents for file in clone.kept())
    assert clone.hits() == 2


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none", ""])
@pytest.mark.parametrize("chosen", ["", "/dev/null/chosen"])
def test_nowhere_to_keep_them_costs_a_compilation_and_nothing_else(clone, home, chosen):
    clone.read_only()
    clone.monkeypatch.setattr(numba.config, "CACHE_DIR", chosen)
    clone.monkeypatch.setenv("HOME", home or "/dev/null")
    clone.monkeypatch.setenv("XDG_CACHE_HOME", home or "/dev/null/cache")
    assert (clone.hits(), clone.hits()) == (0, 0)
    assert clone.kept() == []


@pytest.mark.parametrize("name", ["clone.zip", "clone.zipped", "my.zip.d"])
def test_a_folder_whose_name_numba_takes_for_an_archive(clone, name):
    clone.read_only()
    clone.monkeypatch.setenv("HOME", "/dev/null")
    clone.source = clone.source.parent.rename(clone.folder / name) / "kernels.py"
    assert clone.hits() == 0


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:-7], lambda data: b"\x80" * 64, lambda data: b"PK\x03\x04" + data],
    ids=["empty", "torn", "noise", "foreign"],
)
def test_damaged_files_are_replaced(clone, ending, damage):
    assert (clone.hits(), clone.hits()) == (0, 2)
    for file in clone.kept(ending):
        file.write_bytes(damage(file.read_bytes()))
    assert clone.hits() == 0
    assert clone.hits() == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_any_more(clone, monkeypatch, number):
    kernels = clone.load()

    def full(self, path):
        raise OSError(number, "no")

    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)
    assert kernels.quadruple(3) == 12
    assert clone.kept() == []


def test_a_folder_that_went_away(clone):
    kernels = clone.load()
    _beside(clone).rename(clone.folder / "gone")
    clone.read_only()
    assert kernels.quadruple(3) == 12


def test_every_kernel_has_this_decorator():
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("zoo", "datasets", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (line.startswith(("from numba", "import numba")) and path.name != "compiled.py")
        or line.startswith(("@njit(", "@numba"))
    ]
    assert wrong == []
