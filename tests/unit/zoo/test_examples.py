"""Every public name has an example in its docstring, which runs and gives what it says."""

import doctest
import inspect
from importlib import import_module

import pytest

import zoo

HOMES = sorted(
    {vars(zoo)["_HOME"][name] for name in zoo.__all__} | {getattr(zoo, n).__module__ for n in zoo.__all__}
)
"""Modules that say where public names live, and those that define them."""


@pytest.mark.parametrize("name", zoo.__all__)
def test_a_public_name_has_an_example(name):
    assert ">>> " in (inspect.getdoc(getattr(zoo, name)) or ""), f"zoo.{name}: no example in its docstring"


@pytest.mark.filterwarnings("ignore::zoo.images.given.OpaquePicture")
@pytest.mark.parametrize("module", HOMES)
def test_examples(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(import_module(module), optionflags=flags).failed == 0
