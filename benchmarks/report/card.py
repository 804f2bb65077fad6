"""The metrics card: everything that the numbers hang on, as lists of facts and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.records.identity import canonical_json
from benchmarks.records.schema import Record
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import MIN_CLUSTERS, ComparedRow
from benchmarks.tables.block import NAMES, NOTHING, Block, Cell, Heading, Section
from benchmarks.tables.captions import counted

LISTED = 20
"""Failed instances of a row and a reason that are named; the others are counted."""


@dataclass(frozen=True)
class Facts:
    """Terms and what is to be said of each, under a heading."""

    heading: str
    lines: tuple[tuple[str, str], ...]


def facts(comparison: Comparison) -> list[Facts]:
    """Data, protocol, statistics and origin of a comparison."""
    records = [record for row in comparison.rows for record in row.records]
    return [_data(comparison), _protocol(comparison), _statistics(comparison), _origin(records)]


def runs_block(comparison: Comparison) -> Block:
    """What was run, one line for each model and seed: threshold, cost, code and date."""
    models = [_run(row, record) for row in comparison.models for record in row.records]
    controls = [_run(row, record) for row in comparison.controls for record in row.records]
    words = ("chosen by", "commit", "date")
    names = ("seed", "threshold", "chosen by", "n", "failed", "steps", "train s", "commit", "date")
    columns = (NAMES, *(Heading(name, numeric=name not in words) for name in names))
    sections = (Section("models", tuple(models)), Section("controls", tuple(controls)))
    return Block("Runs", columns, tuple(section for section in sections if section.rows), label="runs")


def failures_block(comparison: Comparison) -> Block | None:
    """Failed instances by row and reason; None where nothing failed."""
    lines = []
    for row in comparison.rows:
        reasons = Counter(reason or "no reason given" for *_, reason in row.failures)
        for reason, count in reasons.items():
            where = [f for f in row.failures if (f[3] or "no reason given") == reason]
            named = ", ".join(_instance(*f[:3]) for f in where[:LISTED])
            more = f" and {count - LISTED:,} more" if count > LISTED else ""
            lines.append((Cell(row.name), Cell(f"{count:,}"), Cell(reason), Cell(named + more)))
    if not lines:
        return None
    texts = (Heading(name, numeric=False) for name in ("reason", "instances"))
    notes = ("Each counts with the worst value.",)
    sections = (Section("", tuple(lines)),)
    return Block("Failures", (NAMES, Heading("failed"), *texts), sections, notes, label="failures")


def _data(comparison: Comparison) -> Facts:
    info, categories = comparison.dataset, comparison.categories
    found = [
        ("data set", f"{info.name} {info.version}"),
        ("fingerprint", info.fingerprint),
        ("split", info.split),
        ("instances", f"{info.n:,}" if info.whole is None else comparison.extent),
        ("categories", ", ".join(f"{name} {n:,}" for name, n in categories.items())),
        ("views", info.views),
        ("could not be read", _counted(info.skipped)),
        ("left out on purpose", _counted(info.left_out)),
        ("also in an earlier split", f"{info.leaks:,}"),
        ("preset", comparison.preset),
    ]
    return Facts("Data", tuple(found))


def _protocol(comparison: Comparison) -> Facts:
    info = comparison.record.protocol
    settings = [(key, canonical_json(value)) for key, value in info.settings.items()]
    return Facts("Protocol", (("name", f"{info.id}, version {info.version}"), *settings))


def _statistics(comparison: Comparison) -> Facts:
    seeds = sorted({seed for row in comparison.models for seed in row.seeds})
    found = [
        ("interval", "95 %, percentile bootstrap over shapes within categories, and over training seeds"),
        ("resamples", f"{comparison.resamples:,}, seed 0"),
        ("test", "paired, two-sided, signs of whole shapes flipped; Holm's correction over all lines"),
        ("categories with an interval", f"those of at least {MIN_CLUSTERS} shapes"),
        ("training seeds", ", ".join(map(str, seeds)) or "none"),
        ("primary metrics", ", ".join(comparison.primary)),
        ("ranked by", f"the {comparison.average} mean"),
        ("compared with", ", ".join(dict.fromkeys(pair.against for pair in comparison.paired)) or "nothing"),
    ]
    return Facts("Statistics", tuple(found))


def _origin(records: Iterable[Record]) -> Facts:
    records = list(records)
    names = dict.fromkeys(name for record in records for name in record.versions)
    versions = [
        f"{name} {_distinct(r.versions[name] for r in records if name in r.versions)}" for name in names
    ]
    found = [
        ("device", _distinct(r.device for r in records)),
        ("nearest neighbours", _distinct(r.neighbours for r in records)),
        ("git commit", _distinct(_commit(r) for r in records)),
        ("versions", ", ".join(versions)),
        *(("command", text) for text in dict.fromkeys(r.command for r in records)),
    ]
    return Facts("Origin", tuple(found))


def _run(row: ComparedRow, record: Record) -> tuple[Cell, ...]:
    threshold, train = record.threshold, record.train
    return (
        Cell(row.name),
        NOTHING if record.seed is None else Cell(str(record.seed)),
        NOTHING if threshold is None else Cell(f"{threshold.value:g}"),
        NOTHING if threshold is None else Cell(threshold.chosen),
        Cell(f"{record.n:,}"),
        Cell(f"{record.n_failed:,}", "warn" if record.n_failed else ""),
        NOTHING if train is None else Cell(f"{train.steps:,}"),
        NOTHING if train is None else Cell(f"{train.seconds:,.0f}"),
        Cell(_commit(record, 10)),
        Cell(f"{record.date:%Y-%m-%d %H:%M} UTC"),
    )


def _commit(record: Record, digits: int | None = None) -> str:
    if record.git.commit is None:
        return "no git checkout"
    return record.git.commit[:digits] + (" with changes" if record.git.dirty else "")


def _instance(seed: int | None, shape_id: str, view: int | None) -> str:
    parts = [shape_id, *([f"view {view}"] if view else []), *([f"seed {seed}"] if seed else [])]
    return " ".join(parts)


def _counted(reasons: Mapping[str, int]) -> str:
    total = sum(reasons.values())
    return f"{total:,} ({counted(reasons)})" if reasons else "0"


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
