"""Comparisons of all that lies in a store: what may share a table is compared, nothing else is.

One table for each protocol with its settings, preset, data set, split, views and set of instances, because
`benchmarks.statistics.compatible` refuses everything else. Within one, a model that was trained with
several configs is as many rows, told apart by the beginning of a hash; of one config and seed the newest
result counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.protocols import PROTOCOLS, Protocol
from benchmarks.records.identity import canonical_json
from benchmarks.records.schema import Record, ResultError
from benchmarks.results.find import Stored
from benchmarks.statistics.comparison import Comparison, compare
from benchmarks.statistics.compatible import seedless
from zoo.registry import RegistryError


@dataclass(frozen=True)
class Table:
    """What may stand in one table, under a title; without a comparison it says why not."""

    title: str
    comparison: Comparison | None
    why: str = ""


def leaderboard(results: Sequence[Stored], resamples: int = 10_000) -> Iterator[Table]:
    """A table for each group that holds a model or somebody's predictions."""
    groups: dict[tuple[str, ...], list[Stored]] = {}
    for one in results:
        groups.setdefault(_group(one.record), []).append(one)
    for key, own in sorted(groups.items()):
        if all(one.record.kind == "control" for one in own):
            continue
        title = ", ".join(key[:6])
        try:
            protocol = protocol_of(own[0].record)
            named = [(one.record, one.rows) for one in _told_apart(_newest(own))]
            yield Table(title, compare(named, protocol, resamples=resamples))
        except (ResultError, RegistryError) as error:
            yield Table(title, None, str(error))


def protocol_of(record: Record) -> Protocol:
    """The protocol that a record was measured by, with its settings.

    Raises:
        RegistryError: it is not registered.
        ResultError: its version, or a setting that cannot be chosen, is another one now.
    """
    info = record.protocol
    entry = PROTOCOLS.get(info.id.partition(" ")[0])
    fields = {name: info.settings[name] for name in entry.config.model_fields if name in info.settings}
    try:
        protocol = entry.cls(entry.config.model_validate(fields))
    except ValueError as error:
        raise ResultError(f"the settings of {info.id} are none that it takes now: {error}") from error
    now = (protocol.id, protocol.version, canonical_json(protocol.settings))
    if now != (info.id, info.version, canonical_json(info.settings)):
        raise ResultError(
            f"measured by {info.id} version {info.version}, which is version {protocol.version} now or has "
            f"other settings; measure again"
        )
    return protocol


def _group(record: Record) -> tuple[str, ...]:
    data, protocol = record.dataset, record.protocol
    extent = "whole split" if data.whole is None else f"limited to {data.n:,} of {data.whole:,}"
    return (
        f"{data.name} {data.version}",
        f"{data.split} split",
        f"{protocol.id} version {protocol.version}",
        f"preset {record.preset}",
        data.views,
        extent,
        data.fingerprint,
        canonical_json(protocol.settings),
    )


def _newest(results: Sequence[Stored]) -> list[Stored]:
    """The newest result of each row and seed."""
    found: dict[tuple[Any, ...], Stored] = {}
    for one in sorted(results, key=lambda one: (one.record.date, one.record.cell)):
        found[*_row(one.record), one.record.seed] = one
    return list(found.values())


def _told_apart(results: Sequence[Stored]) -> list[Stored]:
    """Rows of one name with several configs get the beginning of a hash beside it."""
    rows = dict.fromkeys(_row(one.record) for one in results)
    names = Counter(name for _, name, _ in rows)
    first: dict[tuple[str, str, str], str] = {}
    for one in sorted(results, key=lambda one: one.record.cell):
        first.setdefault(_row(one.record), one.record.cell[:6])

    def told(one: Stored) -> Stored:
        name = one.record.name
        if names[name] < 2:
            return one
        other = f"{name} ({first[_row(one.record)]})"
        return Stored(one.folder, one.record.model_copy(update={"name": other}), one.rows)

    return [told(one) for one in results]


def _row(record: Record) -> tuple[str, str, str]:
    return record.kind, record.name, canonical_json(seedless(record.config))
