"""Every example in a docstring runs and gives what it says."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    *(
        "zoo.model.build",
        "zoo.model.reconstructor",
        "zoo.model.decision",
        "zoo.shapes.kinds",
        "zoo.training.checkpoint",
    ),
    *("zoo.types.batch", "zoo.types.latent", "zoo.types.shapes"),
)


@pytest.mark.filterwarnings("ignore::zoo.images.given.OpaquePicture")
@pytest.mark.parametrize("module", MODULES)
def test_examples(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0 and result.failed == 0
