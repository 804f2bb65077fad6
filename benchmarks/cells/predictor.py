"""Where models predict: a process of its own, which one of them may crash, hang or leave.

What predicts is made there by a recipe, at the first question, and lives as long as its recipe lives here.
Whatever goes wrong is one `PredictionFailed`: an error, a process that ended, an answer that never came. It
costs the recipe that was asked; the others are made anew, in a new process where the old one is gone.
"""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from benchmarks.cells.child import ended, minutes, portable, settle
from zoo.errors import UserError
from zoo.registry import load_plugin

if TYPE_CHECKING:
    import torch


class PredictionFailed(UserError):
    """A model that gave no usable prediction; the message says of which picture, and how."""


class Recipe(ABC):
    """How to make something that predicts, in whichever process; picklable, compared by identity."""

    @abstractmethod
    def make(self, device: torch.device) -> Any:
        """What is asked later: its methods are the questions."""


class Predictor(ABC):
    """Whom predictions are asked from."""

    def __init__(self) -> None:
        # without tracebacks, whose frames would keep this object, and with it its process
        self._failed: weakref.WeakKeyDictionary[Recipe, tuple[str, Exception | None]]
        self._failed = weakref.WeakKeyDictionary()

    def ask(self, recipe: Recipe, doing: str, method: str, *arguments: Any) -> Any:
        """What a method of the thing that a recipe makes gives.

        Args:
            doing: for messages, like "r3d predicted 'chair/3'".
            arguments: picklable, as is the answer.

        Raises:
            PredictionFailed: now, or whenever this recipe was asked before: it is not asked again.
        """
        if recipe not in self._failed:
            try:
                return self._ask(recipe, doing, method, *arguments)
            except _Gone as gone:
                self._failed[recipe] = f"{gone} while {doing}", None
            except Exception as error:
                said = f"{type(error).__name__} while {doing}: {error}"
                self._failed[recipe] = said, error.with_traceback(None)
        said, cause = self._failed[recipe]
        raise PredictionFailed(said) from cause

    @abstractmethod
    def _ask(self, recipe: Recipe, doing: str, method: str, *arguments: Any) -> Any: ...


class PredictorHere(Predictor):
    """Predicts in this process, which is the command's own or that of one cell.

    Args:
        on_ask: called with what is done before each question, and with nothing once it is answered.
    """

    def __init__(self, device: torch.device, on_ask: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.device, self._on_ask = device, on_ask or (lambda doing: None)
        self._made: weakref.WeakKeyDictionary[Recipe, Any] = weakref.WeakKeyDictionary()

    def _ask(self, recipe: Recipe, doing: str, method: str, *arguments: Any) -> Any:
        self._on_ask(doing)
        try:
            if recipe not in self._made:
                self._made[recipe] = recipe.make(self.device)
            return getattr(self._made[recipe], method)(*arguments)
        finally:
            self._on_ask("")


class PredictorProcess(Predictor):
    """Predicts in a process of its own, started at the first question and ended with this object.

    Args:
        threads: torch threads, as of the trainings.
        plugins: modules that register parts.
        patience: seconds that an answer may take; None for no limit.
    """

    def __init__(
        self,
        device: torch.device,
        threads: int,
        plugins: Sequence[str] = (),
        patience: float | None = None,
    ) -> None:
        super().__init__()
        self.patience = patience
        self._start = (str(device), threads, tuple(plugins))
        self._child: _Child | None = None
        self._numbers = itertools.count()
        self._number: weakref.WeakKeyDictionary[Recipe, int] = weakref.WeakKeyDictionary()
        self._dropped: list[int] = []
        """Numbers of recipes that are gone here; told to the child with the next question."""

    def _ask(self, recipe: Recipe, doing: str, method: str, *arguments: Any) -> Any:
        if recipe not in self._number:
            self._number[recipe] = next(self._numbers)
            weakref.finalize(recipe, self._dropped.append, self._number[recipe])
        if self._child is None:
            self._child = _Child(self._start)
        child, number = self._child, self._number[recipe]
        dropped, self._dropped[:] = list(self._dropped), []
        try:
            wanted = None if number in child.made else recipe
            good, answer = child.answer((dropped, number, wanted, method, arguments), self.patience)
        except BaseException:  # dead, late, or left in the middle of an answer by a signal
            self._child = None
            child.end()
            raise
        if not good:
            raise answer
        child.made.add(number)
        return answer


class _Gone(Exception):
    """The process ended, or was ended; the message says how."""


class _Child:
    """The process and its line.

    Attributes:
        made: numbers of the recipes that it has followed.
    """

    def __init__(self, start: tuple[str, int, tuple[str, ...]]) -> None:
        self.made: set[int] = set()
        self.line, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=_serve, args=(theirs, *start), name="predictor", daemon=True)
        self.process.start()
        theirs.close()
        self.end: Callable[[], object] = weakref.finalize(self, _end, self.process, self.line)

    def answer(self, question: Any, patience: float | None) -> tuple[bool, Any]:
        """Whether it went well, and what came back.

        Raises:
            _Gone: nothing came back.
        """
        try:
            self.line.send(question)
            if not self.line.poll(patience):
                assert patience is not None
                raise _Gone(f"no answer for {minutes(patience)}")
            good, answer = self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            raise _Gone(ended(self.process)) from None
        return good, answer


def _end(process: BaseProcess, line: Connection) -> None:
    line.close()
    process.kill()  # it keeps nothing, and may be stuck where nothing else reaches it
    process.join()


def _serve(line: Connection, device: str, threads: int, plugins: Sequence[str]) -> None:
    own = settle(device, threads)
    made: dict[int, Any] = {}
    loaded = False
    while True:
        try:
            dropped, number, recipe, method, arguments = line.recv()
        except (EOFError, OSError):
            return
        for gone in dropped:
            made.pop(gone, None)
        try:
            if not loaded:
                for module in plugins:
                    load_plugin(module)
                loaded = True
            if recipe is not None:
                made[number] = recipe.make(own)
            # by value: what torch sends otherwise goes through /dev/shm, which a container may not have
            answer = pickle.dumps((True, getattr(made[number], method)(*arguments)))
        except Exception as error:  # travels to the parent, where it costs this recipe
            answer = pickle.dumps((False, portable(error)))
        line.send_bytes(answer)
