"""What an evaluation of anybody's files is asked for; `python -m benchmarks.evaluate` fills it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from benchmarks.request.run_request import Settings, Words, check_time_limit, check_workers
from zoo.config import ConfigError
from zoo.registry import EntryConfig


def _folders(given: Any) -> Any:
    """Folders as ``NAME=DIR`` or ``DIR``; in Python and YAML a mapping of names to folders too."""
    if isinstance(given, Mapping):
        return [f"{name}={folder}" for name, folder in given.items()]
    return [str(given)] if isinstance(given, str | Path) else [str(word) for word in given]


Folders = Annotated[tuple[str, ...], BeforeValidator(_folders)]


class EvaluateRequest(EntryConfig):
    """Everything that decides what `python -m benchmarks.evaluate` does, under the names of its options.

    >>> asked = EvaluateRequest(pred={"mine": "out/a"}, gt="data/true")
    >>> asked.pred, asked.protocol
    (('mine=out/a',), 'r3d-v1')
    """

    pred: Folders = Field(min_length=1)
    """Folders of predictions, ``NAME=DIR`` or ``DIR``."""
    gt: Path
    """Folder of the true shapes."""
    protocol: str = "r3d-v1"
    """How they are measured."""
    names: Path | None = None
    """CSV file that says which prediction belongs to which truth; None to pair by name."""
    threshold: float = 0.5
    """Occupancy from which on a predicted cell is inside, for protocols without a rule of their own."""
    val_pred: Folders = ()
    """Predictions of validation shapes, on which the protocol chooses the threshold."""
    val_gt: Path | None = None
    """Folder of the true validation shapes."""
    reference: str | None = None
    """Row that the others are paired with; None for the first."""
    allow_missing: bool = False
    """Leave out true shapes that cannot be read."""
    out: Path = Path("runs/evaluate")
    """Folder of results and tables."""
    formats: Words = ()
    """What is printed and written; none for all."""
    columns: Words = ()
    """Columns of the printed table and of table.tex; none for the protocol's headline."""
    verbose: bool = False
    """Print all tables, with every test and definition."""
    workers: int | None = None
    """Processes that measure; None for one per core, 0 for none."""
    time_limit: float = Field(30.0, allow_inf_nan=True)
    """Minutes that one prediction may be measured; 0 for no limit."""
    force: bool = False
    """Measure again what has a result."""
    overrides: Settings = ()
    """Settings of the protocol as ``key=value``."""
    plugins: Words = ()
    """Modules to import, which register parts."""

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: float) -> float:
        if not 0 < value <= 1:
            raise ConfigError(f"--threshold must lie in (0, 1], got {value:g}")
        return value

    _workers = field_validator("workers")(check_workers)
    _time_limit = field_validator("time_limit")(check_time_limit)
