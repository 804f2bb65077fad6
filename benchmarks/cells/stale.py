"""Results and weights that were made by other code than there is now; they are named, never passed over.

Code that is not of this project tells cells and trainings apart: edited, it gets new ones. Ours does not,
since a version would then lose every result; so that a result or weights may be older than the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.session import Session
from benchmarks.records.schema import Record, Rows
from zoo.config import ModelConfig
from zoo.system.source import changed, parts_of
from zoo.training.checkpoint import CheckpointError, checkpoints, load_state


def stale_results(results: Iterable[tuple[Record, Rows]], configs: Sequence[ModelConfig]) -> list[str]:
    """A sentence for each model whose numbers were made by other code of its parts."""
    parts = {config.name: parts_of(config) for config in configs}
    notes = [
        f"The code of {' and '.join(names)} has changed since {record.name} was trained; --force trains it "
        f"again."
        for record, _ in results
        if record.name in parts and (names := changed(record.code, parts[record.name]))
    ]
    return list(dict.fromkeys(notes))


def stale_weights(plan: Mapping[Session, Sequence[ModelCell]]) -> Iterator[str]:
    """A sentence for each training by other code that will be gone on with, or measured."""
    cells = [(s, cell) for s, own in plan.items() for cell in own if s.results.find(cell.hash) is None]
    for cell in {cell.label: cell for _, cell in cells}.values():
        found = checkpoints(cell.run_dir)
        try:
            state = load_state(found[-1]) if found else None
        except CheckpointError:  # said by the training, which reads the whole of it
            continue
        if state is not None and (names := changed(state.code, parts_of(cell.config))):
            steps = cell.config.train.steps
            goes = "is measured" if state.step >= steps else f"goes on from step {state.step:,}"
            yield (
                f"the code of {' and '.join(names)} has changed since {cell.label} was trained; it {goes} by "
                f"the code as it is now. --force trains it again"
            )
