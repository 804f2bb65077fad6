"""A record of what was just measured: counts of its rows, and where, when and by which versions they came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks.protocols import Protocol, ThresholdChoice
from benchmarks.records import environment
from benchmarks.records.schema import ProtocolInfo, Record, Rows, Threshold
from zoo.metrics.neighbours import active_backend


def describe_protocol(protocol: Protocol) -> ProtocolInfo:
    """A protocol as records name it."""
    return ProtocolInfo(id=protocol.id, version=protocol.version, settings=protocol.settings)


def make_record(*, rows: Rows, threshold: ThresholdChoice | float | None, **fields: Any) -> Record:
    """A record of rows that this command measured.

    Args:
        threshold: as it was chosen on validation instances, or given by somebody; None where nothing is
            thresholded.
        fields: all others of `Record`.
    """
    chosen = None
    if isinstance(threshold, ThresholdChoice):
        chosen = Threshold(value=threshold.value, chosen=threshold.rule)
    elif threshold is not None:
        chosen = Threshold(value=threshold, chosen="given, not chosen on any data")
    return Record(
        threshold=chosen,
        n=len(rows),
        n_failed=sum(row["failed"] for row in rows),
        versions=environment.versions(),
        git=environment.git(),
        neighbours=active_backend().name,
        date=datetime.now(UTC).replace(microsecond=0),
        **fields,
    )
