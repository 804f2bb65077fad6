"""What may stand in one table: one protocol, preset and data set, every seed once; the rest is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.protocols import Protocol
from benchmarks.records.identity import canonical_json
from benchmarks.records.schema import DatasetInfo, Record, ResultError, Rows
from benchmarks.statistics.rows import Instance


def refuse_mixtures(records: Sequence[Record], protocol: Protocol) -> None:
    """One protocol, preset and data set, or an error that names who differs."""

    def must_agree(what: str, mend: str, of: Callable[[Record], str]) -> None:
        found: dict[str, list[str]] = {}
        for record in records:
            found.setdefault(of(record), []).append(_who(record))
        if len(found) > 1:
            parts = "; ".join(f"{value}: {', '.join(dict.fromkeys(who))}" for value, who in found.items())
            raise ResultError(f"results of different {what} cannot share a table ({parts}); {mend}")

    mend = "make one table for each"
    must_agree("protocols", mend, lambda r: f"{r.protocol.id} version {r.protocol.version}")
    must_agree("protocol settings", mend, lambda r: canonical_json(r.protocol.settings))
    must_agree("presets", mend, lambda r: r.preset)
    must_agree("data", mend, lambda r: f"{r.dataset.name} {r.dataset.version}, {r.dataset.split}")
    must_agree("views", mend, lambda r: r.dataset.views)
    must_agree("sets of instances", mend, lambda r: limited(r.dataset) or "the whole split")
    must_agree(
        "data fingerprints",
        "the shapes, their preparation or the split changed: run the older ones again",
        lambda r: r.dataset.fingerprint,
    )
    info = records[0].protocol
    if (info.id, info.version) != (protocol.id, protocol.version):
        raise ResultError(
            f"results of {info.id} version {info.version} cannot be shown as {protocol.id} version "
            f"{protocol.version}; make a table of the protocol that they were measured by"
        )
    if canonical_json(info.settings) != canonical_json(protocol.settings):
        raise ResultError(
            f"results of {info.id} measured with {canonical_json(info.settings)} cannot be shown as the same "
            f"protocol with {canonical_json(protocol.settings)}; make a table of the settings that they were "
            f"measured with"
        )


def limited(info: DatasetInfo) -> str:
    """How many instances were measured where they are not the whole split; nothing where they are."""
    return "" if info.whole is None else f"limited to {info.n:,} of {info.whole:,} instances"


def _who(record: Record) -> str:
    return record.name if record.seed is None else f"{record.name} seed {record.seed}"


def group_seeds(results: Sequence[tuple[Record, Rows]]) -> dict[str, list[tuple[Record, Rows]]]:
    """Results by name, seeds ascending.

    Raises:
        ResultError: a seed twice, or one name for different configs or kinds.
    """
    groups: dict[str, list[tuple[Record, Rows]]] = {}
    for record, rows in results:
        groups.setdefault(record.name, []).append((record, rows))
    for name, members in groups.items():
        seeds = [record.seed for record, _ in members]
        if len(set(seeds)) != len(seeds):
            raise ResultError(
                f"'{name}' occurs twice with seed {next(s for s in seeds if seeds.count(s) > 1)}"
            )
        if len({canonical_json(seedless(record.config)) for record, _ in members}) > 1:
            raise ResultError(
                f"the seeds of '{name}' were trained with different configs; give them two names"
            )
        if len({record.kind for record, _ in members}) > 1:
            raise ResultError(f"'{name}' is the name of a model and of a control")
        members.sort(key=lambda member: member[0].seed or 0)
    return groups


def seedless(config: Any) -> Any:
    """A config without its seeds: what makes trainings one row."""
    if isinstance(config, dict):
        return {key: seedless(value) for key, value in config.items() if key != "seed"}
    return [seedless(value) for value in config] if isinstance(config, list) else config


def instances_of(
    groups: Mapping[str, Sequence[tuple[Record, Rows]]], metrics: Sequence[str]
) -> tuple[Instance, ...]:
    """(id, view, category) of every instance, sorted by category, id and view."""
    category: dict[tuple[str, int | None], str] = {}
    for members in groups.values():
        for record, rows in members:
            absent = [m for m in metrics if m not in rows[0]]
            if absent:
                raise ResultError(f"the rows of {_who(record)} lack {', '.join(absent)}; run it with --force")
            for row in rows:
                key = (row["id"], row["view"])
                if category.setdefault(key, row["category"]) != row["category"]:
                    raise ResultError(
                        f"instance {key} is in category '{category[key]}' in one row and in "
                        f"'{row['category']}' in {_who(record)}"
                    )
    found = ((i, v, c) for (i, v), c in category.items())
    return tuple(sorted(found, key=lambda x: (x[2], x[0], -1 if x[1] is None else x[1])))
