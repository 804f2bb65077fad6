"""An executor of somebody else's: everything backwards, in this process."""

from dataclasses import replace

from benchmarks.cells.executors import EXECUTORS, Executor
from benchmarks.cells.predictor import PredictorHere
from zoo.registry import EntryConfig


class BackwardsConfig(EntryConfig):
    """How it speaks."""

    shout: bool = False
    """In capitals."""


@EXECUTORS.register("backwards", config=BackwardsConfig)
class Backwards(Executor):
    """The last work first."""

    threads = workers = 1

    def run(self, works, tell):
        def loudly(event):
            tell(replace(event, label=event.label.upper()) if self.config.shout else event)

        here = PredictorHere(self.place.device)
        return {work.key: work.run(self.place.device, loudly, here) for work in reversed(works)}
