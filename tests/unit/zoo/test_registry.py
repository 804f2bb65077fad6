"""The registry: what may be registered, how a name is found, and every error on its text."""

import re
import sys
import textwrap

import pytest
from pydantic import ValidationError

import zoo.registry
from zoo.registry import EntryConfig, Registry, RegistryError, did_you_mean, load_plugin

CATS = """
from zoo.registry import EntryConfig, Registry

class Cat:
    '''Base of all cats.'''

CATS = Registry("cat", Cat, "{package}", "test.cats")
"""
TABBY = """
from {package} import CATS, Cat
from zoo.registry import EntryConfig

class TabbyConfig(EntryConfig):
    '''Settings.'''
    stripes: int = 3
    '''How many.'''

@CATS.register("{name}", config=TabbyConfig, smoke={{"stripes": 1}}, cite="Linnaeus", tags={{"fur": "{fur}"}})
class Tabby(Cat):
    '''A striped cat.

    More of it.
    '''
"""


class Config(EntryConfig):
    """Settings."""

    size: int = 1
    """Of the thing."""


@pytest.fixture
def make_package(tmp_path, monkeypatch):
    """``make_package("name", file=source)``: an importable package whose `__init__` holds a registry."""
    made = []

    def make(name, **files):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(CATS.format(package=name), encoding="utf-8")
        for stem, source in files.items():
            (folder / f"{stem}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        made.append(name)
        return __import__(name).CATS

    monkeypatch.syspath_prepend(str(tmp_path))
    yield make
    for module in list(sys.modules):
        if module.partition(".")[0] in made:
            del sys.modules[module]


@pytest.fixture
def cats(make_package):
    return make_package(
        "cats_a",
        tabby=TABBY.format(package="cats_a", name="tabby_cat", fur="short"),
        persian=TABBY.format(package="cats_a", name="persian", fur="long"),
        _helper="raise RuntimeError('private files are not scanned')",
    )


class Thing:
    """Base."""


@pytest.fixture
def things():
    registry = Registry("thing", Thing, "json")  # any package without side effects
    registry._discovered = True
    return registry


# --- finding


def test_files_of_the_folder_are_found_at_the_first_lookup(cats):
    assert "cats_a.tabby" not in sys.modules
    assert cats.names() == ["persian", "tabby_cat"]
    assert "cats_a.tabby" in sys.modules


def test_an_entry_knows_where_it_comes_from(cats):
    entry = cats.get("tabby_cat")
    assert (entry.kind, entry.name, entry.cite) == ("cat", "tabby_cat", "Linnaeus")
    assert entry.summary == "A striped cat."
    assert re.search(r"cats_a/tabby\.py:\d+$", entry.origin)
    assert entry.smoke_config().stripes == 1
    assert entry.config().stripes == 3


def test_names_match_pattern_and_tags(cats):
    assert cats.names("p*") == ["persian"]
    assert cats.names(fur="short") == ["tabby_cat"]
    assert cats.names("p*", fur="short") == []
    assert cats.names(colour="red") == []
    assert [e.name for e in cats] == ["persian", "tabby_cat"]
    assert "persian" in cats
    assert "lion" not in cats


@pytest.mark.parametrize("typo", ["tabby-cat", "Tabby_Cat", "tabycat", "TABBY-CAT"])
def test_unknown_name_suggests_the_nearest(cats, typo):
    with pytest.raises(RegistryError) as error:
        cats.get(typo)
    assert str(error.value) == f"unknown cat '{typo}'. Did you mean 'tabby_cat'? Known: persian, tabby_cat"


def test_unknown_name_without_a_near_one_lists_all(cats):
    with pytest.raises(LookupError, match=re.escape("unknown cat 'zzz'. Known: persian, tabby_cat")):
        cats.get("zzz")


def test_did_you_mean_lists_at_most_three():
    assert did_you_mean("voxel-decon", ["voxel_deconv"]) == " Did you mean 'voxel_deconv'?"
    assert did_you_mean("cnn", ["cnn1", "cnn2"]) == " Did you mean 'cnn2' or 'cnn1'?"
    assert did_you_mean("abcd", ["abc1", "abc2", "abc3", "abc4"]).count("'") == 6
    assert did_you_mean("xyz", ["cnn"]) == ""


def test_module_and_class(make_package):
    registry = make_package("cats_b", tabby=TABBY.format(package="cats_b", name="tabby", fur="short"))
    assert registry.get("cats_b.tabby:Tabby").name == "tabby"


NOT_IMPORTED = "its module is not imported. Code is imported only when you name it yourself: if you trust it"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cats_c.lion:Lion", f"{NOT_IMPORTED}, add --plugin cats_c.lion;"),  # there is no such module
        ("cats_c._mine:Tabby", f"{NOT_IMPORTED}, add --plugin cats_c._mine;"),  # there is: it stays alone
        ("mine:Tabby", f"{NOT_IMPORTED}, add --plugin mine;"),
        ("wave:Tabby", f"{NOT_IMPORTED}, add --plugin wave;"),  # of the standard library
        ("../mine:Tabby", f"{NOT_IMPORTED}, add --plugin ../mine;"),
        (":Tabby", f"{NOT_IMPORTED}, add --plugin MODULE;"),
        ("cats_c:Lion", "cats_c registers no cat class 'Lion'"),
        ("cats_c:Cat", "cats_c registers no cat class 'Cat'"),
        ("cats_c:lazy", "cats_c registers no cat class 'lazy'"),  # its __getattr__ is not asked
        ("os:system", "os registers no cat class 'system'"),
    ],
)
def test_looking_up_module_and_class_imports_nothing(make_package, tmp_path, path, message):
    registry = make_package("cats_c")
    source = "from pathlib import Path\nPath(__file__ + '.ran').touch()\n"
    for place in ("cats_c/_mine.py", "mine.py"):
        (tmp_path / place).write_text(
            source + TABBY.format(package="cats_c", name="tabby", fur="short"), encoding="utf-8"
        )
    registry.names()
    sys.modules["cats_c"].__getattr__ = lambda name: (tmp_path / "lazy.ran").touch()
    before = set(sys.modules)
    with pytest.raises(RegistryError, match=re.escape(f"cat '{path}': {message}")):
        registry.get(path)
    assert not list(tmp_path.rglob("*.ran")) and set(sys.modules) == before


def test_what_a_program_or_a_plugin_imported_is_found(make_package, tmp_path):
    registry = make_package("cats_f")
    (tmp_path / "cats_f" / "_mine.py").write_text(
        TABBY.format(package="cats_f", name="own", fur="short"), encoding="utf-8"
    )
    load_plugin("cats_f._mine")
    assert registry.get("cats_f._mine:Tabby").name == "own"


def test_a_broken_file_of_the_folder_is_fatal_and_stays_so(make_package):
    registry = make_package("cats_d", broken="1 / 0")
    for _ in range(2):  # not half a registry at the second lookup
        with pytest.raises(ZeroDivisionError):
            registry.names()


# --- registering


def test_wrong_base(things):
    with pytest.raises(RegistryError, match=r"thing 'odd' at .*test_registry\.py:\d+ must inherit"):

        @things.register("odd", config=Config)
        class Odd:
            """No thing."""


def test_a_function_is_no_part(things, no_type_checks):
    with pytest.raises(RegistryError, match=r"thing 'odd' at .* must inherit from Thing"):
        things.register("odd", config=Config)(lambda: None)


def test_missing_docstring(things):
    with pytest.raises(RegistryError, match=r"thing 'mute' at .*test_registry\.py:\d+ needs a docstring"):

        @things.register("mute", config=Config)
        class Mute(Thing):
            pass


def test_a_declaration_under_a_former_name_is_refused():
    """It would be ignored: a loss that still says `needs` would be built for data that lack it."""
    losses = Registry("loss", Thing, "tests", renamed={"needs": "batch_fields"})
    with pytest.raises(RegistryError, match="declares 'needs', which is called 'batch_fields' now"):

        @losses.register("old", config=Config)
        class Old(Thing):
            """Of an earlier version."""

            needs = frozenset({"voxels"})


@pytest.mark.parametrize("config", [dict, Config(), Thing])
def test_wrong_config(things, config, no_type_checks):
    class Fine(Thing):
        """Fine."""

    with pytest.raises(RegistryError, match=r"config of thing 'fine' at .* must inherit from EntryConfig"):
        things.register("fine", config=config)(Fine)


def test_taken_name_gives_both_places(things):
    @things.register("twice", config=Config)
    class First(Thing):
        """First."""

    with pytest.raises(RegistryError) as error:

        @things.register("twice", config=Config)
        class Second(Thing):
            """Second."""

    first = things.get("twice").origin
    second = re.search(r"at (\S+:\d+) is already", str(error.value)).group(1)
    assert str(error.value) == (
        f"thing 'twice' at {second} is already registered at {first}; choose another name"
    )
    assert first != second
    assert things.get("twice").cls is First


def test_the_same_class_again_replaces_itself(things):
    """As a reload of its module does."""
    for _ in range(2):

        @things.register("again", config=Config)
        class Again(Thing):
            """Again."""

    assert things.get("again").cls is Again


def test_registering_leaves_the_class_alone(things):
    class Plain(Thing):
        """Plain."""

    assert things.register("plain", config=Config)(Plain) is Plain


def test_configs_are_frozen_and_refuse_unknown_keys():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Config(sise=2)
    with pytest.raises(ValidationError, match="frozen"):
        Config().size = 2
    assert Config.model_fields["size"].description == "Of the thing."


# --- plugins


class Point:
    """What `importlib.metadata.entry_points` returns."""

    def __init__(self, name, load):
        self.name, self.load = name, load


def test_entry_points_add_entries(cats, monkeypatch):
    def load():
        @cats.register("lion", config=Config)
        class Lion(cats.base):
            """A big cat."""

    points = {"test.cats": [Point("lion", load)]}
    monkeypatch.setattr(zoo.registry, "entry_points", lambda group: points[group])
    assert cats.names() == ["lion", "persian", "tabby_cat"]
    assert cats.broken() == {}


def test_a_broken_entry_point_is_reported_and_never_fatal(cats, monkeypatch):
    def load():
        raise OSError("libcat.so is missing")

    monkeypatch.setattr(zoo.registry, "entry_points", lambda group: [Point("lion", load)])
    assert cats.names() == ["persian", "tabby_cat"]
    assert str(cats.broken()["lion"]) == "libcat.so is missing"
    with pytest.raises(RegistryError) as error:
        cats.get("lion")
    assert str(error.value) == (
        "cat 'lion' comes from a plugin that failed to import: OSError: libcat.so is missing"
    )
    assert isinstance(error.value.__cause__, OSError)


def test_an_entry_point_cannot_take_a_name(cats, monkeypatch):
    def load():
        @cats.register("persian", config=Config)
        class Impostor(cats.base):
            """An impostor."""

    monkeypatch.setattr(zoo.registry, "entry_points", lambda group: [Point("impostor", load)])
    assert cats.get("persian").summary == "A striped cat."
    assert "already registered" in str(cats.broken()["impostor"])


def test_load_plugin_registers(make_package, tmp_path):
    registry = make_package("cats_e")
    (tmp_path / "plugin_ok.py").write_text(
        TABBY.format(package="cats_e", name="tabby", fur="short"), encoding="utf-8"
    )
    load_plugin("plugin_ok")
    assert registry.names() == ["tabby"]
    del sys.modules["plugin_ok"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "plugin 'plugin_bad' failed to import: ModuleNotFoundError: No module named 'plugin_bad'"),
        ("1 / 0", "plugin 'plugin_bad' failed to import: ZeroDivisionError: division by zero"),
        ("def", "plugin 'plugin_bad' failed to import: SyntaxError: "),
        ("raise SystemExit(0)", "plugin 'plugin_bad' failed to import: SystemExit: 0"),
    ],
)
def test_load_plugin_says_why_not(tmp_path, monkeypatch, source, message):
    monkeypatch.syspath_prepend(str(tmp_path))
    if source is not None:
        (tmp_path / "plugin_bad.py").write_text(source, encoding="utf-8")
    with pytest.raises(RegistryError, match=re.escape(message)):
        load_plugin("plugin_bad")
