"""What a run is asked for: the command line fills it, the record keeps it, `repro` reads it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_serializer, field_validator

from benchmarks.request.numbers import parse_seeds, parse_views
from benchmarks.request.settings import patience
from zoo.config import ConfigError, parse_overrides
from zoo.registry import EntryConfig


def words_of(given: Any) -> Any:
    """A comma-separated text as a list; anything else as it is."""
    if not isinstance(given, str):
        return given
    return [word for word in (part.strip() for part in given.split(",")) if word]


def settings_of(given: Any) -> Any:
    """A mapping of settings, nested or dotted, as ``key.path=value`` texts; anything else as it is."""
    if isinstance(given, str):
        return [given]
    return list(_flat("", given)) if isinstance(given, Mapping) else given


def _flat(path: str, given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _flat(name, value)
        else:
            yield f"{name}={json.dumps(value)}"  # JSON is YAML


def check_workers(value: int | None) -> int | None:
    """Refuse a number of processes that cannot be meant."""
    if value is not None and value < 0:
        raise ConfigError(f"--workers must be 0 (measure in this process) or more, got {value}")
    return value


def check_time_limit(value: float) -> float:
    """Refuse minutes that cannot be meant."""
    patience(value)
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(words_of)]
Settings = Annotated[tuple[str, ...], BeforeValidator(settings_of)]


class RunRequest(EntryConfig):
    """Everything that decides what `python -m benchmarks.run` does, each under the name of its option.

    >>> asked = RunRequest(models="r3d, vae_gan_baseline", seeds=3, overrides={"train": {"steps": 800}})
    >>> asked.models, asked.seeds, asked.overrides
    (('r3d', 'vae_gan_baseline'), (0, 1, 2), ('train.steps=800',))
    >>> asked.command()
    'python -m benchmarks.run --seeds 3 --set train.steps=800'
    >>> RunRequest.model_validate(asked.model_dump(mode="json")) == asked
    True
    """

    models: Words = ("r3d", "vae_gan_baseline")
    """Names, shell patterns, paths of YAML files, or 'all'."""
    dataset: str = "procedural"
    """Data set, as `python -m datasets list` shows them."""
    data_root: Path | None = None
    """Folder of the data set's files; of a generated one, where to keep it."""
    categories: Words = ()
    """Some categories only; none for all."""
    allow_missing: bool = False
    """Go on without items of the data set that cannot be read."""
    allow_leaks: bool = False
    """Measure on test shapes that training or validation holds too."""
    preset: str = "quick"
    """Sizes and steps: quick, standard or paper."""
    protocol: str = "r3d-v1"
    """How predictions are measured."""
    seeds: Annotated[tuple[int, ...], BeforeValidator(parse_seeds)] = (0,)
    """Seeds of the trainings; a number N stands for 0 to N-1."""
    views: Annotated[tuple[int, ...], BeforeValidator(parse_views)] = (1,)
    """Pictures of each shape that models of several views are measured from; the fewest make the table."""
    reference: str | None = None
    """Model that the others are paired with; None for r3d, or the first."""
    retrieval_backbone: str | None = None
    """timm network by whose features controls compare pictures too; None for one whose weights are there."""
    out: Path = Path("runs")
    """Folder of runs, results and tables."""
    formats: Words = ()
    """What is printed and written; none for all."""
    columns: Words = ()
    """Columns of the printed table and of table.tex; none for the protocol's headline."""
    tracker: str | None = None
    """Where trainings report to besides their logs: tensorboard, or ``module:function``, see
    `zoo.training.trackers`."""
    init_from: str | None = None
    """Checkpoint or run folder whose weights the trainings start from, for every part that fits."""
    verbose: bool = False
    """Print all tables, with every test and definition."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    executor: str = "local"
    """Where cells run: local, inline, or ``module:Class``."""
    jobs: int | None = None
    """Cells that run at a time; None for one per GPU, 2 on a CPU."""
    workers: int | None = None
    """Processes for data and measuring; None for one per core, 0 for none."""
    time_limit: float = Field(30.0, allow_inf_nan=True)
    """Minutes that a step, a block of predictions or a measurement may take; 0 for no limit."""
    overrides: Settings = ()
    """Settings as ``key.path=value``; in Python and YAML a mapping too."""
    plugins: Words = ()
    """Modules to import, which register parts."""
    limit: int | None = None
    """Measure on so many test instances only; None for all."""
    force: bool = False
    """Train and measure again what is already there."""
    only_cache: bool = False
    """Make nothing: the table of the results that are there."""

    _workers = field_validator("workers")(check_workers)
    _time_limit = field_validator("time_limit")(check_time_limit)

    @field_validator("limit")
    @classmethod
    def _limit(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ConfigError(f"--limit must be at least 1, got {value}")
        return value

    @field_serializer("data_root", "out", when_used="json")
    def _text(self, path: Path | None) -> str | None:
        return None if path is None else str(path)

    @property
    def settings(self) -> list[str]:
        """All settings that differ from the preset's, the categories among them."""
        chosen = [f"data.categories={','.join(self.categories)}"] if self.categories else []
        start = [] if self.init_from is None else [f"train.init_from={json.dumps(self.init_from)}"]
        return [*chosen, *start, *(text for text in self.overrides if not text.startswith("executor."))]

    @property
    def executor_settings(self) -> dict[str, Any]:
        """Settings of the executor, ``--jobs`` among them."""
        own = [text for text in self.overrides if text.startswith("executor.")]
        found: dict[str, Any] = parse_overrides(own).get("executor", {})
        return found if self.jobs is None else {"jobs": self.jobs, **found}

    def narrowed(self, model: str, seed: int, views: int) -> RunRequest:
        """What makes one cell of this request."""
        return self.model_copy(
            update={
                "models": (model,),
                "seeds": (seed,),
                "views": (views,),
                "reference": None,
                "formats": (),
                "columns": (),
                "tracker": None,
                "verbose": False,
                "force": False,
                "only_cache": False,
            }
        )

    def command(self) -> str:
        """The command line that asks for the same, without what is so by default."""
        words = ["python", "-m", "benchmarks.run"]
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value == field.default:
                continue
            flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
            if value is True:
                words.append(flag)
            elif name in REPEATED:
                words += [word for one in value for word in (flag, one)]
            else:
                words += [flag, _word(name, value)]
        return shlex.join(words)


FLAGS = {"formats": "--format", "overrides": "--set", "plugins": "--plugin"}
"""Options that are not called as their field is."""
REPEATED = ("overrides", "plugins")
"""Fields whose option is given once for each value."""


def _word(name: str, value: Any) -> str:
    if name == "seeds" and value == tuple(range(len(value))):
        return str(len(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value)) + ("," if name == "seeds" and len(value) == 1 else "")
    return f"{value:g}" if isinstance(value, float) else str(value)
