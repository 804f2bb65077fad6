"""Stored results in a terminal: a line for each, or everything that is known of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.protocols import Protocol
from benchmarks.records.schema import metric_names
from benchmarks.results.find import Stored, short_names
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.tables.block import NA, NAMES, NOTHING, Block, Cell, Heading, Section
from benchmarks.tables.columns import metric_heading, print_value

PLACES = 4
"""Decimals of a metric whose protocol is not known here."""


def list_block(results: Sequence[Stored], every: Sequence[Stored], title: str) -> Block:
    """A line for each result: its shortest name, its hash, when it was made, its first metric.

    Args:
        every: all that a name must tell a result from.
    """
    names, groups = short_names(every), dict[str, list[Stored]]()
    for one in results:
        record = one.record
        heading = f"{record.dataset.name}, {record.protocol.id}, preset {record.preset}"
        groups.setdefault(heading, []).append(one)
    columns = (
        NAMES,
        Heading("hash", numeric=False),
        Heading("date", numeric=False),
        Heading("n"),
        Heading("failed"),
        Heading("metric", numeric=False),
        Heading("mean"),
    )
    sections = tuple(
        Section(heading, tuple(_line(one, names[one.record.cell]) for one in own))
        for heading, own in sorted(groups.items())
    )
    return Block(title, columns, sections, label="results")


def _line(one: Stored, name: str) -> tuple[Cell, ...]:
    record = one.record
    known = [metric for metric in metric_names(one.rows) if _mean(one, metric) is not None]
    mean = _mean(one, known[0]) if known else None
    return (
        Cell(name),
        Cell(record.cell[:8], "faint"),
        Cell(f"{record.date:%Y-%m-%d}"),
        Cell(f"{record.n:,}"),
        Cell(f"{record.n_failed:,}", "warn" if record.n_failed else ""),
        Cell(known[0]) if known else NOTHING,
        NA if mean is None else Cell(f"{mean:.{PLACES}f}"),
    )


def _mean(one: Stored, metric: str) -> float | None:
    values = [row[metric] for row in one.rows if row[metric] is not None]
    return math.fsum(values) / len(values) if values else None


def result_block(one: Stored, protocol: Protocol | None) -> Block:
    """Every metric of one result with its interval, and the record in words below.

    Args:
        protocol: that it was measured by, for labels and digits; None where it is not known here.
    """
    columns = {} if protocol is None else {column.name: column for column in protocol.columns}
    lines = []
    for name in metric_names(one.rows):
        own = [row for row in one.rows if row[name] is not None]
        label = metric_heading(columns[name]).text if name in columns else ""
        if not own:
            lines.append((Cell(name), Cell(label), NA, NOTHING))
            continue
        values = np.array([row[name] for row in own], float)
        found = cluster_bootstrap(values, [r["id"] for r in own], [r["category"] for r in own])
        texts = [
            print_value(v, columns[name]) if name in columns else f"{v:.{PLACES}f}"
            for v in (found.mean, found.low, found.high)
        ]
        interval = f"{texts[1]} to {texts[2]}" if found.clusters > 1 else "one shape"
        lines.append((Cell(name), Cell(label), Cell(texts[0]), Cell(interval)))
    return Block(
        f"{one.record.title} ({one.name})",
        (
            Heading("metric", numeric=False),
            Heading("label", numeric=False),
            Heading("mean"),
            Heading("95 % interval"),
        ),
        (Section("", tuple(lines)),),
        tuple(f"{term}: {text}" for term, text in _facts(one)),
        label="result",
    )


def _facts(one: Stored) -> list[tuple[str, str]]:
    record, data = one.record, one.record.dataset
    whole = f"{record.n:,}" if data.whole is None else f"{record.n:,} of {data.whole:,} (not for publication)"
    found = [
        ("folder", str(one.folder)),
        ("protocol", f"{record.protocol.id}, version {record.protocol.version}"),
        ("data", f"{data.name} {data.version}, {data.split} split, {data.views}, {data.fingerprint[:16]}"),
        ("instances", f"{whole}, {record.n_failed:,} failed"),
        ("preset", record.preset),
    ]
    if record.threshold is not None:
        found.append(("threshold", f"{record.threshold.value:g}, {record.threshold.chosen}"))
    if record.train is not None:
        found.append(("training", f"{record.train.steps:,} steps, {record.train.seconds:,.0f} s"))
    commit = record.git.commit or "no git checkout"
    found += [
        ("device", record.device),
        ("commit", commit + " with changes" * record.git.dirty),
        ("date", f"{record.date:%Y-%m-%d %H:%M} UTC"),
        ("command", record.command),
    ]
    if record.kind == "model":
        found.append(("again", f"python -m benchmarks.repro {one.folder}"))
    return found
