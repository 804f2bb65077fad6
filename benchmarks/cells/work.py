"""The unit of work: one cell from nothing to its record, in one call that does what is missing and no more.

This is what an executor runs, in this process, another one or on another machine that sees the same folders.
Whoever calls it twice, or at the same time, gets one result: a cell is held while it is worked on, and what
is there already is not made again. A call that was killed goes on where it stood: a training at its last
checkpoint, a measurement at its last instance.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.cells.cell import ControlCell, ModelCell, hold_result, waited_for
from benchmarks.cells.events import Event, Tell
from benchmarks.cells.predictor import Predictor
from benchmarks.cells.rows import Row, control_row, model_row, vectors_file
from benchmarks.cells.session import Session
from benchmarks.records.making import make_record
from benchmarks.records.storage import save
from benchmarks.scoring.journal import JOURNAL
from benchmarks.scoring.score import score
from zoo.files import sweep, write_atomic
from zoo.system.locks import OnWait
from zoo.system.source import require_code
from zoo.training.report import TrainReport
from zoo.training.trackers import make_tracker
from zoo.training.trainer import train

if TYPE_CHECKING:
    import torch

    from benchmarks.controls.features import Feature


class CellDied(RuntimeError):
    """A cell has no result because a process ended without a word or was ended; the message says how."""


class Work(ABC):
    """Something that an executor runs; picklable."""

    @property
    @abstractmethod
    def key(self) -> str:
        """What names it among all that runs together."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What messages call it."""

    @property
    def after(self) -> tuple[str, ...]:
        """Keys of what has to be done before. Where one of them fails, this is left out."""
        return ()

    @property
    def on_device(self) -> bool:
        """Whether it computes on the device that it is given; for others a core is enough."""
        return True

    @property
    def shares(self) -> bool:
        """Whether it may run in a process in which others ran: not where its peak of memory is measured."""
        return False

    @abstractmethod
    def run(self, device: torch.device, tell: Tell, predictor: Predictor) -> Any:
        """Do it, in whichever process; what is given back is picklable.

        Args:
            predictor: where what is trained predicts, on the same device.
        """


@dataclass(frozen=True)
class CellWork(Work):
    """One cell: trained where it has to be, predicted, its threshold chosen, scored and recorded.

    Attributes:
        workers: processes that measure; 0 to measure in the one that runs this.
        limit: seconds that measuring one prediction may take; None for no limit.
        waits_for: keys of the works whose weights or vectors this one needs.
    """

    session: Session
    cell: ModelCell | ControlCell
    workers: int = 1
    limit: float | None = None
    waits_for: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The hash of the cell."""
        return self.cell.hash

    @property
    def label(self) -> str:
        """Name, and the seed of a model."""
        return self.cell.label

    @property
    def after(self) -> tuple[str, ...]:
        """The works whose weights or vectors this one needs."""
        return self.waits_for

    @property
    def on_device(self) -> bool:
        """A control looks at pixels, unless it describes pictures by a network."""
        return isinstance(self.cell, ModelCell) or bool(self.cell.control.identity)

    @property
    def shares(self) -> bool:
        """Controls do: what they read of the training split is made once."""
        return isinstance(self.cell, ControlCell)

    def run(self, device: torch.device, tell: Tell, predictor: Predictor) -> None:
        """Make the result, where there is none yet.

        Raises:
            CellDied: predicting or measuring failed; says how.
            TruthError, MeasuringError: measuring failed by no prediction's fault.
        """
        session, cell = self.session, self.cell
        folder = session.results.folder(cell.hash)

        def on_wait(path: Path) -> None:
            tell(Event("waiting", self.label, waited_for(path)))

        with hold_result(folder, on_wait):
            if session.results.find(cell.hash) is not None:  # another command was quicker
                return
            if isinstance(cell, ModelCell):
                row = model_row(session, cell, train_cell(session, cell, device, tell, on_wait), predictor)
            else:
                row = control_row(session, cell)
            self._measure(row, folder, tell)

    def _measure(self, row: Row, folder: Path, tell: Tell) -> None:
        key, session = self.key, self.session
        journal = folder / JOURNAL
        scores = score(
            {key: row.predictions},
            session.truths("test"),
            session.protocol,
            {key: row.level},
            workers=self.workers,
            progress=lambda done, total: tell(Event("measuring", self.label, done=done, total=total)),
            journals={key: journal},
            limit=self.limit,
            weights={} if row.weights is None else {key: row.weights},
        )
        if key in scores.died:
            raise CellDied(scores.died[key])
        record = make_record(
            rows=scores.rows[key],
            threshold=row.threshold,
            iou_curve=scores.iou_curve[key],
            hints=scores.hints[key],
            cell=key,
            **session.facts(self.cell),
            **row.facts(),
        )
        save(record, scores.rows[key], folder)
        if isinstance(self.cell, ModelCell):
            session.decide(self.cell)
        journal.unlink(missing_ok=True)
        sweep(folder)


@dataclass(frozen=True)
class DescribeWork(Work):
    """One part of the training pictures, described by a network for the controls that compare by it.

    Describing all of them takes longer than measuring the controls, and every slot can do its part.
    """

    session: Session
    feature: Feature
    part: int
    parts: int
    waits_for: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The file that it makes."""
        return str(vectors_file(self.session, self.feature, self.part, self.parts))

    @property
    def label(self) -> str:
        """The feature, and which part."""
        return f"pictures by {self.feature.name} ({self.part + 1} of {self.parts})"

    @property
    def after(self) -> tuple[str, ...]:
        """The model whose latent it is."""
        return self.waits_for

    @property
    def shares(self) -> bool:
        """Whether it may run where controls do: they compare by it."""
        return True

    def run(self, device: torch.device, tell: Tell, predictor: Predictor) -> None:
        """Describe them, where nobody has."""
        file = Path(self.key)
        if not file.exists():
            found = self.session.training().describe_part(self.feature.describe, self.part, self.parts)
            buffer = io.BytesIO()
            np.save(buffer, found)
            write_atomic(file, buffer.getvalue())


def train_cell(
    session: Session, cell: ModelCell, device: torch.device, tell: Tell, on_wait: OnWait | None = None
) -> TrainReport:
    """Train a model, or go on where its training stopped, or return at once when it is done.

    Raises:
        as `zoo.training.trainer.train`; and where the code of a part is another than the command began with.
    """

    def on_step(done: int, steps: int, figures: dict[str, float]) -> None:
        tell(Event("training", cell.label, done=done, total=steps, figures=figures))

    require_code(cell.code, cell.config)
    source = session.training_split(cell.config)
    named = None if session.request is None else session.request.tracker
    return train(
        cell.config,
        source,
        cell.run_dir,
        seed=cell.seed,
        device=device,
        validation=session.validation_split(cell.config),
        trackers=[] if named is None else [make_tracker(named, cell.run_dir)],
        on_step=on_step,
        on_wait=on_wait,
    )
