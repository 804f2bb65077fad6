"""The comparison as JSON: what was run, every estimate, every per-instance value, the quoted rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.cost import cost
from benchmarks.statistics.pairs import PairedRow, judge
from benchmarks.statistics.rows import ComparedRow, Estimate
from benchmarks.statistics.standing import Standing
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.verdict import verdict

OUTPUT_SCHEMA_VERSION = 2
"""Version of `results.json`; what is added does not raise it."""


def to_json(comparison: Comparison, published: Published | None = None) -> dict[str, Any]:
    """Everything that a comparison knows, as plain data."""
    published = load_published() if published is None else published
    protocol = comparison.protocol
    return {
        "schema_version": OUTPUT_SCHEMA_VERSION,
        "verdict": verdict(comparison),
        "protocol": comparison.record.protocol.model_dump(mode="json"),
        "description": protocol.describe(),
        "dataset": comparison.dataset.model_dump(mode="json"),
        "preset": comparison.preset,
        "columns": [
            {"name": c.name, "label": c.label, "better": c.better, "worst": c.worst, "unit": c.unit}
            for c in protocol.columns
        ],
        "statistics": {"interval": "95 % percentile", "resamples": comparison.resamples, "seed": 0},
        "rows": [_row(comparison, row) for row in comparison.rows],
        "absent": list(comparison.absent),
        "reference": comparison.reference,
        "baseline": comparison.baseline,
        "paired": [_pair(comparison, pair) for pair in comparison.paired],
        "standings": [_standing(comparison, standing) for standing in comparison.standings],
        "leaders": [
            {"average": average, "category": category, "metric": metric, "rows": sorted(names)}
            for (average, category, metric), names in comparison.leaders.items()
        ],
        "published": {
            "comparable": False,
            "protocols": {k: p.model_dump(mode="json") for k, p in published.protocols.items()},
            "tables": [published.table(name).model_dump(mode="json") for name in protocol.published],
        },
        "instances": [{"id": i, "view": v, "category": c} for i, v, c in comparison.instances],
        "values": {row.name: _values(row) for row in comparison.rows},
    }


def _standing(comparison: Comparison, standing: Standing) -> dict[str, Any]:
    return {
        "metric": standing.metric,
        "best": standing.best,
        "to_best": [_pair(comparison, pair) for pair in standing.to_best],
        "control": standing.control,
        "to_control": [_pair(comparison, pair) for pair in standing.to_control],
    }


def _values(row: ComparedRow) -> dict[str, list[list[float | None]]]:
    """Metric to the value of each seed and instance; None where it is not defined."""
    return {
        metric: [[None if math.isnan(x) else float(x) for x in seed] for seed in values]
        for metric, values in row.values.items()
    }


def estimates_json(found: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Metric to mean, interval and number of instances; None where it is not defined."""
    return {
        m: None if e is None else {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n}
        for m, e in found.items()
    }


def _row(comparison: Comparison, row: ComparedRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "complete": row.complete,
        "n": row.n,
        "missing": row.missing,
        "seeds": list(row.seeds),
        "absent_seeds": list(row.absent),
        "n_failed": row.n_failed,
        "cost": cost(row),
        "instance_mean": estimates_json(row.instance_mean),
        "category_mean": estimates_json(row.category_mean),
        "categories": {c: estimates_json(found) for c, found in row.categories.items()},
        "share_of_the_way": {m: comparison.share_of_the_way(row, m) for m in comparison.primary},
        "failures": [dict(zip(("seed", "id", "view", "reason"), f, strict=True)) for f in row.failures],
        "records": [record.model_dump(mode="json") for record in row.records],
    }


def _pair(comparison: Comparison, pair: PairedRow) -> dict[str, Any]:
    return {
        "row": pair.row,
        "against": pair.against,
        "metric": pair.metric,
        "difference": pair.paired.difference,
        "low": pair.paired.low,
        "high": pair.paired.high,
        "p": pair.paired.p,
        "p_holm": pair.p_holm,
        "n": pair.paired.n,
        "improves": {k: getattr(pair.improves, k) for k in ("mean", "low", "high")},
        "verdict": judge(pair, comparison.column(pair.metric)),
    }
