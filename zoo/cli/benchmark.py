"""``r3d-zoo benchmark``: says where the benchmark is; it cannot come with the wheel."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from zoo.cli.console import Verbs, add_verb
from zoo.errors import UserError


class NotHere(UserError):
    """What was asked for is no part of the package."""


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "benchmark", _benchmark, "say how the benchmark is started", **given)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _benchmark(args: argparse.Namespace) -> NoReturn:
    clone = Path(__file__).resolve().parents[2]
    if (clone / "benchmarks" / "run.py").is_file():
        raise NotHere(f"the benchmark is started as a module, from {clone}: python -m benchmarks.run")
    raise NotHere(
        "the benchmark lives in a clone of the repository, beside its data sets, and not in this package; in "
        "the root of the clone: python -m benchmarks.run"
    )
