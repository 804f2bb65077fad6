"""What was measured of a cell, noted in its checkpoint, so that whoever loads the weights knows it."""

from __future__ import annotations

from benchmarks.cells.cell import ModelCell
from benchmarks.protocols import Protocol
from benchmarks.records.schema import Record, Rows, metric_names
from zoo.model.decision import Decision
from zoo.training.checkpoint import checkpoints, load_config_of
from zoo.training.decisions import read_decisions, write_decision
from zoo.training.integrity import weights_sum


def keep_decision(cell: ModelCell, record: Record, rows: Rows, protocol: Protocol, views: int) -> bool:
    """Note a result in the checkpoint that it was measured with, unless it is noted already.

    Nothing is noted where the checkpoint is gone, was written after the result (other weights may have been
    trained since), or refines its weights on a picture otherwise than the cell: loaded, it would predict
    something else than was measured.

    Args:
        protocol: under which it was measured.
        views: pictures of each shape that its prediction was made from.

    Returns:
        Whether the checkpoint holds it now.

    Raises:
        zoo.training.integrity.CheckpointError: what is noted already cannot be read.
        zoo.files.WriteError: the checkpoint cannot be written to.
    """
    found = checkpoints(cell.run_dir)
    if not found or record.kind != "model" or record.seed is None:
        return False
    checkpoint, weights = found[-1], found[-1] / "model.safetensors"
    # the date of a record is cut to seconds
    if not weights.is_file() or weights.stat().st_mtime >= record.date.timestamp() + 1:
        return False
    if load_config_of(checkpoint).refine != cell.config.refine:
        return False
    if any(each.cell == record.cell for each in read_decisions(checkpoint)):
        return True
    fixed = protocol.level is not None
    decision = Decision(
        cell=record.cell,
        weights=weights_sum(checkpoint),
        model=record.name,
        seed=record.seed,
        preset=record.preset,
        protocol=record.protocol.id,
        protocol_version=record.protocol.version,
        dataset=record.dataset.name,
        dataset_version=record.dataset.version,
        data=record.dataset.fingerprint,
        split=record.dataset.split,
        views=views,
        n=record.n,
        whole=record.dataset.whole,
        n_failed=record.n_failed,
        threshold=None if record.threshold is None else record.threshold.value,
        chosen_by=None if record.threshold is None else "protocol" if fixed else "validation",
        rule="" if record.threshold is None else record.threshold.chosen,
        metrics=_means(rows),
        date=record.date,
    )
    write_decision(checkpoint, decision)
    return True


def _means(rows: Rows) -> dict[str, float]:
    """Mean of each metric over the instances where it is defined; failures count with the worst value."""
    values = {name: [row[name] for row in rows if row[name] is not None] for name in metric_names(rows)}
    return {name: sum(given) / len(given) for name, given in values.items() if given}
