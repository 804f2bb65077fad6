"""Digests of a part's code: what counts as a change, and which files belong to a part."""

from __future__ import annotations

import importlib
import py_compile
import sys
import zipfile
from pathlib import Path

import pytest

from zoo.config import list_models, load_config
from zoo.encoders import ENCODERS
from zoo.system import source

PART = '''"""An encoder."""

from my_parts import helper
from my_parts.base import Base


class Part(Base):
    """A part.

    Attributes:
        width: of it.
    """

    width: int = 3
    """How wide."""

    def forward(self, x):
        """Twice."""
        return helper.twice(x) + 1.5  # and a bit
'''
HELPER = "from my_parts import helper\n"
FILES = {
    "__init__.py": "",
    "part.py": PART,
    "helper.py": "def twice(x):\n    return 2 * x\n",
    "base.py": "class Base:\n    kind = 'base'\n",
    "other.py": "SIZE = 3\n",
}


class Package:
    """A package of somebody's on the path, which may be edited and loaded again."""

    def __init__(self, folder: Path, name: str = "my_parts") -> None:
        self.folder, self.name = folder / name, name
        self.folder.mkdir(parents=True)
        for file, text in FILES.items():
            self.write(file, text)

    def write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text(encoding="utf-8")
        assert old in text
        self.write(file, text.replace(old, new))

    def load(self, module: str = "part") -> type:
        forget()
        importlib.invalidate_caches()
        return importlib.import_module(f"{self.name}.{module}").Part


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("my_")]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Package(tmp_path / "code")
    forget()


def digest(cls: type) -> str:
    (found,) = source.foreign({"encoder part": cls}).values()
    return found


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("part.py", "# and a bit", "# and a bit more"),
        ("part.py", '"""Twice."""', '"""Two times."""'),
        ("part.py", '"""How wide."""', '"""How wide it is."""'),
        ("part.py", '"""An encoder."""\n', ""),
        ("part.py", "\n\nclass", "\n\n\n\n\nclass"),
        ("part.py", "helper.twice(x) + 1.5", "(\n            helper.twice(x)  +  1.50)"),
        ("part.py", "        width: of it.", "        width: of it, in cells."),
        ("helper.py", "def", "# twice\ndef"),
        ("base.py", "'base'", '"base"'),
        ("other.py", "3", "4"),  # nobody imports it
    ],
)
def test_what_does_nothing_does_not_count(package, file, old, new):
    before = digest(package.load())
    package.edit(file, old, new)
    assert digest(package.load()) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("part.py", "+ 1.5", "+ 1.25"),
        ("part.py", "+ 1.5", "- 1.5"),
        ("part.py", "width: int = 3", "width: int = 4"),
        ("part.py", "return helper", "return -helper"),
        ("part.py", "def forward", "@staticmethod\n    def forward"),
        ("part.py", "self, x", "self, x, *, y=None"),
        ("helper.py", "2 * x", "3 * x"),
        ("helper.py", "2 * x", "2 * x\n    x"),
        ("base.py", "'base'", "'other'"),
        ("base.py", "kind =", "sort ="),
        ("base.py", "    kind", "    depth = -1\n    kind"),
    ],
)
def test_an_edit_of_the_part_its_helper_or_its_base_counts(package, file, old, new):
    before = digest(package.load())
    package.edit(file, old, new)
    assert digest(package.load()) != before
    package.edit(file, new, old)
    assert digest(package.load()) == before


@pytest.mark.parametrize(
    "line",
    [
        "from . import other",
        "from .other import SIZE",
        "import my_parts.other",
        "from my_parts.other import SIZE as size",
        "def lazily():\n    from my_parts import other\n    return other",
        "if True:\n    import my_parts.other as aside",
    ],
)
def test_every_form_of_import_is_followed(package, line):
    package.edit("part.py", HELPER, f"{HELPER}{line}\n")
    before = digest(package.load())
    package.edit("other.py", "3", "4")
    assert digest(package.load()) != before


def test_a_file_that_is_moved_is_the_same(package, tmp_path):
    before = digest(package.load())
    package.folder.joinpath("part.py").rename(package.folder / "renamed.py")
    assert digest(package.load("renamed")) == before
    forget()
    elsewhere = Package(tmp_path / "elsewhere")
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    try:
        assert digest(elsewhere.load()) == before
    finally:
        sys.path.remove(str(tmp_path / "elsewhere"))


def test_a_single_file_brings_what_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "my_part.py").write_text(
        "import my_helper\nimport json\nclass Part:\n    x = my_helper.X\n", encoding="utf-8"
    )
    (tmp_path / "my_helper.py").write_text("X = 1\n", encoding="utf-8")
    before = digest(importlib.import_module("my_part").Part)
    assert list(source._closure("my_part")) == ["my_part", "my_helper"]
    (tmp_path / "my_helper.py").write_text("X = 2\n", encoding="utf-8")
    assert digest(importlib.import_module("my_part").Part) != before
    forget()


def test_the_standard_library_and_installed_packages_are_not_followed(package):
    package.edit(
        "part.py", "from my_parts import helper\n", "from my_parts import helper\nimport json, numpy\n"
    )
    package.load()
    assert set(source._closure("my_parts.part")) == {"my_parts.part", "my_parts.base", "my_parts"} | {
        "my_parts.helper"
    }


def test_a_package_in_a_zip_is_read_there(package, tmp_path, monkeypatch):
    before = digest(package.load())
    for name, old in (("same.zip", "2 * x"), ("other.zip", "5 * x")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for file, text in FILES.items():
                archive.writestr(f"my_parts/{file}", text.replace("2 * x", old))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / name)
            cls = package.load()
            assert name in sys.modules["my_parts"].__file__
            assert (digest(cls) == before) == (name == "same.zip")
            forget()


def test_compiled_code_without_source_is_known_by_its_bytes(package):
    def compiled() -> str:
        for file in package.folder.glob("*.py"):
            py_compile.compile(str(file), cfile=str(file.with_suffix(".pyc")))
            file.unlink()
        return digest(package.load())

    first = compiled()
    for file, text in FILES.items():
        package.write(file, text)
    assert compiled() == first
    for file, text in FILES.items():
        package.write(file, text.replace("1.5", "2.5"))
    assert compiled() != first


def test_our_own_parts_have_no_foreign_code():
    for name in list_models():
        parts = source.parts_of(load_config(name))
        assert source.foreign(parts) == {}
        assert source.digests(parts).keys() == parts.keys()


def test_a_part_of_ours_is_made_of_folders_of_parts_not_of_everything():
    files = list(source._closure("zoo.encoders.attention_cnn"))
    assert files[0] == "zoo.encoders.attention_cnn"
    assert {"zoo.encoders", "zoo.encoders.cnn", "zoo.layers.attention"} <= set(files)
    assert not {"zoo.registry", "zoo.types", "zoo", "zoo.config"} & set(files)


def test_somebodys_part_that_extends_ours_holds_both(package):
    package.edit(
        "part.py", "from my_parts import helper\n", "from my_parts import helper\nimport zoo.encoders.cnn\n"
    )
    parts = {"encoder part": package.load()}
    assert "zoo.encoders.cnn" in source._closure("my_parts.part")
    before, theirs = source.digests(parts), source.foreign(parts)
    assert before != theirs and source.changed(before, parts) == []
    package.edit("helper.py", "2 * x", "3 * x")
    (named,) = source.changed(before, {"encoder part": package.load()})
    assert named == f"encoder part ({package.folder / 'part.py'})"


def test_a_change_of_ours_is_named_with_its_file_in_the_clone():
    parts = {"encoder cnn": ENCODERS.get("cnn").cls}
    now = source.digests(parts)
    assert source.changed(now, parts) == [] == source.changed({}, parts)
    assert source.changed({"encoder cnn": "0"}, parts) == ["encoder cnn (zoo/encoders/cnn.py)"]


def test_a_package_that_is_called_like_one_of_ours_is_not_ours(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/__init__.py").touch()
    (tmp_path / "benchmarks/part.py").write_text("class Part: ...\n", encoding="utf-8")
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert source._find("benchmarks.part") is not None
    assert not source.is_ours("benchmarks.part")


def test_what_went_on_by_other_code_is_neither():
    followed = source.followed({"a": "1", "b": "2", "gone": "3"}, {"a": "1", "b": "5", "new": "6"})
    assert followed == {"a": "1", "b": "2 then 5", "gone": "3 then none"}


def test_code_that_changes_while_a_command_runs_stops_what_would_mix_it():
    config = load_config("vae_gan_baseline")
    now = source.digests(source.parts_of(config))
    source.require_code(now, config)
    source.require_code({}, config)
    with pytest.raises(source.CodeChanged, match=r"loss kl \(zoo/losses/kl.py\) was changed while the comm"):
        source.require_code(now | {"loss kl": "0"}, config)
