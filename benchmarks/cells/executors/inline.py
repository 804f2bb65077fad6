"""One work after the other in the process of the command, unprotected: for debugging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cells.events import Tell
from benchmarks.cells.executors import EXECUTORS, Executor, Place, Queue
from benchmarks.cells.predictor import Predictor, PredictorHere
from benchmarks.cells.work import Work
from zoo.cli.command import Stopped
from zoo.registry import EntryConfig
from zoo.system.processes import asked_threads, available_cores
from zoo.training.interrupt import Interrupted


class InlineConfig(EntryConfig):
    """There is nothing to choose."""


@EXECUTORS.register("inline", config=InlineConfig)
class Inline(Executor):
    """One work after the other, in this process: a crash ends the command."""

    def __init__(self, config: InlineConfig, place: Place) -> None:
        super().__init__(config, place)
        cores = available_cores()
        self.threads = asked_threads() or cores
        self.workers = cores if place.workers is None else place.workers

    def run(self, works: Sequence[Work], tell: Tell) -> dict[str, Any]:
        """See `Executor.run`."""
        queue, predictor = Queue(works), self.predictor()
        while work := queue.take():
            try:
                queue.found[work.key] = work.run(self.place.device, tell, predictor)
            except Interrupted as stop:
                raise Stopped(stop.number) from None
            except Exception as error:  # it costs its own row
                queue.found[work.key] = error
        return queue.found

    def predictor(self) -> Predictor:
        """This process."""
        return PredictorHere(self.place.device)
