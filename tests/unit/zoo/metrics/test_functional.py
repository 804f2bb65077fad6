"""The examples of the metric functions, and that all of them can be had from one place."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

from zoo.metrics import functional

MODULES = ("chamfer", "emd", "fscore", "functional", "iou")


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(f"zoo.metrics.{name}"))
    assert found.attempted > 0 and found.failed == 0


def test_every_function_of_the_metrics_is_there_with_an_example():
    functions = {name: f for name in functional.__all__ if inspect.isfunction(f := getattr(functional, name))}
    assert set(functions) == {"chamfer", "emd", "fscore", "iou", "iou_curve"}
    assert all(">>> " in (f.__doc__ or "") for f in functions.values())
