"""Where cells run: an interface, and a registry that others can add to.

An executor is given works, each one idempotent call (`benchmarks.cells.work`), and runs them wherever it
likes: all that a work needs travels with it by pickle, all that it makes lies in the run's folders. What it
owes in return: a work is begun after the one that it waits for, one that fails costs no other, a signal to
stop reaches whatever runs, and what is said on the way is told in the process of the command.

An executor of your own is one file: subclass `Executor`, register it in `EXECUTORS`, and name it with
``--executor my_package.my_module:MyExecutor``, its settings with ``--set executor.key=value``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cells.events import Tell
from benchmarks.cells.predictor import Predictor, PredictorProcess
from benchmarks.cells.work import Work
from zoo.config import ConfigError, validate
from zoo.registry import Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Place:
    """What an executor has to know of the command.

    Attributes:
        device: that was asked for; 'cuda' without an index stands for every GPU of the machine.
        plugins: modules to import wherever a work runs.
        patience: seconds that a training may go without finishing a step, and a block of predictions without
            being there; None for no limit.
        workers: processes for measuring that were asked for; None for one per core.
    """

    device: torch.device
    plugins: tuple[str, ...] = ()
    patience: float | None = None
    workers: int | None = None


class Executor(ABC):
    """Runs works.

    Attributes:
        threads: torch threads wherever a model computes: sums depend on it in their last bits, so it does not
            depend on how many works there are.
        workers: processes that measure each cell; 0 to measure where the cell runs.
        at_once: works that run at a time on the device.
    """

    threads: int
    workers: int
    at_once: int = 1

    def __init__(self, config: Any, place: Place) -> None:
        self.config, self.place = config, place

    @abstractmethod
    def run(self, works: Sequence[Work], tell: Tell) -> dict[str, Any]:
        """Run all works.

        Returns:
            By key: what each gave, or the exception that it failed with. A work is not there when what it
            waits for failed.

        Raises:
            Stopped: by a signal, after whatever runs has saved its state; a second one ends it at once.
        """

    def predictor(self) -> Predictor:
        """Where what was trained predicts for pictures, once all is measured."""
        return PredictorProcess(self.place.device, self.threads, self.place.plugins, self.place.patience)


EXECUTORS: Registry[Executor] = Registry(
    "executor", Executor, "benchmarks.cells.executors", group="r3d_zoo.executors"
)


def make_executor(name: str, place: Place, settings: dict[str, Any] | None = None) -> Executor:
    """An executor by its name.

    Args:
        settings: of its config, as ``--set executor.key=value`` gives them.

    Raises:
        RegistryError: there is none of this name. ConfigError: a setting that it does not have or take.
    """
    entry = EXECUTORS.get(name)
    given = dict(settings or {})
    if "jobs" in given and "jobs" not in entry.config.model_fields:
        raise ConfigError(
            f"--jobs {given['jobs']} is for --executor local; --executor {entry.name} trains one after the "
            f"other"
        )
    config = validate(entry.config, given, "executor", f"executor '{entry.name}' and --set")
    return entry.cls(config, place)


class Queue:
    """Works that are not begun yet, in their order, and what became of the others.

    Attributes:
        waiting: not begun; found: by key, what each gave or the exception that it failed with.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self.waiting = list(works)
        self.found: dict[str, Any] = {}
        self._left_out: set[str] = set()

    def first(self, fits: Callable[[Work], bool] = lambda work: True) -> Work | None:
        """The first that may begin; None where there is none now. What waits for a failure is left out."""
        for work in list(self.waiting):
            lost = [k for k in work.after if k in self._left_out or isinstance(self.found.get(k), Exception)]
            if lost:
                self._left_out.add(work.key)
                self.waiting.remove(work)
            elif all(key in self.found for key in work.after) and fits(work):
                return work
        return None

    def take(self, fits: Callable[[Work], bool] = lambda work: True) -> Work | None:
        """Take the first work that fits from the queue; None where none does."""
        work = self.first(fits)
        if work is not None:
            self.waiting.remove(work)
        return work
