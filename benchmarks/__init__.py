"""The benchmark: protocols, controls, statistics, results and the table. Imports `datasets` and `zoo`.

    import benchmarks
    comparison = benchmarks.run(models="r3d,vae_gan_baseline", seeds=3)
    comparison = benchmarks.evaluate(pred={"mine": "out/mine"}, gt="data/true_meshes")
    comparison = benchmarks.score(my_function, dataset="procedural", protocol="r3d-v1")

`run` and `evaluate` are modules too, for their command lines: ``python -m benchmarks.run``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.guard import check_datasets_package

check_datasets_package()  # before any module here imports it

_HOME = {
    "Comparison": "benchmarks.statistics.comparison",
    "EvaluateRequest": "benchmarks.request.evaluate_request",
    "Event": "benchmarks.cells.events",
    "RunRequest": "benchmarks.request.run_request",
    "score": "benchmarks.driver.scoring",
}

__all__ = sorted([*_HOME, "evaluate", "run"])

if TYPE_CHECKING:
    from benchmarks.cells.events import Event as Event
    from benchmarks.driver import run as run
    from benchmarks.driver.evaluation import evaluate as evaluate
    from benchmarks.driver.scoring import score as score
    from benchmarks.request.evaluate_request import EvaluateRequest as EvaluateRequest
    from benchmarks.request.run_request import RunRequest as RunRequest
    from benchmarks.statistics.comparison import Comparison as Comparison


def __getattr__(name: str) -> Any:
    if name in ("evaluate", "run"):
        return import_module(f"benchmarks.{name}")  # which can be called
    if name not in _HOME:
        raise AttributeError(f"module 'benchmarks' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
